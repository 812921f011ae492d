/** Below what the plane takes of one session (worker/mesh/uplink/rate-limit.ts): who sends more is cut off. */
const messages = { burst: 500, perSecond: 80 }
const chars = { burst: 40 * 1024 * 1024, perSecond: 1.5 * 1024 * 1024 }

/** Paces what a session sends: a burst passes, a stream is slowed down. Two token buckets; times in milliseconds. */
export class SendRate {
  #messages = messages.burst
  #chars = chars.burst
  #at: number

  constructor(now: number) {
    this.#at = now
  }

  /** A message is sent, whether it was allowed or not. */
  take(length: number, now: number): void {
    this.#refill(now)
    this.#messages -= 1
    this.#chars -= length
  }

  /** How long to wait before the next message; 0 = it may go now. */
  waitMilliseconds(now: number): number {
    this.#refill(now)
    const missing = Math.max((1 - this.#messages) / messages.perSecond, -this.#chars / chars.perSecond, 0)
    return Math.ceil(missing * 1000)
  }

  #refill(now: number): void {
    const seconds = Math.max(0, now - this.#at) / 1000
    this.#at = now
    this.#messages = Math.min(messages.burst, this.#messages + seconds * messages.perSecond)
    this.#chars = Math.min(chars.burst, this.#chars + seconds * chars.perSecond)
  }
}
