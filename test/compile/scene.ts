import { parse } from 'yaml'
import { z } from 'zod'
import { configObject, toObjectKey } from '#mesh/config-object.ts'
import { MeshViewStore } from '#mesh/mesh-view-store.ts'
import { clusterName, networkName, type ClusterName, type NetworkName } from '#mesh/names.ts'
import { endpoint, endpointGroup, gatewayAddress, protocol, type ServicePort } from '#mesh/service.ts'
import type { MeshSettings } from '#mesh/settings.ts'
import type { ViewChange } from '#mesh/view.ts'
import { proxyRoles, type Proxy } from '#xds/proxy.ts'
import {
  east,
  makeClusterState,
  makeEndpoint,
  makeService,
  makeWorkload,
  network1,
  settings,
  trust,
} from '#test/mesh/records.ts'

/** What a test of the compiler starts from, as a person writes it: see xds/testdata/in. */
export interface Scene {
  readonly store: MeshViewStore
  readonly changes: readonly ViewChange[]
  readonly proxies: readonly Proxy[]
  /** The sections of its golden; absent = all. */
  readonly show: readonly string[] | undefined
}

/** "http:80", or "http:80:auto" where the protocol is not the name. */
const port = z.string().transform((text): ServicePort => {
  const [name = '', number, named] = text.split(':')
  return { name, number: Number(number), protocol: protocol.parse(named ?? name) }
})

const partial = z.record(z.string(), z.unknown())

const sceneSchema = z.strictObject({
  about: z.string(),
  /** Whether the view finds fault with it. */
  faulty: z.boolean().default(false),
  /** The sections of the golden: what the scene is about. */
  show: z
    .array(z.enum(['listeners', 'routes', 'virtualHosts', 'clusters', 'endpoints', 'filters', 'telemetry']))
    .optional(),
  settings: partial.default({}),
  trustEpoch: z.int().default(0),
  /** The clusters in which an external issuer is trusted. */
  externalIn: z.array(clusterName).default([]),
  /** The other clusters. */
  clusters: z
    .record(clusterName, z.object({ network: networkName, gateways: z.array(gatewayAddress).default([]) }))
    .default({}),
  /** A host without dots is a Service of that name; any other a ServiceEntry. */
  services: z.array(
    z.strictObject({
      host: z.string(),
      namespace: z.string().default('default'),
      ports: z.array(port),
      fields: partial.default({}),
      /** By their ids. */
      endpoints: z.record(z.string(), partial).default({}),
      /** By the names of clusters on other networks. */
      remote: z.record(clusterName, z.array(partial)).default({}),
    }),
  ),
  /** By their names, in namespace default. Each is an endpoint of the services that have an endpoint of its name. */
  workloads: z.record(z.string(), partial).default({}),
  config: z.array(configObject).default([]),
  /** "<role>/<namespace>/<workload>", and "/<service account>" where it is not default. */
  proxies: z.array(z.string()).default([]),
})

export interface SceneOptions {
  /** What `$certificates` stands for in the text: where cert.pem, key.pem and ca.pem are. */
  readonly certificates?: string
  /** From where the mesh is looked at; absent = cluster east on network-1. */
  readonly standpoint?: { readonly cluster: ClusterName; readonly network: NetworkName }
  readonly settings?: Partial<MeshSettings>
}

export const readScene = (yaml: string, options: SceneOptions = {}): Scene => {
  const scene = sceneSchema.parse(parse(yaml.replaceAll('$certificates', options.certificates ?? '')))
  const { cluster, network } = options.standpoint ?? { cluster: east, network: network1 }
  const changes = [...toChanges(scene, cluster)]
  const store = new MeshViewStore({
    localCluster: cluster,
    localNetwork: network,
    settings: { ...settings, ...scene.settings, ...options.settings },
    trust: {
      ...trust,
      epoch: scene.trustEpoch,
      ...(scene.externalIn.length > 0 && { issuers: [{ name: 'istio', clusters: scene.externalIn, pem: '' }] }),
    },
  })
  store.apply(changes)
  const [problem] = store.problems()
  if (problem && !scene.faulty)
    throw new Error(`${problem.object?.kind} ${problem.object?.name}: ${problem.path} ${problem.message}`)
  if (!problem && scene.faulty) throw new Error('the view finds no fault with the scene')
  return { store, changes, proxies: scene.proxies.map(parseProxy), show: scene.show }
}

const parseProxy = (text: string): Proxy => {
  const [role, namespace = '', workload = '', serviceAccount = 'default'] = text.split('/')
  return { role: z.enum(proxyRoles).parse(role), namespace, workload, serviceAccount }
}

function* toChanges(scene: z.output<typeof sceneSchema>, local: ClusterName): Iterable<ViewChange> {
  for (const [name, { network, gateways }] of Object.entries(scene.clusters)) {
    const cluster = clusterName.parse(name)
    yield { kind: 'cluster', cluster, value: makeClusterState(cluster, network, { gateways }) }
  }
  for (const { host, namespace, ports, fields, endpoints, remote } of scene.services) {
    const isService = !host.includes('.')
    const service = makeService({
      namespace,
      hostname: isService ? `${host}.${namespace}.svc.cluster.local` : host,
      source: isService ? 'service' : 'service-entry',
      ports,
      ...fields,
    })
    const records = Object.entries(endpoints).map(([id, given]) => endpoint.parse({ ...makeEndpoint(id), ...given }))
    for (const cluster of new Set([local, ...records.map((record) => record.cluster)])) {
      const value = { service, endpoints: records.filter((record) => record.cluster === cluster) }
      yield { kind: 'catalog', cluster, service: service.key, value }
    }
    for (const [name, groups] of Object.entries(remote)) {
      const cluster = clusterName.parse(name)
      const value = { service, groups: groups.map((group) => endpointGroup.parse({ ...defaultGroup, ...group })) }
      yield { kind: 'summary', cluster, service: service.key, value }
    }
  }
  for (const [name, given] of Object.entries(scene.workloads)) {
    const value = makeWorkload(name, given)
    yield { kind: 'workload', key: `${value.namespace}/${name}`, value }
  }
  for (const value of scene.config) {
    const key = toObjectKey(value.kind, value.metadata.namespace, value.metadata.name)
    yield { kind: 'config', origin: 'mesh', key, value }
  }
}

const defaultGroup = { locality: '', ports: ['http'], labels: {}, weight: 1, serviceAccounts: ['default'] }
