/** Callers that are told apart; the requests of more than that in a minute are not counted. */
const MAX_KEYS = 10_000

/**
 * Requests of the last minute or so, by what they are limited by. What the limiters of the platform have counted they don't say; this counts beside them, in one
 * process, to be shown. Nothing is refused because of it.
 */
export class RequestCounts {
  readonly #windowMs: number
  #window = 0
  #now = new Map<string, number>()
  #before = new Map<string, number>()

  constructor(windowSeconds: number) {
    this.#windowMs = windowSeconds * 1000
  }

  add(key: string, nowMs: number): void {
    this.#turn(nowMs)
    const known = this.#now.get(key)
    if (known !== undefined || this.#now.size < MAX_KEYS) this.#now.set(key, (known ?? 0) + 1)
  }

  /** In the window that ends now, as if those of the one before had come evenly. */
  read(key: string, nowMs: number): number {
    this.#turn(nowMs)
    const rest = 1 - (nowMs % this.#windowMs) / this.#windowMs
    return (this.#now.get(key) ?? 0) + Math.floor((this.#before.get(key) ?? 0) * rest)
  }

  #turn(nowMs: number): void {
    const window = Math.floor(nowMs / this.#windowMs)
    if (window <= this.#window) return
    this.#before = window === this.#window + 1 ? this.#now : new Map()
    this.#now = new Map()
    this.#window = window
  }
}
