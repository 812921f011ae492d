import type { StateChange } from '#mesh/state.ts'
import type { PlaneMessage } from '#mesh/uplink.ts'
import type { PlaneBatch } from './plane-replica.ts'

type Chunk = Extract<PlaneMessage, { type: 'changes' }>

/** The most items of one batch; the design goes up to 200 clusters × 10,000 objects before interest is considered. */
const maxBatchItems = 2_000_000

/** Puts the chunks of a batch together. A batch that was cut off by the end of a session is gone with its assembler. */
export class BatchAssembler {
  #items: StateChange[] = []
  #first: Chunk | undefined

  /** The batch when this was its last chunk; `invalid` when it does not belong to the chunks before. */
  add(chunk: Chunk): { readonly kind: 'whole'; readonly batch: PlaneBatch } | { readonly kind: 'partial' | 'invalid' } {
    const first = this.#first ?? chunk
    if (first.mode !== chunk.mode || first.position.epoch !== chunk.position.epoch) return { kind: 'invalid' }
    if (this.#items.length + chunk.items.length > maxBatchItems) return { kind: 'invalid' }
    for (const item of chunk.items) this.#items.push(item)
    if (chunk.more) {
      this.#first = first
      return { kind: 'partial' }
    }
    const { mode, position, revision } = chunk
    const batch: PlaneBatch = { mode, position, revision, items: this.#items }
    this.#items = []
    this.#first = undefined
    return { kind: 'whole', batch }
  }
}
