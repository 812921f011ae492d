import type { Labels } from './labels.ts'
import type { Steps } from './call-function.ts'
import type { QueryResult } from './evaluate.ts'
import type { Column } from './value.ts'

/** Numbers as Prometheus writes them. */
export const toNumberText = (value: number): string =>
  value === Infinity ? '+Inf' : value === -Infinity ? '-Inf' : String(value)

type Sample = [seconds: number, value: string]
type Metric = Record<string, string>

/** The `data` of Prometheus' HTTP API. */
export type QueryData =
  | { resultType: 'scalar' | 'string'; result: Sample }
  | { resultType: 'vector'; result: { metric: Metric; value: Sample }[] }
  | { resultType: 'matrix'; result: { metric: Metric; values: Sample[] }[] }

export const toMetric = (labels: Labels): Metric => Object.fromEntries(labels)

const samplesOf = ({ values, has }: Column, { startMs, stepMs, count }: Steps): Sample[] => {
  const samples: Sample[] = []
  for (let step = 0; step < count; step++) {
    if (has[step] === 1) samples.push([(startMs + step * stepMs) / 1000, toNumberText(values[step] ?? 0)])
  }
  return samples
}

/** Of a query at one time. */
export const toInstantData = ({ value, steps }: QueryResult): QueryData => {
  const seconds = steps.startMs / 1000
  switch (value.kind) {
    case 'text':
      return { resultType: 'string', result: [seconds, value.text] }
    case 'scalar':
      return { resultType: 'scalar', result: [seconds, toNumberText(value.values[0] ?? Number.NaN)] }
    case 'vector':
      return {
        resultType: 'vector',
        result: value.columns.flatMap((column) =>
          samplesOf(column, steps).map((sample) => ({ metric: toMetric(column.labels), value: sample })),
        ),
      }
  }
}

/** Of a query over a time. */
export const toRangeData = ({ value, steps }: QueryResult): QueryData => {
  const columns: readonly Column[] =
    value.kind === 'vector'
      ? value.columns
      : value.kind === 'scalar'
        ? [{ labels: new Map(), values: value.values, has: new Uint8Array(steps.count).fill(1) }]
        : []
  return {
    resultType: 'matrix',
    result: columns.map((column) => ({ metric: toMetric(column.labels), values: samplesOf(column, steps) })),
  }
}
