import type { ConfigObject } from '#mesh/config-object.ts'
import {
  type ClusterName,
  clusterName,
  meshName,
  type NetworkName,
  networkName,
  toServiceKey,
  trustDomain,
} from '#mesh/names.ts'
import type { CatalogEntry, Endpoint, Service } from '#mesh/service.ts'
import type { MeshSettings } from '#mesh/settings.ts'
import type { ClusterState } from '#mesh/state.ts'
import type { TrustState } from '#mesh/trust.ts'
import type { Workload } from '#mesh/workload.ts'

/** Records for tests of the mesh's vocabulary: complete, plain, and varied by what a test is about. */

export const east = clusterName.parse('east')
export const west = clusterName.parse('west')
export const north = clusterName.parse('north')
export const network1 = networkName.parse('network-1')
export const network2 = networkName.parse('network-2')

export const settings: MeshSettings = {
  meshId: 'mesh-1',
  meshName: meshName.parse('demo'),
  trustDomain: trustDomain.parse('demo.test'),
  domainSuffix: 'cluster.local',
  inboundMtls: 'strict',
  meshConfig: {},
}

export const trust: TrustState = { roots: [], intermediates: [], epoch: 0 }

/** `reviews.default.svc.cluster.local` with the port `http` 80, unless told otherwise. */
export const makeService = (varied: Partial<Omit<Service, 'key'>> = {}): Service => {
  const namespace = varied.namespace ?? 'default'
  const hostname = varied.hostname ?? 'reviews.default.svc.cluster.local'
  return {
    addresses: [],
    ports: [{ name: 'http', number: 80, protocol: 'http' }],
    resolution: 'static',
    location: 'mesh-internal',
    exportTo: ['*'],
    source: 'service',
    labels: {},
    subjectAltNames: [],
    ...varied,
    key: toServiceKey(namespace, hostname),
    namespace,
    hostname,
  }
}

/** A healthy endpoint of cluster east on network 1 that speaks mesh mTLS and serves `http` on 8080, unless told otherwise. */
export const makeEndpoint = (id: string, varied: Partial<Endpoint> = {}): Endpoint => ({
  id,
  cluster: east,
  network: network1,
  locality: '',
  address: '10.0.0.1',
  ports: { http: 8080 },
  labels: {},
  weight: 1,
  health: 'healthy',
  serviceAccount: 'default',
  tls: 'mutual',
  ...varied,
})

export const makeEntry = (service: Service, ...endpoints: readonly Endpoint[]): CatalogEntry => ({ service, endpoints })

export const makeWorkload = (name: string, varied: Partial<Workload> = {}): Workload => ({
  namespace: 'default',
  name,
  address: '10.0.0.1',
  labels: {},
  serviceAccount: 'default',
  network: network1,
  locality: '',
  ...varied,
})

export const makeClusterState = (
  name: ClusterName,
  network: NetworkName,
  varied: Partial<ClusterState> = {},
): ClusterState => ({ name, network, gateways: [], contribution: 'live', ...varied })

const apiVersions: Readonly<Record<string, string>> = {
  Service: 'v1',
  ProxyConfig: 'networking.istio.io/v1beta1',
  Telemetry: 'telemetry.istio.io/v1',
}

/** An object in namespace `default`, unless told otherwise. */
export const makeObject = (
  kind: string,
  name: string,
  spec: ConfigObject['spec'],
  metadata: Partial<ConfigObject['metadata']> = {},
): ConfigObject => ({
  apiVersion: apiVersions[kind] ?? 'networking.istio.io/v1',
  kind,
  metadata: { name, namespace: 'default', ...metadata },
  spec,
})
