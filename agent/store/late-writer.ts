import type { Clock } from '#agent/clock.ts'

/** Writes what has changed after a while: often enough to be worth something, seldom enough to cost nothing. One write at a time. */
export class LateWriter {
  readonly #clock: Clock
  readonly #delayMilliseconds: number
  readonly #write: () => Promise<void>
  #cancel: (() => void) | undefined
  #writing: Promise<void> = Promise.resolve()
  #isDue = false
  #isStopped = false

  constructor(clock: Clock, delayMilliseconds: number, write: () => Promise<void>) {
    this.#clock = clock
    this.#delayMilliseconds = delayMilliseconds
    this.#write = write
  }

  /** Called as often as one likes. */
  changed(): void {
    this.#isDue = true
    if (!this.#isStopped) this.#cancel ??= this.#clock.after(this.#delayMilliseconds, () => this.#flush())
  }

  /** Resolves when everything is written. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#cancel?.()
    this.#flush()
    await this.#writing
  }

  #flush(): void {
    this.#cancel = undefined
    if (!this.#isDue) return
    this.#isDue = false
    this.#writing = this.#writing.then(() => this.#write())
  }
}
