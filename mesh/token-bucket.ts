export interface BucketRate {
  /** What it holds at most, and at the beginning. */
  readonly burst: number
  readonly perSecond: number
}

/** So much at once, and so much a second from then on. */
export class TokenBucket {
  readonly #rate: BucketRate
  #level: number
  #at: number

  constructor(rate: BucketRate, nowMs: number) {
    this.#rate = rate
    this.#level = rate.burst
    this.#at = nowMs
  }

  /** What can be taken now. A clock that was set back fills nothing, and takes nothing away. */
  level(nowMs: number): number {
    const refill = (Math.max(0, nowMs - this.#at) / 1000) * this.#rate.perSecond
    this.#level = Math.min(this.#rate.burst, this.#level + refill)
    this.#at = nowMs
    return this.#level
  }

  /** All of it, or nothing. */
  take(amount: number, nowMs: number): boolean {
    if (this.level(nowMs) < amount) return false
    this.#level -= amount
    return true
  }
}
