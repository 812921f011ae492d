import type { ConfigObject, Configured, Origin } from '../config-object.ts'
import type { KindDefinition } from '../config/kind-definition.ts'
import type { ClusterName } from '../names.ts'
import type { ViewKey } from '../view.ts'
import type { AnswerWatch } from './answer-watch.ts'
import { byAge } from './by-age.ts'
import { MultiMap } from './multi-map.ts'
import { PrecedenceTable } from './precedence-table.ts'

export interface NamespacedKindOptions<Spec> {
  readonly definition: KindDefinition<Spec>
  readonly localCluster: ClusterName
  readonly watch: AnswerWatch
  /** The key of the read that `of` answers. */
  readonly toViewKey: (namespace: string) => ViewKey
}

/** The objects of a kind that is looked up by namespace. */
export class NamespacedKind<Spec> {
  readonly objects: PrecedenceTable<Spec>
  readonly #options: NamespacedKindOptions<Spec>
  readonly #byNamespace = new MultiMap<string, Configured<Spec>>()

  constructor(options: NamespacedKindOptions<Spec>) {
    this.#options = options
    this.objects = new PrecedenceTable(options.definition, options.localCluster)
  }

  /** Oldest first. */
  of(namespace: string): readonly Configured<Spec>[] {
    return [...this.#byNamespace.get(namespace)].sort(byAge)
  }

  set(origin: Origin, key: string, object: ConfigObject | null): void {
    const { watch, toViewKey } = this.#options
    const before = this.objects.effective(key)?.object
    this.objects.set(origin, key, object)
    const after = this.objects.effective(key)?.object
    const namespace = (after ?? before)?.metadata.namespace
    if (namespace === undefined) return
    watch.note(toViewKey(namespace), () => this.of(namespace))
    if (before) this.#byNamespace.delete(namespace, before)
    if (after) this.#byNamespace.add(namespace, after)
  }
}
