import { objectKeyOf, type Configured, type ObjectKey } from '../config-object.ts'
import { jwksUriOf, type JwtRule, type RequestAuthenticationSpec } from '../config/request-authentication.ts'
import { toMilliseconds } from '../config/schema/duration.ts'
import { takeTurns } from '../merge/take-turns.ts'

/** Below an issuer, where it says where its keys are (OpenID Connect Discovery 1.0 §4). */
export const discoverySuffix = '/.well-known/openid-configuration'

/** How many an agent fetches at most. */
export const maxKeySources = 256

/** Istio's default; and no longer, as an agent waits for a few at a time. */
const timeoutMilliseconds = { default: 5000, max: 10_000 }

/** Where keys are to be fetched, and for how long to wait for an answer. */
export interface KeySource {
  /** Of a JWK Set, or of an issuer's discovery document. */
  readonly url: string
  readonly timeoutMilliseconds: number
}

export interface NamedKeySource extends KeySource {
  /** Who names it. */
  readonly objects: readonly ObjectKey[]
}

/** Where the keys of a rule that does not hold them are; undefined = it says nothing by which they could be found. */
export const toKeySource = (rule: JwtRule): KeySource | undefined => {
  if (rule.jwks !== undefined) return undefined
  const url = jwksUriOf(rule) ?? toDiscovery(rule.issuer ?? '')
  const asked = rule.timeout === undefined ? timeoutMilliseconds.default : toMilliseconds(rule.timeout)
  return url === undefined ? undefined : { url, timeoutMilliseconds: Math.min(asked, timeoutMilliseconds.max) }
}

const toDiscovery = (issuer: string): string | undefined =>
  /^https?:\/\/[^/?#\s]+/i.test(issuer) ? `${issuer.replace(/\/$/, '')}${discoverySuffix}` : undefined

/** As it is told: a query may hold what is nobody's business. */
export const withoutQuery = (url: string): string => url.replace(/[?#].*$/s, '')

/** All places where the keys of these are, each once; whoever waits longest for one decides. */
export const findKeySources = (objects: Iterable<Configured<RequestAuthenticationSpec>>): readonly NamedKeySource[] => {
  const found = new Map<string, NamedKeySource>()
  for (const object of objects)
    for (const rule of object.spec.jwtRules) {
      const source = toKeySource(rule)
      if (!source) continue
      const known = found.get(source.url)
      found.set(source.url, {
        url: source.url,
        timeoutMilliseconds: Math.max(source.timeoutMilliseconds, known?.timeoutMilliseconds ?? 0),
        objects: [...new Set([...(known?.objects ?? []), objectKeyOf(object)])],
      })
    }
  return [...found.values()]
}

/** Those that an agent fetches, in this order. */
export const selectKeySources = (sources: readonly NamedKeySource[]): readonly NamedKeySource[] =>
  takeTurns(sources, { room: maxKeySources, nameOf: ({ url }) => url })
