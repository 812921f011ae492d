import { matchesHost } from '#mesh/merge/host-specificity.ts'
import { hostsOverlap, isSubsetOfHost } from '#mesh/config/schema/host-names.ts'

interface Pattern {
  /** "*" = every one. */
  readonly namespace: string
  readonly host: string
}

/** The services that an egress listener of a Sidecar object is for. */
export interface HostFilter {
  readonly included: readonly Pattern[]
  readonly excluded: readonly Pattern[]
}

export const everyHost: HostFilter = { included: [{ namespace: '*', host: '*' }], excluded: [] }

/** Reads IstioEgressListener.hosts: "<namespace>/<host>"; "." = that of the workload, "*" = all; "~<namespace>" takes out, "~" those of all. */
export const parseHostFilter = (hosts: readonly string[], ownNamespace: string): HostFilter => {
  const included: Pattern[] = []
  const excluded: Pattern[] = []
  for (const text of hosts) {
    const slash = text.indexOf('/')
    const isExcluded = text.startsWith('~')
    const namespace = text.slice(isExcluded ? 1 : 0, slash) || '*'
    const pattern = { namespace: namespace === '.' ? ownNamespace : namespace, host: text.slice(slash + 1) }
    if (isExcluded) excluded.push(pattern)
    else included.push(pattern)
  }
  return { included, excluded }
}

/** Whether some of the filters takes a service of this namespace and host name. */
export const isTakenBy = (filters: readonly HostFilter[], namespace: string, hostname: string): boolean => {
  const matches = (pattern: Pattern) => isOf(pattern, namespace) && matchesHost(pattern.host, hostname)
  return filters.some(({ included, excluded }) => included.some(matches) && !excluded.some(matches))
}

/**
 * The same of a VirtualService of this namespace, for all of its hosts as soon as one of them is taken: of a wildcard a part is enough.
 * Istio reference: IstioEgressListener.hosts.
 */
export const isRoutingTakenBy = (
  filters: readonly HostFilter[],
  namespace: string,
  hosts: readonly string[],
): boolean =>
  filters.some((filter) =>
    hosts.some(
      (host) =>
        filter.included.some((pattern) => isOf(pattern, namespace) && hostsOverlap(pattern.host, host)) &&
        !isExcludedBy([filter], namespace, host),
    ),
  )

/** Whether each of the filters takes a host of such a VirtualService out. */
export const isExcludedBy = (filters: readonly HostFilter[], namespace: string, host: string): boolean =>
  filters.every(({ excluded }) =>
    excluded.some((pattern) => isOf(pattern, namespace) && isSubsetOfHost(host, pattern.host)),
  )

const isOf = (pattern: Pattern, namespace: string): boolean =>
  pattern.namespace === '*' || pattern.namespace === namespace
