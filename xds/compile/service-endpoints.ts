import type { MeshConfig } from '#mesh/config/mesh-config.ts'
import type { Endpoint, Service } from '#mesh/service.ts'
import type { MeshView, RemoteGroups } from '#mesh/view.ts'
import { matchesHost, toSpecificity } from './host-specificity.ts'

type NamedService = Pick<Service, 'key' | 'hostname'>

/** What of a service clients here may be sent to: where it is cluster-local, this cluster's endpoints alone. */
export interface ReachableEndpoints {
  /** Without a gateway between. */
  readonly direct: readonly Endpoint[]
  /** What other networks offer. */
  readonly remote: readonly RemoteGroups[]
}

export const findReachableEndpoints = (view: MeshView, service: NamedService): ReachableEndpoints => {
  const endpoints = view.endpoints(service.key)
  return isClusterLocal(view, service)
    ? { direct: endpoints.filter(({ cluster }) => cluster === view.localCluster), remote: [] }
    : { direct: endpoints, remote: view.remoteGroups(service.key) }
}

/** Each cluster has its own API server, and its own parts of Kubernetes. */
const toDefaults = (domainSuffix: string): MeshConfig['serviceSettings'] => [
  {
    settings: { clusterLocal: true },
    hosts: [`kubernetes.default.svc.${domainSuffix}`, `*.kube-system.svc.${domainSuffix}`],
  },
]

/** Istio reference: MeshConfig.serviceSettings: the closest host counts, the first of several settings for it; kube-system is local by default. */
const isClusterLocal = (view: MeshView, { hostname }: NamedService): boolean => {
  let isLocal = false
  let closest = 0
  for (const { settings, hosts } of [
    ...view.meshConfig().serviceSettings,
    ...toDefaults(view.settings().domainSuffix),
  ]) {
    for (const host of hosts) {
      if (!matchesHost(host, hostname) || toSpecificity(host) <= closest) continue
      closest = toSpecificity(host)
      isLocal = settings?.clusterLocal === true
    }
  }
  return isLocal
}
