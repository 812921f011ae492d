import { dayMs, toAhead, toAskMs, toLeaseMs, toMost, type LimitTerms } from './limit-terms.ts'

/** What a replica knows of the plane. */
export interface PlaneState {
  /** In step with a plane that leases. */
  readonly isLive: boolean
  /** Replicas of all clusters that may ask for the same, as the plane said last. */
  readonly replicas: number
}

/** What a replica tells the plane of one count. */
export interface AccountAsk {
  readonly want: number
  readonly back: number
  readonly ahead: number
  /** Which day's quota `back` and `ahead` are of; absent = it has not been told. */
  readonly day?: number
}

/** What the plane answers. */
export interface AccountGrant {
  readonly tokens: number
  /** How long they are good for. */
  readonly forMs: number
  /** When to ask again, at the earliest; 0 = there is more. */
  readonly againMs: number
  readonly day?: number | undefined
  /** In what time that day ends. */
  readonly endsMs?: number | undefined
  /** `gone`: it knows of no such limit. `full`: it has no room for another count. */
  readonly none?: 'gone' | 'full' | undefined
}

/** Why a request goes through. */
export type Passing = 'leased' | 'ahead' | 'open'

/** An answer that takes longer is none: the plane is away. */
export const patienceMs = 2000

interface Lease {
  tokens: number
  readonly untilMs: number
}

/**
 * One count of a limit at one replica: what it may let through, and what it asks the plane for. All times are of one clock, in milliseconds.
 */
export class LimitAccount {
  readonly #failOpen: boolean
  /** Oldest first. */
  #leases: Lease[] = []
  #back = 0
  #ahead = 0
  /** How much further it may run ahead … */
  #mayRunAhead: number
  /** … and when it may again though the plane had no more: by then there is. */
  #restedAt = Infinity
  #askedAt: number | undefined
  #againAt = 0
  #lastAskAt: number | undefined
  #isOpen = false
  #day: number | undefined
  #seenAt: number
  /** Requests since the last ask, and how many a millisecond there were before. */
  #seen = 0
  #perMs = 0

  constructor(terms: LimitTerms, failOpen: boolean, replicas: number, now: number) {
    this.#failOpen = failOpen
    this.#mayRunAhead = toAhead(terms, replicas)
    this.#seenAt = now
  }

  /** Why another request may go through; undefined = it may not. Nothing is taken. */
  allows(plane: PlaneState, now: number): Passing | undefined {
    if (this.#leases.some(({ tokens, untilMs }) => tokens > 0 && untilMs > now)) return 'leased'
    if (this.#isOpen) return 'open'
    // What the plane said last holds for as long as it said, also where it went away meanwhile: that may be for a moment.
    if (now < this.#againAt) return undefined
    if (this.#isAway(plane, now)) return this.#failOpen ? 'open' : undefined
    return this.#mayRunAhead > 0 || now >= this.#restedAt ? 'ahead' : undefined
  }

  /** A request that was allowed like this has gone through. */
  pass(passing: Passing, terms: LimitTerms, plane: PlaneState, now: number): void {
    this.#see(now)
    if (passing === 'leased') {
      this.#expire(now)
      const [oldest] = this.#leases
      if (oldest) oldest.tokens -= 1
      if (oldest?.tokens === 0) this.#leases.shift()
    } else if (passing === 'ahead') {
      if (this.#mayRunAhead === 0) this.#mayRunAhead = toAhead(terms, plane.replicas)
      this.#restedAt = Infinity
      this.#mayRunAhead -= 1
      this.#ahead += 1
    } else if (terms.kind === 'day' && !this.#isOpen) {
      // The day is not over when the plane is back.
      this.#ahead += 1
    }
  }

  /** A request has not gone through because of this count. */
  refuse(now: number): void {
    this.#see(now)
  }

  /** Whether there is something to ask before the next round. */
  isUrgent(now: number): boolean {
    return this.#askedAt === undefined && now >= this.#againAt && this.#seen > 0 && this.#held(now) === 0
  }

  /** What to ask the plane now; undefined = nothing. */
  ask(terms: LimitTerms, plane: PlaneState, now: number): AccountAsk | undefined {
    this.#expire(now)
    const mayWant = now >= this.#againAt
    // Whoever looks at a quota is to see what a replica was ahead by.
    const mayTell = mayWant || (terms.kind === 'day' && this.#ahead > 0)
    if (this.#askedAt !== undefined || !mayTell) return undefined
    const leaseMs = toLeaseMs(terms, plane.replicas)
    const isFirst = this.#lastAskAt === undefined
    const elapsedMs = now - (this.#lastAskAt ?? now)
    if (!isFirst && elapsedMs < toAskMs(terms, plane.replicas) && this.#held(now) > 0) return undefined
    if (elapsedMs > 0) this.#perMs = Math.max(this.#seen / elapsedMs, this.#perMs / 2)
    const isIdle = this.#seen === 0 && now - this.#seenAt >= leaseMs / 2
    const target = isIdle ? 0 : Math.min(toMost(terms), Math.ceil(this.#perMs * (leaseMs / 2)) + 1)
    const held = this.#held(now)
    const want = isFirst ? Math.max(toFirst(terms, plane.replicas), this.#seen) : Math.max(0, target - held)
    if (isIdle) this.#giveBack()
    const isWanted = mayWant && want > 0 && (isFirst || held < target / 2 || this.#ahead > 0)
    if (!isWanted && this.#back === 0 && this.#ahead === 0) return undefined
    const ask = {
      want: isWanted ? want : 0,
      back: this.#back,
      ahead: this.#ahead,
      ...(this.#day !== undefined && { day: this.#day }),
    }
    this.#askedAt = now
    this.#lastAskAt = now
    this.#seen = 0
    this.#back = 0
    this.#ahead = 0
    return ask
  }

  /** The plane's answer to the last ask. */
  take(grant: AccountGrant, terms: LimitTerms, plane: PlaneState, now: number): void {
    const askedAt = this.#askedAt
    if (askedAt === undefined) return
    this.#askedAt = undefined
    this.#againAt = now + grant.againMs
    this.#isOpen = grant.none === 'gone' || (grant.none === 'full' && this.#failOpen)
    this.#day = grant.day
    // From when it was asked: no later than when it was granted.
    if (grant.tokens > 0) this.#leases.push({ tokens: grant.tokens, untilMs: askedAt + grant.forMs })
    const hasMore = grant.againMs === 0
    // What it ran ahead by since it asked, the plane does not know yet.
    this.#mayRunAhead = hasMore ? Math.max(0, toAhead(terms, plane.replicas) - this.#ahead) : 0
    this.#restedAt = hasMore ? Infinity : now + (grant.endsMs ?? toFillMs(terms))
  }

  /** What was asked for is not answered any more. */
  sessionEnded(): void {
    this.#askedAt = undefined
  }

  /** Whether forgetting it changes nothing. */
  isIdle(terms: LimitTerms, plane: PlaneState, now: number): boolean {
    this.#expire(now)
    return (
      this.#leases.length === 0 &&
      this.#askedAt === undefined &&
      this.#back === 0 &&
      this.#ahead === 0 &&
      (this.#mayRunAhead > 0 || now >= this.#restedAt) &&
      now - this.#seenAt >= toLeaseMs(terms, plane.replicas)
    )
  }

  #isAway({ isLive }: PlaneState, now: number): boolean {
    return !isLive || (this.#askedAt !== undefined && now - this.#askedAt > patienceMs)
  }

  #see(now: number): void {
    this.#seenAt = now
    this.#seen += 1
  }

  #held(now: number): number {
    return this.#leases.reduce((sum, { tokens, untilMs }) => (untilMs > now ? sum + tokens : sum), 0)
  }

  #expire(now: number): void {
    for (let [oldest] = this.#leases; oldest && oldest.untilMs <= now; [oldest] = this.#leases) {
      this.#back += oldest.tokens
      this.#leases.shift()
    }
  }

  #giveBack(): void {
    for (const { tokens } of this.#leases) this.#back += tokens
    this.#leases = []
  }
}

/** How long it takes to fill from nothing. */
const toFillMs = (terms: LimitTerms): number =>
  terms.kind === 'day' ? dayMs : (terms.burst / terms.requests) * terms.periodMs

/** What is asked for by who has seen one request, before it is known how many come. */
const toFirst = (terms: LimitTerms, replicas: number): number =>
  Math.max(1, Math.floor(toMost(terms) / (terms.kind === 'day' ? 100 : 4) / replicas))
