import { pushedStatistics, toMetricLabels } from '#mesh/telemetry/metric-tags.ts'
import type { Party } from '#mesh/telemetry/party.ts'
import { standardMetrics, type StandardMetric } from '#mesh/telemetry/standard-metrics.ts'
import type { ClusterSeries, Increment } from './cluster-metrics.ts'
import { toIncrement, toSeriesId, type Count } from './counts.ts'
import type { Push, PushedSeries } from './read-pushed-series.ts'

/** More than that is a clock that was set back. */
const overtakenWithinNs = 60_000_000_000n

/** What a proxy is known to have counted in one series. */
interface Known {
  series: ClusterSeries
  /** What the series is called on disk. */
  readonly id: string
  value: Count
}

/**
 * What one process of a proxy has counted so far, as it was taken into the cluster's sums: the next push is compared with it. A push that
 * got lost is made good by the next one.
 */
export class ProxyCounts {
  #known = new Map<string, Known>()
  /** What was known before a restart, by id: until the first push, which has all that the process still counts. */
  #remembered: ReadonlyMap<string, Count>
  /** When it had counted what was taken last. */
  #at = 0n
  /** Who the proxy was when the series got their labels. */
  #own = ''
  /** Since `takeChanged`. */
  readonly #changed = new Map<string, Count>()

  constructor(remembered: ReadonlyMap<string, Count> = new Map()) {
    this.#remembered = remembered
  }

  /** Series whose values are known. */
  get size(): number {
    return this.#known.size + this.#remembered.size
  }

  /**
   * What is new in a push, and how many series were refused because there is no `room` for so many more. `own` is who the proxy is now. A series that is
   * not pushed any more was forgotten by the proxy, which begins anew with it. Nothing of a push that a later one has overtaken: it says nothing new.
   */
  take(
    { at, series }: Push,
    own: Party,
    room = Number.POSITIVE_INFINITY,
  ): { readonly increments: readonly Increment[]; readonly refused: number } | undefined {
    if (at < this.#at && this.#at - at < overtakenWithinNs) return undefined
    this.#at = at
    const maxKnown = this.size + room
    const known = new Map<string, Known>()
    let refused = 0
    const isAnother = this.#isAnother(own)
    const increments = series.flatMap((pushed) => {
      const found = this.#known.get(pushed.key)
      const metric = found?.series.metric ?? toMetric(pushed)
      if (metric === undefined) return []
      if (known.size >= maxKnown) {
        refused += 1
        return []
      }
      const before = found ?? this.#begin(pushed, toClusterSeries(metric, pushed, own))
      if (found && isAnother) found.series = toClusterSeries(metric, pushed, own)
      const { value } = before
      before.value = pushed.value
      known.set(pushed.key, before)
      const count = toIncrement(pushed.value, value)
      if (count === undefined) return []
      this.#changed.set(before.id, pushed.value)
      return [{ ...before.series, count }]
    })
    this.#known = known
    this.#remembered = new Map()
    return { increments, refused }
  }

  /** Whether the proxy's workload has other labels than before, which its series are to have from now on. */
  #isAnother(own: Party): boolean {
    const before = this.#own
    this.#own = JSON.stringify(own)
    return before !== '' && this.#own !== before
  }

  /** Values of the series that have changed, by their ids. */
  takeChanged(): (readonly [id: string, value: Count])[] {
    const changed = [...this.#changed]
    this.#changed.clear()
    return changed
  }

  #begin(pushed: PushedSeries, series: ClusterSeries): Known {
    const id = toSeriesId(pushed.key)
    return { series, id, value: this.#remembered.get(id) ?? 0 }
  }
}

/** Undefined: it is none of the standard metrics, or of another kind than that. */
const toMetric = ({ metric, value }: PushedSeries): StandardMetric | undefined => {
  const name = metric.slice(pushedStatistics.standard.length)
  if (!metric.startsWith(pushedStatistics.standard) || !isStandard(name)) return undefined
  return (standardMetrics[name].kind === 'counter') === (typeof value === 'number') ? name : undefined
}

const toClusterSeries = (metric: StandardMetric, { tags }: PushedSeries, own: Party): ClusterSeries => ({
  metric,
  labels: toMetricLabels(tags(), own),
})

const isStandard = (name: string): name is StandardMetric => Object.hasOwn(standardMetrics, name)
