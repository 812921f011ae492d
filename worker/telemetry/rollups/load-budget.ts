import { QueryError } from '../../promql/query-error.ts'

/** Of 128 MB that a Worker has for all that it does. */
const MAX_BYTES = 48 * 1024 * 1024

/** What one request may hold in memory of all that clusters counted. */
export class LoadBudget {
  #left: number

  constructor(bytes = MAX_BYTES) {
    this.#left = bytes
  }

  get isSpent(): boolean {
    return this.#left < 0
  }

  /** Answers whether there is room for that. */
  take(bytes: number): boolean {
    this.#left -= bytes
    return !this.isSpent
  }

  /** Takes all that is left: one cluster alone has more. */
  exhaust(): void {
    this.#left = -1
  }

  /** @throws QueryError where there is no room for that. */
  spend(bytes: number): void {
    if (!this.take(bytes)) refuseTooMuch()
  }
}

export const refuseTooMuch = (): never => {
  throw new QueryError(
    'the query reads too much: select fewer clusters or series, a shorter time, or sums by few labels',
  )
}
