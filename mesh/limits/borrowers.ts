import type { SharedRoom } from './shared-room.ts'

/** A replica, as it is known while its uplink is there. */
export interface BorrowerName {
  readonly session: string
  readonly cluster: string
}

export interface BorrowerAsk {
  readonly want: number
  readonly back: number
}

interface Borrower {
  readonly cluster: string
  want: number
  /** What it was given and has not given back, as far as it may still have it. */
  lent: number
  atMs: number
}

/** Of one cluster's replicas, how many are remembered of one count. */
export const MAX_BORROWERS_OF_CLUSTER = 8
/** … and of all clusters together. */
export const MAX_BORROWERS = 1000

/** Leases for so long what was leased may come back: some time after they are over. */
const LEASES_TO_RETURN = 2

/**
 * Who asks for one count: what each wants, so that others get less, and what each was given, so that it gives back no more. All counts share `room`, of
 * which each cluster has a part at most; who finds none is given what it asks for as others are, but others' shares don't become less by it, and what
 * it gives back does not count.
 */
export class Borrowers {
  readonly #room: SharedRoom
  /** Who asked last at the end. */
  readonly #each = new Map<string, Borrower>()

  constructor(room: SharedRoom) {
    this.#room = room
  }

  get size(): number {
    return this.#each.size
  }

  /** One of them asks. `back` is what counts of what it gives back; `isKnown`: whether it has found room. */
  hear(
    { session, cluster }: BorrowerName,
    { want, back }: BorrowerAsk,
    leaseMs: number,
    nowMs: number,
  ): { readonly othersWant: number; readonly back: number; readonly isKnown: boolean } {
    this.prune(leaseMs, nowMs)
    let othersWant = 0
    let left = back
    const own: string[] = []
    for (const [name, each] of this.#each) {
      if (name !== session && each.atMs > nowMs - leaseMs) othersWant += each.want
      if (each.cluster !== cluster) continue
      // Of a replica that has come back, under the name that it had.
      const returned = Math.min(left, each.lent)
      each.lent -= returned
      left -= returned
      if (name !== session) own.push(name)
    }
    const lent = this.#each.get(session)?.lent ?? 0
    this.#forget(session)
    const [oldest] = own
    if (oldest !== undefined && own.length >= MAX_BORROWERS_OF_CLUSTER) this.#forget(oldest)
    const isKnown = this.#each.size < MAX_BORROWERS && !this.#room.isFullFor(cluster)
    if (isKnown) {
      this.#each.set(session, { cluster, want, lent, atMs: nowMs })
      this.#room.take(cluster)
    }
    return { othersWant, back: back - left, isKnown }
  }

  /** It was given so many, of `most` that can be out at the same time. */
  lend(session: string, tokens: number, most: number): void {
    const borrower = this.#each.get(session)
    if (borrower) borrower.lent = Math.min(most, borrower.lent + tokens)
  }

  /** Forgets those that did not ask for long. */
  prune(leaseMs: number, nowMs: number): void {
    for (const [session, { atMs }] of this.#each) {
      if (atMs > nowMs - LEASES_TO_RETURN * leaseMs && atMs <= nowMs) break
      this.#forget(session)
    }
  }

  clear(): void {
    for (const session of this.#each.keys()) this.#forget(session)
  }

  #forget(session: string): void {
    const borrower = this.#each.get(session)
    if (!borrower) return
    this.#each.delete(session)
    this.#room.giveBack(borrower.cluster)
  }
}
