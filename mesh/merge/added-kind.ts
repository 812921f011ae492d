import type { ConfigObject, Origin, Sourced } from '../config-object.ts'
import { byAge } from './by-age.ts'
import { getOrAdd } from './get-or-add.ts'
import { MultiMap } from './multi-map.ts'
import type { NamespacedKindOptions } from './namespaced-kind.ts'
import { PrecedenceTable } from './precedence-table.ts'

/** The objects of a kind that adds up, looked up by namespace: of one key there may be the mesh's and the cluster's. */
export class AddedKind<Spec> {
  readonly objects: PrecedenceTable<Spec>
  readonly #options: NamespacedKindOptions<Spec>
  readonly #byNamespace = new MultiMap<string, Sourced<Spec>>()
  /** Those of a namespace that were asked for since they last changed: every proxy of it asks. */
  readonly #sorted = new Map<string, readonly Sourced<Spec>[]>()
  readonly #inForce = new Map<string, readonly Sourced<Spec>[]>()

  constructor(options: NamespacedKindOptions<Spec>) {
    this.#options = options
    this.objects = new PrecedenceTable(options.definition, options.localCluster)
  }

  /** Oldest first; of one age by name, and of one key the mesh's. */
  of(namespace: string): readonly Sourced<Spec>[] {
    return getOrAdd(this.#sorted, namespace, () =>
      [...this.#byNamespace.get(namespace)].sort(
        (left, right) => byAge(left, right) || Number(left.origin === 'cluster') - Number(right.origin === 'cluster'),
      ),
    )
  }

  /** Of all namespaces, in no order. */
  all(): readonly Sourced<Spec>[] {
    return [...this.#inForce.values()].flat()
  }

  set(origin: Origin, key: string, object: ConfigObject | null): void {
    const { watch, toViewKey } = this.#options
    const before = this.#inForce.get(key) ?? []
    this.objects.set(origin, key, object)
    const after = this.objects.inForce(key).map((each): Sourced<Spec> => ({ ...each.object, origin: each.origin }))
    const namespace = (after[0] ?? before[0])?.metadata.namespace
    if (namespace === undefined) return
    watch.note(toViewKey(namespace), () => this.of(namespace))
    this.#sorted.delete(namespace)
    for (const each of before) this.#byNamespace.delete(namespace, each)
    for (const each of after) this.#byNamespace.add(namespace, each)
    if (after.length > 0) this.#inForce.set(key, after)
    else this.#inForce.delete(key)
  }
}
