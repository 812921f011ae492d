/** What is to be fetched, so many at a time, in the order in which it was asked for. Nothing waits in it twice. */
export class FetchQueue<Entry> {
  readonly #maxConcurrent: number
  readonly #fetch: (entry: Entry) => Promise<void>
  readonly #waiting = new Set<Entry>()
  #underWay = 0
  #stopped = false

  /** `fetch` does not reject. */
  constructor(maxConcurrent: number, fetch: (entry: Entry) => Promise<void>) {
    this.#maxConcurrent = maxConcurrent
    this.#fetch = fetch
  }

  add(entry: Entry): void {
    this.#waiting.add(entry)
    this.#next()
  }

  /** It is not waited for any more; what is under way ends. */
  delete(entry: Entry): void {
    this.#waiting.delete(entry)
  }

  /** Nothing more is begun. */
  stop(): void {
    this.#stopped = true
    this.#waiting.clear()
  }

  #next(): void {
    for (const entry of this.#waiting) {
      if (this.#underWay >= this.#maxConcurrent || this.#stopped) return
      this.#waiting.delete(entry)
      void this.#run(entry)
    }
  }

  async #run(entry: Entry): Promise<void> {
    this.#underWay += 1
    try {
      await this.#fetch(entry)
    } finally {
      this.#underWay -= 1
      this.#next()
    }
  }
}
