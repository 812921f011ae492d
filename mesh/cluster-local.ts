import type { MeshConfig } from './config/mesh-config.ts'
import { matchesHost, toSpecificity } from './merge/host-specificity.ts'

type ServiceSettings = MeshConfig['serviceSettings']

/** Each cluster has its own API server, and its own parts of Kubernetes. */
const toDefaults = (domainSuffix: string): ServiceSettings => [
  {
    settings: { clusterLocal: true },
    hosts: [`kubernetes.default.svc.${domainSuffix}`, `*.kube-system.svc.${domainSuffix}`],
  },
]

/**
 * Whether each cluster has this service for itself. Istio reference: MeshConfig.serviceSettings: the closest host counts, the first of several
 * settings for it; kube-system is local by default.
 */
export const isClusterLocal = (
  hostname: string,
  { domainSuffix, serviceSettings }: { readonly domainSuffix: string; readonly serviceSettings: ServiceSettings },
): boolean => {
  let isLocal = false
  let closest = 0
  for (const { settings, hosts } of [...serviceSettings, ...toDefaults(domainSuffix)]) {
    for (const host of hosts) {
      if (!matchesHost(host, hostname) || toSpecificity(host) <= closest) continue
      closest = toSpecificity(host)
      isLocal = settings?.clusterLocal === true
    }
  }
  return isLocal
}
