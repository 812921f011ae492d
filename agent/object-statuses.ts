import type { Clock } from './clock.ts'
import type { Judgement } from '#mesh/status/judge-objects.ts'

export interface ObjectStatusesOptions {
  readonly clock: Pick<Clock, 'after'>
  /** Milliseconds since some moment, of a clock that nobody sets. */
  readonly elapsed: () => number
  /** undefined = not enough is known yet. */
  readonly judge: () => Judgement | undefined
  readonly onJudgement: (judgement: Judgement) => void
}

const settleMilliseconds = 300
const minIntervalMilliseconds = 1000
/** Looking costs work in proportion to all objects: it may take this part of the time. */
const maxShare = 0.02

/** Looks at what holds of all configuration objects a moment after something has changed, and not again too soon. */
export class ObjectStatuses {
  readonly #options: ObjectStatusesOptions
  #notBefore = 0
  #cancel: (() => void) | undefined

  constructor(options: ObjectStatusesOptions) {
    this.#options = options
  }

  /** Something else may hold now. Called as often as one likes. */
  changed(): void {
    const { clock, elapsed } = this.#options
    const delay = Math.max(settleMilliseconds, this.#notBefore - elapsed())
    this.#cancel ??= clock.after(delay, () => {
      this.#cancel = undefined
      this.#look()
    })
  }

  stop(): void {
    this.#cancel?.()
  }

  #look(): void {
    const { elapsed, judge, onJudgement } = this.#options
    const since = elapsed()
    const judgement = judge()
    if (judgement) onJudgement(judgement)
    const now = elapsed()
    this.#notBefore = now + Math.max(minIntervalMilliseconds, (now - since) / maxShare)
  }
}
