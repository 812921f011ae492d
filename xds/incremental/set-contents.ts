import { getOrAdd } from '#mesh/merge/get-or-add.ts'
import { setOrDelete } from '#mesh/merge/set-or-delete.ts'
import type { EncodedResource, ResourceSet, ResourceUpdate } from '#xds/resource-set.ts'
import type { TypeUrl } from '#xds/type-url.ts'
import type { ResourcePatcher, UnitResource } from './unit.ts'

interface Provided<Provider> {
  readonly by: Provider
  readonly resource: EncodedResource
  /** The same name of a unit that provides it still, and has been overtaken. */
  readonly beneath: Provided<Provider> | undefined
}

/**
 * Who provides each resource of a set. Between two flushes units may come, go and hand a name over to each other in any
 * order, and be compiled again before they go: what counts is who provides it in the end.
 */
export class SetContents<Provider> {
  readonly set: ResourceSet
  /** Whose output says how the set is patched; undefined = it is a part of another one, and not patched. */
  readonly root: Provider | undefined
  /** Those of its providers that give something by place, … */
  readonly placing = new Set<Provider>()
  /** … and the sets of that, one for each place. */
  readonly parts = new Map<string, SetContents<Provider>>()
  #patcher: ResourcePatcher | undefined
  readonly #provided = new Map<TypeUrl, Map<string, Provided<Provider>>>()
  readonly #touched = new Map<TypeUrl, Set<string>>()

  constructor(set: ResourceSet, root: Provider | undefined) {
    this.set = set
    this.root = root
  }

  /** From now on everything is patched by it. */
  patchWith(patcher: ResourcePatcher | undefined): void {
    if (patcher === this.#patcher) return
    const added = [...(this.#patcher?.added ?? []), ...(patcher?.added ?? [])]
    for (const { type, resource } of added) this.#touch(type, resource.name)
    for (const [type, byName] of this.#provided) for (const name of byName.keys()) this.#touch(type, name)
    this.#patcher = patcher
  }

  put(by: Provider, { type, resource }: UnitResource): void {
    const byName = this.#touch(type, resource.name)
    byName.set(resource.name, { by, resource, beneath: without(byName.get(resource.name), by) })
  }

  /** The name is another unit's then, if one provides it too. */
  remove(by: Provider, { type, resource }: UnitResource): void {
    const byName = this.#touch(type, resource.name)
    setOrDelete(byName, resource.name, without(byName.get(resource.name), by))
  }

  /** Brings the set up to date; tells whether it changed. */
  flush(): boolean {
    const updates: ResourceUpdate[] = []
    for (const [type, names] of this.#touched) {
      for (const name of names) updates.push({ type, name, resource: this.#resourceOf(type, name) ?? null })
    }
    this.#touched.clear()
    return this.set.apply(updates).length > 0
  }

  #resourceOf(type: TypeUrl, name: string): EncodedResource | undefined {
    const resource = this.#provided.get(type)?.get(name)?.resource
    if (!this.#patcher) return resource
    const patched = resource && this.#patcher.patch({ type, resource })
    const isAdded = (each: UnitResource): boolean => each.type === type && each.resource.name === name
    return (patched ?? this.#patcher.added.find(isAdded))?.resource
  }

  #touch(type: TypeUrl, name: string): Map<string, Provided<Provider>> {
    getOrAdd(this.#touched, type, () => new Set<string>()).add(name)
    return getOrAdd(this.#provided, type, () => new Map<string, Provided<Provider>>())
  }
}

const without = <Provider>(provided: Provided<Provider> | undefined, by: Provider): Provided<Provider> | undefined => {
  if (!provided || provided.by === by) return provided?.beneath
  return provided.beneath ? { ...provided, beneath: without(provided.beneath, by) } : provided
}
