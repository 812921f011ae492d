import type { ViewKey } from '../view.ts'
import { isEqualData } from './equal-data.ts'

interface Watched {
  readonly before: unknown
  readonly read: () => unknown
}

/** Finds out which answers a batch of changes altered: those that differ from what they were before its first change. */
export class AnswerWatch {
  readonly #watched = new Map<ViewKey, Watched>()

  /** To be called before a change that may alter the answer of this read. */
  note(key: ViewKey, read: () => unknown): void {
    if (!this.#watched.has(key)) this.#watched.set(key, { before: read(), read })
  }

  /** Ends the batch: adds the keys of the altered answers to `touched`. */
  settle(touched: Set<ViewKey>): void {
    for (const [key, { before, read }] of this.#watched) if (!isEqualData(before, read())) touched.add(key)
    this.#watched.clear()
  }
}
