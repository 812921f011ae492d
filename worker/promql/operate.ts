import type { Matching, Operation } from './expression.ts'
import type { Labels } from './labels.ts'
import { METRIC_NAME, onlyLabels, toLabelKey, withLabel, withoutLabels } from './labels.ts'
import { QueryError } from './query-error.ts'
import type { Column, Value } from './value.ts'
import { checkSize, joinColumns, mapColumn, put, read, toColumn } from './value.ts'

const arithmetic: ReadonlyMap<string, (a: number, b: number) => number> = new Map([
  ['+', (a, b) => a + b],
  ['-', (a, b) => a - b],
  ['*', (a, b) => a * b],
  ['/', (a, b) => a / b],
  ['%', (a, b) => a % b],
  ['^', (a, b) => a ** b],
  ['atan2', Math.atan2],
])

const comparisons: ReadonlyMap<string, (a: number, b: number) => boolean> = new Map([
  ['==', (a, b) => a === b],
  ['!=', (a, b) => a !== b],
  ['>', (a, b) => a > b],
  ['<', (a, b) => a < b],
  ['>=', (a, b) => a >= b],
  ['<=', (a, b) => a <= b],
])

/** What an operation makes of two numbers; `kept` is what a comparison that holds leaves. */
const toCombination = ({
  operator,
  isBool,
}: Operation): ((a: number, b: number, kept: number) => number | undefined) => {
  const compute = arithmetic.get(operator)
  if (compute) return compute
  const holds = comparisons.get(operator)
  if (!holds) throw new QueryError(`the operator ${operator} is not supported`)
  return isBool ? (a, b) => Number(holds(a, b)) : (a, b, kept) => (holds(a, b) ? kept : undefined)
}

const isFilter = ({ operator, isBool }: Operation): boolean => comparisons.has(operator) && !isBool

const signatureOf = ({ on, labels: names }: Matching, labels: Labels): string =>
  toLabelKey(on ? onlyLabels(labels, names) : withoutLabels(labels, METRIC_NAME, ...names))

const operateWithScalar = (
  operation: Operation,
  columns: readonly Column[],
  scalars: Float64Array,
  isLeft: boolean,
) => {
  const combine = toCombination(operation)
  return joinColumns(
    columns.map((column) => {
      const labels = isFilter(operation) ? column.labels : withoutLabels(column.labels, METRIC_NAME)
      return mapColumn(column, labels, (value, step) => {
        const scalar = scalars[step] ?? Number.NaN
        return isLeft ? combine(scalar, value, value) : combine(value, scalar, value)
      })
    }),
  )
}

const operateOnSets = (operation: Operation, left: readonly Column[], right: readonly Column[]): Column[] => {
  const { operator, matching } = operation
  /** By signature, at which steps there is something. */
  const presence = (columns: readonly Column[]) => {
    const found = new Map<string, Uint8Array>()
    for (const { labels, has } of columns) {
      const key = signatureOf(matching, labels)
      const known = found.get(key)
      found.set(key, known ? known.map((each, step) => each | (has[step] ?? 0)) : has)
    }
    return found
  }
  const keep = (columns: readonly Column[], others: ReadonlyMap<string, Uint8Array>, wanted: 0 | 1) =>
    columns.map((column) => {
      const other = others.get(signatureOf(matching, column.labels))
      return mapColumn(column, column.labels, (value, step) => ((other?.[step] ?? 0) === wanted ? value : undefined))
    })
  switch (operator) {
    case 'and':
      return joinColumns(keep(left, presence(right), 1))
    case 'unless':
      return joinColumns(keep(left, presence(right), 0))
    default:
      return joinColumns([...left, ...keep(right, presence(left), 0)])
  }
}

const toResultLabels = (operation: Operation, many: Labels, one: Labels): Labels => {
  const { matching } = operation
  const named = isFilter(operation) ? many : withoutLabels(many, METRIC_NAME)
  if (matching.many === undefined) {
    return matching.on ? onlyLabels(named, matching.labels) : withoutLabels(named, ...matching.labels)
  }
  return matching.include.reduce((labels, name) => withLabel(labels, name, one.get(name) ?? ''), named)
}

/** Of columns with one signature, how many have a value at each step. */
const countPresent = (columns: readonly Column[]): Uint32Array => {
  const counts = new Uint32Array(columns[0]?.has.length ?? 0)
  for (const { has } of columns)
    for (const [step, present] of has.entries()) counts[step] = (counts[step] ?? 0) + present
  return counts
}

const operateOnVectors = (operation: Operation, left: readonly Column[], right: readonly Column[]): Column[] => {
  const { matching, operator } = operation
  const combine = toCombination(operation)
  const isManyRight = matching.many === 'right'
  const [manySide, oneSide] = isManyRight ? [right, left] : [left, right]
  const refuse = (side: string, advice = ''): never => {
    throw new QueryError(`${operator} found several series on its ${side} for one on the other side${advice}`)
  }
  const ones = new Map(
    [...Map.groupBy(oneSide, ({ labels }) => signatureOf(matching, labels))].map(([key, columns]) => [
      key,
      { columns, counts: columns.length > 1 ? countPresent(columns) : undefined },
    ]),
  )
  if (matching.many === undefined) {
    for (const [key, columns] of Map.groupBy(left, ({ labels }) => signatureOf(matching, labels))) {
      if (columns.length > 1 && ones.has(key) && countPresent(columns).some((count) => count > 1))
        refuse('left', ': group_left is missing')
    }
  }
  const results: Column[] = []
  for (const many of manySide) {
    const candidates = ones.get(signatureOf(matching, many.labels))
    for (const one of candidates?.columns ?? []) {
      const result = toColumn(toResultLabels(operation, many.labels, one.labels), many.values.length)
      for (let step = 0; step < many.values.length; step++) {
        const [a, b] = [read(many, step), read(one, step)]
        if (a === undefined || b === undefined) continue
        if ((candidates?.counts?.[step] ?? 0) > 1) refuse(isManyRight ? 'left' : 'right')
        put(result, step, isManyRight ? combine(b, a, b) : combine(a, b, a))
      }
      results.push(result)
      checkSize(results.length, many.values.length)
    }
  }
  return joinColumns(results)
}

/** Two sides with an operator between them (Prometheus reference: Operators). */
export const operate = (operation: Operation, left: Value, right: Value): Value => {
  const { operator } = operation
  if (left.kind === 'scalar' && right.kind === 'scalar') {
    const combine = toCombination(operation)
    return {
      kind: 'scalar',
      values: left.values.map((a, step) => combine(a, right.values[step] ?? 0, a) ?? Number.NaN),
    }
  }
  if (left.kind === 'vector' && right.kind === 'scalar') {
    return { kind: 'vector', columns: operateWithScalar(operation, left.columns, right.values, false) }
  }
  if (left.kind === 'scalar' && right.kind === 'vector') {
    return { kind: 'vector', columns: operateWithScalar(operation, right.columns, left.values, true) }
  }
  if (left.kind !== 'vector' || right.kind !== 'vector') throw new QueryError(`${operator} does not take a text`)
  const isSet = operator === 'and' || operator === 'or' || operator === 'unless'
  return { kind: 'vector', columns: (isSet ? operateOnSets : operateOnVectors)(operation, left.columns, right.columns) }
}
