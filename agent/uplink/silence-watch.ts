import type { Clock } from '#agent/clock.ts'

const wordDeadlineMilliseconds = 10_000
const idleMilliseconds = 15_000
const pongDeadlineMilliseconds = 10_000

export interface SilenceWatchParts {
  readonly clock: Clock
  /** Sends the plane something that it answers. */
  readonly ask: () => void
  readonly onSilence: (reason: string) => void
}

/** Finds out that the plane says nothing any more. */
export class SilenceWatch {
  readonly #parts: SilenceWatchParts
  #heardAt: number
  #cancel: () => void = () => {}

  constructor(parts: SilenceWatchParts) {
    this.#parts = parts
    this.#heardAt = parts.clock.now()
  }

  get heardAt(): number {
    return this.#heardAt
  }

  heard(): void {
    this.#heardAt = this.#parts.clock.now()
  }

  /** The plane's next word is due within a deadline. */
  expectWord(reason: string): void {
    const { clock, onSilence } = this.#parts
    this.#cancel()
    this.#cancel = clock.after(wordDeadlineMilliseconds, () => onSilence(reason))
  }

  /** From now on the plane may be quiet. A connection that is half open takes everything and answers nothing: only asking finds it. */
  askWhenIdle(): void {
    const { clock, ask, onSilence } = this.#parts
    this.#cancel()
    // A clock that was set back must not put off the question.
    const quiet = Math.max(0, clock.now() - this.#heardAt)
    this.#cancel = clock.after(Math.max(0, idleMilliseconds - quiet), () => {
      if (clock.now() - this.#heardAt < idleMilliseconds) {
        this.askWhenIdle()
        return
      }
      const askedAt = clock.now()
      ask()
      this.#cancel = clock.after(pongDeadlineMilliseconds, () => {
        if (this.#heardAt < askedAt) onSilence('the plane does not answer any more')
        else this.askWhenIdle()
      })
    })
  }

  stop(): void {
    this.#cancel()
  }
}
