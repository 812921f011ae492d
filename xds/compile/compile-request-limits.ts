import { objectKeyOf, type Sourced } from '#mesh/config-object.ts'
import type { KeyPart, RateLimitSpec, RequestLimit as WrittenLimit } from '#mesh/config/rate-limit.ts'
import { toMilliseconds } from '#mesh/config/schema/duration.ts'
import { dayMs, toLimitName } from '#mesh/limits/limit-terms.ts'
import type { LimitKey, MeshLimit, RequestLimit } from '#xds/model/request-limit.ts'
import type { HeaderMatch, ValueMatch } from '#xds/model/virtual-host.ts'
import { compileText } from './compile-http-match.ts'
import { escapeRegex } from './escape-regex.ts'
import type { Report } from './report.ts'

/** What RateLimits say that are for a proxy; each limit holds by itself. */
export interface RequestLimits {
  readonly own: readonly RequestLimit[]
  readonly mesh: readonly MeshLimit[]
}

export const compileRequestLimits = (objects: readonly Sourced<RateLimitSpec>[], report: Report): RequestLimits => {
  const own: RequestLimit[] = []
  const mesh: MeshLimit[] = []
  for (const object of objects) {
    const key = objectKeyOf(object)
    for (const [index, limit] of object.spec.limits.entries()) {
      const common = {
        object: key,
        match: limit.match ? compileMatch(limit.match) : [],
        by: limit.by.map(toKey),
        failOpen: limit.failOpen ?? true,
      }
      if (limit.scope !== 'MESH') {
        own.push({ id: `${object.origin}/${key}/${limit.name}`, ...common, bucket: toBucket(limit) })
      } else if (object.origin === 'mesh') {
        mesh.push({ id: toLimitName(key, limit.name), ...common })
      } else if (!objects.some((other) => other.origin === 'mesh' && objectKeyOf(other) === key)) {
        report(key, `spec.limits[${index}].scope: ${ofClusterAlone}`)
      }
    }
  }
  return { own, mesh }
}

const ofClusterAlone =
  'MESH does not hold: the object is of this cluster alone, and the plane counts for those of the mesh. Apply it with "atoll apply", or publish it'

const toBucket = ({ requests, per, burst }: WrittenLimit): RequestLimit['bucket'] => ({
  requests,
  periodMs: per === undefined ? dayMs : toMilliseconds(per),
  burst: burst ?? requests,
})

const compileMatch = (match: NonNullable<WrittenLimit['match']>): readonly HeaderMatch[] => [
  ...toPatterns(':method', match.methods, toMethod),
  ...toPatterns(':authority', match.hosts, toHost),
  ...toPatterns(':path', match.paths, toPath),
  ...Object.entries(match.headers).map(([name, value]) => ({
    name,
    value: compileText(value) ?? ({ kind: 'present' } as const),
    isInverted: false,
  })),
]

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
