import { AggregationTemporality } from '#envoy/opentelemetry/proto/metrics/v1/metrics_pb.ts'
import { toField } from '#agent/telemetry/protobuf-field.ts'
import { metricPrefix } from '#mesh/telemetry/standard-metrics.ts'
import type { Increment, Labels } from './cluster-metrics.ts'
import type { Distribution } from './read-pushed-series.ts'

export interface Window {
  /** Milliseconds since the epoch. */
  readonly from: number
  readonly to: number
}

/** Encodes what was counted in a window, some of it at a time: what is encoded one after the other is one message. */
export type EncodeWindow = (increments: readonly Increment[]) => Buffer

/**
 * What was counted in a window, as OTLP's delta sums and histograms with Istio's names and labels
 * (opentelemetry.proto.collector.metrics.v1.ExportMetricsServiceRequest). By hand: a window may be of 50,000 series with twenty labels each, of which nearly
 * all are of others too.
 */
export const createEncodeWindow = (window: Window): EncodeWindow => {
  const times = Buffer.concat([toFixed(2, toNanoseconds(window.from)), toFixed(3, toNanoseconds(window.to))])
  const toNumberAttributes = createToAttributes(7)
  const toDistributionAttributes = createToAttributes(9)
  // NumberDataPoint, HistogramDataPoint.
  const toPoint = ({ labels, count }: Increment): Buffer =>
    typeof count === 'number'
      ? toField(1, [...toNumberAttributes(labels), times, toFixed(6, BigInt(count))])
      : toField(1, [...toDistributionAttributes(labels), times, toDistribution(count)])
  return (increments) => {
    const metrics = [...Map.groupBy(increments, ({ metric }) => metric)].map(([metric, all]) => {
      const isDistribution = typeof all[0]?.count !== 'number'
      const points = all.filter(({ count }) => (typeof count !== 'number') === isDistribution).map(toPoint)
      const data = isDistribution
        ? toField(9, [...points, temporality])
        : toField(7, [...points, temporality, isMonotonic])
      return toField(2, [toField(1, [Buffer.from(`${metricPrefix}${metric}`)]), data])
    })
    return toField(1, [toField(2, [scope, ...metrics])])
  }
}

const temporality = Buffer.from([2 << 3, AggregationTemporality.DELTA])
const isMonotonic = Buffer.from([3 << 3, 1])
/** `scope` = 1 of a ScopeMetrics, with its `name`. */
const scope = toField(1, [toField(1, [Buffer.from('atoll.standard-metrics')])])

/** Labels as KeyValues in this field, each encoded once. */
const createToAttributes = (field: number): ((labels: Labels) => Buffer[]) => {
  const known = new Map<string, Map<string, Buffer>>()
  const toAttribute = (label: string, value: string): Buffer => {
    let ofLabel = known.get(label)
    if (!ofLabel) known.set(label, (ofLabel = new Map()))
    let encoded = ofLabel.get(value)
    if (!encoded) {
      encoded = toField(field, [toField(1, [Buffer.from(label)]), toField(2, [toField(1, [Buffer.from(value)])])])
      ofLabel.set(value, encoded)
    }
    return encoded
  }
  return (labels) => labels.map(([label, value]) => toAttribute(label, value))
}

/** count = 4, sum = 5, bucket_counts = 6, explicit_bounds = 7 of a HistogramDataPoint. */
const toDistribution = ({ bounds, counts, sum }: Distribution): Buffer => {
  const total = counts.reduce((all, each) => all + each, 0)
  return Buffer.concat([
    toFixed(4, BigInt(total)),
    Buffer.from([(5 << 3) | 1]),
    doubles([sum]),
    toField(6, [Buffer.from(BigUint64Array.from(counts, BigInt).buffer)]),
    toField(7, [doubles(bounds)]),
  ])
}

/** Like all numbers of fixed length little-endian, as machines are that Node runs on. */
const doubles = (values: readonly number[]): Buffer => Buffer.from(Float64Array.from(values).buffer)

const toFixed = (field: number, value: bigint): Buffer => {
  const bytes = Buffer.allocUnsafe(9)
  bytes[0] = (field << 3) | 1
  bytes.writeBigUInt64LE(value, 1)
  return bytes
}

const toNanoseconds = (milliseconds: number): bigint => BigInt(milliseconds) * 1_000_000n
