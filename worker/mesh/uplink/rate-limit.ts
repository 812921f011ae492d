import { TokenBucket } from '#mesh/token-bucket.ts'
import type { AgentMessage } from '#mesh/uplink.ts'

/**
 * What one session may send: this much at once, and this much a second from then on. A full report of 24 MB passes, and what an agent asks of leases
 * (UPLINK_LEASE_PACE) twice.
 */
export const uplinkRates = {
  messages: { burst: 1_000, perSecond: 100 },
  chars: { burst: 48 * 1024 * 1024, perSecond: 2 * 1024 * 1024 },
} as const

/** Each of them is a count that is looked up, and mostly a row that is written: so many of them cost what a message does. */
const ASKS_OF_A_MESSAGE = 50

/** The limits of one session. An object that slept begins with full buckets: who let it sleep was not sending. */
export class UplinkRateLimit {
  readonly #messages: TokenBucket
  readonly #chars: TokenBucket

  constructor(nowMs: number) {
    this.#messages = new TokenBucket(uplinkRates.messages, nowMs)
    this.#chars = new TokenBucket(uplinkRates.chars, nowMs)
  }

  allows(chars: number, nowMs: number): boolean {
    return this.#messages.take(1, nowMs) && this.#chars.take(chars, nowMs)
  }

  /** What a message costs beyond being one. */
  allowsContent(message: AgentMessage, nowMs: number): boolean {
    return message.type !== 'lease' || this.#messages.take(message.asks.length / ASKS_OF_A_MESSAGE, nowMs)
  }
}
