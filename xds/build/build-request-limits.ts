import { create } from '@bufbuild/protobuf'
import {
  RateLimit_ActionSchema,
  RateLimitSchema,
  type RateLimit_Action,
} from '#envoy/envoy/config/route/v3/route_components_pb.ts'
import {
  LocalRateLimitDescriptorSchema,
  XRateLimitHeadersRFCVersion,
} from '#envoy/envoy/extensions/common/ratelimit/v3/ratelimit_pb.ts'
import { LocalRateLimitSchema } from '#envoy/envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit_pb.ts'
import { DescriptorSchema } from '#envoy/envoy/extensions/rate_limit_descriptors/expr/v3/expr_pb.ts'
import type { UnitResource } from '#xds/incremental/unit.ts'
import type { LimitKey, RequestLimit } from '#xds/model/request-limit.ts'
import type { Fallback } from '#xds/resource-set.ts'
import { toAny } from './any.ts'
import { buildHeaderMatch } from './build-route-match.ts'
import { buildDiscovered, toDiscovered } from './discovered-filter.ts'
import { toDuration } from './duration.ts'
import type { MessageFields } from './message-fields.ts'

/** Envoy forgets the count that was not asked for the longest when there are more. */
const maxCounts = 10_000

const always = { defaultValue: { numerator: 100 } }
/** Of requests that no limit is about. */
const unlimited = { maxTokens: 4_294_967_295, tokensPerFill: 4_294_967_295, fillInterval: toDuration(1000) }

const requestLimitFilterName = 'envoy.filters.http.local_ratelimit'

/** Counts what those who may call ask for. */
export const requestLimitFilter = toDiscovered(requestLimitFilterName, LocalRateLimitSchema)

/**
 * What the filter of limits does in a proxy's listeners: a request goes through as long as the counts of all limits that are about it allow it (Envoy: local_ratelimit).
 * Where it refuses what is said, that does not hold: limits are for those who may call.
 */
export const buildRequestLimits = (limits: readonly RequestLimit[]): UnitResource => {
  const built = buildFilter(limits)
  if (limits.length === 0) return built
  const objects = [...new Set(limits.map(({ object }) => object))]
  const fallbacks = (reason: string): readonly Fallback[] => {
    const leave = (left: readonly string[]): Fallback => ({
      resource: buildFilter(limits.filter(({ object }) => !left.includes(object))).resource,
      without: left.map((object) => ({ object, reason })),
    })
    const each = objects.length > 1 ? objects.slice(0, maxTrials).map((object) => leave([object])) : []
    return [...each.map((fallback): Fallback => ({ ...fallback, isTrial: true })), leave(objects)]
  }
  return { ...built, resource: { ...built.resource, fallbacks } }
}

/** Of objects that are left out, one after the other, to find the one that is refused. */
const maxTrials = 16

const buildFilter = (limits: readonly RequestLimit[]): UnitResource =>
  buildDiscovered(requestLimitFilterName, LocalRateLimitSchema, {
    statPrefix: 'request_limits',
    tokenBucket: unlimited,
    ...(limits.length > 0 && buildLimits(limits)),
  })

const buildLimits = (limits: readonly RequestLimit[]): MessageFields<typeof LocalRateLimitSchema> => ({
  filterEnabled: always,
  filterEnforced: always,
  rateLimits: limits.map(({ id, match, by }) =>
    create(RateLimitSchema, { actions: [buildSelection(id, match), ...by.map(buildKey)] }),
  ),
  descriptors: limits.map(({ id, by, bucket: { requests, periodMs, burst } }) =>
    create(LocalRateLimitDescriptorSchema, {
      // An entry without a value stands for any: each has a count of its own.
      entries: [{ key: limitKey, value: id }, ...by.map((part, index) => ({ key: toKeyName(part, index) }))],
      tokenBucket: { maxTokens: burst, tokensPerFill: requests, fillInterval: toDuration(periodMs) },
    }),
  ),
  alwaysConsumeDefaultTokenBucket: false,
  maxDynamicDescriptors: maxCounts,
  enableXRatelimitHeaders: XRateLimitHeadersRFCVersion.DRAFT_VERSION_03,
})

const limitKey = 'limit'
/** That of an address is Envoy's. */
const toKeyName = ({ kind }: LimitKey, index: number): string => (kind === 'address' ? 'remote_address' : `by${index}`)

const buildSelection = (id: string, match: RequestLimit['match']): RateLimit_Action =>
  create(RateLimit_ActionSchema, {
    actionSpecifier:
      match.length === 0
        ? { case: 'genericKey', value: { descriptorKey: limitKey, descriptorValue: id } }
        : {
            case: 'headerValueMatch',
            value: { descriptorKey: limitKey, descriptorValue: id, headers: match.map(buildHeaderMatch) },
          },
  })

/** Expressions, where Envoy has actions too: without what they ask for those make no descriptor, and nothing would be counted. */
const buildKey = (key: LimitKey, index: number): RateLimit_Action =>
  create(RateLimit_ActionSchema, {
    actionSpecifier:
      key.kind === 'address'
        ? { case: 'remoteAddress', value: {} }
        : {
            case: 'extension',
            value: {
              name: 'envoy.rate_limit_descriptors.expr',
              typedConfig: toAny(DescriptorSchema, {
                descriptorKey: toKeyName(key, index),
                exprSpecifier: { case: 'text', value: toExpression(key) },
              }),
            },
          },
  })

const nothing = '""'

/** In CEL. */
const toExpression = (key: Exclude<LimitKey, { kind: 'address' }>): string => {
  switch (key.kind) {
    case 'principal':
      return `connection.mtls ? connection.uri_san_peer_certificate : ${nothing}`
    case 'header':
      return toMember('request.headers', [key.name.toLowerCase()])
    case 'method':
      return 'request.method'
    case 'path':
      return 'request.url_path'
    case 'claim':
      return toMember('metadata.filter_metadata', ['envoy.filters.http.jwt_authn', 'payload', ...key.path])
  }
}

/** A text in maps within maps. What is in a text or a number is an error, and counts nothing: so it is asked what each of them is. */
const toMember = (map: string, path: readonly string[]): string => {
  const toPath = (length: number): string => `${map}${path.slice(0, length).map(toIndex).join('')}`
  const isThere = path.flatMap((name, index) => [
    ...(index > 0 ? [`type(${toPath(index)}) == map`] : []),
    `${JSON.stringify(name)} in ${toPath(index)}`,
  ])
  const member = toPath(path.length)
  return `${[...isThere, `type(${member}) == string`].join(' && ')} ? ${member} : ${nothing}`
}

const toIndex = (name: string): string => `[${JSON.stringify(name)}]`
