/** Unary calls of one credential that may be in flight at once, and the bytes of all that are. */
export interface CallLimits {
  readonly callsOfOne: number
  readonly bytes: number
}

/** Calls whose messages are held until it is known who sends them. */
export class CallPlaces {
  readonly #limits: CallLimits
  readonly #calls = new Map<string, number>()
  #bytes = 0

  constructor(limits: CallLimits) {
    this.#limits = limits
  }

  /** Returns what gives the place back; undefined: there is none. */
  take(credential: string, bytes: number): (() => void) | undefined {
    const calls = this.#calls.get(credential) ?? 0
    if (calls >= this.#limits.callsOfOne || this.#bytes + bytes > this.#limits.bytes) return undefined
    this.#calls.set(credential, calls + 1)
    this.#bytes += bytes
    return () => {
      this.#bytes -= bytes
      const left = (this.#calls.get(credential) ?? 1) - 1
      if (left > 0) this.#calls.set(credential, left)
      else this.#calls.delete(credential)
    }
  }
}
