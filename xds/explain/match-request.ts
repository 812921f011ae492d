import type {
  HeaderMatcher,
  QueryParameterMatcher,
  RouteMatch,
  VirtualHost,
} from '#envoy/envoy/config/route/v3/route_components_pb.ts'
import { matchesText, matchesWhole } from '#xds/judge/match-text.ts'

/** A request as routes look at it. */
export interface Request {
  readonly method: string
  readonly scheme: 'http' | 'https'
  readonly authority: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
}

/** The virtual host for an authority: its own name before the longest "*.suffix", the longest "prefix.*" and "*" (Envoy: VirtualHost.domains). */
export const selectVirtualHost = (
  virtualHosts: readonly VirtualHost[],
  authority: string,
): { readonly virtualHost: VirtualHost; readonly domain: string } | undefined =>
  virtualHosts
    .flatMap((virtualHost) => virtualHost.domains.map((domain) => ({ virtualHost, domain })))
    .map((found) => ({ ...found, rank: toRank(found.domain.toLowerCase(), authority) }))
    .filter(({ rank }) => rank > 0)
    .toSorted((one, other) => other.rank - one.rank)[0]

const prefixRank = 1000
const suffixRank = 2000
const exactRank = 3000

const toRank = (domain: string, authority: string): number => {
  if (domain === '*') return 1
  if (domain === authority) return exactRank
  if (authority.length < domain.length) return 0
  if (domain.startsWith('*')) return authority.endsWith(domain.slice(1)) ? suffixRank + domain.length : 0
  return domain.endsWith('*') && authority.startsWith(domain.slice(0, -1)) ? prefixRank + domain.length : 0
}

/** Whether a route's match takes a request (Envoy: RouteMatch). */
export const matchesRequest = (match: RouteMatch | undefined, request: Request): boolean => {
  if (!match) return false
  const isConnect = request.method === 'CONNECT'
  if (isConnect !== (match.pathSpecifier.case === 'connectMatcher')) return false
  return (
    matchesPath(match, request.path) &&
    match.headers.every((matcher) => matchesHeader(matcher, request)) &&
    // Nobody says which token there would be.
    match.dynamicMetadata.every(({ invert }) => invert) &&
    match.queryParameters.every((matcher) => matchesParameter(matcher, request.path))
  )
}

const matchesPath = ({ pathSpecifier, caseSensitive }: RouteMatch, whole: string): boolean => {
  const fold = (text: string) => (caseSensitive === false ? text.toLowerCase() : text)
  const path = fold(whole.split('?')[0] ?? '')
  switch (pathSpecifier.case) {
    case 'prefix':
      return path.startsWith(fold(pathSpecifier.value))
    case 'path':
      return path === fold(pathSpecifier.value)
    case 'pathSeparatedPrefix':
      return path === fold(pathSpecifier.value) || path.startsWith(`${fold(pathSpecifier.value)}/`)
    case 'safeRegex':
      return matchesWhole(pathSpecifier.value.regex, whole.split('?')[0] ?? '')
    case 'connectMatcher':
      return true
    default:
      return false
  }
}

const readHeader = (name: string, { method, scheme, authority, path, headers }: Request): string | undefined => {
  const pseudo: Readonly<Record<string, string>> = {
    ':method': method,
    ':scheme': scheme,
    ':authority': authority,
    ':path': path,
    host: authority,
  }
  return pseudo[name] ?? headers[name]
}

const matchesHeader = (matcher: HeaderMatcher, request: Request): boolean => {
  const { headerMatchSpecifier: wanted, invertMatch, treatMissingHeaderAsEmpty } = matcher
  const value = readHeader(matcher.name.toLowerCase(), request)
  if (wanted.case === undefined) return (value !== undefined) !== invertMatch
  if (wanted.case === 'presentMatch') return ((value !== undefined) === wanted.value) !== invertMatch
  if (value === undefined && !treatMissingHeaderAsEmpty) return false
  return (wanted.case === 'stringMatch' && matchesText(wanted.value, value ?? '')) !== invertMatch
}

const matchesParameter = (
  { name, queryParameterMatchSpecifier: wanted }: QueryParameterMatcher,
  path: string,
): boolean => {
  const value = readParameter(path, name)
  switch (wanted.case) {
    case 'stringMatch':
      return value !== undefined && matchesText(wanted.value, value)
    case 'presentMatch':
      return (value !== undefined) === wanted.value
    case undefined:
      return value !== undefined
  }
}

const readParameter = (path: string, name: string): string | undefined => {
  const query = path.includes('?') ? path.slice(path.indexOf('?') + 1) : ''
  const pair = query.split('&').find((each) => each === name || each.startsWith(`${name}=`))
  return pair?.slice(name.length + 1)
}
