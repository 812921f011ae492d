/** What failed is tried again after so long; twice as long with each time that it fails again. */
const FIRST_MS = 10_000

/** When what failed is tried again. It is in memory only: where that is lost, it is tried sooner. */
export class Retries {
  readonly #failed = new Map<string, { readonly times: number; readonly againAtMs: number }>()

  /** Not before this; 0: it has not failed. */
  againAtMs(kind: string): number {
    return this.#failed.get(kind)?.againAtMs ?? 0
  }

  failed(kind: string, nowMs: number, mostMs: number): void {
    const times = (this.#failed.get(kind)?.times ?? 0) + 1
    this.#failed.set(kind, { times, againAtMs: nowMs + Math.min(FIRST_MS * 2 ** (times - 1), mostMs) })
  }

  done(kind: string): void {
    this.#failed.delete(kind)
  }
}
