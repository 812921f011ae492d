import type { BatchRank, Signal } from './batch.ts'

/** A batch on disk. */
export interface SpooledBatch {
  readonly name: string
  readonly signal: Signal
  readonly rank: BatchRank
  readonly records: number
  /** That its file takes on the disk. */
  readonly bytes: number
}

/** Disks give room in blocks: of what is said to be less there could be many more files than room. */
const blockBytes = 4096
export const toDiskBytes = (size: number): number => Math.ceil(size / blockBytes) * blockBytes

/** What is on disk, in the order of names. All that is asked often costs the same, however many these are. */
export class SpooledBatches {
  readonly #byRank: Readonly<Record<BatchRank, Set<SpooledBatch>>> = { routine: new Set(), notable: new Set() }
  readonly #records = { logs: 0, metrics: 0, traces: 0 }
  #bytes = 0

  get bytes(): number {
    return this.#bytes
  }

  get length(): number {
    return this.#byRank.routine.size + this.#byRank.notable.size
  }

  /** By signal. */
  get records(): Readonly<Record<Signal, number>> {
    return { ...this.#records }
  }

  /** Its name comes after those of all others. */
  add(batch: SpooledBatch): void {
    this.#byRank[batch.rank].add(batch)
    this.#count(batch, 1)
  }

  delete(batch: SpooledBatch): void {
    if (this.#byRank[batch.rank].delete(batch)) this.#count(batch, -1)
  }

  /** Of those that are meant. */
  oldest(isMeant: (batch: SpooledBatch) => boolean): SpooledBatch | undefined {
    const routine = this.oldestOf('routine', isMeant)
    const notable = this.oldestOf('notable', isMeant)
    return routine && (!notable || routine.name < notable.name) ? routine : notable
  }

  oldestOf(rank: BatchRank, isMeant: (batch: SpooledBatch) => boolean): SpooledBatch | undefined {
    for (const batch of this.#byRank[rank]) if (isMeant(batch)) return batch
    return undefined
  }

  #count({ signal, records, bytes }: SpooledBatch, sign: 1 | -1): void {
    this.#records[signal] += sign * records
    this.#bytes += sign * bytes
  }
}
