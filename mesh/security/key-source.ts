import { objectKeyOf, parseObjectKey, type Configured, type ObjectKey } from '../config-object.ts'
import { jwksUriOf, type JwtRule, type RequestAuthenticationSpec } from '../config/request-authentication.ts'
import { toMilliseconds } from '../config/schema/duration.ts'
import { compareText } from '../merge/compare-text.ts'
import { getOrAdd } from '../merge/get-or-add.ts'

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

/**
 * Those that an agent fetches: one of each namespace in turn, by URL. So who names very many keeps nobody out of another namespace, and has others' asked for no later.
 */
export const selectKeySources = (sources: readonly NamedKeySource[]): readonly NamedKeySource[] => {
  /** The next one is the last. */
  const left = new Map<string, NamedKeySource[]>()
  for (const source of sources.toSorted((one, other) => compareText(other.url, one.url)))
    for (const namespace of new Set(source.objects.map((object) => parseObjectKey(object)?.namespace ?? '')))
      getOrAdd(left, namespace, (): NamedKeySource[] => []).push(source)
  const selected = new Set<NamedKeySource>()
  let turns = [...left].toSorted(([one], [other]) => compareText(one, other)).map(([, own]) => own)
  while (turns.length > 0 && selected.size < maxKeySources) {
    for (const own of turns) {
      const next = takeOther(own, selected)
      if (next && selected.size < maxKeySources) selected.add(next)
    }
    turns = turns.filter((own) => own.length > 0)
  }
  return [...selected]
}

const takeOther = (own: NamedKeySource[], taken: ReadonlySet<NamedKeySource>): NamedKeySource | undefined => {
  let next = own.pop()
  while (next && taken.has(next)) next = own.pop()
  return next
}
