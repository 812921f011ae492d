import { z } from 'zod'
import { toTable } from '../output/table.ts'
import type { ProxyConfiguration } from './proxy-configuration.ts'

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
const weighted = z.object({
  weighted_clusters: z.object({ clusters: z.array(z.object({ name: z.string(), weight: z.int().default(0) })) }),
})
const sharedFilter = z.object({ typed_config: weighted })
const sharedRoute = z.object({
  match: z.object({
    prefix: z.string().optional(),
    path: z.string().optional(),
    path_separated_prefix: z.string().optional(),
    safe_regex: z.object({ regex: z.string() }).optional(),
  }),
  route: weighted,
})
const routes = z.object({
  name: z.string(),
  virtual_hosts: z
    .array(z.object({ name: z.string(), domains: z.array(z.string()), routes: z.array(z.unknown()).default([]) }))
    .default([]),
})
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
    toSection('ROUTES', ['VIRTUAL HOST', 'ROUTES', 'DOMAINS'], configuration.routes, (value) => {
      const { name, virtual_hosts } = routes.parse(value)
      return virtual_hosts.map((host) => [name, host.name, String(host.routes.length), host.domains.join(' ')])
    }),
    ...toShares(configuration),
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

/** What is shared out between several clusters, if anything is. */
const toShares = ({ listeners, routes: configurations }: ProxyConfiguration): readonly string[] => {
  const ofTcp = listeners.flatMap((value) => {
    const { name, filter_chains, default_filter_chain } = listener.parse(value)
    return [...filter_chains, ...(default_filter_chain ? [default_filter_chain] : [])]
      .flatMap(({ filters }) => filters)
      .flatMap((filter) => {
        const { data } = sharedFilter.safeParse(filter)
        return data ? [[name, 'tcp', toShareText(data.typed_config)]] : []
      })
  })
  const ofHttp = configurations.flatMap((value) =>
    routes.parse(value).virtual_hosts.flatMap((host) =>
      host.routes.flatMap((route) => {
        const { data } = sharedRoute.safeParse(route)
        return data ? [[host.name, toMatchText(data.match), toShareText(data.route)]] : []
      }),
    ),
  )
  const rows = [...ofTcp, ...ofHttp]
  return rows.length === 0 ? [] : [toTable(['SHARES OF', 'MATCH', 'CLUSTERS'], rows)]
}

const toMatchText = ({ prefix, path, path_separated_prefix, safe_regex }: z.infer<typeof sharedRoute>['match']) => {
  if (safe_regex) return `regex ${safe_regex.regex}`
  return path === undefined ? `prefix ${prefix ?? path_separated_prefix ?? '/'}` : `path ${path}`
}

const toShareText = ({ weighted_clusters: { clusters } }: z.infer<typeof weighted>): string => {
  const total = clusters.reduce((sum, { weight }) => sum + weight, 0)
  return clusters.map(({ name, weight }) => `${name} ${Math.round((weight / total) * 1000) / 10}%`).join(', ')
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
