/** What of OTLP's metrics is of interest here (opentelemetry/proto/metrics/v1). */

export interface OtlpPoint {
  attributes: [name: string, value: string][]
  /** The end of what it counts, in milliseconds since 1970. */
  timeMs: number
  /** There is no number in it. */
  isEmpty: boolean
  /** Of a sum. */
  value: number
  /** Of a histogram. */
  sum: number
  count: number
  bucketCounts: number[]
  bounds: number[]
}

export interface OtlpMetric {
  name: string
  kind: 'sum' | 'histogram' | 'other'
  isDelta: boolean
  isMonotonic: boolean
  points: OtlpPoint[]
}

export interface OtlpResource {
  readonly attributes: [name: string, value: string][]
  readonly metrics: OtlpMetric[]
}

export const DELTA = 1
/** The bit of a point's flags: no recorded value. */
export const NO_RECORDED_VALUE = 1

export const newPoint = (): OtlpPoint => ({
  attributes: [],
  timeMs: 0,
  isEmpty: false,
  value: Number.NaN,
  sum: 0,
  count: 0,
  bucketCounts: [],
  bounds: [],
})
