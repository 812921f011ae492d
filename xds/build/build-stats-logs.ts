import { create } from '@bufbuild/protobuf'
import {
  type AccessLog as EnvoyAccessLog,
  type AccessLogFilter,
  AccessLogFilterSchema,
  AccessLogSchema,
} from '#envoy/envoy/config/accesslog/v3/accesslog_pb.ts'
import { type HeaderMatcher, HeaderMatcherSchema } from '#envoy/envoy/config/route/v3/route_components_pb.ts'
import { AccessLogType } from '#envoy/envoy/data/accesslog/v3/accesslog_pb.ts'
import {
  Config_CounterSchema,
  Config_HistogramSchema,
  Config_Histogram_Unit as Unit,
  ConfigSchema,
  type Config_Tag,
  Config_TagSchema,
} from '#envoy/envoy/extensions/access_loggers/stats/v3/stats_pb.ts'
import { customTagPrefix, metricTags, pushedStatistics, tagOfLabel } from '#mesh/telemetry/metric-tags.ts'
import { standardMetrics, type StandardMetric } from '#mesh/telemetry/standard-metrics.ts'
import type { CountedMetric } from '#xds/model/standard-metrics.ts'
import { toAny } from './any.ts'
import { allOf } from './build-access-log.ts'
import type { MessageFields } from './message-fields.ts'
import { peerOperators, toSide, type Reporter } from './peer-operators.ts'
import { upstreamServiceOperator } from './metadata.ts'

/** Of all listeners of a proxy together. */
const scope = pushedStatistics.standard.replace(/\.$/, '')

/**
 * Series of one proxy: they have to fit into one message to the agent. What is more is not counted by itself, and counted as such: Envoy's
 * `server.stats_overflow`.
 */
const maxSeries = { counters: 3000, histograms: 1500 }

type Protocol = 'http' | 'grpc' | 'tcp'

/**
 * Counts requests: gRPC apart, which is told by what it calls its content. Its messages can't be counted here: `build-message-logs.ts`.
 */
export const buildHttpStatsLogs = (reporter: Reporter, metrics: readonly CountedMetric[]): EnvoyAccessLog[] => {
  const counted = metrics.filter(({ metric }) => standardMetrics[metric].of === 'http')
  return [
    ...buildLog(isNoGrpc, { reporter, protocol: 'http' }, counted),
    ...buildLog(isGrpc, { reporter, protocol: 'grpc' }, counted),
  ]
}

/** Counts connections: at their beginning, which is when the other side is known, and at their end. */
export const buildTcpStatsLogs = (reporter: Reporter, metrics: readonly CountedMetric[]): EnvoyAccessLog[] => {
  const ofTcp = metrics.filter(({ metric }) => standardMetrics[metric].of === 'tcp')
  const isOpened = ({ metric }: CountedMetric) => metric === 'tcp_connections_opened_total'
  const kind = { reporter, protocol: 'tcp' } as const
  return [
    ...buildLog(hasBegun, kind, ofTcp.filter(isOpened)),
    ...buildLog(
      hasEnded,
      kind,
      ofTcp.filter((each) => !isOpened(each)),
    ),
  ]
}

/** Whether connections have to be logged when they begin, too. */
export const countsBeginnings = (metrics: readonly CountedMetric[]): boolean =>
  metrics.some(({ metric }) => metric === 'tcp_connections_opened_total')

interface Kind {
  readonly reporter: Reporter
  readonly protocol: Protocol
}

const buildLog = (filter: AccessLogFilter, kind: Kind, metrics: readonly CountedMetric[]): EnvoyAccessLog[] => {
  if (metrics.length === 0) return []
  const counters = metrics.filter(({ metric }) => standardMetrics[metric].kind === 'counter')
  const histograms = metrics.filter(({ metric }) => standardMetrics[metric].kind === 'histogram')
  const toStat = (counted: CountedMetric) => ({ name: counted.metric, tags: buildTags(kind, counted) })
  return [
    create(AccessLogSchema, {
      name: 'envoy.access_loggers.stats',
      filter,
      configType: {
        case: 'typedConfig',
        value: toAny(ConfigSchema, {
          statsScope: {
            prefix: scope,
            sharingName: scope,
            maxCounters: maxSeries.counters,
            maxHistograms: maxSeries.histograms,
            // What is not counted any more is forgotten, as often as the bootstrap says.
            enableEviction: true,
          },
          counters: counters.map((counted) =>
            create(Config_CounterSchema, { stat: toStat(counted), ...toCounted(counted.metric) }),
          ),
          histograms: histograms.map((counted) =>
            create(Config_HistogramSchema, { stat: toStat(counted), ...toSpread(counted.metric) }),
          ),
        }),
      },
    }),
  ]
}

/** The tags of a metric, each with Envoy's format of its value. */
export const toTagFormats = (
  { reporter, protocol }: Kind,
  { without, labels }: CountedMetric,
): (readonly [tag: string, format: string])[] => {
  const untold = new Set(without.flatMap((label) => tagOfLabel[label] ?? []))
  const formats: Partial<Record<keyof typeof metricTags, string>> = {
    reporter: toSide(reporter),
    protocol,
    service: upstreamServiceOperator,
    ...(protocol !== 'tcp' && { code: '%RESPONSE_CODE%' }),
    ...(protocol === 'grpc' && { grpcStatus: '%GRPC_STATUS_NUMBER%' }),
    flags: '%RESPONSE_FLAGS%',
    ...peerOperators[reporter],
    ...(without.length > 0 && { without: without.join(',') }),
  }
  const standard = Object.entries(formats).flatMap(([tag, format]) =>
    untold.has(tag as keyof typeof metricTags) ? [] : [[metricTags[tag as keyof typeof metricTags], format] as const],
  )
  return [
    ...standard,
    ...Object.entries(labels).map(([label, format]) => [`${customTagPrefix}${label}`, format] as const),
  ]
}

const buildTags = (kind: Kind, counted: CountedMetric): Config_Tag[] =>
  toTagFormats(kind, counted).map(([name, valueFormat]) => create(Config_TagSchema, { name, valueFormat }))

const toCounted = (metric: StandardMetric): MessageFields<typeof Config_CounterSchema> => {
  const valueFormat = countedValues[metric]
  return valueFormat === undefined ? { valueFixed: 1n } : { valueFormat }
}

const countedValues: Partial<Record<StandardMetric, string>> = {
  tcp_sent_bytes_total: '%BYTES_SENT%',
  tcp_received_bytes_total: '%BYTES_RECEIVED%',
}

const toSpread = (metric: StandardMetric): MessageFields<typeof Config_HistogramSchema> =>
  metric === 'request_duration_milliseconds'
    ? { unit: Unit.Milliseconds, valueFormat: '%DURATION%' }
    : { unit: Unit.Bytes, valueFormat: metric === 'request_bytes' ? '%BYTES_RECEIVED%' : '%BYTES_SENT%' }

const contentType = (
  pattern: { readonly case: 'exact' | 'prefix'; readonly value: string },
  invertMatch: boolean,
): HeaderMatcher =>
  create(HeaderMatcherSchema, {
    name: 'content-type',
    headerMatchSpecifier: { case: 'stringMatch', value: { matchPattern: pattern } },
    invertMatch,
    treatMissingHeaderAsEmpty: true,
  })

/** gRPC over HTTP/2 (PROTOCOL-HTTP2: Content-Type): not gRPC-Web, which is HTTP. */
const grpcContent = (invertMatch: boolean): AccessLogFilter[] =>
  (
    [
      { case: 'exact', value: 'application/grpc' },
      { case: 'prefix', value: 'application/grpc+' },
    ] as const
  ).map((pattern) =>
    create(AccessLogFilterSchema, {
      filterSpecifier: { case: 'headerFilter', value: { header: contentType(pattern, invertMatch) } },
    }),
  )
export const isGrpc = create(AccessLogFilterSchema, {
  filterSpecifier: { case: 'orFilter', value: { filters: grpcContent(false) } },
})
const isNoGrpc = allOf(...grpcContent(true))

const logType = (type: AccessLogType): AccessLogFilter =>
  create(AccessLogFilterSchema, { filterSpecifier: { case: 'logTypeFilter', value: { types: [type] } } })
/** Envoy: no upstream came about. A connection that never got that far begins when it ends. */
const withoutUpstream = create(AccessLogFilterSchema, {
  filterSpecifier: { case: 'responseFlagFilter', value: { flags: ['UF', 'UH', 'NR', 'NC', 'UO'] } },
})
const hasEnded = logType(AccessLogType.TcpConnectionEnd)
const hasBegun = create(AccessLogFilterSchema, {
  filterSpecifier: {
    case: 'orFilter',
    value: {
      filters: [logType(AccessLogType.TcpUpstreamConnected), allOf(hasEnded, withoutUpstream)],
    },
  },
})
