import { z } from 'zod'
import { toMatchText, toRouteCell, routeMatch } from './route-match-text.ts'

const fraction = z.object({ numerator: z.number().default(0), denominator: z.string().default('HUNDRED') })
const regexRewrite = z.object({ substitution: z.string().default('') })

/** `config.route.v3.WeightedCluster`, and that of `TcpProxy`. */
export const weightedClusters = z.object({
  clusters: z.array(z.object({ name: z.string().default('-'), weight: z.int().default(0) })),
})

const action = z.object({
  cluster: z.string().optional(),
  cluster_header: z.string().optional(),
  weighted_clusters: weightedClusters.optional(),
  timeout: z.string().optional(),
  retry_policy: z.object({ num_retries: z.int().optional(), per_try_timeout: z.string().optional() }).optional(),
  prefix_rewrite: z.string().optional(),
  regex_rewrite: regexRewrite.optional(),
  host_rewrite_literal: z.string().optional(),
  request_mirror_policies: z
    .array(
      z.object({
        cluster: z.string().default('-'),
        runtime_fraction: z.object({ default_value: fraction.optional() }).optional(),
      }),
    )
    .default([]),
})
const redirect = z.object({
  https_redirect: z.boolean().optional(),
  scheme_redirect: z.string().optional(),
  host_redirect: z.string().optional(),
  port_redirect: z.int().optional(),
  path_redirect: z.string().optional(),
  prefix_rewrite: z.string().optional(),
  regex_rewrite: regexRewrite.optional(),
  response_code: z.string().default('MOVED_PERMANENTLY'),
})
const route = z.object({
  match: routeMatch.default({ headers: [], query_parameters: [] }),
  route: action.optional(),
  redirect: redirect.optional(),
  direct_response: z.object({ status: z.int() }).optional(),
  typed_per_filter_config: z.record(z.string(), z.unknown()).default({}),
})
const virtualHost = z.object({
  domains: z.array(z.string()),
  require_tls: z.string().optional(),
  routes: z.array(route).default([]),
})
const configuration = z.object({ name: z.string(), virtual_hosts: z.array(virtualHost).default([]) })

const redirectCodes: Readonly<Record<string, number>> = {
  MOVED_PERMANENTLY: 301,
  FOUND: 302,
  SEE_OTHER: 303,
  TEMPORARY_REDIRECT: 307,
  PERMANENT_REDIRECT: 308,
}
const denominators: Readonly<Record<string, number>> = { HUNDRED: 100, TEN_THOUSAND: 10_000, MILLION: 1_000_000 }

/** Every route of a route configuration: its name, for which hosts, what it matches, where it goes. What a line has no room for is on the next. */
export const toRouteRows = (value: unknown): readonly (readonly string[])[] => {
  const { name, virtual_hosts } = configuration.parse(value)
  if (virtual_hosts.length === 0) return [[name, '-', '-', 'answers 404: no route is for it']]
  return virtual_hosts.flatMap(({ domains, require_tls, routes }) => {
    const hosts = toHostsText(domains)
    if (require_tls === 'ALL') return [[name, hosts, '-', 'redirects to https']]
    if (routes.length === 0) return [[name, hosts, '-', 'answers 404: no route is for it']]
    return routes.flatMap((each) => {
      const [first = '-', ...more] = toTargets(each)
      return [[name, hosts, toMatchText(each.match), first], ...more.map((line) => ['', '', '', line])]
    })
  })
}

/** The clusters with the share of each. */
export const toShares = ({ clusters }: z.infer<typeof weightedClusters>): readonly string[] => {
  const total = clusters.reduce((sum, { weight }) => sum + weight, 0)
  return clusters.map(({ name, weight }) => `${toPercent(weight / total)} ${name}`)
}

const toPercent = (share: number): string => `${Math.round(share * 1000) / 10}%`

/** One name of a service is enough to know it by: the short one that every namespace can use. Those with a port say nothing more. */
const toHostsText = (domains: readonly string[]): string => {
  const hosts = domains.filter((domain) => !domains.some((other) => isWithPort(domain, other)))
  const [first = '-'] = hosts
  const short = first.slice(0, Math.max(first.indexOf('.svc.'), 0))
  const shown = toRouteCell(hosts.includes(short) ? short : first)
  return hosts.length > 1 ? `${shown} +${hosts.length - 1}` : shown
}

const isWithPort = (domain: string, host: string): boolean =>
  domain.startsWith(`${host}:`) && /^\d+$/.test(domain.slice(host.length + 1))

const toTargets = ({ route: forward, redirect: elsewhere, direct_response, ...rest }: z.infer<typeof route>) => {
  if (elsewhere) return [toRedirectText(elsewhere)]
  if (direct_response) return [`answers ${direct_response.status}`]
  if (!forward) return ['-']
  const { cluster, cluster_header, weighted_clusters, request_mirror_policies } = forward
  const header = cluster_header === undefined ? '-' : `cluster that ${cluster_header} names`
  const details = toDetails(forward)
  if (rest.typed_per_filter_config['envoy.filters.http.fault'] !== undefined) details.push('faults')
  return [
    ...(weighted_clusters ? toShares(weighted_clusters) : [cluster ?? header]),
    ...(details.length > 0 ? [details.join(', ')] : []),
    ...request_mirror_policies.map((mirror) => {
      const { numerator, denominator } = mirror.runtime_fraction?.default_value ?? fraction.parse({ numerator: 100 })
      return `mirror ${toPercent(numerator / (denominators[denominator] ?? 100))} ${mirror.cluster}`
    }),
  ]
}

const toDetails = (forward: z.infer<typeof action>): string[] => {
  const { timeout = '0s', retry_policy, host_rewrite_literal } = forward
  const details = timeout === '0s' ? [] : [`timeout ${timeout}`]
  if (retry_policy) {
    const { num_retries = 1, per_try_timeout } = retry_policy
    details.push(`retries ${num_retries}${per_try_timeout === undefined ? '' : ` of ${per_try_timeout}`}`)
  }
  if (host_rewrite_literal !== undefined) details.push(`host: ${toRouteCell(host_rewrite_literal)}`)
  const path = forward.prefix_rewrite ?? forward.regex_rewrite?.substitution
  if (path !== undefined) details.push(`path: ${toRouteCell(path)}`)
  return details
}

const toRedirectText = (to: z.infer<typeof redirect>): string => {
  const scheme = to.https_redirect === true ? 'https' : to.scheme_redirect
  const path = to.path_redirect ?? to.prefix_rewrite ?? to.regex_rewrite?.substitution ?? ''
  const start = scheme === undefined ? '' : `${scheme}://`
  const port = to.port_redirect === undefined ? '' : `:${to.port_redirect}`
  const host = to.host_redirect ?? (start === '' && port === '' ? '' : '<host>')
  return `redirects (${redirectCodes[to.response_code] ?? to.response_code}) to ${start}${host}${port}${path}`
}
