import type { Clock } from '#agent/clock.ts'
import type { AgentMessage } from '#mesh/uplink.ts'

const acknowledgementDeadlineMilliseconds = 30_000

export interface ChunkSenderParts {
  readonly clock: Clock
  /** The messages of what is to be said next, if there is something. */
  readonly begin: () => Generator<AgentMessage> | undefined
  /** What was said was not acknowledged in time. */
  readonly onSilence: () => void
}

/** Sends what is long message by message, and waits for the plane's word. */
export class ChunkSender {
  readonly #parts: ChunkSenderParts
  #chunks: Generator<AgentMessage> | undefined
  #cancelDeadline: () => void = () => {}

  constructor(parts: ChunkSenderParts) {
    this.#parts = parts
  }

  next(): AgentMessage | undefined {
    const { clock, begin, onSilence } = this.#parts
    this.#chunks ??= begin()
    const chunk = this.#chunks?.next()
    if (!chunk) return undefined
    if (!chunk.done) return chunk.value
    this.#chunks = undefined
    this.#cancelDeadline()
    this.#cancelDeadline = clock.after(acknowledgementDeadlineMilliseconds, onSilence)
    return undefined
  }

  /** Nothing is waited for any more. */
  settle(): void {
    this.#cancelDeadline()
  }

  /** What is half said is not said to its end. */
  stop(): void {
    this.#chunks = undefined
    this.#cancelDeadline()
  }
}
