import type { MeshConfig } from '#mesh/config/mesh-config.ts'
import { toLabelExpression } from '#mesh/config/schema/cel-expression.ts'
import { standardLabels, standardMetrics, type StandardMetric } from '#mesh/telemetry/standard-metrics.ts'
import type { CallSide, MetricsOfSide, TelemetryForProxy } from '#mesh/telemetry/telemetry-for-proxy.ts'
import type { CountedMetric } from '#xds/model/standard-metrics.ts'
import type { SpanSender } from '#xds/model/span-sender.ts'
import type { ListenerDefaults } from '#xds/model/listener-defaults.ts'
import { compileAccessLogs, type FindServer } from './compile-access-logs.ts'
import { compileTracing } from './compile-tracing.ts'
import { compileTlsHandshake } from './compile-tls-handshake.ts'

/** Of listeners on one side of calls (Istio reference: telemetry, MeshConfig.pathNormalization, meshMTLS, tlsDefaults). */
export const compileListenerDefaults = (
  settings: MeshConfig,
  telemetry: TelemetryForProxy,
  side: CallSide,
  { sender, findServer }: { readonly sender: SpanSender | undefined; readonly findServer: FindServer },
): ListenerDefaults => {
  const { accessLogging, tracing } = telemetry[side]
  const records = accessLogging.find(({ to }) => to === 'own')
  const accessLogs = compileAccessLogs(settings, accessLogging, findServer)
  const { meshMTLS, tlsDefaults } = settings
  return {
    ...(records && { records: records.filter === undefined ? {} : { filter: records.filter } }),
    accessLogs,
    unmatchedLogs: settings.disableEnvoyListenerLog ? [] : accessLogs,
    metrics: { client: compileMetrics(telemetry.client.metrics), server: compileMetrics(telemetry.server.metrics) },
    tracing: compileTracing(tracing, { sender, findServer }),
    paths: paths[settings.pathNormalization.normalization],
    meshTls: {
      atLeast: meshMTLS.minProtocolVersion === 'TLSV1_3' ? '1.3' : '1.2',
      ...compileTlsHandshake(meshMTLS),
    },
    serverTls: compileTlsHandshake(tlsDefaults),
  }
}

/** Istio reference: Metrics, MetricsOverrides. */
const compileMetrics = ({ overrides }: MetricsOfSide): readonly CountedMetric[] =>
  (Object.keys(standardMetrics) as StandardMetric[]).flatMap((metric) => {
    const { disabled = false, tags = {} } = overrides[metric] ?? {}
    if (disabled) return []
    const labels = Object.entries(tags).flatMap(([label, value]) =>
      value === undefined ? [] : [[label, `%CEL(${toLabelExpression(value)})%`] as const],
    )
    return {
      metric,
      without: standardLabels.filter((label) => Object.hasOwn(tags, label)),
      labels: Object.fromEntries(labels),
    }
  })

const paths = {
  DEFAULT: 'normalised',
  BASE: 'normalised',
  NONE: 'as-sent',
  MERGE_SLASHES: 'merged-slashes',
  DECODE_AND_MERGE_SLASHES: 'decoded-slashes',
} as const
