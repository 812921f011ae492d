import { isForSidecars } from '#mesh/config/schema/gateway-names.ts'
import type { HttpMatch } from '#mesh/config/schema/http-route.ts'
import type { StringMatch } from '#mesh/config/schema/string-match.ts'
import type { HeaderMatch, PathMatch, RouteMatch, ValueMatch } from '#xds/model/virtual-host.ts'

/** From where requests come to a route. */
export interface RequestOrigin {
  readonly clientNamespace: string
  /** Of the service that the client named. */
  readonly port: number
}

export const anyRequest: RouteMatch = {
  path: { kind: 'prefix', text: '/', ignoresCase: false },
  headers: [],
  queryParameters: [],
}

/** Whether a match can hold for requests of this origin. */
export const isRelevantMatch = (match: HttpMatch, origin: RequestOrigin): boolean =>
  isForSidecars(match.gateways) &&
  (match.port === undefined || match.port === origin.port) &&
  (match.sourceNamespace === undefined || match.sourceNamespace === origin.clientNamespace)

/** Whether every request matches, so that no later route is reached. */
export const matchesAnyRequest = ({ path, headers, queryParameters }: RouteMatch): boolean =>
  path.kind === 'prefix' && path.text === '/' && headers.length === 0 && queryParameters.length === 0

export const compileHttpMatch = (match: HttpMatch): RouteMatch => ({
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
})

const compilePath = ({ uri, ignoreUriCase }: HttpMatch): PathMatch => {
  const value = compileValue(uri ?? {})
  if (value.kind === 'present' || value.text === '') return { kind: 'prefix', text: '/', ignoresCase: false }
  // Envoy's regular expressions have their own switch for case.
  if (value.kind === 'regex')
    return { kind: 'regex', text: ignoreUriCase ? `(?i)${value.text}` : value.text, ignoresCase: false }
  return { ...value, ignoresCase: ignoreUriCase ?? false }
}

const compileHeaders = (headers: Readonly<Record<string, StringMatch>>): HeaderMatch[] =>
  Object.entries(headers).map(([name, value]) => ({ name, value: compileValue(value), isInverted: false }))

/** A match without a form, and `regex: "*"`, asks for presence alone. */
const compileValue = ({ exact, prefix, regex }: StringMatch): ValueMatch => {
  if (exact !== undefined) return { kind: 'exact', text: exact }
  if (prefix !== undefined) return { kind: 'prefix', text: prefix }
  if (regex !== undefined && regex !== '*') return { kind: 'regex', text: regex }
  return { kind: 'present' }
}
