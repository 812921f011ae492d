import type { RateLimitSpec, RequestLimit } from '../config/rate-limit.ts'
import { toMilliseconds } from '../config/schema/duration.ts'
import { parseObjectKey, type ObjectKey } from '../config-object.ts'

/**
 * What a limit of the scope MESH allows (docs/decisions/0030). `rate`: it holds `burst` at most and is filled with `requests` in `periodMs`. `day`: so
 * many in each day of UTC.
 */
export type LimitTerms =
  | { readonly kind: 'rate'; readonly requests: number; readonly periodMs: number; readonly burst: number }
  | { readonly kind: 'day'; readonly requests: number }
export type RateTerms = Extract<LimitTerms, { kind: 'rate' }>

/** No more is asked for at once than there can be. */
export const toMost = (terms: LimitTerms): number => (terms.kind === 'day' ? terms.requests : terms.burst)

export const dayMs = 24 * 60 * 60 * 1000

type Written = Pick<RequestLimit, 'requests' | 'per' | 'burst'>

export const toLimitTerms = ({ requests, per, burst }: Written): LimitTerms =>
  per === undefined
    ? { kind: 'day', requests }
    : { kind: 'rate', requests, periodMs: toMilliseconds(per), burst: burst ?? requests }

/** What a limit is called between agents and the plane: "RateLimit/<namespace>/<object>/<limit>". */
export const toLimitName = (object: ObjectKey, limit: string): string => `${object}/${limit}`

/** What such a name is made of; undefined = it is none. */
export const parseLimitName = (
  text: string,
): { readonly object: string; readonly namespace: string; readonly name: string } | undefined => {
  const slash = text.lastIndexOf('/')
  const object = text.slice(0, slash)
  const parsed = parseObjectKey(object)
  return parsed && { object, namespace: parsed.namespace, name: text.slice(slash + 1) }
}

/** Whose limit it is, by its name. */
export const toLimitNamespace = (limit: string): string => parseLimitName(limit)?.namespace ?? ''

/** The limit of this name that counts over the mesh, of the object that has it. */
export const findLimitOfMesh = ({ limits }: RateLimitSpec, wanted: string): RequestLimit | undefined =>
  limits.find(({ name, scope }) => scope === 'MESH' && name === wanted)

/** What one consumer's count of a limit is kept by. */
export const toCountKey = ({ limit, consumer }: { readonly limit: string; readonly consumer: string }): string =>
  `${limit}\n${consumer}`

/** How often a replica tells the plane what it needs of one limit at most, so that many of them are not too many for it. */
export const toAskMs = (terms: LimitTerms, replicas: number): number =>
  Math.min(maxLeaseMs, Math.max(toLeaseOfAlone(terms), msOfReplica * askedInLease * replicas)) / askedInLease

/** How long what is leased is good for. */
export const toLeaseMs = (terms: LimitTerms, replicas: number): number => toAskMs(terms, replicas) * askedInLease

const askedInLease = 4
const msOfReplica = 5
const minLeaseMs = 1000
const maxLeaseMs = 30_000
const dayLeaseMs = 30_000

const toLeaseOfAlone = (terms: LimitTerms): number =>
  terms.kind === 'day' ? dayLeaseMs : Math.min(maxLeaseMs, Math.max(minLeaseMs, terms.periodMs / 4))

/** Of a quota's requests, this part is what all replicas together may run ahead by. */
const aheadOfDay = 1 / 100
const aheadOfRate = 1 / 2

/** How many requests one of so many replicas may let through beyond what it holds, before it has heard from the plane again; they count afterwards. */
export const toAhead = (terms: LimitTerms, replicas: number): number =>
  Math.max(
    1,
    Math.floor(
      terms.kind === 'day' ? (terms.requests * aheadOfDay) / replicas : (terms.burst * aheadOfRate) / replicas,
    ),
  )
