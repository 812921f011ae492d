/** Lets so many tasks run at once; the others wait in order. */
export class Turns {
  readonly #max: number
  readonly #waiting: (() => void)[] = []
  #running = 0

  constructor(max: number) {
    this.#max = max
  }

  /** How many wait. */
  get waiting(): number {
    return this.#waiting.length
  }

  /** Whether who comes now has to wait. */
  get isFull(): boolean {
    return this.#running >= this.#max
  }

  async take<T>(task: () => Promise<T>): Promise<T> {
    if (this.isFull) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    else this.#running += 1
    try {
      return await task()
    } finally {
      const next = this.#waiting.shift()
      // Who waited takes over the place: nobody can come in between.
      if (next) next()
      else this.#running -= 1
    }
  }
}
