import { toLabelKey, withoutLabels, METRIC_NAME } from './labels.ts'
import type { Column } from './value.ts'
import { put, read, toColumn } from './value.ts'

export interface Bucket {
  /** Inclusive. */
  readonly upper: number
  /** Of all that is not more. */
  readonly count: number
}

/**
 * The value that a share of the observations does not exceed, from cumulative buckets in order (Prometheus: `bucketQuantile` in promql/quantile.go):
 * within a bucket they are taken to lie evenly.
 */
export const toQuantile = (share: number, given: readonly Bucket[]): number => {
  if (Number.isNaN(share)) return Number.NaN
  if (share < 0) return -Infinity
  if (share > 1) return Infinity
  if (given.at(-1)?.upper !== Infinity) return Number.NaN
  const buckets = toRising(given)
  const total = buckets.at(-1)?.count ?? 0
  if (buckets.length < 2 || total === 0 || Number.isNaN(total)) return Number.NaN
  const rank = share * total
  const finite = buckets.slice(0, -1)
  const index = finite.findIndex(({ count }) => count >= rank)
  const bucket = finite[index]
  if (!bucket) return finite.at(-1)?.upper ?? Number.NaN
  const before = finite[index - 1]
  if (!before && bucket.upper <= 0) return bucket.upper
  const { upper: start, count: below } = before ?? { upper: 0, count: 0 }
  return start + (bucket.upper - start) * ((rank - below) / (bucket.count - below))
}

/** Buckets with the same bound are one, and none holds less than the one before it. */
const toRising = (buckets: readonly Bucket[]): Bucket[] => {
  const merged: Bucket[] = []
  for (const bucket of buckets) {
    const last = merged.at(-1)
    if (last?.upper === bucket.upper) merged[merged.length - 1] = { ...last, count: last.count + bucket.count }
    else merged.push(bucket)
  }
  let most = -Infinity
  return merged.map(({ upper, count }) => {
    most = Math.max(most, count)
    return { upper, count: most }
  })
}

const parseBound = (text: string | undefined): number | undefined => {
  if (text === '+Inf' || text === 'Inf') return Infinity
  const bound = text === undefined || text.trim() === '' ? Number.NaN : Number(text)
  return Number.isNaN(bound) ? undefined : bound
}

export const histogramQuantile = (shares: Float64Array, columns: readonly Column[]): Column[] => {
  const bucketsOf = columns.flatMap((column) => {
    const upper = parseBound(column.labels.get('le'))
    return upper === undefined ? [] : [{ column, upper }]
  })
  const groups = Map.groupBy(bucketsOf, ({ column }) => toLabelKey(withoutLabels(column.labels, 'le', METRIC_NAME)))
  return [...groups.values()].map((group) => {
    group.sort((a, b) => a.upper - b.upper)
    const labels = group[0] ? withoutLabels(group[0].column.labels, 'le', METRIC_NAME) : new Map()
    const result = toColumn(labels, shares.length)
    for (let step = 0; step < shares.length; step++) {
      const buckets = group.flatMap(({ column, upper }) => {
        const count = read(column, step)
        return count === undefined ? [] : [{ upper, count }]
      })
      if (buckets.length > 0) put(result, step, toQuantile(shares[step] ?? Number.NaN, buckets))
    }
    return result
  })
}
