/** How many failures in a row make an address dead; one success makes it alive again. */
const failuresUntilDead = 2

/** What the probes of one address come to. It counts as alive until they say otherwise. */
export class ProbeHealth {
  #failures = 0

  get alive(): boolean {
    return this.#failures < failuresUntilDead
  }

  /** In doubt: the next probe decides. */
  get doubtful(): boolean {
    return this.#failures > 0 && this.alive
  }

  /** Returns whether the verdict has changed. */
  record(succeeded: boolean): boolean {
    const before = this.alive
    this.#failures = succeeded ? 0 : this.#failures + 1
    return this.alive !== before
  }
}
