import type { ConfigObject, Configured, Origin } from '../config-object.ts'
import type { KindDefinition } from '../config/kind-definition.ts'
import type { ClusterName } from '../names.ts'
import type { Problem } from '../problem.ts'
import { type HostOrder, HostIndex } from './host-index.ts'
import { MultiMap } from './multi-map.ts'
import { type Holding, PrecedenceTable } from './precedence-table.ts'
import { resolveHost } from './resolve-host.ts'
import { setOrDelete } from './set-or-delete.ts'

interface Options<Spec> {
  readonly definition: KindDefinition<Spec>
  readonly localCluster: ClusterName
  readonly order: HostOrder
  /** As written. */
  readonly toHosts: (spec: Spec) => readonly string[]
  readonly domainSuffix: string
  readonly completion?: Completion<Spec>
}

/** How objects of a kind take over something from others of it. */
interface Completion<Spec> {
  /** The keys of those others, which need not be there. */
  readonly toNeeded: (object: Configured<Spec>) => readonly string[]
  readonly complete: (object: Configured<Spec>, find: (key: string) => Configured<Spec> | undefined) => Configured<Spec>
}

/** The objects of one kind that say something of hosts, by host. */
export class HostedKind<Spec> {
  readonly #objects: PrecedenceTable<Spec>
  readonly #byHost: HostIndex<Configured<Spec>>
  readonly #toHosts: (spec: Spec) => readonly string[]
  readonly #completion: Completion<Spec> | undefined
  /** Those that hold, completed. */
  readonly #completed = new Map<string, Configured<Spec>>()
  readonly #needed = new Map<string, readonly string[]>()
  readonly #needing = new MultiMap<string, string>()
  #domainSuffix: string

  constructor({ definition, localCluster, order, toHosts, domainSuffix, completion }: Options<Spec>) {
    this.#completion = completion
    this.#objects = new PrecedenceTable(definition, localCluster)
    this.#byHost = new HostIndex(order)
    this.#toHosts = toHosts
    this.#domainSuffix = domainSuffix
  }

  find(hostname: string): readonly Configured<Spec>[] {
    return this.#byHost.find(hostname)
  }

  /** The hosts that objects name, wildcards too, sorted: another list when one comes or goes. */
  hosts(): readonly string[] {
    return this.#byHost.hosts()
  }

  problems(): readonly Problem[] {
    return this.#objects.problems()
  }

  holdings(): readonly Holding<Spec>[] {
    return this.#objects.holdings()
  }

  /** The object of this key that holds, with what it takes over from others. */
  effective(key: string): Configured<Spec> | undefined {
    return this.#completed.get(key)
  }

  keys(): readonly string[] {
    return [...this.#objects.keys()]
  }

  /** The keys of the objects that change when the one of this key does. */
  dependents(key: string): readonly string[] {
    return [...new Set([key, ...this.#needing.get(key)])]
  }

  set(origin: Origin, key: string, object: ConfigObject | null): void {
    this.#objects.set(origin, key, object)
    for (const dependent of this.dependents(key)) this.#index(dependent)
  }

  /** Short host names mean other hosts now, or objects take over something else from others. */
  reindex(domainSuffix: string): void {
    this.#domainSuffix = domainSuffix
    for (const key of this.#objects.keys()) this.#index(key)
  }

  setServiceHost(hostname: string, exists: boolean): void {
    this.#byHost.setServiceHost(hostname, exists)
  }

  /** The hosts whose answers have changed since the last time. */
  settle(): ReadonlySet<string> {
    return this.#byHost.settle()
  }

  #index(key: string): void {
    const object = this.#complete(key)
    setOrDelete(this.#completed, key, object)
    if (!object) {
      this.#byHost.set(key, null)
      return
    }
    const hosts = this.#toHosts(object.spec).map((host) =>
      resolveHost(host, object.metadata.namespace, this.#domainSuffix),
    )
    this.#byHost.set(key, { object, hosts })
  }

  #complete(key: string): Configured<Spec> | null {
    const object = this.#objects.effective(key)?.object ?? null
    if (!this.#completion) return object
    for (const needed of this.#needed.get(key) ?? []) this.#needing.delete(needed, key)
    const needs = object ? this.#completion.toNeeded(object) : []
    for (const needed of needs) this.#needing.add(needed, key)
    setOrDelete(this.#needed, key, needs.length > 0 ? needs : null)
    const find = (other: string) => this.#objects.effective(other)?.object
    return object && this.#completion.complete(object, find)
  }
}
