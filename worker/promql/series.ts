import type { Labels } from './labels.ts'

/** Samples by time, which is in milliseconds since the epoch. */
export interface Samples {
  readonly times: ArrayLike<number>
  readonly values: ArrayLike<number>
}

/** What a range of samples comes to, seen as a counter or as a gauge. */
export interface Span {
  readonly count: number
  readonly firstMs: number
  readonly firstValue: number
  readonly lastMs: number
  readonly lastValue: number
  /** What was lost from view when a counter began anew. */
  readonly dropped: number
  /** The sample at the beginning of the range, or the last before it: of counters of which every sample is known. */
  readonly before?: { readonly timeMs: number; readonly value: number }
}

/** The samples of one series. Ranges are open on the left: `fromMs` < time <= `toMs`. */
export interface Series {
  readonly labels: Labels
  newest(fromMs: number, toMs: number): number | undefined
  window(fromMs: number, toMs: number): Samples
  span(fromMs: number, toMs: number): Span | undefined
}

/** How many of the times are not after this one. */
const countUntil = (times: ArrayLike<number>, timeMs: number): number => {
  let [low, high] = [0, times.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((times[middle] ?? 0) <= timeMs) low = middle + 1
    else high = middle
  }
  return low
}

/** A series of samples as they were taken. */
export const toSampledSeries = (labels: Labels, { times, values }: Samples): Series => {
  const at = (list: ArrayLike<number>, index: number): number => list[index] ?? 0
  const bounds = (fromMs: number, toMs: number) => [countUntil(times, fromMs), countUntil(times, toMs)] as const
  return {
    labels,
    newest: (fromMs, toMs) => {
      const [from, to] = bounds(fromMs, toMs)
      return from < to ? values[to - 1] : undefined
    },
    window: (fromMs, toMs) => {
      const [from, to] = bounds(fromMs, toMs)
      const part = (list: ArrayLike<number>) => Array.from({ length: to - from }, (_, index) => at(list, from + index))
      return { times: part(times), values: part(values) }
    },
    span: (fromMs, toMs) => {
      const [from, to] = bounds(fromMs, toMs)
      if (from === to) return undefined
      let dropped = 0
      for (let index = from + 1; index < to; index++) {
        if (at(values, index) < at(values, index - 1)) dropped += at(values, index - 1)
      }
      return {
        count: to - from,
        firstMs: at(times, from),
        firstValue: at(values, from),
        lastMs: at(times, to - 1),
        lastValue: at(values, to - 1),
        dropped,
      }
    },
  }
}

/** When the samples of a counter are. */
export interface Grid {
  readonly stepMs: number
  /** Of the first and of the last sample: multiples of the step. */
  readonly sinceMs: number
  readonly untilMs: number
}

/**
 * A counter that has a sample at each place of a grid, of which only those are kept that differ from the one before: `totals` are its values
 * from `times` on. Before the first it is 0. It never falls.
 */
export const toCounterSeries = (labels: Labels, grid: Grid, { times, values: totals }: Samples): Series => {
  const { stepMs, sinceMs, untilMs } = grid
  const valueAt = (timeMs: number): number => totals[countUntil(times, timeMs) - 1] ?? 0
  const firstAfter = (timeMs: number) => Math.max(sinceMs, (Math.floor(timeMs / stepMs) + 1) * stepMs)
  const lastUntil = (timeMs: number) => Math.min(untilMs, Math.floor(timeMs / stepMs) * stepMs)
  return {
    labels,
    newest: (fromMs, toMs) => {
      const last = lastUntil(toMs)
      return last >= firstAfter(fromMs) ? valueAt(last) : undefined
    },
    window: (fromMs, toMs) => {
      const [firstMs, lastMs] = [firstAfter(fromMs), lastUntil(toMs)]
      const window = { times: [] as number[], values: [] as number[] }
      let known = countUntil(times, firstMs)
      for (let timeMs = firstMs; timeMs <= lastMs; timeMs += stepMs) {
        while ((times[known] ?? Infinity) <= timeMs) known += 1
        window.times.push(timeMs)
        window.values.push(totals[known - 1] ?? 0)
      }
      return window
    },
    span: (fromMs, toMs) => {
      const [firstMs, lastMs] = [firstAfter(fromMs), lastUntil(toMs)]
      if (lastMs < firstMs) return undefined
      const count = (lastMs - firstMs) / stepMs + 1
      const beforeMs = firstMs - stepMs
      return {
        count,
        firstMs,
        firstValue: valueAt(firstMs),
        lastMs,
        lastValue: valueAt(lastMs),
        dropped: 0,
        ...(beforeMs >= sinceMs && { before: { timeMs: beforeMs, value: valueAt(beforeMs) } }),
      }
    },
  }
}
