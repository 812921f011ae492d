import { getOrAdd } from '#mesh/merge/get-or-add.ts'
import type { TypeUrl } from './type-url.ts'

/** A resource ready for the wire: encoded once, its bytes shared by everyone who receives it. */
export interface EncodedResource {
  readonly name: string
  /** Hash of the body: equal bodies have equal versions, over restarts too. */
  readonly version: string
  /** The encoded Envoy message (what goes into `Any.value`). */
  readonly body: Uint8Array
  /**
   * What to serve to who refuses it with these words, the most of it first. Those may be refused as well, and have fallbacks of their own.
   * Absent = nothing. Costs work.
   */
  readonly fallbacks?: (reason: string) => readonly Fallback[]
}

/** A resource less what some objects make of it. */
export interface Fallback {
  readonly resource: EncodedResource
  readonly without: readonly LeftOut[]
  /** The words do not tell what is at fault: it may be something else. */
  readonly isTrial?: true
}

export interface LeftOut {
  /** The key of the object. */
  readonly object: string
  /** Why what it makes was refused. */
  readonly reason: string
}

export interface ResourceUpdate {
  readonly type: TypeUrl
  readonly name: string
  /** null = removed */
  readonly resource: EncodedResource | null
}

/**
 * Resources that are compiled together and change together: what a class of proxies shares, or what is one proxy's own. A
 * subscriber remembers only the generation up to which it has been served; what it still needs is `changesSince` that.
 */
export class ResourceSet {
  readonly id: string
  readonly #resources = new Map<TypeUrl, Map<string, EncodedResource>>()
  readonly #previous = new Map<TypeUrl, Map<string, EncodedResource>>()
  readonly #history = new Map<TypeUrl, ChangeHistory>()
  #generation = 0

  constructor(id: string) {
    this.id = id
  }

  /** Counts the applied changes; 0 = nothing was ever applied. */
  get generation(): number {
    return this.#generation
  }

  get(type: TypeUrl, name: string): EncodedResource | undefined {
    return this.#resources.get(type)?.get(name)
  }

  /** The version before the current one: what to fall back on when a proxy refuses that. */
  previous(type: TypeUrl, name: string): EncodedResource | undefined {
    return this.#previous.get(type)?.get(name)
  }

  /** The resources of one type, by name. */
  all(type: TypeUrl): ReadonlyMap<string, EncodedResource> {
    return this.#resources.get(type) ?? new Map<string, EncodedResource>()
  }

  /** Applies what differs from what is there; returns the updates that did. The generation rises by one if any did. */
  apply(updates: Iterable<ResourceUpdate>): ResourceUpdate[] {
    const next = this.#generation + 1
    const effective: ResourceUpdate[] = []
    for (const update of updates) {
      const byName = getOrAdd(this.#resources, update.type, () => new Map<string, EncodedResource>())
      const current = byName.get(update.name)
      if (current?.version === update.resource?.version) continue
      const previous = getOrAdd(this.#previous, update.type, () => new Map<string, EncodedResource>())
      if (update.resource) {
        byName.set(update.name, update.resource)
        if (current) previous.set(update.name, current)
      } else {
        byName.delete(update.name)
        previous.delete(update.name)
      }
      getOrAdd(this.#history, update.type, () => new ChangeHistory()).record(update.name, next)
      effective.push(update)
    }
    if (effective.length > 0) this.#generation = next
    return effective
  }

  /** The generation of the last change of a type; 0 = it never changed. */
  lastChange(type: TypeUrl): number {
    return this.#history.get(type)?.last ?? 0
  }

  /** The names of one type that changed after `generation`, oldest change first, removed ones included (`get` tells). */
  changesSince(type: TypeUrl, generation: number): string[] {
    return this.#history.get(type)?.since(generation) ?? []
  }

  /** Drops the tombstones up to `generation`, which every subscriber has been served. */
  forgetBefore(generation: number): void {
    for (const [type, history] of this.#history)
      history.forget(generation, (name) => !this.#resources.get(type)?.has(name))
  }
}

interface Change {
  readonly name: string
  readonly generation: number
}

/** When each name last changed, as a log in order of change: reading its tail costs what changed, not what there is. */
class ChangeHistory {
  /** Superseded entries stay until they outnumber the others. */
  #log: Change[] = []
  readonly #latest = new Map<string, Change>()
  last = 0

  record(name: string, generation: number): void {
    const change = { name, generation }
    this.#log.push(change)
    this.#latest.set(name, change)
    this.last = generation
    if (this.#log.length > 2 * this.#latest.size) this.#compact()
  }

  since(generation: number): string[] {
    const names: string[] = []
    for (let index = this.#log.length - 1; index >= 0; index--) {
      const change = this.#log[index]
      if (!change || change.generation <= generation) break
      if (this.#latest.get(change.name) === change) names.push(change.name)
    }
    return names.reverse()
  }

  forget(generation: number, isGone: (name: string) => boolean): void {
    for (const change of this.#log) {
      if (change.generation > generation) break
      if (this.#latest.get(change.name) === change && isGone(change.name)) this.#latest.delete(change.name)
    }
    this.#compact()
  }

  #compact(): void {
    this.#log = this.#log.filter((change) => this.#latest.get(change.name) === change)
  }
}
