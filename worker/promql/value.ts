import type { Labels } from './labels.ts'
import { toLabelKey } from './labels.ts'
import { QueryError } from './query-error.ts'

/** One series of a result: a value at some of the query's steps. */
export interface Column {
  readonly labels: Labels
  readonly values: Float64Array
  /** 1 where there is a value: NaN is one. */
  readonly has: Uint8Array
}

export type Value =
  | { readonly kind: 'scalar'; readonly values: Float64Array }
  | { readonly kind: 'vector'; readonly columns: readonly Column[] }
  | { readonly kind: 'text'; readonly text: string }

/** Values that one part of a query may have: 9 bytes each. */
const MAX_VALUES = 4_000_000
/** All its parts together. */
const MAX_ALL_VALUES = 6_000_000
/** Samples that functions look at which have to see each: what takes time. */
const MAX_SAMPLES = 10_000_000

/** @throws QueryError where a part of a query would be too large to be made. */
export const checkSize = (series: number, steps: number): void => {
  if (series * steps > MAX_VALUES)
    throw new QueryError(`${series} series at ${steps} steps are too many: select fewer series, or take longer steps`)
}

/** What a query may come to while it is evaluated. */
export class EvaluationBudget {
  #values = MAX_ALL_VALUES
  #samples = MAX_SAMPLES

  /** @throws QueryError */
  spendValues(values: number): void {
    this.#values -= values
    if (this.#values < 0)
      throw new QueryError(
        'the query has too many parts with too many values: select fewer series, or take longer steps',
      )
  }

  /** @throws QueryError */
  spendSamples(samples: number): void {
    this.#samples -= samples
    if (this.#samples < 0)
      throw new QueryError('the query looks at too many samples: take shorter ranges, fewer series, or longer steps')
  }
}

export const toColumn = (labels: Labels, steps: number): Column => ({
  labels,
  values: new Float64Array(steps),
  has: new Uint8Array(steps),
})

export const put = (column: Column, step: number, value: number | undefined): void => {
  if (value === undefined) return
  column.values[step] = value
  column.has[step] = 1
}

export const read = (column: Column, step: number): number | undefined =>
  column.has[step] === 1 ? column.values[step] : undefined

/** With each value changed, or left out. */
export const mapColumn = (
  column: Column,
  labels: Labels,
  change: (value: number, step: number) => number | undefined,
): Column => {
  const mapped = toColumn(labels, column.values.length)
  for (let step = 0; step < column.values.length; step++) {
    if (column.has[step] === 1) put(mapped, step, change(column.values[step] ?? 0, step))
  }
  return mapped
}

/**
 * Columns that came to the same labels, as one; those without any value are left out.
 *
 * @throws QueryError where two have a value at the same step.
 */
export const joinColumns = (columns: readonly Column[]): Column[] => {
  const joined = new Map<string, Column>()
  for (const column of columns) {
    if (!column.has.includes(1)) continue
    const key = toLabelKey(column.labels)
    const known = joined.get(key)
    if (!known) {
      joined.set(key, column)
      continue
    }
    const both = toColumn(column.labels, column.values.length)
    for (let step = 0; step < column.values.length; step++) {
      const [a, b] = [read(known, step), read(column, step)]
      if (a !== undefined && b !== undefined) {
        throw new QueryError('two series of the result have the same labels')
      }
      put(both, step, a ?? b)
    }
    joined.set(key, both)
  }
  return [...joined.values()]
}
