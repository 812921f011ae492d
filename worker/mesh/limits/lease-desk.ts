import { drawOnDay, toDay, toEndOfDayMs } from '#mesh/limits/day-quota.ts'
import {
  toAskMs,
  toCountKey,
  toLeaseMs,
  toLimitNamespace,
  type LimitTerms,
  type RateTerms,
} from '#mesh/limits/limit-terms.ts'
import { drawOnRate, isUntouched, newRatePool, toRefillMs, type RatePool } from '#mesh/limits/rate-pool.ts'
import { SharedRoom } from '#mesh/limits/shared-room.ts'
import type { LeaseAsk, LeaseGrant, PlaneMessage } from '#mesh/uplink.ts'
import type { MeshContext } from '../context.ts'
import { findMeshLimit } from './find-mesh-limit.ts'
import { QuotaRows } from './quota-rows.ts'
import { readQuotaUse, writeQuotaUse } from './quota-uses.ts'
import { readRatesUntil, writeRatesUntil } from './rate-mark.ts'

/** Counts that are held in memory at once. */
export const MAX_COUNTS = 20_000
/** Those of one namespace's limits. */
export const MAX_COUNTS_OF_NAMESPACE = MAX_COUNTS / 2
/** What was leased of rates is not on disk: only until when it may have been, which is told ahead by so much. */
const MARK_MS = 10_000
/** Between two looks for counts that may be forgotten. */
const SWEEP_MS = 1000

interface Count {
  readonly namespace: string
  pool: RatePool | undefined
  readonly terms: LimitTerms
  /** What each session wanted last. */
  readonly wants: Map<string, { readonly want: number; readonly atMs: number }>
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
  readonly #rows: QuotaRows
  readonly #limits = new Map<string, LimitTerms | undefined>()
  /** When rates may have been leased before this object remembers; undefined = never. */
  readonly #leasedBefore: number | undefined
  #markedUntil = 0
  #sweptAt = 0

  constructor(parts: LeaseDeskParts) {
    this.#parts = parts
    this.#rows = new QuotaRows(parts.context.sql)
    this.#leasedBefore = readRatesUntil(parts.context.sql)
  }

  /** In a transaction: answers what a session asks for. */
  lease(session: string, asks: readonly LeaseAsk[]): Extract<PlaneMessage, { type: 'leases' }> {
    const replicas = Math.max(1, this.#parts.countReplicas())
    const nowMs = this.#parts.context.now()
    const grants = asks.map(({ limit, consumer, ...ask }) => ({
      limit,
      consumer,
      ...this.#grant(session, { limit, consumer, ...ask }, replicas, nowMs),
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

  #grant(session: string, ask: LeaseAsk, replicas: number, nowMs: number): Omit<LeaseGrant, 'limit' | 'consumer'> {
    const terms = this.#findLimit(ask.limit)
    if (!terms) return { tokens: 0, forMs: 0, againMs: GONE_MS, none: 'gone' }
    const leaseMs = toLeaseMs(terms, replicas)
    const count = this.#findCount(ask, terms, leaseMs, nowMs)
    if (!count) return full
    const othersWant = toOthersWant(count, session, ask.want, leaseMs, nowMs)
    const request = { want: ask.want, back: ask.back, ahead: ask.ahead, othersWant }
    return terms.kind === 'day'
      ? this.#grantOfDay(ask, request, terms, leaseMs, nowMs)
      : this.#grantOfRate(count, request, terms, { leaseMs, askMs: toAskMs(terms, replicas), nowMs })
  }

  #grantOfRate(
    count: Count,
    request: Parameters<typeof drawOnRate>[2],
    terms: RateTerms,
    { leaseMs, askMs, nowMs }: { readonly leaseMs: number; readonly askMs: number; readonly nowMs: number },
  ) {
    this.#mark(nowMs)
    const before = count.pool ?? newRatePool(terms, this.#leasedBefore, nowMs)
    const { pool, tokens } = drawOnRate(terms, before, request, leaseMs, nowMs)
    count.pool = pool
    return { tokens, forMs: Math.floor(leaseMs), againMs: Math.ceil(toRefillMs(terms, pool, askMs, leaseMs)) }
  }

  #grantOfDay(
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
    if (!isOfToday && dayOfAsk === day - 1) {
      const used = readQuotaUse(sql, { limit, consumer, day: dayOfAsk })
      const settled = drawOnDay(requests, used ?? 0, { ...request, want: 0 }).used
      if (used !== undefined && settled !== used) writeQuotaUse(sql, { limit, consumer, day: dayOfAsk }, settled)
    }
    const before = readQuotaUse(sql, { limit, consumer, day })
    if (before === undefined && !this.#rows.take(limit, day)) return full
    const today = isOfToday ? request : { ...request, back: 0, ahead: 0 }
    const { used, tokens } = drawOnDay(requests, before ?? 0, today)
    if (used !== before) writeQuotaUse(sql, { limit, consumer, day }, used)
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
    const count: Count = { namespace, pool: undefined, terms, wants: new Map() }
    this.#counts.set(key, count)
    this.#room.take(namespace)
    return count
  }

  #forget(key: string, { namespace }: Count): void {
    this.#counts.delete(key)
    this.#room.giveBack(namespace)
  }

  /** Forgets counts that begin anew as they are. */
  #sweep(leaseMs: number, nowMs: number): void {
    if (nowMs - this.#sweptAt < SWEEP_MS && nowMs >= this.#sweptAt) return
    this.#sweptAt = nowMs
    for (const [key, count] of this.#counts) {
      const { pool, terms, wants } = count
      for (const [session, { atMs }] of wants) if (atMs <= nowMs - 2 * leaseMs) wants.delete(session)
      const isIdle = terms.kind === 'day' ? wants.size === 0 : !pool || isUntouched(terms, pool, leaseMs, nowMs)
      if (isIdle) this.#forget(key, count)
    }
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

/** What others want that have asked lately; and this one is remembered for them. */
const toOthersWant = ({ wants }: Count, session: string, want: number, leaseMs: number, nowMs: number): number => {
  let others = 0
  for (const [other, { want: wanted, atMs }] of wants) {
    if (atMs <= nowMs - leaseMs) wants.delete(other)
    else if (other !== session) others += wanted
  }
  wants.set(session, { want, atMs: nowMs })
  return others
}
