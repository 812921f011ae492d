import { addPoint, createBlock, seriesOf, toSeriesKey } from './block.ts'
import type { Block, SeriesIdentity } from './block.ts'
import type { OtlpMetric, OtlpPoint } from './otlp-metrics.ts'
import { FINE_MS, KEPT_MS, toHour, toSlot } from './slots.ts'

/** Of a series. What is longer is cut, what is more is left out. */
const MAX_LABELS = 48
const MAX_LABEL_CHARS = 256
const MAX_BOUNDS = 128
/**
 * What a batch becomes in memory, and so many hours of time: a few bytes can name very many series and times. Agents' batches are of one slot, and of 4,000 points
 * at most.
 */
const MAX_BATCH_BYTES = 16 * 1024 * 1024
const MAX_BATCH_HOURS = 48
/** Further in the future than this, a clock is wrong: what it tells is filed as of now. */
const MAX_AHEAD_MS = 60_000

/** How many points were not taken, by why. */
export type Rejections = Map<string, number>

export const reject = (rejections: Rejections, reason: string, points: number): void => {
  if (points > 0) rejections.set(reason, (rejections.get(reason) ?? 0) + points)
}

/** Prometheus' names have only these characters; names that begin with `__` are its own. */
const toName = (name: string): string => {
  const plain = name.slice(0, MAX_LABEL_CHARS).replaceAll(/\W/g, '_')
  return /^(?:\d|__|$)/.test(plain) ? `x${plain}` : plain
}

const toLabels = (attributes: OtlpPoint['attributes']): readonly string[] => {
  const labels = new Map<string, string>()
  for (const [key, value] of attributes) {
    const text = value.slice(0, MAX_LABEL_CHARS).toWellFormed().replaceAll('\u0000', '')
    if (text !== '' && labels.size < MAX_LABELS) labels.set(toName(key), text)
  }
  return [...labels].sort(([a], [b]) => (a < b ? -1 : 1)).flat()
}

const isCount = (value: number): boolean => Number.isFinite(value) && value >= 0

const isRising = (bounds: readonly number[]): boolean =>
  bounds.every((bound, index) => Number.isFinite(bound) && (index === 0 || bound > (bounds[index - 1] ?? bound)))

type Measured = { readonly point: readonly number[]; readonly bounds?: readonly number[] } | { readonly fault: string }

const measure = (kind: OtlpMetric['kind'], { value, sum, count, bucketCounts, bounds }: OtlpPoint): Measured => {
  if (kind === 'sum') return isCount(value) ? { point: [value] } : { fault: 'sums below zero or without a number' }
  const counts = bucketCounts.length === 0 ? [count] : bucketCounts
  if (bounds.length > MAX_BOUNDS) return { fault: `histograms of more than ${MAX_BOUNDS + 1} buckets` }
  if (counts.length !== bounds.length + 1 || !isRising(bounds) || !counts.every(isCount))
    return { fault: 'histograms whose buckets are wrong' }
  return isCount(sum) ? { point: [sum, ...counts], bounds } : { fault: 'histograms whose sum is below zero' }
}

/** Why a metric is not one that can be added up. */
const findFault = ({ kind, isDelta, isMonotonic }: OtlpMetric): string | undefined => {
  if (kind === 'other') return 'neither a sum nor a histogram'
  if (!isDelta) return 'not of delta temporality'
  return kind === 'sum' && !isMonotonic ? 'sums that may fall' : undefined
}

/** What a request counted in one place. */
export interface Counted {
  /** Of fine slots. */
  readonly block: Block
  readonly hours: Set<number>
}

export const createCounted = (): Counted => ({ block: createBlock(), hours: new Set() })

/** Why nothing more can be counted there. */
const findLack = ({ block, hours }: Counted, series: SeriesIdentity, slot: number): string | undefined => {
  if (hours.size >= MAX_BATCH_HOURS && !hours.has(toHour(slot, FINE_MS)))
    return `of more than ${MAX_BATCH_HOURS} different hours in one batch`
  if (block.bytes >= MAX_BATCH_BYTES && !block.series.get(toSeriesKey(series))?.points.has(slot))
    return 'more series and times than one batch may have'
  return undefined
}

/** Adds what a metric counted. */
export const addMetric = (counted: Counted, metric: OtlpMetric, nowMs: number, rejections: Rejections): void => {
  const fault = findFault(metric)
  if (fault) {
    reject(rejections, fault, metric.points.length)
    return
  }
  const name = toName(metric.name)
  for (const point of metric.points) {
    if (point.isEmpty) continue
    const measured = measure(metric.kind, point)
    if ('fault' in measured) reject(rejections, measured.fault, 1)
    else if (point.timeMs <= nowMs - KEPT_MS) reject(rejections, 'older than what is kept', 1)
    else {
      const identity = { name, labels: toLabels(point.attributes), bounds: measured.bounds }
      const slot = toSlot(point.timeMs > nowMs + MAX_AHEAD_MS ? nowMs : point.timeMs, FINE_MS)
      const lack = findLack(counted, identity, slot)
      if (lack) {
        reject(rejections, lack, 1)
        continue
      }
      counted.hours.add(toHour(slot, FINE_MS))
      addPoint(counted.block, seriesOf(counted.block, identity), slot, measured.point)
    }
  }
}
