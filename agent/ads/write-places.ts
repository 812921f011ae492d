import type { Clock } from '#agent/clock.ts'

/**
 * How many big responses are on their way at once. Each is held several times over (by us, gRPC, HTTP/2, TLS) until it has left;
 * one core does not send more of them faster by having them all in hand. A proxy that does not take its response in time loses
 * its place to the next, and keeps only the one response.
 */
export class WritePlaces {
  readonly #clock: Clock
  readonly #patienceMilliseconds: number
  #free: number
  /** In order of asking; no stream asks twice at once. */
  readonly #waiting = new Set<(giveBack: () => void) => void>()

  constructor(clock: Clock, places: number, patienceMilliseconds: number) {
    this.#clock = clock
    this.#free = places
    this.#patienceMilliseconds = patienceMilliseconds
  }

  /** Runs `write` when a place is free. It gives the place back when the response has left. */
  take(write: (giveBack: () => void) => void): void {
    this.#waiting.add(write)
    this.#admit()
  }

  #admit(): void {
    for (const write of this.#waiting) {
      if (this.#free === 0) return
      this.#waiting.delete(write)
      this.#free--
      let isTaken = true
      const giveBack = (): void => {
        if (!isTaken) return
        isTaken = false
        cancel()
        this.#free++
        this.#admit()
      }
      const cancel = this.#clock.after(this.#patienceMilliseconds, giveBack)
      write(giveBack)
    }
  }
}
