import { create } from '@bufbuild/protobuf'
import {
  LocalRateLimitDescriptorSchema,
  XRateLimitHeadersRFCVersion,
} from '#envoy/envoy/extensions/common/ratelimit/v3/ratelimit_pb.ts'
import { LocalRateLimitSchema } from '#envoy/envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit_pb.ts'
import { RBACSchema } from '#envoy/envoy/extensions/filters/http/rbac/v3/rbac_pb.ts'
import type { UnitResource } from '#xds/incremental/unit.ts'
import type { RequestLimit } from '#xds/model/request-limit.ts'
import { buildDescribed, limitKey, toKeyName } from './build-limit-descriptor.ts'
import { buildRefusal } from './build-refusal.ts'
import { buildSpared } from './build-spared.ts'
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
export const requestLimitFilter = toDiscovered(requestLimitFilterName, LocalRateLimitSchema, RBACSchema)

const refusal = buildRefusal(requestLimitFilterName, 'limit-not-held')

/**
 * What the filter of limits does in a proxy's listeners: a request goes through as long as the counts of all limits that are about it allow it (Envoy: local_ratelimit).
 * Where it refuses what is said, `failOpen` of the limit says what becomes of its requests.
 */
export const buildRequestLimits = (limits: readonly RequestLimit[]): UnitResource =>
  buildSpared(limits, { build: buildFilter, refusal })

const buildFilter = (limits: readonly RequestLimit[]): UnitResource =>
  buildDiscovered(requestLimitFilterName, LocalRateLimitSchema, {
    statPrefix: 'request_limits',
    tokenBucket: unlimited,
    ...(limits.length > 0 && buildLimits(limits)),
  })

const buildLimits = (limits: readonly RequestLimit[]): MessageFields<typeof LocalRateLimitSchema> => ({
  filterEnabled: always,
  filterEnforced: always,
  rateLimits: limits.map(buildDescribed),
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
