import type { ConfigObject, Configured, Origin } from '../config-object.ts'
import type { KindDefinition } from '../config/kind-definition.ts'
import { closedAs, configuredAs } from '../config/parse-object.ts'
import type { ClusterName } from '../names.ts'
import type { Problem } from '../problem.ts'
import { publisherOf } from '../publishing/publish-annotations.ts'
import { isEqualData } from './equal-data.ts'
import { isOverride, PRECEDENCE_ANNOTATION } from './precedence-annotation.ts'
import { setOrDelete } from './set-or-delete.ts'

export interface Effective<Spec> {
  readonly origin: Origin
  readonly object: Configured<Spec>
}

/** An object as the mesh and the cluster have it; of each its parsed form, or why its kind's schema refuses it, or both: closed. */
export interface Holding<Spec> {
  readonly key: string
  /** Of a kind that adds up both; else one at most. */
  readonly inForce: readonly Effective<Spec>[]
  readonly mesh: Configured<Spec> | undefined
  readonly cluster: Configured<Spec> | undefined
  /** Where both have it: whose holds. */
  readonly holder?: Origin
  /** Whether it says what is in force where one is refused, and no more. */
  readonly isClosed: { readonly [From in Origin]: boolean }
  readonly refusals: { readonly [From in Origin]: readonly Problem[] }
}

/**
 * The objects of one kind, of the mesh and of the cluster itself, and which one holds where both have the same key. Specs are
 * parsed once, as they arrive; one that its kind's schema refuses is reported, and counts as absent, or as closed where its kind has
 * such a form.
 */
export class PrecedenceTable<Spec> {
  readonly #definition: KindDefinition<Spec>
  readonly #localCluster: ClusterName
  readonly #objects = { mesh: new Map<string, Configured<Spec>>(), cluster: new Map<string, Configured<Spec>>() }
  readonly #refusals = { mesh: new Map<string, readonly Problem[]>(), cluster: new Map<string, readonly Problem[]>() }

  constructor(definition: KindDefinition<Spec>, localCluster: ClusterName) {
    this.#definition = definition
    this.#localCluster = localCluster
  }

  set(origin: Origin, key: string, object: ConfigObject | null): void {
    const parsed = object && configuredAs(this.#definition, object)
    const value = object && (parsed?.ok ? parsed.value : closedAs(this.#definition, object))
    setOrDelete(this.#objects[origin], key, value ?? null)
    setOrDelete(this.#refusals[origin], key, parsed && !parsed.ok ? parsed.error : null)
  }

  keys(): ReadonlySet<string> {
    return new Set([...this.#objects.mesh.keys(), ...this.#objects.cluster.keys()])
  }

  effective(key: string): Effective<Spec> | null {
    const mesh = this.#objects.mesh.get(key)
    const cluster = this.#objects.cluster.get(key)
    if (mesh && (!cluster || isOverride(mesh.metadata))) return { origin: 'mesh', object: mesh }
    return cluster ? { origin: 'cluster', object: cluster } : null
  }

  /** Whose objects of a key say something here. */
  inForce(key: string): readonly Effective<Spec>[] {
    const effective = this.effective(key)
    if (!effective) return []
    const mesh = this.#otherThanOwn(key)
    const cluster = this.#objects.cluster.get(key)
    if (!this.#definition.addsUp || !mesh || !cluster) return [effective]
    return [
      { origin: 'mesh', object: mesh },
      { origin: 'cluster', object: cluster },
    ]
  }

  holdings(): readonly Holding<Spec>[] {
    const refused = [...this.#refusals.mesh.keys(), ...this.#refusals.cluster.keys()]
    return [...new Set([...this.keys(), ...refused])].map((key) => {
      const [inForce, mesh, cluster] = [this.inForce(key), this.#otherThanOwn(key), this.#objects.cluster.get(key)]
      const [first] = inForce
      return {
        key,
        inForce,
        mesh,
        cluster,
        ...(inForce.length === 1 && first && mesh && cluster && { holder: first.origin }),
        isClosed: { mesh: this.#isClosed(mesh), cluster: this.#isClosed(cluster) },
        refusals: { mesh: this.#refusals.mesh.get(key) ?? [], cluster: this.#refusals.cluster.get(key) ?? [] },
      }
    })
  }

  problems(): readonly Problem[] {
    const refusals = [...this.#refusals.mesh.values(), ...this.#refusals.cluster.values()].flat()
    if (this.#definition.addsUp) return refusals
    const contested = [...this.#objects.cluster.keys()].filter((key) => this.#otherThanOwn(key) !== undefined)
    const inForce = contested.flatMap((key) => this.effective(key) ?? [])
    return [...refusals, ...inForce.map(({ origin, object }) => toSameKey(object, origin))]
  }

  #isClosed(object: Configured<Spec> | undefined): boolean {
    return object !== undefined && isEqualData(closedAs(this.#definition, object)?.spec, object.spec)
  }

  /** The mesh's object, unless it is the cluster's own, which this cluster publishes: that contests nothing. */
  #otherThanOwn(key: string): Configured<Spec> | undefined {
    const mesh = this.#objects.mesh.get(key)
    const isOwn = mesh && this.#objects.cluster.has(key) && publisherOf(mesh.metadata) === this.#localCluster
    return isOwn ? undefined : mesh
  }
}

/** To an object that the mesh and the cluster both have: whose holds. */
export const toSameKey = ({ kind, metadata }: Omit<ConfigObject, 'spec'>, holder: Origin): Problem => ({
  code: 'conflict',
  severity: 'warning',
  object: { kind, namespace: metadata.namespace, name: metadata.name },
  path: '',
  message: `the mesh and the cluster both have it: the ${holder}'s holds (annotation ${PRECEDENCE_ANNOTATION} of the mesh's)`,
})
