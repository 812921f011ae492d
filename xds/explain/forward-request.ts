import { RE2JS } from 're2js'
import {
  HeaderValueOption_HeaderAppendAction as AppendAction,
  type HeaderValueOption,
} from '#envoy/envoy/config/core/v3/base_pb.ts'
import type {
  Route,
  RouteAction,
  VirtualHost,
  WeightedCluster_ClusterWeight as ClusterWeight,
} from '#envoy/envoy/config/route/v3/route_components_pb.ts'
import type { JudgedRequest } from '#xds/judge/judged-call.ts'

interface Changes {
  readonly requestHeadersToAdd: readonly HeaderValueOption[]
  readonly requestHeadersToRemove: readonly string[]
}

/** A request as a proxy sends it on by this route: with the path, host and headers that whoever is called sees, as far as they can be told. */
export const forwardRequest = (
  request: JudgedRequest,
  {
    virtualHost,
    route,
    xdsCluster,
  }: { readonly virtualHost: VirtualHost; readonly route: Route; readonly xdsCluster: string },
): JudgedRequest => {
  if (route.action.case !== 'route') return request
  const action = route.action.value
  const { case: kind, value } = action.clusterSpecifier
  const own = kind === 'weightedClusters' ? value.clusters.find(({ name }) => name === xdsCluster) : undefined
  const levels: readonly Changes[] = [...(own ? [own] : []), route, virtualHost]
  return {
    ...request,
    path: rewritePath(request.path, route, action),
    authority: rewriteAuthority(request.authority, action, own),
    ...changeHeaders(request, levels),
  }
}

/** Envoy: RouteAction.prefix_rewrite, regex_rewrite: of the path without its query. */
const rewritePath = (whole: string | undefined, { match }: Route, action: RouteAction): string | undefined => {
  const { prefixRewrite, regexRewrite, pathRewritePolicy, pathRewrite } = action
  if (whole === undefined || pathRewritePolicy || pathRewrite !== '') return undefined
  const path = whole.replace(/\?.*$/s, '')
  const query = whole.slice(path.length)
  if (regexRewrite?.pattern)
    return (
      RE2JS.compile(regexRewrite.pattern.regex).matcher(path).replaceAll(toJavaForm(regexRewrite.substitution)) + query
    )
  if (prefixRewrite === '') return whole
  const matched = match?.pathSpecifier
  return matched?.case === 'prefix' || matched?.case === 'pathSeparatedPrefix' || matched?.case === 'path'
    ? prefixRewrite + path.slice(matched.value.length) + query
    : undefined
}

/** "\1" is "$1" there. */
const toJavaForm = (substitution: string): string =>
  substitution.replaceAll('$', '\\$').replace(/\\(\d)/g, (_, group: string) => `$${group}`)

const rewriteAuthority = (
  authority: string | undefined,
  { hostRewriteSpecifier: { case: kind, value } }: RouteAction,
  own: ClusterWeight | undefined,
): string | undefined => {
  if (own?.hostRewriteSpecifier.case === 'hostRewriteLiteral') return own.hostRewriteSpecifier.value
  if (kind === undefined) return authority
  return kind === 'hostRewriteLiteral' ? value : undefined
}

/** Of a header that is said of once, as a text. More, and what Envoy fills in, is not known before. */
const changeHeaders = (
  request: JudgedRequest,
  levels: readonly Changes[],
): Pick<JudgedRequest, 'headers'> & { authority?: undefined; path?: undefined } => {
  const headers: Record<string, string | undefined> = { ...request.headers }
  const added = levels.flatMap(({ requestHeadersToAdd }) => requestHeadersToAdd)
  const removed = new Set(levels.flatMap((level) => level.requestHeadersToRemove.map((name) => name.toLowerCase())))
  const names = added.map(({ header }) => (header?.key ?? '').toLowerCase())
  for (const name of removed) delete headers[name]
  for (const [index, { header, appendAction }] of added.entries()) {
    const name = names[index] ?? ''
    const isAlone = names.filter((each) => each === name).length === 1 && !removed.has(name)
    const isSet = appendAction === AppendAction.OVERWRITE_IF_EXISTS_OR_ADD || !Object.hasOwn(request.headers, name)
    const value = header?.value ?? ''
    headers[name] = isAlone && isSet && !value.includes('%') ? value : undefined
  }
  return {
    headers,
    ...(names.some((name) => name === 'host' || name === ':authority') && { authority: undefined }),
    ...(names.includes(':path') && { path: undefined }),
  }
}
