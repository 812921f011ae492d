import { createHash } from 'node:crypto'
import type { Distribution } from './read-pushed-series.ts'

/** A counter's value, or how values spread. */
export type Count = number | Distribution

/** What a series of a proxy is called on disk. `key`: as it was pushed. */
export const toSeriesId = (key: string): string => createHash('sha256').update(key).digest('base64url').slice(0, 16)

const isSame = (left: readonly number[], right: readonly number[]): boolean =>
  left === right || (left.length === right.length && left.every((value, index) => value === right[index]))

/**
 * What was counted between two values of one series; undefined = nothing. A later one that is less has begun anew, and so has one with other
 * bounds: what it tells was all counted since.
 */
export const toIncrement = (later: Count, earlier: Count | undefined): Count | undefined => {
  if (typeof later === 'number') {
    const before = typeof earlier === 'number' && earlier <= later ? earlier : 0
    return later > before ? later - before : undefined
  }
  if (earlier === undefined || typeof earlier === 'number' || !isSame(earlier.bounds, later.bounds))
    return hasCounts(later) ? later : undefined
  const counts = later.counts.map((count, index) => count - (earlier.counts[index] ?? 0))
  if (counts.some((count) => count < 0)) return hasCounts(later) ? later : undefined
  return counts.some((count) => count > 0)
    ? { bounds: later.bounds, counts, sum: Math.max(later.sum - earlier.sum, 0) }
    : undefined
}

const hasCounts = ({ counts }: Distribution): boolean => counts.some((count) => count > 0)

/** Sums of numbers that somebody else tells stay exact. */
const add = (left: number, right: number): number => Math.min(left + right, Number.MAX_SAFE_INTEGER)

/** Both together. Of distributions with different bounds the second one's values go where the first one's bounds put their upper ends. */
export const addCounts = (left: Count | undefined, right: Count): Count => {
  if (left === undefined || typeof left !== typeof right) return right
  if (typeof left === 'number' || typeof right === 'number') return add(Number(left), Number(right))
  if (isSame(left.bounds, right.bounds))
    return {
      bounds: left.bounds,
      counts: left.counts.map((count, index) => add(count, right.counts[index] ?? 0)),
      sum: left.sum + right.sum,
    }
  const counts = [...left.counts]
  for (const [index, count] of right.counts.entries()) {
    const bound = right.bounds[index] ?? Infinity
    const at = left.bounds.findIndex((each) => bound <= each)
    const place = at === -1 ? left.bounds.length : at
    counts[place] = add(counts[place] ?? 0, count)
  }
  return { bounds: left.bounds, counts, sum: left.sum + right.sum }
}
