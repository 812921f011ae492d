import { ApiVersion } from '#envoy/envoy/config/core/v3/config_source_pb.ts'
import { RateLimitSchema } from '#envoy/envoy/extensions/filters/http/ratelimit/v3/rate_limit_pb.ts'
import { RBACSchema } from '#envoy/envoy/extensions/filters/http/rbac/v3/rbac_pb.ts'
import { StatusCode } from '#envoy/envoy/type/v3/http_status_pb.ts'
import { agentCluster } from '#xds/bootstrap.ts'
import type { UnitResource } from '#xds/incremental/unit.ts'
import type { MeshLimit } from '#xds/model/request-limit.ts'
import { buildDescribed } from './build-limit-descriptor.ts'
import { buildRefusal } from './build-refusal.ts'
import { buildSpared } from './build-spared.ts'
import { buildDiscovered, toDiscovered } from './discovered-filter.ts'
import { toDuration } from './duration.ts'

/** Two, since whether a request goes through when the agent does not answer is said of a filter. */
const filterNames = { open: 'envoy.filters.http.ratelimit', closed: 'envoy.filters.http.ratelimit.closed' } as const

/** They ask the agent whether a request goes through. Of limits of one proxy alone is decided before, without asking. */
export const meshLimitFilters = Object.values(filterNames).map((name) =>
  toDiscovered(name, RateLimitSchema, RBACSchema),
)

const refusal = buildRefusal(filterNames.closed, 'limit-not-held')

/** The agent is near, and answers from what it has: who waits for longer does not wait for an answer. */
const timeoutMs = 250

/** What these filters do in a proxy's listeners: a request that a limit is about goes through when the agent says so (Envoy: ratelimit). */
export const buildMeshLimits = (limits: readonly MeshLimit[]): readonly UnitResource[] => [
  buildSpared(
    limits.filter(({ failOpen }) => failOpen),
    { build: (each) => buildFilter(each, true), refusal },
  ),
  buildSpared(
    limits.filter(({ failOpen }) => !failOpen),
    { build: (each) => buildFilter(each, false), refusal },
  ),
]

const buildFilter = (limits: readonly MeshLimit[], failOpen: boolean): UnitResource =>
  buildDiscovered(filterNames[failOpen ? 'open' : 'closed'], RateLimitSchema, {
    domain: 'atoll',
    timeout: toDuration(timeoutMs),
    failureModeDeny: !failOpen,
    statusOnError: { code: StatusCode.ServiceUnavailable },
    rateLimitService: {
      transportApiVersion: ApiVersion.V3,
      grpcService: { targetSpecifier: { case: 'envoyGrpc', value: { clusterName: agentCluster } } },
    },
    rateLimits: limits.map(buildDescribed),
  })
