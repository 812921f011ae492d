import { hasLabels } from '../has-labels.ts'
import type { HttpMatch } from './schema/http-match.ts'
import type { HttpRoute } from './schema/http-route.ts'
import type { StringMatch } from './schema/string-match.ts'
import type { TcpRoute } from './schema/tcp-route.ts'
import type { TlsRoute } from './schema/tls-route.ts'
import type { VirtualServiceSpec } from './virtual-service.ts'

type TcpMatch = NonNullable<TcpRoute['match']>[number]
type TlsMatch = TlsRoute['match'][number]

/** The place of a match: http[route].match[match]. */
interface Place {
  readonly route: number
  readonly match: number
}

interface UnreachableMatch extends Place {
  /** The earlier match that takes all that this one would. */
  readonly taken: Place
}

/** Each is compared with all before it; nobody reads a warning about the match after so many. */
const maxCompared = 500

/**
 * Matches that nothing comes to, because an earlier one takes all that they match. What follows a route without matches is not among
 * them. Istio: its analyser's IneffectiveMatch.
 */
export const findUnreachableMatches = ({
  http = [],
  tls = [],
  tcp = [],
}: Pick<VirtualServiceSpec, 'http' | 'tls' | 'tcp'>) => ({
  http: findCovered<HttpMatch>(http, coversRequest),
  tls: findCovered<TlsMatch>(tls, coversHandshake),
  tcp: findCovered<TcpMatch>(tcp, coversConnection),
})

const findCovered = <Match>(
  routes: readonly { readonly match?: readonly Match[] | undefined; readonly delegate?: HttpRoute['delegate'] }[],
  covers: (wide: Match, narrow: Match) => boolean,
): readonly UnreachableMatch[] => {
  const catchAll = routes.findIndex(({ match }) => (match?.length ?? 0) === 0)
  const places = routes
    .slice(0, catchAll === -1 ? undefined : catchAll)
    .flatMap(({ match = [], delegate }, route) =>
      match.map((each, index) => ({ route, match: index, each, isWhole: delegate === undefined })),
    )
    .slice(0, maxCompared)
  return places.flatMap(({ route, match, each }, index) => {
    // What a delegate has no route for goes on.
    const taken = places.slice(0, index).find((earlier) => earlier.isWhole && covers(earlier.each, each))
    return taken ? [{ route, match, taken: { route: taken.route, match: taken.match } }] : []
  })
}

/** Whether every request of the narrow match fits the wide one. */
const coversRequest = (wide: HttpMatch, narrow: HttpMatch): boolean =>
  coversUri(wide, narrow) &&
  (['scheme', 'method', 'authority'] as const).every((field) => coversText(wide[field], narrow[field])) &&
  (['headers', 'queryParams'] as const).every((field) =>
    Object.entries(wide[field] ?? {}).every(([name, text]) => coversText(text, narrow[field]?.[name])),
  ) &&
  Object.entries(wide.withoutHeaders ?? {}).every(([name, text]) => isSame(text, narrow.withoutHeaders?.[name])) &&
  coversOrigin(wide, narrow)

/**
 * Of TLS the closest host counts, then the smallest block of addresses, wherever they are written: the order decides
 * among the very same ones alone.
 */
const coversHandshake = (wide: TlsMatch, narrow: TlsMatch): boolean => {
  const hosts = wide.sniHosts.map((host) => host.toLowerCase())
  return (
    narrow.sniHosts.every((host) => hosts.includes(host.toLowerCase())) &&
    hasBlocks(wide) === hasBlocks(narrow) &&
    coversConnection(wide, narrow)
  )
}

const hasBlocks = ({ destinationSubnets = [] }: TlsMatch): boolean => destinationSubnets.length > 0

const coversConnection = (wide: TcpMatch, narrow: TcpMatch): boolean =>
  coversOrigin(wide, narrow) && coversList(wide.destinationSubnets, narrow.destinationSubnets)

type Origin = Pick<HttpMatch, 'port' | 'sourceNamespace' | 'sourceLabels' | 'gateways'>

const coversOrigin = (wide: Origin, narrow: Origin): boolean =>
  (wide.port === undefined || wide.port === narrow.port) &&
  (wide.sourceNamespace === undefined || wide.sourceNamespace === narrow.sourceNamespace) &&
  hasLabels(narrow.sourceLabels ?? {}, wide.sourceLabels ?? {}) &&
  coversList(wide.gateways, narrow.gateways)

/** No entries = all there are. */
const coversList = (wide: readonly string[] = [], narrow: readonly string[] = []): boolean =>
  wide.length === 0 || (narrow.length > 0 && narrow.every((name) => wide.includes(name)))

const coversUri = (wide: HttpMatch, narrow: HttpMatch): boolean => {
  const isAny = !wide.uri || wide.uri.prefix === '' || wide.uri.prefix === '/'
  return (
    isAny || ((wide.ignoreUriCase ?? false) === (narrow.ignoreUriCase ?? false) && coversText(wide.uri, narrow.uri))
  )
}

const coversText = (wide: StringMatch | undefined, narrow: StringMatch | undefined): boolean => {
  if (!wide) return true
  if (!narrow) return false
  const asksForPresence = wide.exact === undefined && wide.prefix === undefined && wide.regex === undefined
  if (asksForPresence || isSame(wide, narrow)) return true
  return wide.prefix !== undefined && (narrow.exact ?? narrow.prefix ?? '').startsWith(wide.prefix)
}

const isSame = (one: StringMatch, other: StringMatch | undefined): boolean =>
  other !== undefined && one.exact === other.exact && one.prefix === other.prefix && one.regex === other.regex
