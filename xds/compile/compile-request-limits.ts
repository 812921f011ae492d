import { objectKeyOf, type Sourced } from '#mesh/config-object.ts'
import type { KeyPart, RateLimitSpec, RequestLimit as WrittenLimit } from '#mesh/config/rate-limit.ts'
import { toMilliseconds } from '#mesh/config/schema/duration.ts'
import type { LimitKey, RequestLimit } from '#xds/model/request-limit.ts'
import type { HeaderMatch, ValueMatch } from '#xds/model/virtual-host.ts'
import { compileText } from './compile-http-match.ts'
import { escapeRegex } from './escape-regex.ts'

/** The limits of all RateLimits that are for a proxy; each holds by itself. */
export const compileRequestLimits = (objects: readonly Sourced<RateLimitSpec>[]): readonly RequestLimit[] =>
  objects.flatMap((object) => {
    const key = objectKeyOf(object)
    return object.spec.limits.map((limit) => ({
      id: `${object.origin}/${key}/${limit.name}`,
      object: key,
      ...compileLimit(limit),
    }))
  })

const compileLimit = ({ match, by, requests, per, burst }: WrittenLimit): Omit<RequestLimit, 'id' | 'object'> => ({
  match: match
    ? [
        ...toPatterns(':method', match.methods, toMethod),
        ...toPatterns(':authority', match.hosts, toHost),
        ...toPatterns(':path', match.paths, toPath),
        ...Object.entries(match.headers).map(([name, value]) => ({
          name,
          value: compileText(value) ?? ({ kind: 'present' } as const),
          isInverted: false,
        })),
      ]
    : [],
  by: by.map(toKey),
  bucket: { requests, periodMs: toMilliseconds(per), burst: burst ?? requests },
})

/** One of several patterns: a regular expression of all. */
const toPatterns = (
  name: string,
  patterns: readonly string[],
  toRegex: (pattern: string) => string,
): readonly HeaderMatch[] => {
  if (patterns.length === 0) return []
  const value: ValueMatch = patterns.includes('*')
    ? { kind: 'present' }
    : { kind: 'regex', text: patterns.map(toRegex).join('|') }
  return [{ name, value, isInverted: false }]
}

const toAnything = (pattern: string, anything: string): string =>
  pattern.startsWith('*')
    ? `${anything}${escapeRegex(pattern.slice(1))}`
    : pattern.endsWith('*')
      ? `${escapeRegex(pattern.slice(0, -1))}${anything}`
      : escapeRegex(pattern)

const toMethod = (pattern: string): string => toAnything(pattern, '.*')
/** RFC 9110 §4.2.3: the case of a host does not matter. A port may follow. */
const toHost = (pattern: string): string => `(?i:${toAnything(pattern, '.*')}(?::[0-9]+)?)`
/** The query is not the path. */
const toPath = (pattern: string): string => String.raw`${toAnything(pattern, '[^?#]*')}(?:[?#].*)?`

const requestKeys = { METHOD: 'method', PATH: 'path' } as const
const peerKeys = { PRINCIPAL: 'principal', ADDRESS: 'address' } as const

const toKey = ({ peer, header, request, claim }: KeyPart): LimitKey => {
  if (peer !== undefined) return { kind: peerKeys[peer] }
  if (request !== undefined) return { kind: requestKeys[request] }
  if (claim !== undefined) return { kind: 'claim', path: claim.split('.') }
  return { kind: 'header', name: header ?? '' }
}
