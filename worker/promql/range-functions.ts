import type { Series, Span } from './series.ts'

/** What a function makes of the samples of a range that ends at `toMs`. Undefined: nothing can be said. */
type RangeFunction = (series: Series, fromMs: number, toMs: number) => number | undefined

/**
 * How much there was more at the end than at the beginning, if what lies between the samples and the ends of the range goes on as between the samples
 * (Prometheus: `extrapolatedRate` in promql/functions.go). Of a counter whose sample before the range is known nothing has to be guessed of the range's beginning, nor of
 * when the counter began: that is what Prometheus itself calls `anchored`. So the increase of a sum is the sum of the increases.
 */
const extrapolate = (
  { count, firstMs, firstValue, lastMs, lastValue, dropped, before }: Span,
  fromMs: number,
  toMs: number,
  isCounter: boolean,
): number | undefined => {
  if (count < 2) return undefined
  if (isCounter && before) {
    const knownMs = lastMs - before.timeMs
    const gapMs = toMs - lastMs
    const restMs = gapMs >= (knownMs / count) * 1.1 ? knownMs / count / 2 : gapMs
    return ((lastValue - before.value + dropped) * (lastMs + restMs - fromMs)) / knownMs
  }
  const change = lastValue - firstValue + (isCounter ? dropped : 0)
  const sampledMs = lastMs - firstMs
  const betweenMs = sampledMs / (count - 1)
  const within = (gapMs: number) => (gapMs >= betweenMs * 1.1 ? betweenMs / 2 : gapMs)
  let startMs = within(firstMs - fromMs)
  // A counter is never extrapolated to less than nothing.
  if (isCounter && change > 0 && firstValue >= 0) startMs = Math.min(startMs, sampledMs * (firstValue / change))
  return change * ((sampledMs + startMs + within(toMs - lastMs)) / sampledMs)
}

const toChange =
  (isCounter: boolean): RangeFunction =>
  (series, fromMs, toMs) => {
    const span = series.span(fromMs, toMs)
    return span && extrapolate(span, fromMs, toMs, isCounter)
  }
const increase = toChange(true)

const toInstant =
  (isRate: boolean): RangeFunction =>
  (series, fromMs, toMs) => {
    const { times, values } = series.window(fromMs, toMs)
    const [a, b] = [values.length - 2, values.length - 1]
    const [before, last] = [values[a], values[b]]
    if (before === undefined || last === undefined) return undefined
    if (!isRate) return last - before
    const seconds = ((times[b] ?? 0) - (times[a] ?? 0)) / 1000
    return (last < before ? last : last - before) / seconds
  }

const overTime =
  (summarise: (values: number[]) => number): RangeFunction =>
  (series, fromMs, toMs) => {
    const values = Array.from(series.window(fromMs, toMs).values)
    return values.length === 0 ? undefined : summarise(values)
  }
const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0)
const countSteps = (isCounted: (before: number, after: number) => boolean) =>
  overTime((values) => values.filter((value, index) => index > 0 && isCounted(values[index - 1] ?? 0, value)).length)
const numbersOf = (values: readonly number[]) => values.filter((value) => !Number.isNaN(value))

export const rangeFunctions: ReadonlyMap<string, RangeFunction> = new Map([
  ['increase', increase],
  [
    'rate',
    (series, fromMs, toMs) => {
      const change = increase(series, fromMs, toMs)
      return change === undefined ? undefined : change / ((toMs - fromMs) / 1000)
    },
  ],
  ['delta', toChange(false)],
  ['irate', toInstant(true)],
  ['idelta', toInstant(false)],
  ['changes', countSteps((before, after) => before !== after && !(Number.isNaN(before) && Number.isNaN(after)))],
  ['resets', countSteps((before, after) => after < before)],
  ['sum_over_time', overTime(sum)],
  ['avg_over_time', overTime((values) => sum(values) / values.length)],
  [
    'min_over_time',
    overTime((values) =>
      numbersOf(values).length === 0 ? Number.NaN : numbersOf(values).reduce((a, b) => Math.min(a, b)),
    ),
  ],
  [
    'max_over_time',
    overTime((values) =>
      numbersOf(values).length === 0 ? Number.NaN : numbersOf(values).reduce((a, b) => Math.max(a, b)),
    ),
  ],
  ['count_over_time', overTime((values) => values.length)],
  ['last_over_time', overTime((values) => values.at(-1) ?? Number.NaN)],
  ['present_over_time', overTime(() => 1)],
])
