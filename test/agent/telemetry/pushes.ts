import { gunzipSync } from 'node:zlib'
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { ExportMetricsServiceRequestSchema } from '#envoy/opentelemetry/proto/collector/metrics/v1/metrics_service_pb.ts'
import { AggregationTemporality } from '#envoy/opentelemetry/proto/metrics/v1/metrics_pb.ts'
import { metricTags } from '#mesh/telemetry/metric-tags.ts'

/** What a proxy has counted in one series: a number, or how often each of `durationBounds` held. */
export interface Counted {
  readonly metric: string
  readonly tags?: Readonly<Record<string, string>>
  readonly value: number | readonly number[]
  readonly bounds?: readonly number[]
  /** Told as a number of another kind than Envoy's. */
  readonly isDouble?: boolean
}

/** A push of Envoy's OTLP stats sink, as it sends them. `startedAtMs` becomes microseconds, as Envoy 1.40 writes it. */
export const toPush = (
  { startedAtMs, atMs }: { readonly startedAtMs: number; readonly atMs: number },
  ...series: readonly Counted[]
): Buffer => {
  const startTimeUnixNano = BigInt(startedAtMs) * 1000n
  const timeUnixNano = BigInt(atMs) * 1_000_000n
  return Buffer.from(
    toBinary(
      ExportMetricsServiceRequestSchema,
      create(ExportMetricsServiceRequestSchema, {
        resourceMetrics: [
          {
            resource: { attributes: [{ key: 'telemetry.sdk.name', value: toText('envoy') }] },
            scopeMetrics: [
              {
                metrics: series.map(({ metric, tags = {}, value, bounds = [1, 10], isDouble }) => {
                  const attributes = Object.entries(tags).map(([key, text]) => ({ key, value: toText(text) }))
                  return {
                    name: metric,
                    data:
                      typeof value === 'number'
                        ? {
                            case: 'sum' as const,
                            value: {
                              isMonotonic: true,
                              aggregationTemporality: AggregationTemporality.CUMULATIVE,
                              dataPoints: [
                                {
                                  startTimeUnixNano,
                                  timeUnixNano,
                                  attributes,
                                  value: isDouble
                                    ? { case: 'asDouble' as const, value }
                                    : { case: 'asInt' as const, value: BigInt(value) },
                                },
                              ],
                            },
                          }
                        : {
                            case: 'histogram' as const,
                            value: {
                              aggregationTemporality: AggregationTemporality.CUMULATIVE,
                              dataPoints: [
                                {
                                  startTimeUnixNano,
                                  timeUnixNano,
                                  attributes,
                                  sum: value.reduce((sum, count, index) => sum + count * (bounds[index] ?? 100), 0),
                                  bucketCounts: value.map(BigInt),
                                  explicitBounds: [...bounds],
                                },
                              ],
                            },
                          },
                  }
                }),
              },
            ],
          },
        ],
      }),
    ),
  )
}

const toText = (text: string) => ({ value: { case: 'stringValue' as const, value: text } })

/** Requests of a caller to a service. */
export const requests = (value: number, code = '200'): Counted => ({
  metric: 'istio.requests_total',
  tags: {
    [metricTags.reporter]: 'source',
    [metricTags.protocol]: 'http',
    [metricTags.service]: 'shop/reviews.shop.svc.cluster.local',
    [metricTags.code]: code,
    [metricTags.flags]: '-',
  },
  value,
})

/** What a batch for the edge says: "<metric> <code> <value>", or the counts of a distribution with commas between. */
export const readBatch = (batch: Uint8Array): string[] =>
  fromBinary(ExportMetricsServiceRequestSchema, gunzipSync(batch)).resourceMetrics.flatMap(({ scopeMetrics }) =>
    scopeMetrics.flatMap(({ metrics }) =>
      metrics.flatMap(({ name, data }) => {
        if (data.case !== 'sum' && data.case !== 'histogram') throw new Error(`${name} is neither sum nor histogram`)
        if (data.value.aggregationTemporality !== AggregationTemporality.DELTA) throw new Error(`${name} is no delta`)
        return data.value.dataPoints.map((point) => {
          const told = point.attributes.find(({ key }) => key === 'response_code')?.value?.value
          const code = told?.case === 'stringValue' ? told.value : 'none'
          return `${name} ${code} ${'bucketCounts' in point ? point.bucketCounts.join(',') : point.value.value}`
        })
      }),
    ),
  )
