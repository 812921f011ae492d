import { z } from 'zod'
import { toTable } from '../output/table.ts'
import type { ProxyConfiguration } from './proxy-configuration.ts'
import { toRouteRows, toShares, weightedClusters } from './route-rows.ts'

const place = z.union([
  z.object({ socket_address: z.object({ address: z.string(), port_value: z.int().default(0) }) }),
  z.object({ pipe: z.object({ path: z.string() }) }),
])
const listener = z.object({
  name: z.string(),
  /** An EnvoyFilter's listener may be for connections of the proxy itself, and have none that this reads. */
  address: z.unknown().optional(),
  filter_chains: z.array(z.object({ filters: z.array(z.unknown()).default([]) })).default([]),
  default_filter_chain: z.object({ filters: z.array(z.unknown()).default([]) }).optional(),
})
const sharedFilter = z.object({ typed_config: z.object({ weighted_clusters: weightedClusters }) })
const cluster = z.object({
  name: z.string(),
  type: z.string().default('STATIC'),
  cluster_type: z.object({ name: z.string() }).optional(),
})
const assignment = z.object({
  cluster_name: z.string(),
  endpoints: z
    .array(z.object({ priority: z.int().default(0), lb_endpoints: z.array(z.unknown()).default([]) }))
    .default([]),
})

/** What a proxy is given, a line for each thing; all of it is in JSON. */
export const toProxyTable = (configuration: ProxyConfiguration): string =>
  [
    toSection('LISTENER', ['ADDRESS', 'CHAINS'], configuration.listeners, (value) => {
      const { name, address, filter_chains, default_filter_chain } = listener.parse(value)
      return [[name, toPlace(address), String(filter_chains.length + (default_filter_chain === undefined ? 0 : 1))]]
    }),
    toSection('ROUTES', ['HOSTS', 'MATCH', 'TO'], configuration.routes, toRouteRows),
    ...toTcpShares(configuration),
    toSection('CLUSTER', ['TYPE'], configuration.clusters, (value) => {
      const { name, type, cluster_type } = cluster.parse(value)
      return [[name, cluster_type?.name ?? type]]
    }),
    toSection('ENDPOINTS OF', ['COUNT BY PRIORITY'], configuration.endpoints, (value) => {
      const { cluster_name, endpoints } = assignment.parse(value)
      const counts = new Map<number, number>()
      for (const { priority, lb_endpoints } of endpoints)
        counts.set(priority, (counts.get(priority) ?? 0) + lb_endpoints.length)
      return [[cluster_name, [...counts].map(([priority, count]) => `${priority}: ${count}`).join(', ') || '0']]
    }),
  ].join('\n\n')

/** What of TCP is shared out between several clusters, if anything is. */
const toTcpShares = ({ listeners }: ProxyConfiguration): readonly string[] => {
  const rows = listeners.flatMap((value) => {
    const { name, filter_chains, default_filter_chain } = listener.parse(value)
    return [...filter_chains, ...(default_filter_chain ? [default_filter_chain] : [])]
      .flatMap(({ filters }) => filters)
      .flatMap((filter) => {
        const [first, ...more] = toShares(
          sharedFilter.safeParse(filter).data?.typed_config.weighted_clusters ?? { clusters: [] },
        )
        return first === undefined ? [] : [[name, first], ...more.map((share) => ['', share])]
      })
  })
  return rows.length === 0 ? [] : [toTable(['TCP SHARES OF', 'TO'], rows)]
}

const toPlace = (address: unknown): string => {
  const { success, data } = place.safeParse(address)
  if (!success) return '-'
  return 'pipe' in data ? data.pipe.path : `${data.socket_address.address}:${data.socket_address.port_value}`
}

const toSection = (
  heading: string,
  others: readonly string[],
  items: readonly unknown[],
  toRows: (item: unknown) => readonly (readonly string[])[],
): string => toTable([heading, ...others], items.flatMap(toRows))
