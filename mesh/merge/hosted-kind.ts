import type { ConfigObject, Configured, Origin } from '../config-object.ts'
import type { KindDefinition } from '../config/kind-definition.ts'
import type { ClusterName } from '../names.ts'
import type { Problem } from '../problem.ts'
import { type HostOrder, HostIndex } from './host-index.ts'
import { type Holding, PrecedenceTable } from './precedence-table.ts'
import { resolveHost } from './resolve-host.ts'

interface Options<Spec> {
  readonly definition: KindDefinition<Spec>
  readonly localCluster: ClusterName
  readonly order: HostOrder
  /** As written. */
  readonly toHosts: (spec: Spec) => readonly string[]
  readonly domainSuffix: string
}

/** The objects of one kind that say something of hosts, by host. */
export class HostedKind<Spec> {
  readonly #objects: PrecedenceTable<Spec>
  readonly #byHost: HostIndex<Configured<Spec>>
  readonly #toHosts: (spec: Spec) => readonly string[]
  #domainSuffix: string

  constructor({ definition, localCluster, order, toHosts, domainSuffix }: Options<Spec>) {
    this.#objects = new PrecedenceTable(definition, localCluster)
    this.#byHost = new HostIndex(order)
    this.#toHosts = toHosts
    this.#domainSuffix = domainSuffix
  }

  find(hostname: string): readonly Configured<Spec>[] {
    return this.#byHost.find(hostname)
  }

  problems(): readonly Problem[] {
    return this.#objects.problems()
  }

  holdings(): readonly Holding<Spec>[] {
    return this.#objects.holdings()
  }

  /** The object of this key that holds. */
  effective(key: string): Configured<Spec> | undefined {
    return this.#objects.effective(key)?.object
  }

  set(origin: Origin, key: string, object: ConfigObject | null): void {
    this.#objects.set(origin, key, object)
    this.#index(key)
  }

  /** Short host names mean other hosts now. */
  setDomainSuffix(domainSuffix: string): void {
    if (domainSuffix === this.#domainSuffix) return
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
    const effective = this.#objects.effective(key)
    if (!effective) {
      this.#byHost.set(key, null)
      return
    }
    const { object } = effective
    const hosts = this.#toHosts(object.spec).map((host) =>
      resolveHost(host, object.metadata.namespace, this.#domainSuffix),
    )
    this.#byHost.set(key, { object, hosts })
  }
}
