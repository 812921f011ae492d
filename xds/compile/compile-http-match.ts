import { toClientSelectorKey, toSourceSelector, type ClientSelectorKey } from '#mesh/client-selectors.ts'
import { isClaimName, parseClaimName } from '#mesh/config/schema/claim-name.ts'
import { isForSidecars, resolveGatewayName } from '#mesh/config/schema/gateway-names.ts'
import type { HttpMatch } from '#mesh/config/schema/http-match.ts'
import type { StringMatch } from '#mesh/config/schema/string-match.ts'
import type { ClaimMatch, HeaderMatch, PathMatch, RouteMatch, TextMatch, ValueMatch } from '#xds/model/virtual-host.ts'

/** From where requests come to a route. */
export interface RequestOrigin {
  readonly clientNamespace: string
  /** Those that select the client. */
  readonly selectors: ReadonlySet<ClientSelectorKey>
  /** Of the service that the client named, or of the Gateway's server. */
  readonly port: number
  /** The Gateway object that they come by, and the namespace in which routes name it; absent = they are a sidecar's. */
  readonly gateway?: { readonly name: string; readonly routesNamespace: string }
}

const anyPath: PathMatch = { kind: 'prefix', text: '/', ignoresCase: false }

export const anyRequest: RouteMatch = {
  path: anyPath,
  headers: [],
  queryParameters: [],
}

/** Whether a match can hold for requests of this origin. */
export const isRelevantMatch = (match: HttpMatch, origin: RequestOrigin): boolean =>
  isForOrigin(match.gateways, origin) &&
  (match.port === undefined || match.port === origin.port) &&
  (match.sourceNamespace === undefined || match.sourceNamespace === origin.clientNamespace) &&
  isSelected(match, origin)

const isSelected = (match: HttpMatch, { selectors }: RequestOrigin): boolean => {
  const selector = toSourceSelector(match)
  return !selector || selectors.has(toClientSelectorKey(selector))
}

const isForOrigin = (names: readonly string[] | undefined, { gateway }: RequestOrigin): boolean =>
  gateway
    ? !names?.length || names.some((name) => resolveGatewayName(name, gateway.routesNamespace) === gateway.name)
    : isForSidecars(names)

/** Whether every request matches, so that no later route is reached. */
export const matchesAnyRequest = ({ path, headers, queryParameters, claims = [] }: RouteMatch): boolean =>
  path.kind === 'prefix' &&
  path.text === '/' &&
  headers.length === 0 &&
  queryParameters.length === 0 &&
  claims.length === 0

export const compileHttpMatch = (match: HttpMatch): RouteMatch => {
  const claims = [...compileClaims(match.headers ?? {}, false), ...compileClaims(match.withoutHeaders ?? {}, true)]
  return {
    path: compilePath(match),
    headers: [
      ...compileHeaders({
        ...match.headers,
        ...(match.scheme && { ':scheme': match.scheme }),
        ...(match.method && { ':method': match.method }),
        ...(match.authority && { ':authority': match.authority }),
      }),
      ...compileHeaders(match.withoutHeaders ?? {}).map((header) => ({ ...header, isInverted: true })),
    ],
    queryParameters: Object.entries(match.queryParams ?? {}).map(([name, value]) => ({
      name,
      value: compileValue(value),
    })),
    ...(claims.length > 0 && { claims }),
  }
}

/** Istio reference: HTTPMatchRequest.ignoreUriCase: "only in the case of exact and prefix". */
const compilePath = ({ uri, ignoreUriCase }: HttpMatch): PathMatch => {
  const text = compileText(uri ?? {})
  if (!text || (text.kind === 'prefix' && text.text === '')) return anyPath
  return { ...text, ignoresCase: (ignoreUriCase ?? false) && text.kind !== 'regex' }
}

const compileHeaders = (headers: Readonly<Record<string, StringMatch>>): HeaderMatch[] =>
  Object.entries(headers)
    .filter(([name]) => !isClaimName(name))
    .map(([name, value]) => ({ name, value: compileValue(value), isInverted: false }))

const compileClaims = (headers: Readonly<Record<string, StringMatch>>, isInverted: boolean): ClaimMatch[] =>
  Object.entries(headers).flatMap(([name, value]) => {
    const path = parseClaimName(name)
    return path ? [{ path, value: compileValue(value), isInverted }] : []
  })

/** A match without a form, and `regex: "*"`, asks for presence alone. */
const compileValue = (match: StringMatch): ValueMatch =>
  (match.regex === '*' ? undefined : compileText(match)) ?? { kind: 'present' }

/** undefined = it has no form. */
export const compileText = ({ exact, prefix, regex }: StringMatch): TextMatch | undefined => {
  if (exact !== undefined) return { kind: 'exact', text: exact }
  if (prefix !== undefined) return { kind: 'prefix', text: prefix }
  return regex === undefined ? undefined : { kind: 'regex', text: regex }
}
