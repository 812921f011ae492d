import type { Clock } from '#agent/clock.ts'
import { LimitAccount, type Passing, type PlaneState } from '#mesh/limits/limit-account.ts'
import { toCountKey, toLimitNamespace, type LimitTerms } from '#mesh/limits/limit-terms.ts'
import { SharedRoom } from '#mesh/limits/shared-room.ts'
import { TokenBucket } from '#mesh/token-bucket.ts'
import {
  UPLINK_CHUNK_CHARS,
  UPLINK_LEASE_PACE,
  UPLINK_MAX_LEASE_ASKS,
  type LeaseAsk,
  type LeaseGrant,
} from '#mesh/uplink.ts'

/** A limit of the scope MESH, as the mesh's configuration has it. */
export interface MeshLimitTerms {
  readonly terms: LimitTerms
  readonly failOpen: boolean
}

/** A request counts for this limit, under this consumer. */
export interface LimitUse {
  readonly limit: string
  readonly consumer: string
}

export interface LimitBookOptions {
  readonly clock: Pick<Clock, 'now'>
  /** undefined = there is no such limit of the scope MESH. */
  readonly findLimit: (limit: string) => MeshLimitTerms | undefined
  /** There is something to ask the plane now. Called often. */
  readonly onUrgent: () => void
}

/** For /metrics. */
export interface LimitStatistics {
  readonly accounts: number
  readonly passed: Readonly<Record<Passing, number>>
  readonly refused: number
  /** Requests of consumers for whom there was no room, passed or refused as their limit says. */
  readonly unaccounted: number
}

interface Entry extends LimitUse, MeshLimitTerms {
  readonly account: LimitAccount
}

export const maxAccounts = 10_000
/** Those of one namespace's limits. */
export const maxAccountsOfNamespace = maxAccounts / 2
const roundMs = 250
/** What becomes urgent within this time is asked for together. */
const urgentMs = 50
/** Entries that are looked at for one that may go when there are too many. */
const maxSearched = 100
/** Until the plane has said how many there are. */
const assumedReplicas = 16

/** What this replica may let through of each limit of the scope MESH, and what it asks the plane for (docs/decisions/0030). */
export class LimitBook {
  readonly #options: LimitBookOptions
  /** By `toCountKey`, who came last at the end. */
  readonly #entries = new Map<string, Entry>()
  /** Keys of `#entries`: who asked the plane last at the end. */
  readonly #turns = new Set<string>()
  readonly #pace: TokenBucket
  readonly #room = new SharedRoom(maxAccounts, maxAccountsOfNamespace)
  #plane: PlaneState = { isLive: false, replicas: assumedReplicas }
  #askedAt = 0
  #isUrgent = false
  readonly #passed: Record<Passing, number> = { leased: 0, ahead: 0, open: 0 }
  #refused = 0
  #unaccounted = 0

  constructor(options: LimitBookOptions) {
    this.#options = options
    this.#pace = new TokenBucket(UPLINK_LEASE_PACE, options.clock.now())
  }

  /** Whether a request goes through: when all limits that it counts for let it, and then it counts for all of them. Says which of them did not. */
  decide(uses: readonly LimitUse[]): readonly boolean[] {
    const now = this.#options.clock.now()
    const judged = uses.map((use) => this.#judge(use, now))
    const passes = judged.every(({ passing }) => passing !== undefined)
    for (const { entry, passing } of judged) {
      if (!entry) continue
      if (passes && passing) {
        entry.account.pass(passing, entry.terms, this.#plane, now)
        this.#passed[passing] += 1
      } else if (passing === undefined) {
        entry.account.refuse(now)
        this.#refused += 1
      }
      if (this.#plane.isLive && !this.#isUrgent && entry.account.isUrgent(now)) {
        this.#isUrgent = true
        this.#options.onUrgent()
      }
    }
    return judged.map(({ passing }) => passing !== undefined)
  }

  /** The plane is there and leases, or not any more. */
  setLive(isLive: boolean): void {
    if (this.#plane.isLive === isLive) return
    this.#plane = { ...this.#plane, isLive }
    if (!isLive) for (const { account } of this.#entries.values()) account.sessionEnded()
  }

  /** When `nextAsks` may have something; undefined = before somebody comes there is nothing. */
  get dueAt(): number | undefined {
    if (this.#entries.size === 0) return undefined
    return this.#askedAt + (this.#isUrgent ? urgentMs : roundMs)
  }

  /** What is to be asked of the plane now; undefined = nothing. */
  nextAsks(): readonly LeaseAsk[] | undefined {
    const now = this.#options.clock.now()
    const dueAt = this.dueAt
    // A clock that was set back must not put it off.
    if (dueAt === undefined || (now < dueAt && now >= this.#askedAt)) return undefined
    this.#askedAt = now
    this.#isUrgent = false
    const asks: LeaseAsk[] = []
    const most = Math.min(UPLINK_MAX_LEASE_ASKS, Math.floor(this.#pace.level(now)))
    let chars = 0
    for (const key of this.#turns) {
      const entry = this.#entries.get(key)
      if (!entry) continue
      const { limit, consumer, terms, account } = entry
      if (account.isIdle(terms, this.#plane, now)) {
        this.#forget(key, limit)
        continue
      }
      // Consumers are named by who calls: a message that is too long would end the session.
      if (asks.length >= most || chars >= UPLINK_CHUNK_CHARS) {
        this.#isUrgent = true
        break
      }
      const ask = account.ask(terms, this.#plane, now)
      if (!ask) continue
      asks.push({ limit, consumer, ...ask })
      chars += JSON.stringify(asks.at(-1)).length
    }
    // Who has asked comes after all others that have something to ask.
    for (const use of asks) {
      const key = toCountKey(use)
      this.#turns.delete(key)
      this.#turns.add(key)
    }
    this.#pace.take(asks.length, now)
    return asks.length > 0 ? asks : undefined
  }

  take(replicas: number, grants: readonly LeaseGrant[]): void {
    const now = this.#options.clock.now()
    this.#plane = { ...this.#plane, replicas: Math.max(1, replicas) }
    for (const grant of grants) {
      const entry = this.#entries.get(toCountKey(grant))
      entry?.account.take(grant, entry.terms, this.#plane, now)
    }
  }

  /** Limits may be others now. */
  limitsChanged(): void {
    for (const [key, { limit, terms, failOpen }] of this.#entries) {
      const found = this.#options.findLimit(limit)
      if (!found || JSON.stringify(found) !== JSON.stringify({ terms, failOpen })) this.#forget(key, limit)
    }
  }

  statistics(): LimitStatistics {
    return {
      accounts: this.#entries.size,
      passed: { ...this.#passed },
      refused: this.#refused,
      unaccounted: this.#unaccounted,
    }
  }

  #judge(use: LimitUse, now: number): { readonly entry?: Entry; readonly passing: Passing | undefined } {
    const key = toCountKey(use)
    const known = this.#entries.get(key)
    if (known) {
      this.#entries.delete(key)
      this.#entries.set(key, known)
      return { entry: known, passing: known.account.allows(this.#plane, now) }
    }
    const limit = this.#options.findLimit(use.limit)
    // It was taken away a moment ago: the proxy has yet to hear of it.
    if (!limit) return { passing: 'open' }
    const namespace = toLimitNamespace(use.limit)
    if (this.#room.isFullFor(namespace) && !this.#makeRoom(namespace, now)) {
      this.#unaccounted += 1
      return { passing: limit.failOpen ? 'open' : undefined }
    }
    const { terms, failOpen } = limit
    const account = new LimitAccount(terms, failOpen, this.#plane.replicas, now)
    const entry = { ...use, terms, failOpen, account }
    this.#entries.set(key, entry)
    this.#turns.add(key)
    this.#room.take(namespace)
    return { entry, passing: account.allows(this.#plane, now) }
  }

  /** Forgets one that may be forgotten, of those that did not come for the longest: where that is how much one namespace has, one of its own. */
  #makeRoom(namespace: string, now: number): boolean {
    const isOwn = this.#room.isUsedUpBy(namespace)
    let searched = 0
    for (const [key, { limit, terms, account }] of this.#entries) {
      const fits = !isOwn || toLimitNamespace(limit) === namespace
      if (fits && account.isIdle(terms, this.#plane, now)) {
        this.#forget(key, limit)
        return true
      }
      searched += 1
      if (searched >= maxSearched) break
    }
    return false
  }

  #forget(key: string, limit: string): void {
    this.#room.giveBack(toLimitNamespace(limit))
    this.#entries.delete(key)
    this.#turns.delete(key)
  }
}
