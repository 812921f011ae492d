import { objectKeyOf, toObjectKey, type ConfigObject } from '#mesh/config-object.ts'
import { service } from '#mesh/config/service.ts'
import { workloadEntry } from '#mesh/config/workload-entry.ts'
import { isFields } from '#mesh/is-fields.ts'
import { MeshViewStore } from '#mesh/mesh-view-store.ts'
import { clusterName, networkName, type NetworkName } from '#mesh/names.ts'
import type { Problem } from '#mesh/problem.ts'
import { emptyReading, RegistryIndex } from '#mesh/registry-records/registry-index.ts'
import type { MeshSettings } from '#mesh/settings.ts'
import type { ViewChange } from '#mesh/view.ts'
import { toWorkloadKey, type Workload } from '#mesh/workload.ts'
import type { Proxy } from '#xds/proxy.ts'
import { offlineNetwork } from './offline-network.ts'
import { toManifestWorkloads, toPodAddress, toServiceAddress } from './manifest-workloads.ts'
import type { ProxySpec } from './proxy-spec.ts'

const cluster = clusterName.parse('offline')

/** What files hold. */
export interface OfflineFiles {
  readonly objects: readonly ConfigObject[]
  /** Kubernetes manifests that are no configuration: their pods count. */
  readonly manifests: readonly unknown[]
  /** Of manifests that name none. */
  readonly namespace: string
}

export interface OfflineView {
  readonly view: MeshViewStore
  /** Those of the files, and the proxy's. */
  readonly workloads: ReadonlyMap<string, Workload>
  /** With the account of its workload. */
  readonly proxy: Proxy
  readonly problems: readonly Problem[]
  /** Whether labels count in the files, and neither they nor the description say which ones the workload has. */
  readonly isGuessed: boolean
}

/**
 * A cluster that holds all that files say: Services, ServiceEntries, WorkloadEntries and the pods of manifests are what runs there, the
 * rest is configuration; and the described proxy's workload, where no file has it. Addresses that only a cluster could give are made up.
 */
export const createOfflineView = (
  { objects, manifests, namespace }: OfflineFiles,
  spec: ProxySpec,
  settings: MeshSettings,
): OfflineView => {
  const network = findNetwork(objects, spec)
  const keyed = withServiceAddresses(objects).map((value) => ({ key: objectKeyOf(value), value }))
  const registry = new RegistryIndex({ cluster, network, domainSuffix: settings.domainSuffix })
  const pods = toManifestWorkloads(manifests, { namespace, network })
  registry.apply(keyed)
  registry.apply(pods.map(toReadingChange))
  const known = registry.workloads().get(toWorkloadKey(spec.proxy.namespace, spec.proxy.workload))
  const workload = describe(spec, known ?? toPod(spec, network, pods.length))
  registry.apply([toReadingChange(workload)])
  const changes: ViewChange[] = [
    ...[...registry.catalog()].map(([key, value]): ViewChange => ({ kind: 'catalog', cluster, service: key, value })),
    ...[...registry.workloads()].map(([key, value]): ViewChange => ({ kind: 'workload', key, value })),
    ...keyed.map(({ key, value }): ViewChange => ({ kind: 'config', origin: 'cluster', key, value })),
  ]
  const view = new MeshViewStore({
    localCluster: cluster,
    localNetwork: network,
    settings,
    trust: { roots: [], intermediates: [], epoch: 0 },
  })
  view.apply(changes)
  const proxy = { ...spec.proxy, serviceAccount: workload.serviceAccount }
  const isGuessed =
    known === undefined && spec.labels === undefined && (registry.workloads().size > 1 || objects.some(isSelecting))
  return {
    view,
    workloads: registry.workloads(),
    proxy,
    isGuessed,
    problems: [...registry.problems(), ...view.problems()],
  }
}

const isSelecting = ({ spec }: ConfigObject): boolean => isFields(spec['selector'] ?? spec['workloadSelector'])

/** The cluster is where its proxy is. */
const findNetwork = (objects: readonly ConfigObject[], { proxy, network }: ProxySpec): NetworkName => {
  const key = toObjectKey(workloadEntry.kind, proxy.namespace, proxy.workload)
  const written = objects.find((object) => objectKeyOf(object) === key)?.spec['network']
  return networkName.safeParse(network ?? written).data ?? offlineNetwork
}

/** As an API server gives them to Services that ask for none. */
const withServiceAddresses = (objects: readonly ConfigObject[]): readonly ConfigObject[] => {
  let count = 0
  return objects.map((object) => {
    const { clusterIP, type } = object.spec
    if (object.kind !== service.kind || clusterIP !== undefined || type === 'ExternalName') return object
    return { ...object, spec: { ...object.spec, clusterIP: toServiceAddress(count++) } }
  })
}

const toReadingChange = (workload: Workload) => ({
  key: `workload ${toWorkloadKey(workload.namespace, workload.name)}`,
  reading: { ...emptyReading, workload },
})

/** The workload of a proxy of which no file says anything. */
const toPod = ({ proxy }: ProxySpec, network: NetworkName, index: number): Workload => ({
  namespace: proxy.namespace,
  name: proxy.workload,
  address: toPodAddress(index),
  labels: {},
  serviceAccount: 'default',
  network,
  locality: '',
  origin: 'pod',
  capture: 'transparent',
})

/** The workload of the proxy: what the description says counts before what is known of it. */
const describe = (
  { proxy, serviceAccount, labels, address, locality, network: givenNetwork, capture }: ProxySpec,
  { capture: knownCapture, ...base }: Workload,
): Workload => {
  const wanted = proxy.role === 'sidecar' ? (capture ?? knownCapture) : undefined
  return {
    ...base,
    ...(wanted === 'transparent' && { capture: wanted }),
    ...(labels && { labels }),
    ...(serviceAccount !== undefined && { serviceAccount }),
    ...(address !== undefined && { address }),
    ...(locality !== undefined && { locality }),
    ...(givenNetwork !== undefined && { network: networkName.parse(givenNetwork) }),
  }
}
