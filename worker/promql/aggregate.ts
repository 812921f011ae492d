import type { Grouping } from './expression.ts'
import type { Labels } from './labels.ts'
import { METRIC_NAME, onlyLabels, toLabelKey, withoutLabels } from './labels.ts'
import type { Column } from './value.ts'
import { put, read, toColumn } from './value.ts'

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length

const variance = (values: readonly number[]): number => {
  const middle = mean(values)
  return values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / values.length
}

const quantile = (share: number, values: readonly number[]): number => {
  if (Number.isNaN(share)) return Number.NaN
  if (share < 0) return -Infinity
  if (share > 1) return Infinity
  const sorted = values.toSorted(byValue)
  const rank = share * (sorted.length - 1)
  const [low, high] = [Math.floor(rank), Math.min(Math.floor(rank) + 1, sorted.length - 1)]
  const weight = rank - low
  return (sorted[low] ?? 0) * (1 - weight) + (sorted[high] ?? 0) * weight
}

/** NaN counts as less than all. */
const byValue = (a: number, b: number): number =>
  Number.isNaN(a) ? (Number.isNaN(b) ? 0 : -1) : Number.isNaN(b) ? 1 : a - b

/** NaN only where there is nothing else. */
const toExtreme = (isMore: (a: number, b: number) => boolean) => (values: readonly number[]) =>
  values.reduce((best, value) => (isMore(value, best) || Number.isNaN(best) ? value : best))

type Summary = (values: readonly number[], parameter: number) => number

const summaries: ReadonlyMap<string, Summary> = new Map<string, Summary>([
  ['sum', (values) => values.reduce((sum, value) => sum + value, 0)],
  ['avg', mean],
  ['min', toExtreme((a, b) => a < b)],
  ['max', toExtreme((a, b) => a > b)],
  ['count', (values) => values.length],
  ['group', () => 1],
  ['stdvar', variance],
  ['stddev', (values) => Math.sqrt(variance(values))],
  ['quantile', (values, share) => quantile(share, values)],
])

const toGroup = ({ by, labels: names }: Grouping, labels: Labels): Labels =>
  by ? onlyLabels(labels, names) : withoutLabels(labels, METRIC_NAME, ...names)

/** Of each group the columns with the most, or the least, at each step. */
const pickColumns = (columns: readonly Column[], limits: Float64Array, isMost: boolean): Column[] => {
  const picked = columns.map(({ labels }) => toColumn(labels, limits.length))
  for (let step = 0; step < limits.length; step++) {
    const present = columns.flatMap((column, index) => {
      const value = read(column, step)
      return value === undefined ? [] : [{ index, value }]
    })
    // NaN is the last to be picked, by both.
    present.sort((a, b) => {
      if (Number.isNaN(a.value) || Number.isNaN(b.value))
        return Number(Number.isNaN(a.value)) - Number(Number.isNaN(b.value))
      return isMost ? b.value - a.value : a.value - b.value
    })
    for (const { index, value } of present.slice(0, Math.max(0, Math.trunc(limits[step] ?? 0) || 0))) {
      const column = picked[index]
      if (column) put(column, step, value)
    }
  }
  const lastOf = ({ values }: Column) => values.at(-1) ?? 0
  return picked.sort((a, b) => (isMost ? lastOf(b) - lastOf(a) : lastOf(a) - lastOf(b)))
}

/** `parameters`: of each step, for those that take one. */
export const aggregate = (
  operator: string,
  grouping: Grouping,
  columns: readonly Column[],
  parameters: Float64Array,
): Column[] => {
  const groups = new Map<string, { readonly labels: Labels; readonly columns: Column[] }>()
  for (const column of columns) {
    const labels = toGroup(grouping, column.labels)
    const key = toLabelKey(labels)
    const group = groups.get(key)
    if (group) group.columns.push(column)
    else groups.set(key, { labels, columns: [column] })
  }
  return [...groups.values()].flatMap((group) => {
    if (operator === 'topk' || operator === 'bottomk') {
      return pickColumns(group.columns, parameters, operator === 'topk')
    }
    const result = toColumn(group.labels, parameters.length)
    const summarise = summaries.get(operator)
    for (let step = 0; step < parameters.length; step++) {
      const values: number[] = []
      for (const column of group.columns) {
        if (column.has[step] === 1) values.push(column.values[step] ?? 0)
      }
      if (values.length > 0) put(result, step, summarise?.(values, parameters[step] ?? Number.NaN))
    }
    return [result]
  })
}
