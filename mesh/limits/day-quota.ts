import { dayMs } from './limit-terms.ts'
import { toShare, type PoolRequest } from './rate-pool.ts'

/** Days since the epoch, of UTC. */
export const toDay = (nowMs: number): number => Math.floor(nowMs / dayMs)

export const toEndOfDayMs = (day: number): number => (day + 1) * dayMs

/**
 * One replica asks for part of a day's quota. `used` counts what is leased, so that it is never more than `requests` but for what replicas were
 * ahead by; what they give back is taken off.
 */
export const drawOnDay = (
  requests: number,
  used: number,
  { back, ahead, want, othersWant }: PoolRequest,
): { readonly used: number; readonly tokens: number } => {
  // Whatever a replica says, it stays a number that can be told.
  const before = Math.min(Math.max(0, used - back) + ahead, Number.MAX_SAFE_INTEGER)
  // Half of what is left at most: who asks next is to have something.
  const tokens = toShare(requests - before, Math.min(want, Math.ceil((requests - before) / 2)), othersWant)
  return { used: before + tokens, tokens }
}
