import type { StateStep, StoredState } from '#agent/store/stored-state.ts'
import { isEqualData } from '#mesh/merge/equal-data.ts'
import type { ClusterName } from '#mesh/names.ts'
import type { StateChange, StateItem } from '#mesh/state.ts'
import type { Hold, PlaneMessage, Position } from '#mesh/uplink.ts'
import { judgeSnapshot, type PlaneState } from './restore-guard.ts'

/** A whole batch: the chunks of one `changes` message put together. */
export type PlaneBatch = Omit<Extract<PlaneMessage, { type: 'changes' }>, 'type' | 'more'>

export type Reception =
  /** The state has changed by these steps' items (none when only the position moved). */
  | { readonly kind: 'applied'; readonly step: StateStep }
  /** Put aside until a person confirms `hold`. */
  | { readonly kind: 'held' }
  /** Older than what is there. */
  | { readonly kind: 'ignored' }
  /** It does not follow from what is there: only a new session helps. */
  | { readonly kind: 'desynchronised'; readonly reason: string }

/** A plane whose history ended before this cluster's: held until a person says otherwise, whatever is written to it meanwhile. */
export interface Suspicion {
  readonly epoch: string
  readonly since: number
}

export interface PlaneReplicaOptions {
  readonly cluster: ClusterName
  readonly stored: StoredState | undefined
  readonly suspicion: Suspicion | undefined
  /** Keeps it over restarts; undefined = there is none any more. */
  readonly saveSuspicion: (suspicion: Suspicion | undefined) => void
  readonly now: () => number
}

interface Candidate extends PlaneState {
  readonly position: Position
  readonly items: Map<string, StateItem>
  hold: Hold
}

/**
 * What this agent holds of the plane's state: changes are applied batch by batch, and a plane that comes back with less than it had
 * does not take anything away before a person confirms it. A candidate that is put aside goes on taking the plane's changes,
 * and is applied by itself once nothing would be lost any more (when the other clusters have reported again, say).
 */
export class PlaneReplica implements PlaneState {
  readonly #options: PlaneReplicaOptions
  readonly #items: Map<string, StateItem>
  #position: Position | null
  #revision: number
  #receivedAt: number
  #candidate: Candidate | undefined
  #suspicion: Suspicion | undefined
  #confirmedEpoch: string | undefined
  #isPartial: boolean

  constructor(options: PlaneReplicaOptions) {
    this.#options = options
    this.#items = new Map(options.stored?.items)
    this.#position = options.stored?.position ?? null
    this.#revision = options.stored?.revision ?? 0
    this.#receivedAt = options.stored?.receivedAt ?? 0
    this.#suspicion = options.suspicion
    this.#isPartial = options.stored?.partial ?? false
  }

  get position(): Position | null {
    return this.#position
  }

  /** From where on the plane is to tell: from the beginning of its history where something may be missing of what it has told. */
  get heardUpTo(): Position | null {
    return this.#isPartial && this.#position ? { ...this.#position, sequence: 0 } : this.#position
  }

  get revision(): number {
    return this.#revision
  }

  get items(): ReadonlyMap<string, StateItem> {
    return this.#items
  }

  /** When the plane last changed this state, milliseconds since the epoch; 0 = never. */
  get receivedAt(): number {
    return this.#receivedAt
  }

  get hold(): Hold | undefined {
    return this.#candidate?.hold
  }

  /** The plane goes on from the held position: there is nothing to decide about any more. */
  resume(): void {
    this.#drop()
  }

  receive(batch: PlaneBatch): Reception {
    if (batch.mode === 'snapshot') return this.#offer(batch, new Map())
    if (this.#candidate?.position.epoch === batch.position.epoch) return this.#offer(batch, this.#candidate.items)
    if (this.#position?.epoch !== batch.position.epoch)
      return { kind: 'desynchronised', reason: 'a change of a history that is not held' }
    if (batch.position.sequence < this.#position.sequence) return { kind: 'ignored' }
    return this.#apply(batch.position, batch.revision, batch.items)
  }

  /** A person agreed to what `hold` would lose. Returns the step when its snapshot is here already. */
  confirm(holdId: string): StateStep | undefined {
    if (!holdId.startsWith(holdPrefix)) return undefined
    this.#confirmedEpoch = holdId.slice(holdPrefix.length)
    const candidate = this.#candidate
    return candidate?.position.epoch === this.#confirmedEpoch ? this.#replace(candidate) : undefined
  }

  #offer(batch: PlaneBatch, items: Map<string, StateItem>): Reception {
    for (const { key, item } of batch.items) {
      if (item) items.set(key, item)
      else items.delete(key)
    }
    const offered = { position: batch.position, revision: batch.revision, items }
    const verdict = judgeSnapshot(this, offered, this.#options.cluster)
    const { epoch } = batch.position
    const suspected = verdict.older || this.#suspicion?.epoch === epoch
    if (this.#confirmedEpoch === epoch || (verdict.losses.length === 0 && !suspected))
      return { kind: 'applied', step: this.#replace(offered) }

    const since = this.#sinceOf(epoch)
    if (suspected) this.#suspect({ epoch, since })
    const reasons =
      verdict.losses.length > 0 ? verdict.losses : ['its history ended before the one that this cluster holds']
    this.#candidate = {
      ...offered,
      hold: {
        id: `${holdPrefix}${epoch}`,
        kind: 'restored-plane',
        reason: `The control plane came back with another history: ${reasons.join('; ')}. The cluster goes on with what it has.`,
        since: new Date(since).toISOString(),
      },
    }
    return { kind: 'held' }
  }

  #sinceOf(epoch: string): number {
    if (this.#suspicion?.epoch === epoch) return this.#suspicion.since
    if (this.#candidate?.position.epoch === epoch) return Date.parse(this.#candidate.hold.since)
    return this.#options.now()
  }

  #replace(state: PlaneState & { readonly position: Position }): StateStep {
    const changes: StateChange[] = []
    for (const [key, item] of state.items) if (!isEqualData(this.#items.get(key), item)) changes.push({ key, item })
    for (const key of this.#items.keys()) if (!state.items.has(key)) changes.push({ key, item: null })
    this.#drop()
    this.#isPartial = false
    return this.#apply(state.position, state.revision, changes).step
  }

  #apply(position: Position, revision: number, items: readonly StateChange[]): Extract<Reception, { kind: 'applied' }> {
    for (const { key, item } of items) {
      if (item) this.#items.set(key, item)
      else this.#items.delete(key)
    }
    this.#position = position
    this.#revision = revision
    this.#receivedAt = this.#options.now()
    return { kind: 'applied', step: { mode: 'delta', position, revision, receivedAt: this.#receivedAt, items } }
  }

  #suspect(suspicion: Suspicion): void {
    if (this.#suspicion?.epoch === suspicion.epoch) return
    this.#suspicion = suspicion
    this.#options.saveSuspicion(suspicion)
  }

  #drop(): void {
    this.#candidate = undefined
    if (!this.#suspicion) return
    this.#suspicion = undefined
    this.#options.saveSuspicion(undefined)
  }
}

/** A hold's id is the same for every replica of a cluster and over restarts, so that one confirmation is enough. */
const holdPrefix = 'restored-plane-'
