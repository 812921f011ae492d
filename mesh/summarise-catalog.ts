import { compareText } from './merge/compare-text.ts'
import type { NetworkName } from './names.ts'
import type { CatalogEntry, CatalogSummary, Endpoint, EndpointGroup } from './service.ts'
import { toPassedPorts } from './security/plaintext-ports.ts'
import { isShared } from './visibility.ts'

/**
 * One service of one cluster as clusters on other networks need it: its healthy mutual-TLS endpoints on the cluster's network (what
 * its gateways can reach), on the ports that take it, those alike put into one group. `labelKeys` are the labels that somebody tells endpoints apart by
 * (`toToldLabels`). Null when nothing remains of what is no alias, or when the service may not be known outside its cluster.
 */
export const summariseCatalog = (
  entry: CatalogEntry,
  labelKeys: ReadonlySet<string>,
  network: NetworkName,
): CatalogSummary | null => {
  if (!isShared(entry.service)) return null
  const alike = new Map<string, [Endpoint, ...Endpoint[]]>()
  for (const endpoint of entry.endpoints) {
    const { address, health, tls } = endpoint
    // Without an address it is what other clusters have there, who speak for themselves.
    if (health !== 'healthy' || tls !== 'mutual' || endpoint.network !== network || address === '') continue
    const ports = toPassedPorts(endpoint)
    if (ports.length === 0) continue
    const likeness = JSON.stringify([endpoint.locality, ports, toPickedLabels(endpoint, labelKeys)])
    const others = alike.get(likeness)
    if (others) others.push(endpoint)
    else alike.set(likeness, [endpoint])
  }
  if (alike.size === 0) return entry.service.aliasOf === undefined ? null : { service: entry.service, groups: [] }
  const groups = [...alike.entries()]
    .toSorted(([left], [right]) => compareText(left, right))
    .map(([, endpoints]) => toGroup(endpoints, labelKeys))
  return { service: entry.service, groups }
}

const toGroup = (endpoints: readonly [Endpoint, ...Endpoint[]], labelKeys: ReadonlySet<string>): EndpointGroup => {
  const [first] = endpoints
  return {
    locality: first.locality,
    ports: toPassedPorts(first),
    labels: Object.fromEntries(toPickedLabels(first, labelKeys)),
    weight: endpoints.reduce((sum, endpoint) => sum + endpoint.weight, 0),
    serviceAccounts: [...new Set(endpoints.flatMap((endpoint) => endpoint.serviceAccount ?? []))].toSorted(),
  }
}

const toPickedLabels = (endpoint: Endpoint, labelKeys: ReadonlySet<string>): [string, string][] =>
  Object.entries(endpoint.labels)
    .filter(([key]) => labelKeys.has(key))
    .toSorted(([left], [right]) => compareText(left, right))
