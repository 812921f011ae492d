import { FilterConfigSchema } from '#envoy/envoy/extensions/filters/http/grpc_stats/v3/config_pb.ts'
import { isMessageMetric } from '#mesh/telemetry/message-record.ts'
import type { CountedMetric } from '#xds/model/standard-metrics.ts'
import { toAny } from './any.ts'

/** The filter's name is its filter state's as well. */
export const grpcStatsName = 'envoy.filters.http.grpc_stats'

const grpcStats = {
  name: grpcStatsName,
  configType: { case: 'typedConfig' as const, value: toAny(FilterConfigSchema, { emitFilterState: true }) },
}

/** Counts gRPC's messages for what is told of each call. */
export const buildGrpcStats = (metrics: readonly CountedMetric[]): (typeof grpcStats)[] =>
  metrics.some(({ metric }) => isMessageMetric(metric)) ? [grpcStats] : []
