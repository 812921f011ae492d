/** Who asks waits hardly longer for an answer: whose turn comes after that has left. */
const MOST_WAIT_MS = 10_000

/** Lets some in at a time; the others wait, and more than may wait are turned away: what each takes of memory is not there for all of them. */
export class Gate {
  readonly #most: number
  readonly #mostWaiting: number
  readonly #waiting: (() => void)[] = []
  #inside = 0

  constructor(most: number, mostWaiting: number) {
    this.#most = most
    this.#mostWaiting = mostWaiting
  }

  /** Throws when too many wait already, and when its turn comes too late. */
  async pass<T>(body: () => Promise<T>): Promise<T> {
    const untilMs = Date.now() + MOST_WAIT_MS
    if (this.#inside < this.#most) this.#inside += 1
    else {
      if (this.#waiting.length >= this.#mostWaiting) throw new Error('too much is asked of this store at the same time')
      // Whoever leaves hands his place on.
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
    try {
      if (Date.now() > untilMs) throw new Error('its turn in this store came too late')
      return await body()
    } finally {
      const next = this.#waiting.shift()
      if (next) next()
      else this.#inside -= 1
    }
  }
}
