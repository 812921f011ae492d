import type { Clock } from '#agent/clock.ts'

/** A clock that stands still until a test moves it. */
export class VirtualClock implements Clock {
  #now: number
  #order = 0
  readonly #timers = new Set<{ at: number; order: number; task: () => void }>()

  constructor(start = 1_700_000_000_000) {
    this.#now = start
  }

  now(): number {
    return this.#now
  }

  after(delayMilliseconds: number, task: () => void): () => void {
    const timer = { at: this.#now + Math.max(0, delayMilliseconds), order: this.#order++, task }
    this.#timers.add(timer)
    return () => this.#timers.delete(timer)
  }

  /** Runs what becomes due, in order of time. */
  advance(milliseconds: number): void {
    const until = this.#now + milliseconds
    for (;;) {
      const [next] = [...this.#timers]
        .filter((timer) => timer.at <= until)
        .toSorted((left, right) => left.at - right.at || left.order - right.order)
      if (!next) break
      this.#timers.delete(next)
      this.#now = next.at
      next.task()
    }
    this.#now = until
  }
}
