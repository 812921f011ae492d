import { z } from 'zod'
import { integer, parseOtlpJson } from '../otlp/parse-json.ts'
import { DELTA, newPoint, NO_RECORDED_VALUE } from './otlp-metrics.ts'
import type { OtlpMetric, OtlpResource } from './otlp-metrics.ts'

const number = z.union([z.number(), z.string()]).transform(Number)
const count = integer.transform(Number)
const timeMs = integer.default(0).transform((nanoseconds) => Number(BigInt(nanoseconds) / 1_000_000n))

const value = z
  .object({ stringValue: z.string(), boolValue: z.boolean(), intValue: integer, doubleValue: number })
  .partial()
  .transform(({ stringValue, boolValue, intValue, doubleValue }) =>
    String(stringValue ?? boolValue ?? intValue ?? doubleValue ?? ''),
  )
const attributes = z
  .array(z.object({ key: z.string(), value: value.default('') }))
  .default([])
  .transform((pairs) => pairs.map((pair): [string, string] => [pair.key, pair.value]))

const common = { attributes, timeUnixNano: timeMs, flags: z.int().default(0) }
const toPoint = ({ timeUnixNano, flags, ...rest }: { timeUnixNano: number; flags: number }) => ({
  ...newPoint(),
  ...rest,
  timeMs: timeUnixNano,
  isEmpty: (flags & NO_RECORDED_VALUE) !== 0,
})

const numberPoint = z
  .object({ ...common, asDouble: number.optional(), asInt: count.optional() })
  .transform(({ asDouble, asInt, ...point }) => ({ ...toPoint(point), value: asDouble ?? asInt ?? Number.NaN }))
const histogramPoint = z
  .object({
    ...common,
    count: count.default(0),
    sum: number.default(0),
    bucketCounts: z.array(count).default([]),
    explicitBounds: z.array(number).default([]),
  })
  .transform(({ explicitBounds, ...point }) => ({ ...toPoint(point), bounds: explicitBounds }))

const temporality = { aggregationTemporality: z.union([z.int(), z.string()]).optional() }
const isDelta = (given: number | string | undefined) => given === DELTA || given === 'AGGREGATION_TEMPORALITY_DELTA'
const other = z.object({ dataPoints: z.array(z.unknown()).default([]) })

const metric = z
  .object({
    name: z.string().default(''),
    sum: z
      .object({ dataPoints: z.array(numberPoint).default([]), isMonotonic: z.boolean().default(false), ...temporality })
      .optional(),
    histogram: z.object({ dataPoints: z.array(histogramPoint).default([]), ...temporality }).optional(),
    gauge: other.optional(),
    exponentialHistogram: other.optional(),
    summary: other.optional(),
  })
  .transform(({ name, sum, histogram, gauge, exponentialHistogram, summary }): OtlpMetric => {
    const additive = sum ?? histogram
    if (additive) {
      return {
        name,
        kind: sum ? 'sum' : 'histogram',
        isDelta: isDelta(additive.aggregationTemporality),
        isMonotonic: sum?.isMonotonic ?? true,
        points: additive.dataPoints,
      }
    }
    const points = (gauge ?? exponentialHistogram ?? summary)?.dataPoints ?? []
    return { name, kind: 'other', isDelta: false, isMonotonic: false, points: points.map(newPoint) }
  })

const exportMetrics = z.object({
  resourceMetrics: z
    .array(
      z.object({
        resource: z.object({ attributes }).default({ attributes: [] }),
        scopeMetrics: z.array(z.object({ metrics: z.array(metric).default([]) })).default([]),
      }),
    )
    .default([]),
})

/** `ExportMetricsServiceRequest` as JSON. Throws AtollError `invalid_request`. */
export const readJsonMetrics = (bytes: Uint8Array): OtlpResource[] =>
  parseOtlpJson(exportMetrics, bytes).resourceMetrics.map(({ resource, scopeMetrics }) => ({
    attributes: resource.attributes,
    metrics: scopeMetrics.flatMap(({ metrics }) => metrics),
  }))
