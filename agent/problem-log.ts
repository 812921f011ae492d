import type { Clock } from './clock.ts'
import type { Log } from './log.ts'

const settleMilliseconds = 1000
/** Looking costs work in proportion to all objects. */
const intervalMilliseconds = 10_000
const maxLogged = 100

/** Tells the log of problems when they appear and when they are gone, a moment after the last change. */
export class ProblemLog {
  readonly #clock: Clock
  readonly #log: Log
  readonly #collect: () => Iterable<string>
  #known = new Set<string>()
  #lookedAt = 0
  #cancel: (() => void) | undefined

  constructor(clock: Clock, log: Log, collect: () => Iterable<string>) {
    this.#clock = clock
    this.#log = log
    this.#collect = collect
  }

  /** Problems may be other ones now. Called as often as one likes. */
  changed(): void {
    const delay = Math.max(settleMilliseconds, this.#lookedAt + intervalMilliseconds - this.#clock.now())
    this.#cancel ??= this.#clock.after(delay, () => {
      this.#cancel = undefined
      this.#lookedAt = this.#clock.now()
      this.#tell()
    })
  }

  /** How many there are, as of the last look. */
  get count(): number {
    return this.#known.size
  }

  stop(): void {
    this.#cancel?.()
  }

  #tell(): void {
    const now = new Set(this.#collect())
    const fresh = [...now].filter((problem) => !this.#known.has(problem))
    for (const problem of fresh.slice(0, maxLogged)) this.#log.warn({ problem }, 'a problem with an object')
    if (fresh.length > maxLogged) this.#log.warn({ more: fresh.length - maxLogged }, 'more problems with objects')
    const mended = [...this.#known].filter((problem) => !now.has(problem)).length
    if (mended > 0) this.#log.info({ mended, left: now.size }, 'problems with objects are gone')
    this.#known = now
  }
}
