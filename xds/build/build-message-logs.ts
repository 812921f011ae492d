import type { AccessLog as EnvoyAccessLog } from '#envoy/envoy/config/accesslog/v3/accesslog_pb.ts'
import { isMessageMetric, toMessageFormat } from '#mesh/telemetry/message-record.ts'
import type { CountedMetric } from '#xds/model/standard-metrics.ts'
import { withFilter } from './build-access-log.ts'
import { buildToldText } from './build-record-log.ts'
import { isGrpc, toTagFormats } from './build-stats-logs.ts'
import type { Reporter } from './peer-operators.ts'
import { grpcStatsName } from './grpc-stats.ts'

/** Tells the agent of the messages of each call of gRPC, which it counts. One text tells of both directions, unless they are to have other labels. */
export const buildMessageLogs = (reporter: Reporter, metrics: readonly CountedMetric[]): EnvoyAccessLog[] => {
  const formats = metrics
    .filter(({ metric }) => isMessageMetric(metric))
    .map((counted) => ({ metric: counted.metric, tags: toTagFormats({ reporter, protocol: 'grpc' }, counted) }))
  const alike = Map.groupBy(formats, ({ tags }) => JSON.stringify(tags))
  return [...alike.values()].map((group) =>
    withFilter(
      buildToldText(
        toMessageFormat(
          group.map(({ metric }) => metric),
          `%FILTER_STATE(${grpcStatsName}:PLAIN)%`,
          group[0]?.tags ?? [],
        ),
      ),
      isGrpc,
    ),
  )
}
