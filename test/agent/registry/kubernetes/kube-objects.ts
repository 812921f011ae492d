import { FakeApiServer, type FakeObject } from './fake-api-server.ts'

/** Objects as an API server has them, varied by what a test is about. */

export const paths = {
  services: '/api/v1/services',
  slices: '/apis/discovery.k8s.io/v1/endpointslices',
  pods: '/api/v1/pods',
  nodes: '/api/v1/nodes',
  namespaces: '/api/v1/namespaces',
  config: (plural: string, version = 'v1') => `/apis/networking.istio.io/${version}/${plural}`,
} as const

interface Varied {
  readonly metadata?: Readonly<Record<string, unknown>>
  readonly spec?: Readonly<Record<string, unknown>>
  readonly status?: Readonly<Record<string, unknown>>
}

/** In namespace shop; `http` 80, on 8080 of what `app=<name>` selects. */
export const kubeService = (name: string, { metadata, spec, status = {} }: Varied = {}): FakeObject => ({
  metadata: { name, namespace: 'shop', ...metadata },
  spec: {
    type: 'ClusterIP',
    clusterIP: '10.96.0.10',
    clusterIPs: ['10.96.0.10'],
    ipFamilies: ['IPv4'],
    selector: { app: name },
    ports: [{ name: 'http', port: 80, targetPort: 8080, protocol: 'TCP' }],
    ...spec,
  },
  status,
})

export const injectedAnnotations = { 'sidecar.istio.io/status': '{"volumes":["atoll-proxy"]}' }
/** The spec of a pod with a proxy of Atoll's. */
export const proxied = { volumes: [{ name: 'atoll-proxy', configMap: { name: 'atoll-proxy' } }] }
/** What the injector does to a pod. */
export const injected = { metadata: { annotations: injectedAnnotations }, spec: proxied }
/** A pod that is a gateway. */
export const gateway = { metadata: { annotations: { 'inject.istio.io/templates': 'gateway' } }, spec: proxied }

/** A ready pod of `app`, named so with a number, on node-1. */
export const kubePod = (app: string, number: number, { metadata, spec, status }: Varied = {}): FakeObject => ({
  metadata: {
    name: `${app}-${number}`,
    namespace: 'shop',
    uid: `uid-${app}-${number}`,
    labels: { app },
    managedFields: [{ manager: 'kubelet' }],
    ...metadata,
  },
  spec: {
    serviceAccountName: app,
    nodeName: 'node-1',
    containers: [{ name: app, ports: [{ name: 'web', containerPort: 8080 }] }],
    ...spec,
  },
  status: {
    phase: 'Running',
    podIP: `10.1.0.${number}`,
    conditions: [{ type: 'Ready', status: 'True' }],
    ...status,
  },
})

/** An endpoint for each of these pods of a service; ready, unless `conditions` say otherwise. */
export const kubeSlice = (
  service: string,
  numbers: readonly number[],
  conditions: Readonly<Record<string, boolean>> = { ready: true },
): FakeObject => ({
  metadata: { name: `${service}-1`, namespace: 'shop', labels: { 'kubernetes.io/service-name': service } },
  addressType: 'IPv4',
  ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
  endpoints: numbers.map((number) => ({
    addresses: [`10.1.0.${number}`],
    conditions,
    nodeName: 'node-1',
    targetRef: { kind: 'Pod', name: `${service}-${number}`, namespace: 'shop', uid: `uid-${service}-${number}` },
  })),
})

export const kubeNode = (name: string, zone: string, addresses: readonly object[] = []): FakeObject => ({
  metadata: {
    name,
    labels: { 'topology.kubernetes.io/region': 'eu', 'topology.kubernetes.io/zone': zone, 'kubernetes.io/os': 'linux' },
  },
  status: { addresses },
})

export const kubeNamespace = (name: string, labels: Readonly<Record<string, string>> = {}): FakeObject => ({
  metadata: { name, labels },
})

export const virtualService = (name: string, prefix: string): FakeObject => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'VirtualService',
  metadata: { name, namespace: 'shop', creationTimestamp: '2026-01-01T00:00:00Z' },
  spec: {
    hosts: ['reviews'],
    http: [{ match: [{ uri: { prefix } }], route: [{ destination: { host: 'reviews' } }] }],
  },
  status: {},
})

/** Two services, the first with two pods. */
export const shop = (): FakeApiServer => {
  const server = new FakeApiServer()
  server.put(paths.namespaces, kubeNamespace('shop'), kubeNamespace('atoll-system'))
  server.put(paths.nodes, kubeNode('node-1', 'a'))
  server.put(paths.services, kubeService('reviews'), kubeService('ratings'))
  server.put(paths.pods, kubePod('reviews', 1, injected), kubePod('reviews', 2), kubePod('ratings', 9))
  server.put(paths.slices, kubeSlice('reviews', [1, 2]), kubeSlice('ratings', [9]))
  return server
}
