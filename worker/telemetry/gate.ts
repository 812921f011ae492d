import { Turns } from '#mesh/turns.ts'

/** Who asks waits hardly longer for an answer: whose turn comes after that has left. */
const MOST_WAIT_MS = 10_000

/** Lets some in at a time; the others wait, and more than may wait are turned away: what each takes of memory is not there for all of them. */
export class Gate {
  readonly #turns: Turns
  readonly #mostWaiting: number

  constructor(most: number, mostWaiting: number) {
    this.#turns = new Turns(most)
    this.#mostWaiting = mostWaiting
  }

  /** Throws when too many wait already, and when its turn comes too late. */
  async pass<T>(body: () => Promise<T>): Promise<T> {
    const untilMs = Date.now() + MOST_WAIT_MS
    if (this.#turns.isFull && this.#turns.waiting >= this.#mostWaiting)
      throw new Error('too much is asked of this store at the same time')
    return this.#turns.take(async () => {
      if (Date.now() > untilMs) throw new Error('its turn in this store came too late')
      return body()
    })
  }
}
