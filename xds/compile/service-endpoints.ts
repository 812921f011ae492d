import { isClusterLocal } from '#mesh/cluster-local.ts'
import type { Endpoint, Service } from '#mesh/service.ts'
import type { MeshView, RemoteGroups } from '#mesh/view.ts'

type NamedService = Pick<Service, 'key' | 'hostname' | 'isNodeLocal'>

/** What of a service clients here may be sent to: where it is cluster-local, this cluster's endpoints alone; where it is node-local, their node's. */
export interface ReachableEndpoints {
  /** Without a gateway between. */
  readonly direct: readonly Endpoint[]
  /** What other networks offer. */
  readonly remote: readonly RemoteGroups[]
}

export const findReachableEndpoints = (
  view: MeshView,
  service: NamedService,
  /** The clients'; undefined = of all nodes. */
  clientNode: string | undefined,
): ReachableEndpoints => {
  const endpoints = view.endpoints(service.key)
  if (service.isNodeLocal)
    return {
      direct: endpoints.filter(
        ({ cluster, node }) => cluster === view.localCluster && (clientNode === undefined || node === clientNode),
      ),
      remote: [],
    }
  return isClusterLocalIn(view, service)
    ? { direct: endpoints.filter(({ cluster }) => cluster === view.localCluster), remote: [] }
    : { direct: endpoints, remote: view.remoteGroups(service.key) }
}

const isClusterLocalIn = (view: MeshView, { hostname }: NamedService): boolean =>
  isClusterLocal(hostname, {
    domainSuffix: view.settings().domainSuffix,
    serviceSettings: view.meshConfig().serviceSettings,
  })
