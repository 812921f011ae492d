import type { TypeUrl } from './type-url.ts'

/** A resource ready for the wire: encoded once, its bytes shared by everyone who receives it. */
export interface EncodedResource {
  readonly name: string
  /** Hash of the body: equal bodies have equal versions, over restarts too. */
  readonly version: string
  /** The encoded Envoy message (what goes into `Any.value`). */
  readonly body: Uint8Array
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
  /** Last change of every name, in order of change; tombstones stay until `forgetBefore`. */
  readonly #changed = new Map<TypeUrl, Map<string, number>>()
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

  /** The resources of one type, by name. */
  all(type: TypeUrl): ReadonlyMap<string, EncodedResource> {
    return this.#resources.get(type) ?? new Map<string, EncodedResource>()
  }

  /** Applies what differs from what is there; returns the updates that did. The generation rises by one if any did. */
  apply(updates: Iterable<ResourceUpdate>): ResourceUpdate[] {
    const next = this.#generation + 1
    const effective: ResourceUpdate[] = []
    for (const update of updates) {
      const byName = mapOf(this.#resources, update.type)
      const current = byName.get(update.name)
      if (current?.version === update.resource?.version) continue
      if (update.resource) byName.set(update.name, update.resource)
      else byName.delete(update.name)
      const changed = mapOf(this.#changed, update.type)
      changed.delete(update.name) // re-inserted at the end: the map stays in order of change
      changed.set(update.name, next)
      effective.push(update)
    }
    if (effective.length > 0) this.#generation = next
    return effective
  }

  /** The generation of the last change of a type; 0 = it never changed. */
  lastChange(type: TypeUrl): number {
    let last = 0
    for (const generation of this.#changed.get(type)?.values() ?? []) last = generation
    return last
  }

  /** The names of one type that changed after `generation`, removed ones included (`get` tells). */
  changesSince(type: TypeUrl, generation: number): string[] {
    if (generation >= this.#generation) return []
    const names: string[] = []
    for (const [name, changedAt] of this.#changed.get(type) ?? []) if (changedAt > generation) names.push(name)
    return names
  }

  /** Drops the tombstones up to `generation`, which every subscriber has been served. */
  forgetBefore(generation: number): void {
    for (const [type, changed] of this.#changed)
      for (const [name, changedAt] of changed) {
        if (changedAt > generation) break
        if (!this.#resources.get(type)?.has(name)) changed.delete(name)
      }
  }
}

const mapOf = <V>(maps: Map<TypeUrl, Map<string, V>>, type: TypeUrl): Map<string, V> => {
  let map = maps.get(type)
  if (!map) maps.set(type, (map = new Map()))
  return map
}
