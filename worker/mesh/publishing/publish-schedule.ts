/** What clusters ask for in quick succession is taken together. */
const MIN_INTERVAL_MS = 1_000
/** What never comes to rest makes one revision in this time, once the burst is used up. */
const STEADY_INTERVAL_MS = 10_000
const BURST = 10

export interface PublishScheduleParts {
  readonly now: () => number
  readonly isWanted: () => boolean
  /** Works it out. Answers whether it made a revision. */
  readonly run: () => Promise<boolean>
}

/**
 * When what clusters publish is worked out anew: at once when it has been quiet, and never so often that an object which flaps fills the
 * mesh's history. An object that sleeps or crashes forgets the pace, and the next tick wakes it up to what is still wanted.
 */
export class PublishSchedule {
  readonly #parts: PublishScheduleParts
  #timer: ReturnType<typeof setTimeout> | undefined
  #isRunning = false
  #ranAt = 0
  /** When the revisions made so far would have come one by one (GCRA, ITU-T I.371). */
  #paidUntil = 0

  constructor(parts: PublishScheduleParts) {
    this.#parts = parts
  }

  /** Something may be wanted. `atOnce`: a person took a right away, which is not put off. */
  wake(atOnce = false): void {
    if (this.#isRunning || (this.#timer !== undefined && !atOnce) || !this.#parts.isWanted()) return
    if (this.#timer !== undefined) clearTimeout(this.#timer)
    this.#timer = setTimeout(() => void this.#run(), atOnce ? 0 : this.#waitMs())
  }

  #waitMs(): number {
    const now = this.#parts.now()
    const wait = Math.max(this.#ranAt + MIN_INTERVAL_MS - now, this.#paidUntil - BURST * STEADY_INTERVAL_MS - now, 0)
    // More than it can be: the clock was set back.
    return Math.min(wait, STEADY_INTERVAL_MS)
  }

  async #run(): Promise<void> {
    const { now, run, isWanted } = this.#parts
    this.#timer = undefined
    // The mesh may have been deleted meanwhile.
    if (!isWanted()) return
    this.#isRunning = true
    try {
      const madeRevision = await run()
      this.#ranAt = now()
      if (madeRevision) this.#paidUntil = Math.max(this.#paidUntil, now()) + STEADY_INTERVAL_MS
    } catch (error) {
      this.#isRunning = false
      // eslint-disable-next-line no-console -- the platform's log
      console.error(JSON.stringify({ level: 'error', message: 'publishing failed', error: String(error) }))
      // The next tick tries again.
      return
    }
    this.#isRunning = false
    this.wake()
  }
}
