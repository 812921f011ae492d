/** Wakes those who wait for what comes in. */
export class Arrivals {
  /** How often something came. */
  count = 0
  readonly #waiting = new Set<() => void>()

  came(): void {
    this.count += 1
    for (const wake of this.#waiting) wake()
  }

  /** Resolves when something has come since there were `count`, or after so long. */
  async next(count: number, ms: number): Promise<void> {
    if (this.count !== count) return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => wake(), ms)
      const wake = () => {
        clearTimeout(timer)
        this.#waiting.delete(wake)
        resolve()
      }
      this.#waiting.add(wake)
    })
  }
}
