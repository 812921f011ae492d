import { isClusterLocal } from '#mesh/cluster-local.ts'
import type { Service } from '#mesh/service.ts'
import type { DirectEndpoint, MeshView, RemoteGroups } from '#mesh/view.ts'

type NamedService = Pick<Service, 'key' | 'hostname' | 'isNodeLocal'>

/** What of a service clients here may be sent to: where it is cluster-local or node-local, this cluster's endpoints alone. */
export interface ReachableEndpoints {
  /** Without a gateway between. */
  readonly direct: readonly DirectEndpoint[]
  /** What other networks offer. */
  readonly remote: readonly RemoteGroups[]
}

export const findReachableEndpoints = (view: MeshView, service: NamedService): ReachableEndpoints => {
  const endpoints = view.endpoints(service.key)
  return service.isNodeLocal || isClusterLocalIn(view, service)
    ? { direct: endpoints.filter(({ cluster }) => cluster === view.localCluster).map(toLocal), remote: [] }
    : { direct: endpoints, remote: view.remoteGroups(service.key) }
}

const toLocal = ({ clusters: _clusters, ...endpoint }: DirectEndpoint): DirectEndpoint => endpoint

const isClusterLocalIn = (view: MeshView, { hostname }: NamedService): boolean =>
  isClusterLocal(hostname, {
    domainSuffix: view.settings().domainSuffix,
    serviceSettings: view.meshConfig().serviceSettings,
  })
