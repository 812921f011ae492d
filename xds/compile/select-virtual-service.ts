import { toObjectKey, type Configured } from '#mesh/config-object.ts'
import type { VirtualServiceSpec } from '#mesh/config/virtual-service.ts'
import { resolveHost } from '#mesh/merge/resolve-host.ts'
import type { MeshView } from '#mesh/view.ts'
import { matchesHost, toSpecificity } from '#mesh/merge/host-specificity.ts'
import { isExportedTo } from '#mesh/merge/is-exported-to.ts'
import { isRoutingTakenBy, type HostFilter } from './host-filter.ts'
import type { NamedService } from './select-service.ts'

export type VirtualService = Configured<VirtualServiceSpec>

/** Whose routing it is. */
interface RoutingClient {
  readonly namespace: string
  /** What the part of its egress is for that routes. */
  readonly hosts: readonly HostFilter[]
}

/** The VirtualService that holds for what clients call a service: that of the name, else that of the service which the name is an alias of. */
export const selectVirtualServiceOf = (
  view: MeshView,
  { named, service }: NamedService,
  client: RoutingClient,
): VirtualService | undefined =>
  selectVirtualService(view, named.hostname, client) ??
  (named.hostname === service.hostname ? undefined : selectVirtualService(view, service.hostname, client))

/**
 * The VirtualService that holds for a host in the sidecars of a namespace: of those that their egress takes the one with the closest host,
 * the oldest of several (Istio reference: VirtualService.hosts; sidecars don't merge).
 */
export const selectVirtualService = (
  view: MeshView,
  hostname: string,
  client: RoutingClient,
): VirtualService | undefined => {
  const candidates = view.virtualServicesFor(hostname)
  if (candidates.length === 0) return undefined
  const { domainSuffix } = view.settings()
  const { defaultVirtualServiceExportTo: byDefault } = view.meshConfig()
  let closest: VirtualService | undefined
  let specificity = 0
  for (const candidate of candidates) {
    const { namespace } = candidate.metadata
    const { exportTo } = candidate.spec
    const hosts = candidate.spec.hosts.map((host) => resolveHost(host, namespace, domainSuffix))
    if (
      !isExportedTo(exportTo, namespace, client.namespace, byDefault) ||
      !isRoutingTakenBy(client.hosts, namespace, hosts)
    )
      continue
    for (const host of hosts) {
      if (!matchesHost(host, hostname) || toSpecificity(host) <= specificity) continue
      closest = candidate
      specificity = toSpecificity(host)
    }
  }
  return closest
}

/** The VirtualService of this key again, if it still is one for a service of this name. */
export const findVirtualService = (
  view: MeshView,
  { named, service }: NamedService,
  key: string,
): VirtualService | undefined =>
  [named, service]
    .flatMap(({ hostname }) => view.virtualServicesFor(hostname))
    .find((virtualService) => toVirtualServiceKey(virtualService) === key)

export const toVirtualServiceKey = ({ kind, metadata }: VirtualService): string =>
  toObjectKey(kind, metadata.namespace, metadata.name)
