/** So often in a row a batch fails before it is asked whether others do, too. */
const patience = 5
/** So often what is sent after a batch that failed is taken, until the fault is the batch's. At a backoff's pace that is some minutes. */
const maxFaults = 20

interface Doubt {
  readonly failures: number
  readonly faults: number
}

/**
 * What a failure means: who takes batches is away, which no batch is to blame for; or fails on just this one. `away`: wait. `doubted`: go on with others, they show
 * which it is. `at-fault`: it is the batch, and would be for ever.
 */
export type Verdict = 'away' | 'doubted' | 'at-fault'

/** Tells batches that can't be sent apart from times when none can. */
export class Doubts<Item> {
  /** Those that failed last come last. */
  readonly #doubts = new Map<Item, Doubt>()
  /** Those that are at fault if what is sent next is taken. */
  readonly #accused = new Set<Item>()

  /** The doubted one that was not tried for longest. */
  get next(): Item | undefined {
    for (const item of this.#doubts.keys()) if (this.isDoubted(item)) return item
    return undefined
  }

  isDoubted(item: Item): boolean {
    return this.failuresOf(item) >= patience
  }

  failuresOf(item: Item): number {
    return this.#doubts.get(item)?.failures ?? 0
  }

  failed(item: Item): Verdict {
    const { failures, faults } = this.#doubts.get(item) ?? { failures: 0, faults: 0 }
    this.forget(item)
    this.#doubts.set(item, { failures: failures + 1, faults })
    if (failures < patience) {
      this.othersFailed()
      return 'away'
    }
    this.#accused.add(item)
    return faults < maxFaults ? 'doubted' : 'at-fault'
  }

  /** Something failed that is not doubted. */
  othersFailed(): void {
    this.#accused.clear()
  }

  /** `item`: what was taken, if it ever failed. */
  taken(item?: Item): void {
    if (item !== undefined) this.forget(item)
    for (const each of this.#accused) {
      const doubt = this.#doubts.get(each)
      if (doubt) this.#doubts.set(each, { ...doubt, faults: doubt.faults + 1 })
    }
    this.#accused.clear()
  }

  forget(item: Item): void {
    this.#doubts.delete(item)
    this.#accused.delete(item)
  }
}
