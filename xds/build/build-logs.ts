import { create } from '@bufbuild/protobuf'
import {
  type AccessLog as EnvoyAccessLog,
  AccessLogFilterSchema,
} from '#envoy/envoy/config/accesslog/v3/accesslog_pb.ts'
import { AccessLogType } from '#envoy/envoy/data/accesslog/v3/accesslog_pb.ts'
import type { TcpProxySchema } from '#envoy/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.ts'
import type { ListenerDefaults } from '#xds/model/listener-defaults.ts'
import type { CountedMetric } from '#xds/model/standard-metrics.ts'
import {
  buildAccessLogs,
  buildExpressionFilter,
  buildListenerLogs,
  toUnmatched,
  withFilter,
} from './build-access-log.ts'
import { buildMessageLogs } from './build-message-logs.ts'
import { buildRecordLog } from './build-record-log.ts'
import { buildHttpStatsLogs, buildTcpStatsLogs, countsBeginnings } from './build-stats-logs.ts'
import type { Reporter } from './peer-operators.ts'
import type { MessageFields } from './message-fields.ts'

/** Everything that is told of the requests of a chain. */
export const buildHttpLogs = (defaults: ListenerDefaults, reporter: Reporter): EnvoyAccessLog[] => [
  ...buildRecords(defaults, reporter, 'http'),
  ...buildAccessLogs(defaults.accessLogs, 'http'),
  ...buildHttpStatsLogs(reporter, toCounted(defaults, reporter)),
  ...buildMessageLogs(reporter, toCounted(defaults, reporter)),
]

/**
 * Everything that is told of the connections of a chain. Where its TLS ends here, those that failed their handshake are none: the listener
 * tells of them.
 */
export const buildTcpLogs = (
  defaults: ListenerDefaults,
  { reporter, endsTls }: { readonly reporter: Reporter; readonly endsTls: boolean },
): Pick<MessageFields<typeof TcpProxySchema>, 'accessLog' | 'accessLogOptions'> => {
  const metrics = toCounted(defaults, reporter)
  const tellsBeginnings = countsBeginnings(metrics)
  const ofOwn = (logs: EnvoyAccessLog[]) => (endsTls ? logs.map(ofShaken) : logs)
  const logs = [...ofOwn(buildRecords(defaults, reporter, 'tcp')), ...buildAccessLogs(defaults.accessLogs, 'tcp')]
  return {
    accessLog: [...(tellsBeginnings ? logs.map(ofEnds) : logs), ...ofOwn(buildTcpStatsLogs(reporter, metrics))],
    ...(tellsBeginnings && { accessLogOptions: { flushAccessLogOnConnected: true } }),
  }
}

/** Of connections that none of a listener's chains took; the agent is told of those that failed their handshake, too. */
export const buildUnmatchedLogs = (defaults: ListenerDefaults, reporter: Reporter): EnvoyAccessLog[] => [
  ...buildRecords(defaults, reporter, 'tcp').flatMap((log) => [toUnmatched(log), toUnshaken(log)]),
  ...buildListenerLogs(defaults.unmatchedLogs),
]

// Of who speaks plaintext to a port that takes it, the TLS inspector's own failure stays: it is no handshake, and begins otherwise.
const hasFailedHandshake = buildExpressionFilter(
  "connection.transport_failure_reason != '' && !connection.transport_failure_reason.startsWith('TLS_error|') && !has(xds.cluster_name)",
)

const isShaken = buildExpressionFilter(
  "!has(connection.transport_failure_reason) || connection.transport_failure_reason == '' || has(xds.cluster_name)",
)

const ofShaken = (log: EnvoyAccessLog): EnvoyAccessLog => withFilter(log, isShaken)

const toUnshaken = (log: EnvoyAccessLog): EnvoyAccessLog => withFilter(log, hasFailedHandshake)

const buildRecords = (
  { records }: ListenerDefaults,
  reporter: Reporter,
  protocol: 'http' | 'tcp',
): EnvoyAccessLog[] => {
  if (!records) return []
  const log = buildRecordLog({ reporter, protocol })
  return [records.filter === undefined ? log : withFilter(log, buildExpressionFilter(records.filter))]
}

export const toCounted = ({ metrics }: ListenerDefaults, reporter: Reporter): readonly CountedMetric[] =>
  (reporter === 'source' ? metrics?.client : metrics?.server) ?? []

const isNoBeginning = create(AccessLogFilterSchema, {
  filterSpecifier: { case: 'logTypeFilter', value: { types: [AccessLogType.TcpUpstreamConnected], exclude: true } },
})

/** A line for a connection, when it ends, whatever else its beginning is told for. */
const ofEnds = (log: EnvoyAccessLog): EnvoyAccessLog => withFilter(log, isNoBeginning)
