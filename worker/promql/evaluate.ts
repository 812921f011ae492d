import { aggregate } from './aggregate.ts'
import { callFunction } from './call-function.ts'
import type { Steps } from './call-function.ts'
import type { Aggregation, Call, Expression, Selector } from './expression.ts'
import { METRIC_NAME, withoutLabels } from './labels.ts'
import { operate } from './operate.ts'
import { QueryError } from './query-error.ts'
import { rangeFunctions } from './range-functions.ts'
import type { Series } from './series.ts'
import type { Value } from './value.ts'
import { checkSize, EvaluationBudget, joinColumns, mapColumn, put, toColumn } from './value.ts'

/** A sample older than this is not a series' newest any more. */
export const LOOKBACK_MS = 300_000
const MAX_STEPS = 11_000

/** At each `stepMs` from `startMs` until `endMs`, both included. */
export interface TimeRange {
  readonly startMs: number
  readonly endMs: number
  readonly stepMs: number
}

export interface QueryResult {
  readonly value: Value
  readonly steps: Steps
}

/** What a query wants to read. */
export interface Need {
  readonly selector: Selector
  /** Samples with `fromMs` < time <= `toMs`. */
  readonly fromMs: number
  readonly toMs: number
  /** Counters that differ only in other labels may be added up before: that is all that becomes of them. */
  readonly by?: readonly string[]
}

/** What grows by as much as its parts do together. */
const additive = new Set(['rate', 'increase', 'irate'])

/** The labels that are left of a selector when it is nothing but summed. */
const findSummed = ({ operator, grouping, of }: Aggregation): Pick<Need, 'by'> =>
  operator === 'sum' && grouping.by && of.kind === 'call' && additive.has(of.name) ? { by: grouping.labels } : {}

const findSelectors = (expression: Expression, by: Pick<Need, 'by'>): Pick<Need, 'selector' | 'by'>[] => {
  switch (expression.kind) {
    case 'number':
    case 'text':
      return []
    case 'selector':
      return [{ selector: expression, ...by }]
    case 'negation':
      return findSelectors(expression.of, {})
    case 'call':
      return expression.args.flatMap((arg) => findSelectors(arg, by))
    case 'aggregation':
      return [
        ...(expression.parameter ? findSelectors(expression.parameter, {}) : []),
        ...findSelectors(expression.of, findSummed(expression)),
      ]
    case 'operation':
      return [...findSelectors(expression.left, {}), ...findSelectors(expression.right, {})]
  }
}

/** All that has to be read before a query can be evaluated. */
export const findNeeds = (expression: Expression, { startMs, endMs }: TimeRange): Need[] =>
  findSelectors(expression, {}).map((found) => ({
    ...found,
    fromMs: startMs - found.selector.offsetMs - (found.selector.rangeMs ?? LOOKBACK_MS),
    toMs: endMs - found.selector.offsetMs,
  }))

const withinBudget = (series: Series, budget: EvaluationBudget): Series => ({
  ...series,
  window: (fromMs, toMs) => {
    const window = series.window(fromMs, toMs)
    budget.spendSamples(window.times.length)
    return window
  },
})

/** @throws QueryError where there are too many. */
export const toSteps = ({ startMs, endMs, stepMs }: TimeRange): Steps => {
  const count = Math.floor((endMs - startMs) / stepMs) + 1
  if (count > MAX_STEPS) throw new QueryError(`${count} steps are more than ${MAX_STEPS}: take longer ones`)
  return { startMs, stepMs, count }
}

const toEvaluator = (seriesOf: (selector: Selector) => readonly Series[], steps: Steps) => {
  const { startMs, stepMs, count } = steps
  const budget = new EvaluationBudget()

  const readSelector = (
    selector: Selector,
    keepName: boolean,
    at: (series: Series, timeMs: number) => number | undefined,
  ) => {
    const found = seriesOf(selector)
    checkSize(found.length, count)
    const columns = found.map((each) => {
      const series = withinBudget(each, budget)
      const column = toColumn(keepName ? series.labels : withoutLabels(series.labels, METRIC_NAME), count)
      for (let step = 0; step < count; step++)
        put(column, step, at(series, startMs + step * stepMs - selector.offsetMs))
      return column
    })
    return { kind: 'vector', columns: joinColumns(columns) } as const
  }

  const call = ({ name, args }: Call): Value => {
    const ofRange = rangeFunctions.get(name)
    if (!ofRange) return callFunction(name, args.map(evaluate), args, steps)
    const [selector] = args
    if (selector?.kind !== 'selector' || selector.rangeMs === undefined) throw new QueryError(`${name} takes a range`)
    const { rangeMs } = selector
    return readSelector(selector, name === 'last_over_time', (series, timeMs) =>
      ofRange(series, timeMs - rangeMs, timeMs),
    )
  }

  const evaluate = (expression: Expression): Value => {
    const value = evaluateAlone(expression)
    budget.spendValues(count * (value.kind === 'vector' ? value.columns.length : 1))
    return value
  }

  const evaluateAlone = (expression: Expression): Value => {
    switch (expression.kind) {
      case 'number':
        return { kind: 'scalar', values: new Float64Array(count).fill(expression.value) }
      case 'text':
        return { kind: 'text', text: expression.value }
      case 'selector':
        return readSelector(expression, true, (series, timeMs) => series.newest(timeMs - LOOKBACK_MS, timeMs))
      case 'negation': {
        const value = evaluate(expression.of)
        if (value.kind === 'scalar') return { kind: 'scalar', values: value.values.map((each) => -each) }
        const columns = value.kind === 'vector' ? value.columns : []
        return {
          kind: 'vector',
          columns: joinColumns(
            columns.map((column) => mapColumn(column, withoutLabels(column.labels, METRIC_NAME), (each) => -each)),
          ),
        }
      }
      case 'call':
        return call(expression)
      case 'aggregation': {
        const of = evaluate(expression.of)
        const parameter = expression.parameter && evaluate(expression.parameter)
        const parameters = parameter?.kind === 'scalar' ? parameter.values : new Float64Array(count)
        const columns = of.kind === 'vector' ? of.columns : []
        return {
          kind: 'vector',
          columns: joinColumns(aggregate(expression.operator, expression.grouping, columns, parameters)),
        }
      }
      case 'operation':
        return operate(expression, evaluate(expression.left), evaluate(expression.right))
    }
  }
  return evaluate
}

/**
 * The answer of a query at each step, from the series of each of its selectors.
 *
 * @throws QueryError
 */
export const evaluateQuery = (
  expression: Expression,
  range: TimeRange,
  seriesOf: (selector: Selector) => readonly Series[],
): QueryResult => {
  const steps = toSteps(range)
  return { value: toEvaluator(seriesOf, steps)(expression), steps }
}
