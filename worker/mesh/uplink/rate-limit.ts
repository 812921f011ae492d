/** What one session may send: this much at once, and this much a second from then on. A full report of 24 MB passes. */
export const uplinkRates = {
  messages: { burst: 1_000, perSecond: 100 },
  chars: { burst: 48 * 1024 * 1024, perSecond: 2 * 1024 * 1024 },
} as const

interface Rate {
  readonly burst: number
  readonly perSecond: number
}

/** A token bucket. */
class Bucket {
  readonly #rate: Rate
  #level: number
  #at: number

  constructor(rate: Rate, nowMs: number) {
    this.#rate = rate
    this.#level = rate.burst
    this.#at = nowMs
  }

  take(amount: number, nowMs: number): boolean {
    const refill = ((nowMs - this.#at) / 1000) * this.#rate.perSecond
    this.#level = Math.min(this.#rate.burst, this.#level + refill)
    this.#at = nowMs
    if (this.#level < amount) return false
    this.#level -= amount
    return true
  }
}

/** The limits of one session. An object that slept begins with full buckets: who let it sleep was not sending. */
export class UplinkRateLimit {
  readonly #messages: Bucket
  readonly #chars: Bucket

  constructor(nowMs: number) {
    this.#messages = new Bucket(uplinkRates.messages, nowMs)
    this.#chars = new Bucket(uplinkRates.chars, nowMs)
  }

  allows(chars: number, nowMs: number): boolean {
    return this.#messages.take(1, nowMs) && this.#chars.take(chars, nowMs)
  }
}
