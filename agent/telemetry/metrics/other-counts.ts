import { pushedStatistics } from '#mesh/telemetry/metric-tags.ts'
import { toSeriesId, type Count } from './counts.ts'
import type { Push } from './read-pushed-series.ts'

/** Names of statistics that are followed. */
const maxFollowed = 32

interface Followed {
  /** What it is called on disk. */
  readonly id: string
  value: number
}

/** What one process of a proxy counts beside the standard metrics. */
export class OtherCounts {
  readonly #followed = new Map<string, Followed>()
  /** What was known before a restart, by id: until the first push, which has all that the process still counts. */
  #remembered: ReadonlyMap<string, Count>
  readonly #changed = new Map<string, number>()

  constructor(remembered: ReadonlyMap<string, Count> = new Map()) {
    this.#remembered = remembered
  }

  /** What is new in a push, by metric. `isFromStart`: what is not known began at 0, else it was counted before anybody looked. */
  take({ series }: Push, isFromStart: boolean): (readonly [metric: string, increment: number])[] {
    const increments = series.flatMap(({ metric, key, value }) => {
      if (typeof value !== 'number' || metric.startsWith(pushedStatistics.standard)) return []
      const before = this.#followed.get(key) ?? this.#begin(key, isFromStart ? 0 : value)
      if (before === undefined) return []
      const increment = Math.max(value - before.value, 0)
      if (value !== before.value || !isFromStart) this.#changed.set(before.id, value)
      before.value = value
      return [[metric, increment] as const]
    })
    this.#remembered = new Map()
    return increments
  }

  /** Values that have changed since this was asked last, by their ids. */
  takeChanged(): (readonly [id: string, value: number])[] {
    const changed = [...this.#changed]
    this.#changed.clear()
    return changed
  }

  #begin(key: string, otherwise: number): Followed | undefined {
    if (this.#followed.size >= maxFollowed) return undefined
    const id = toSeriesId(key)
    const remembered = this.#remembered.get(id)
    const followed = { id, value: typeof remembered === 'number' ? remembered : otherwise }
    this.#followed.set(key, followed)
    return followed
  }
}
