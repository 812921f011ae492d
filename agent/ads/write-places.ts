import type { Clock } from '#agent/clock.ts'

/**
 * How many big responses are on their way at once. Each is held several times over (by us, gRPC, HTTP/2, TLS) until it has left;
 * one core does not send more of them faster by having them all in hand. A proxy that does not take its response in time loses
 * its place to the next, and keeps only the one response.
 */
export class WritePlaces {
  readonly #clock: Clock
  readonly #patienceMilliseconds: number
  readonly #places: number
  #free: number
  /** In order of asking; no stream asks twice at once. */
  readonly #waiting = new Map<(giveBack: () => void) => void, number>()

  constructor(clock: Clock, places: number, patienceMilliseconds: number) {
    this.#clock = clock
    this.#places = places
    this.#free = places
    this.#patienceMilliseconds = patienceMilliseconds
  }

  /** Runs `write` when a place is free, or as many as it takes, all at most. It gives them back when the response has left. */
  take(write: (giveBack: () => void) => void, taken = 1): void {
    this.#waiting.set(write, Math.min(taken, this.#places))
    this.#admit()
  }

  #admit(): void {
    for (const [write, taken] of this.#waiting) {
      if (this.#free < taken) return
      this.#waiting.delete(write)
      this.#free -= taken
      let isTaken = true
      const giveBack = (): void => {
        if (!isTaken) return
        isTaken = false
        cancel()
        this.#free += taken
        this.#admit()
      }
      const cancel = this.#clock.after(this.#patienceMilliseconds, giveBack)
      write(giveBack)
    }
  }
}
