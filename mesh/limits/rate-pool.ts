import type { RateTerms } from './limit-terms.ts'

/**
 * What is left of a rate, at the plane. Of two bounds the second keeps what is given back from being leased for ever:
 *
 *   level ≤ burst        level + leased in the last `leaseMs` ≤ burst + rate × leaseMs
 *
 * So what is let through in any time t is at most burst + rate × (t + leaseMs), and what replicas run ahead by (docs/decisions/0030).
 */
export interface RatePool {
  /** Below 0: replicas were ahead. Not whole. */
  readonly level: number
  readonly atMs: number
  /** What was leased, and when the last of it: oldest first, of no longer than a lease ago. */
  readonly leased: readonly { readonly tokens: number; readonly atMs: number }[]
}

/** `sinceMs`: when the last of it may have been leased before; undefined = never. */
export const newRatePool = (terms: RateTerms, sinceMs: number | undefined, nowMs: number): RatePool => ({
  level: sinceMs === undefined ? terms.burst : Math.min(terms.burst, Math.max(0, nowMs - sinceMs) * toRate(terms)),
  atMs: nowMs,
  leased: [],
})

/** Leases are remembered together by so many parts of their time: there is no more than that of one pool. */
const partsOfLease = 8

const toRate = ({ requests, periodMs }: RateTerms): number => requests / periodMs

export interface PoolRequest {
  /** What a replica has no need of any more. */
  readonly back: number
  /** What it has let through beyond what it held. */
  readonly ahead: number
  readonly want: number
  /** What others want that ask for the same. */
  readonly othersWant: number
}

/** One replica asks. `leaseMs`: what leases are good for. */
export const drawOnRate = (
  terms: RateTerms,
  before: RatePool,
  { back, ahead, want, othersWant }: PoolRequest,
  leaseMs: number,
  nowMs: number,
): { readonly pool: RatePool; readonly tokens: number } => {
  // A clock that was set back fills nothing.
  const atMs = Math.max(before.atMs, nowMs)
  const leased = before.leased.filter((each) => each.atMs > atMs - leaseMs)
  const outstanding = leased.reduce((sum, { tokens }) => sum + tokens, 0)
  const room = Math.min(terms.burst, toMostOut(terms, leaseMs) - outstanding)
  const filled = before.level + (atMs - before.atMs) * toRate(terms) + back
  // No lower than what a whole burst is paid back from: a replica that says more than can be keeps nobody out for longer.
  const level = Math.max(-terms.burst, Math.min(filled, room) - ahead)
  const tokens = toShare(level, want, othersWant)
  return {
    tokens,
    pool: { level: level - tokens, atMs, leased: tokens === 0 ? leased : remember(leased, tokens, atMs, leaseMs) },
  }
}

/** What can be leased within the time of one lease. */
export const toMostOut = (terms: RateTerms, leaseMs: number): number => terms.burst + toRate(terms) * leaseMs

/** In proportion to what everybody wants, in whole tokens, and one where there is one. */
export const toShare = (left: number, want: number, othersWant: number): number => {
  if (left < 1 || want === 0) return 0
  return Math.min(want, Math.max(1, Math.floor((left * want) / (want + othersWant))))
}

const remember = (leased: RatePool['leased'], tokens: number, atMs: number, leaseMs: number): RatePool['leased'] => {
  const last = leased.at(-1)
  if (!last || atMs - last.atMs >= leaseMs / partsOfLease) return [...leased, { tokens, atMs }]
  return [...leased.slice(0, -1), { tokens: last.tokens + tokens, atMs }]
}

/** Whether forgetting it changes nothing: it is as full as one that begins anew. */
export const isUntouched = (
  terms: RateTerms,
  { level, atMs, leased }: RatePool,
  leaseMs: number,
  nowMs: number,
): boolean =>
  level + (nowMs - atMs) * toRate(terms) >= terms.burst && leased.every((each) => each.atMs <= nowMs - leaseMs)

/** When a replica is to ask again, at the earliest: 0 as long as there is more than it was given. */
export const toRefillMs = (terms: RateTerms, { level }: RatePool, atLeastMs: number, atMostMs: number): number =>
  level >= 1 ? 0 : Math.min(atMostMs, Math.max(atLeastMs, Math.ceil((1 - level) / toRate(terms))))
