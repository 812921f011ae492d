import type { Configured } from '#mesh/config-object.ts'
import type { VirtualServiceSpec } from '#mesh/config/virtual-service.ts'
import { resolveHost } from '#mesh/merge/resolve-host.ts'
import type { Service } from '#mesh/service.ts'
import type { MeshView } from '#mesh/view.ts'
import { matchesHost, toSpecificity } from '#mesh/merge/host-specificity.ts'
import { isExportedTo } from '#mesh/merge/is-exported-to.ts'

export type VirtualService = Configured<VirtualServiceSpec>

/** The VirtualService that holds for what clients call a service: that of the name, else that of the service which the name is an alias of. */
export const selectVirtualServiceOf = (
  view: MeshView,
  named: Pick<Service, 'hostname'>,
  service: Pick<Service, 'hostname'>,
  clientNamespace: string,
): VirtualService | undefined =>
  selectVirtualService(view, named.hostname, clientNamespace) ??
  (named === service ? undefined : selectVirtualService(view, service.hostname, clientNamespace))

/**
 * The VirtualService that holds for a host in the sidecars of a namespace: the one with the closest host, the oldest of several
 * (Istio reference: VirtualService.hosts; sidecars don't merge).
 */
export const selectVirtualService = (
  view: MeshView,
  hostname: string,
  clientNamespace: string,
  /** Which of them count. */
  counts: (virtualService: VirtualService) => boolean = () => true,
): VirtualService | undefined => {
  const candidates = view.virtualServicesFor(hostname)
  if (candidates.length === 0) return undefined
  const { domainSuffix } = view.settings()
  const { defaultVirtualServiceExportTo: byDefault } = view.meshConfig()
  let closest: VirtualService | undefined
  let specificity = 0
  for (const candidate of candidates) {
    const { metadata, spec } = candidate
    if (!isExportedTo(spec.exportTo, metadata.namespace, clientNamespace, byDefault) || !counts(candidate)) continue
    for (const host of spec.hosts) {
      const ruleHost = resolveHost(host, metadata.namespace, domainSuffix)
      if (!matchesHost(ruleHost, hostname) || toSpecificity(ruleHost) <= specificity) continue
      closest = candidate
      specificity = toSpecificity(ruleHost)
    }
  }
  return closest
}
