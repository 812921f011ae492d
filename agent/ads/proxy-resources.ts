import { admissionFilterName } from '#xds/build/build-admission.ts'
import { isPluginFilterName } from '#xds/compile/resource-names.ts'
import type { CompileProblem } from '#xds/incremental/unit.ts'
import type { EncodedResource, ResourceSet } from '#xds/resource-set.ts'
import { typeUrls, type TypeUrl } from '#xds/type-url.ts'
import type { WholeSet } from './batch.ts'
import type { Quarantine, Rejection } from './quarantine.ts'
import { toSharedChunks } from './shared-chunks.ts'
import { toWireResource, type WireResource } from './wire-resource.ts'

/** What the compiler and the workload identities have for one proxy. The sets may change while it is attached. */
export interface Attachment {
  readonly sets: readonly ResourceSet[]
  /** Why the compiler cannot tell what the proxy is to have. */
  readonly blockedBy?: CompileProblem | undefined
}

/** Below, putting a response together costs less than looking whether it can be shared. */
const sharedResources = 64

/** What one proxy may have, looked up over its sets. A name of a type is in one of them at most, but for a moment, when the first counts. */
export class ProxyResources {
  /** Of the proxy: whom the quarantine knows by it. */
  readonly #identity: string
  readonly #attachment: Attachment
  readonly #quarantine: Quarantine
  #sets: readonly ResourceSet[]
  #blockedBy: CompileProblem | undefined
  #generations: readonly number[] = []
  #state = 0

  constructor(identity: string, attachment: Attachment, quarantine: Quarantine) {
    this.#identity = identity
    this.#attachment = attachment
    this.#quarantine = quarantine
    this.#sets = attachment.sets
    this.#blockedBy = attachment.blockedBy
  }

  /** As of the last `refresh`. */
  get sets(): readonly ResourceSet[] {
    return this.#sets
  }

  /** As of the last `refresh`. */
  get blockedBy(): CompileProblem | undefined {
    return this.#blockedBy
  }

  /** Counts the changes of the sets, and of which they are, that `refresh` has met. */
  get state(): number {
    return this.#state
  }

  /** Takes over how the sets are now. */
  refresh(): void {
    const { sets, blockedBy } = this.#attachment
    const isSame =
      blockedBy === this.#blockedBy &&
      sets.length === this.#sets.length &&
      sets.every((set, index) => set === this.#sets[index] && set.generation === this.#generations[index])
    if (isSame) return
    this.#sets = sets
    this.#blockedBy = blockedBy
    this.#generations = sets.map(({ generation }) => generation)
    this.#state++
  }

  /**
   * Whether nobody knows what there is of a type: the proxy is not told that anything is gone, so that one which comes back keeps what it has
   * and a new one has nothing. Secrets are not compiled.
   */
  withholds(type: TypeUrl): boolean {
    return this.#blockedBy !== undefined && type !== typeUrls.secret
  }

  /** Whether the proxy asks, by these names, for what comes later: what it has until then is not what it is to have. */
  awaits(type: TypeUrl, names: ReadonlySet<string>): boolean {
    const name = admissionFilterName
    return isGivenLater(type, name) && names.has(name) && this.current(type, name) === undefined
  }

  /** The resource as it should be. */
  current(type: TypeUrl, name: string): EncodedResource | undefined {
    for (const set of this.sets) {
      const resource = set.get(type, name)
      if (resource) return resource
    }
    return undefined
  }

  /**
   * The resource as this proxy is sent it: an older version when it is quarantined. 'kept' = it keeps what it has, 'gone' = there is
   * no such resource.
   */
  served(type: TypeUrl, name: string): WireResource | 'kept' | 'gone' {
    for (const set of this.sets) {
      const current = set.get(type, name)
      if (!current) continue
      const wire = toWireResource(type, current)
      if (!this.#quarantine.concerns(set)) return wire
      const served = this.#quarantine.servedTo(this.#identity, set, wire)
      return served ? toWireResource(type, served) : 'kept'
    }
    return this.withholds(type) || isGivenLater(type, name) || isKept(type, name) ? 'kept' : 'gone'
  }

  /** The set that holds most of a type, when all that it holds is among these names and nothing of it was refused. */
  wholeSet(
    type: TypeUrl,
    names: ReadonlySet<string>,
  ): { readonly set: WholeSet; has(name: string): boolean } | undefined {
    for (const set of this.sets) {
      const all = set.all(type)
      if (all.size < sharedResources || all.size > names.size || this.#quarantine.concerns(set)) continue
      if (!isWithin(all, names)) continue
      const { chunks, lastChange } = toSharedChunks(set, type)
      if (chunks.length === 1) return undefined // what is due beside it fits into the same response
      const isCurrent = (): boolean =>
        set.lastChange(type) === lastChange && this.sets.includes(set) && !this.#quarantine.concerns(set)
      return { set: { chunks, isCurrent }, has: (name) => all.has(name) }
    }
    return undefined
  }

  /** The proxy ACKed these. Returns those that may now go to proxies that were spared them. */
  accept(resources: readonly WireResource[]): readonly WireResource[] {
    const concerned = this.sets.filter((set) => this.#quarantine.concerns(set))
    if (concerned.length === 0) {
      for (const wire of resources) wire.accepted = true
      return []
    }
    return resources.filter((wire) => {
      const set = concerned.find((each) => each.get(wire.type, wire.name) !== undefined)
      if (set) return this.#quarantine.accept(set, wire, this.#identity)
      wire.accepted = true
      return false
    })
  }

  reject(wire: WireResource, reason: string, revision: number): void {
    const set = this.#setOf(wire.type, wire.name)
    if (set) this.#quarantine.reject(set, wire, { by: this.#identity, reason, revision })
  }

  rejections(): readonly Rejection[] {
    if (!this.sets.some((set) => this.#quarantine.concerns(set))) return []
    return this.sets.flatMap((set) => this.#quarantine.rejectionsFor(this.#identity, set))
  }

  forgetRejections(): void {
    for (const set of this.sets) this.#quarantine.forget(this.#identity, set)
  }

  #setOf(type: TypeUrl, name: string): ResourceSet | undefined {
    return this.sets.find((set) => set.get(type, name) !== undefined)
  }
}

/** Every proxy has one, and it comes of what its compiler or its credentials say: where there is none, one of them does not know yet. */
const isGivenLater = (type: TypeUrl, name: string): boolean =>
  type === typeUrls.extensionConfig && name === admissionFilterName

/**
 * The filter of a plugin. A new one waits for its module, and one whose object is gone is in listeners that are drained: told that there is none,
 * Envoy would answer 500 there.
 */
const isKept = (type: TypeUrl, name: string): boolean => type === typeUrls.extensionConfig && isPluginFilterName(name)

const isWithin = (all: ReadonlyMap<string, unknown>, names: ReadonlySet<string>): boolean => {
  for (const name of all.keys()) if (!names.has(name)) return false
  return true
}
