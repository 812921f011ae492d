import { create } from '@bufbuild/protobuf'
import type { GrpcService } from '#envoy/envoy/config/core/v3/grpc_service_pb.ts'
import { type StatsSink, StatsSinkSchema } from '#envoy/envoy/config/metrics/v3/stats_pb.ts'
import { StatFullNameMatchInputSchema } from '#envoy/envoy/extensions/matching/common_inputs/stats/v3/stats_pb.ts'
import {
  SinkConfig_DropActionSchema,
  SinkConfigSchema,
} from '#envoy/envoy/extensions/stat_sinks/open_telemetry/v3/open_telemetry_pb.ts'
import {
  type Matcher_MatcherList_Predicate as Predicate,
  Matcher_MatcherList_PredicateSchema as PredicateSchema,
} from '#envoy/xds/type/matcher/v3/matcher_pb.ts'
import { pushedStatistics } from '#mesh/telemetry/metric-tags.ts'
import { toAny } from './any.ts'

/** Types that it carries in an Any. */
export const statsSinkTypes = [SinkConfigSchema, SinkConfig_DropActionSchema, StatFullNameMatchInputSchema]

/** Pushes what was counted of calls, as it stands, and none of the thousands of statistics beside it. */
export const buildStatsSink = (agent: GrpcService): StatsSink =>
  create(StatsSinkSchema, {
    name: 'envoy.stat_sinks.open_telemetry',
    configType: {
      case: 'typedConfig',
      value: toAny(SinkConfigSchema, {
        protocolSpecifier: { case: 'grpcService', value: agent },
        emitTagsAsAttributes: true,
        useTagExtractedName: true,
        customMetricConversions: {
          matcherType: {
            case: 'matcherList',
            value: {
              matchers: [
                {
                  predicate: {
                    matchType: { case: 'notMatcher', value: anyOf(Object.values(pushedStatistics).map(beginsWith)) },
                  },
                  onMatch: {
                    onMatch: {
                      case: 'action',
                      value: { name: 'drop', typedConfig: toAny(SinkConfig_DropActionSchema, {}) },
                    },
                  },
                },
              ],
            },
          },
        },
      }),
    },
  })

const anyOf = (predicate: Predicate[]): Predicate =>
  create(PredicateSchema, { matchType: { case: 'orMatcher', value: { predicate } } })

const beginsWith = (prefix: string): Predicate =>
  create(PredicateSchema, {
    matchType: {
      case: 'singlePredicate',
      value: {
        input: { name: 'name', typedConfig: toAny(StatFullNameMatchInputSchema, {}) },
        matcher: { case: 'valueMatch', value: { matchPattern: { case: 'prefix', value: prefix } } },
      },
    },
  })
