import { metricPrefix, standardMetrics, type StandardMetric } from '#mesh/telemetry/standard-metrics.ts'
import { addCounts, type Count } from './counts.ts'

export type Labels = readonly (readonly [label: string, value: string])[]

/** One series of the cluster: what all its proxies have counted with these labels. */
export interface ClusterSeries {
  readonly metric: StandardMetric
  readonly labels: Labels
}

export interface Increment extends ClusterSeries {
  readonly count: Count
}

interface Kept extends ClusterSeries {
  total: Count | undefined
  /** Since the last window was taken. */
  fresh: Count | undefined
  changedAt: number
}

/** Series that nothing was counted in for so long are forgotten. */
const forgottenAfterMs = 3_600_000

/** Series in one part of the text. */
const shownAtOnce = 200

/** What is counted in the place of series that there is no room for. */
const overflowLabels: Labels = [['otel_metric_overflow', 'true']]

/**
 * The standard metrics of a cluster, as sums over its proxies: bounded, since a proxy may tell anything in a custom label. A series that is one
 * too many is counted in one for all such of its metric, with the label `overflow`.
 */
export class ClusterMetrics {
  readonly #now: () => number
  readonly #maxSeries: number
  readonly #series = new Map<string, Kept>()
  #overflowed = 0

  constructor(now: () => number, maxSeries: number) {
    this.#now = now
    this.#maxSeries = maxSeries
  }

  get size(): number {
    return this.#series.size
  }

  /** Increments that were counted as `overflow` since the start. */
  get overflowed(): number {
    return this.#overflowed
  }

  add({ metric, labels, count }: Increment): void {
    const kept = this.#keep(metric, labels)
    kept.total = addCounts(kept.total, count)
    kept.fresh = addCounts(kept.fresh, count)
    kept.changedAt = this.#now()
  }

  /** What was counted since this was asked last. */
  takeWindow(): Increment[] {
    const increments: Increment[] = []
    for (const [key, kept] of this.#series) {
      const { metric, labels, fresh, changedAt } = kept
      if (fresh !== undefined) increments.push({ metric, labels, count: fresh })
      kept.fresh = undefined
      if (this.#now() - changedAt > forgottenAfterMs) this.#series.delete(key)
    }
    return increments
  }

  /** Prometheus' text format, a metric at a time (exposition format 0.0.4). */
  *toText(): Generator<string> {
    const byMetric = Map.groupBy(this.#series.values(), ({ metric }) => metric)
    for (const [metric, all] of byMetric) {
      const { kind } = standardMetrics[metric]
      yield `# TYPE ${metricPrefix}${metric} ${kind}\n`
      for (let from = 0; from < all.length; from += shownAtOnce)
        yield all
          .slice(from, from + shownAtOnce)
          .map(toLines)
          .join('')
    }
  }

  #keep(metric: StandardMetric, labels: Labels): Kept {
    const key = toKey(metric, labels)
    const known = this.#series.get(key)
    if (known) return known
    const hasRoom = this.#series.size < this.#maxSeries || labels === overflowLabels
    if (!hasRoom) {
      this.#overflowed++
      return this.#keep(metric, overflowLabels)
    }
    const kept: Kept = { metric, labels, total: undefined, fresh: undefined, changedAt: 0 }
    this.#series.set(key, kept)
    return kept
  }
}

const toKey = (metric: string, labels: Labels): string =>
  `${metric}\n${labels.map(([label, value]) => `${label}\n${value}`).join('\n')}`

const toLines = ({ metric, labels, total }: Kept): string => {
  if (total === undefined) return ''
  const name = `${metricPrefix}${metric}`
  const told = labels.map(([label, value]) => `${label}="${escapeValue(value)}"`)
  if (typeof total === 'number') return `${name}{${told.join(',')}} ${total}\n`
  let below = 0
  const buckets = [...total.bounds, Infinity].map((bound, index) => {
    below += total.counts[index] ?? 0
    return `${name}_bucket{${[...told, `le="${bound === Infinity ? '+Inf' : bound}"`].join(',')}} ${below}\n`
  })
  return `${buckets.join('')}${name}_sum{${told.join(',')}} ${total.sum}\n${name}_count{${told.join(',')}} ${below}\n`
}

const escapeValue = (value: string): string =>
  /[\\"\n]/.test(value) ? value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n') : value
