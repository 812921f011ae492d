import { Borrowers, type BorrowerName } from '#mesh/limits/borrowers.ts'
import { drawOnDay, toDay, toEndOfDayMs } from '#mesh/limits/day-quota.ts'
import {
  toAskMs,
  toCountKey,
  toLeaseMs,
  toLimitNamespace,
  toMost,
  type LimitTerms,
  type RateTerms,
} from '#mesh/limits/limit-terms.ts'
import { drawOnRate, isUntouched, newRatePool, toMostOut, toRefillMs, type RatePool } from '#mesh/limits/rate-pool.ts'
import { SharedRoom } from '#mesh/limits/shared-room.ts'
import type { LeaseAsk, LeaseGrant, PlaneMessage } from '#mesh/uplink.ts'
import type { MeshContext } from '../context.ts'
import { findMeshLimit } from './find-mesh-limit.ts'
import { QuotaRows } from './quota-rows.ts'
import { readQuotaUse, writeQuotaUse, type QuotaCount, type QuotaUse } from './quota-uses.ts'
import { readRatesUntil, writeRatesUntil } from './rate-mark.ts'

/** Counts that are held in memory at once. */
export const MAX_COUNTS = 20_000
/** Those of one namespace's limits. */
export const MAX_COUNTS_OF_NAMESPACE = MAX_COUNTS / 2
/** Replicas that are remembered with what they want and have, of all counts together, and those of one cluster. */
export const MAX_REMEMBERED = 100_000
const MAX_REMEMBERED_OF_CLUSTER = MAX_REMEMBERED / 2
/** What was leased of rates is not on disk: only until when it may have been, which is told ahead by so much. */
const MARK_MS = 10_000
/** Between two looks for counts that may be forgotten. */
const SWEEP_MS = 1000
/** Between two lines of the log that say the same. */
const LOG_MS = 60_000

interface Count {
  readonly namespace: string
  pool: RatePool | undefined
  readonly terms: LimitTerms
  readonly borrowers: Borrowers
}

export interface LeaseDeskParts {
  readonly context: Pick<MeshContext, 'sql' | 'now'>
  /** Sessions of agents that ask for leases. */
  readonly countReplicas: () => number
}

/**
 * Leases parts of the mesh's limits to the agents (docs/decisions/0030). Rates are counted in memory: an object that has lost it counts them as used
 * up at the last time that it may have leased. What is used of a day's quota is on disk before it is leased.
 */
export class LeaseDesk {
  readonly #parts: LeaseDeskParts
  readonly #counts = new Map<string, Count>()
  readonly #room = new SharedRoom(MAX_COUNTS, MAX_COUNTS_OF_NAMESPACE)
  readonly #remembered = new SharedRoom(MAX_REMEMBERED, MAX_REMEMBERED_OF_CLUSTER)
  readonly #rows: QuotaRows
  readonly #limits = new Map<string, LimitTerms | undefined>()
  /** When rates may have been leased before this object remembers; undefined = never. */
  readonly #leasedBefore: number | undefined
  readonly #beganAt: number
  #markedUntil = 0
  #sweptAt = 0
  #loggedAt = 0

  constructor(parts: LeaseDeskParts) {
    this.#parts = parts
    this.#rows = new QuotaRows(parts.context.sql)
    this.#leasedBefore = readRatesUntil(parts.context.sql)
    this.#beganAt = parts.context.now()
  }

  /** In a transaction: answers what a replica asks for. */
  lease(from: BorrowerName, asks: readonly LeaseAsk[]): Extract<PlaneMessage, { type: 'leases' }> {
    const replicas = Math.max(1, this.#parts.countReplicas())
    const nowMs = this.#parts.context.now()
    const grants = asks.map(({ limit, consumer, ...ask }) => ({
      limit,
      consumer,
      ...this.#grant(from, { limit, consumer, ...ask }, replicas, nowMs),
    }))
    return { type: 'leases', replicas, grants }
  }

  /** Objects that say limits have changed. */
  limitsChanged(): void {
    this.#limits.clear()
  }

  /** In a transaction, from time to time: forgets days that are over. */
  prune(): void {
    this.#rows.prune(toDay(this.#parts.context.now()))
  }

  #grant(from: BorrowerName, ask: LeaseAsk, replicas: number, nowMs: number): Omit<LeaseGrant, 'limit' | 'consumer'> {
    const terms = this.#findLimit(ask.limit)
    if (!terms) return { tokens: 0, forMs: 0, againMs: GONE_MS, none: 'gone' }
    const leaseMs = toLeaseMs(terms, replicas)
    const count = this.#findCount(ask, terms, leaseMs, nowMs)
    if (!count) return full
    // Whatever a replica says, it leaves others their part.
    const want = Math.min(ask.want, toMost(terms))
    const { othersWant, back, isKnown } = count.borrowers.hear(from, { want, back: ask.back }, leaseMs, nowMs)
    if (!isKnown) this.#tellFull(from, nowMs)
    const request = { want, ahead: ask.ahead, othersWant }
    if (terms.kind === 'day') return this.#grantOfDay(from, ask, { ...request, back: ask.back }, terms, leaseMs, nowMs)
    const times = { leaseMs, askMs: toAskMs(terms, replicas), nowMs }
    const isRemembered = this.#leasedBefore === undefined || nowMs - this.#beganAt >= 2 * leaseMs
    return this.#grantOfRate(from, count, { ...request, back: isRemembered ? back : ask.back }, terms, times)
  }

  #grantOfRate(
    { session }: BorrowerName,
    count: Count,
    request: Parameters<typeof drawOnRate>[2],
    terms: RateTerms,
    { leaseMs, askMs, nowMs }: { readonly leaseMs: number; readonly askMs: number; readonly nowMs: number },
  ) {
    this.#mark(nowMs)
    const before = count.pool ?? newRatePool(terms, this.#leasedBefore, nowMs)
    const { pool, tokens } = drawOnRate(terms, before, request, leaseMs, nowMs)
    count.pool = pool
    count.borrowers.lend(session, tokens, toMostOut(terms, leaseMs))
    return { tokens, forMs: Math.floor(leaseMs), againMs: Math.ceil(toRefillMs(terms, pool, askMs, leaseMs)) }
  }

  #grantOfDay(
    { cluster }: BorrowerName,
    { limit, consumer, day: dayOfAsk }: LeaseAsk,
    request: Parameters<typeof drawOnDay>[2],
    { requests }: LimitTerms,
    leaseMs: number,
    nowMs: number,
  ) {
    const { sql } = this.#parts.context
    const day = toDay(nowMs)
    const endsMs = toEndOfDayMs(day) - nowMs
    const isOfToday = dayOfAsk === undefined || dayOfAsk === day
    const draw = (name: QuotaUse, asked: Parameters<typeof drawOnDay>[2], before: QuotaCount) => {
      // No more than it was given: who lies gives away nothing of what others have used.
      const lent = Object.hasOwn(before.lent, cluster) ? (before.lent[cluster] ?? 0) : 0
      const back = Math.min(asked.back, lent)
      const { used, tokens } = drawOnDay(requests, before.used, { ...asked, back })
      if (used !== before.used || back > 0)
        writeQuotaUse(sql, name, { used, lent: { ...before.lent, [cluster]: lent - back + tokens } })
      return { used, tokens }
    }
    if (!isOfToday && dayOfAsk === day - 1) {
      const name = { limit, consumer, day: dayOfAsk }
      const before = readQuotaUse(sql, name)
      if (before) draw(name, { ...request, want: 0 }, before)
    }
    const before = readQuotaUse(sql, { limit, consumer, day })
    if (before === undefined && !this.#rows.take(limit, day)) return full
    const today = isOfToday ? request : { ...request, back: 0, ahead: 0 }
    const { used, tokens } = draw({ limit, consumer, day }, today, before ?? { used: 0, lent: {} })
    return {
      tokens,
      forMs: Math.floor(Math.min(leaseMs, endsMs)),
      againMs: used < requests ? 0 : Math.ceil(Math.min(leaseMs, endsMs)),
      day,
      endsMs,
    }
  }

  #findLimit(limit: string): LimitTerms | undefined {
    if (!this.#limits.has(limit)) {
      // Names of limits that are not there are an agent's to choose.
      if (this.#limits.size >= MAX_COUNTS) this.#limits.clear()
      this.#limits.set(limit, findMeshLimit(this.#parts.context.sql, limit))
    }
    return this.#limits.get(limit)
  }

  #findCount(ask: LeaseAsk, terms: LimitTerms, leaseMs: number, nowMs: number): Count | undefined {
    const key = toCountKey(ask)
    const known = this.#counts.get(key)
    if (known && known.terms.kind === terms.kind) return known
    if (known) this.#forget(key, known)
    const namespace = toLimitNamespace(ask.limit)
    if (this.#room.isFullFor(namespace)) this.#sweep(leaseMs, nowMs)
    if (this.#room.isFullFor(namespace)) return undefined
    const count: Count = { namespace, pool: undefined, terms, borrowers: new Borrowers(this.#remembered) }
    this.#counts.set(key, count)
    this.#room.take(namespace)
    return count
  }

  #forget(key: string, { namespace, borrowers }: Count): void {
    this.#counts.delete(key)
    borrowers.clear()
    this.#room.giveBack(namespace)
  }

  /** Forgets counts that begin anew as they are. */
  #sweep(leaseMs: number, nowMs: number): void {
    if (nowMs - this.#sweptAt < SWEEP_MS && nowMs >= this.#sweptAt) return
    this.#sweptAt = nowMs
    for (const [key, count] of this.#counts) {
      const { pool, terms, borrowers } = count
      borrowers.prune(leaseMs, nowMs)
      const isIdle = terms.kind === 'day' ? borrowers.size === 0 : !pool || isUntouched(terms, pool, leaseMs, nowMs)
      if (isIdle) this.#forget(key, count)
    }
  }

  /** There is no room to remember what a replica wants and has: the log says so, now and then. */
  #tellFull({ cluster }: BorrowerName, nowMs: number): void {
    if (nowMs - this.#loggedAt < LOG_MS && nowMs >= this.#loggedAt) return
    this.#loggedAt = nowMs
    const message =
      'leases: too many replicas ask for too many counts: shares are less fair, and what some give back is lost'
    // eslint-disable-next-line no-console -- the platform's log
    console.warn(JSON.stringify({ level: 'warn', message, cluster }))
  }

  #mark(nowMs: number): void {
    if (nowMs < this.#markedUntil && this.#markedUntil - nowMs <= MARK_MS) return
    this.#markedUntil = nowMs + MARK_MS
    writeRatesUntil(this.#parts.context.sql, this.#markedUntil)
  }
}

const GONE_MS = 5000
const FULL_MS = 30_000
const full = { tokens: 0, forMs: 0, againMs: FULL_MS, none: 'full' } as const
