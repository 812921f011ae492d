import type { ConfigObject, Configured, Origin } from './config-object.ts'
import { serviceEntry, type ServiceEntrySpec } from './config/service-entry.ts'
import { workloadEntry, type WorkloadEntrySpec } from './config/workload-entry.ts'
import type { Contribution } from './merge/merge-service.ts'
import { isOverride } from './merge/precedence-annotation.ts'
import { type Holding, PrecedenceTable, toSameKey } from './merge/precedence-table.ts'
import { setOrDelete } from './merge/set-or-delete.ts'
import type { ClusterName, NetworkName, ServiceKey } from './names.ts'
import type { Problem } from './problem.ts'
import { CatalogIndex, type Offer } from './registry-records/catalog-index.ts'
import { toServiceEntryOffers } from './registry-records/to-offers.ts'
import { toWorkload } from './registry-records/to-workload.ts'
import type { Workload } from './workload.ts'

/** From where the mesh is looked at. */
interface CatalogPlace {
  readonly localCluster: ClusterName
  readonly localNetwork: NetworkName
  readonly domainSuffix: string
}

/** What the mesh's own ServiceEntries offer in a cluster: by their endpoints, the cluster's workloads and the mesh's WorkloadEntries. */
export class MeshCatalog {
  readonly #localCluster: ClusterName
  readonly #localNetwork: NetworkName
  #domainSuffix: string
  readonly #serviceEntries: PrecedenceTable<ServiceEntrySpec>
  /** The mesh's alone: a cluster's own are among its workloads. */
  readonly #workloadEntries: PrecedenceTable<WorkloadEntrySpec>
  /** The cluster's own, by workload key. */
  readonly #workloads = new Map<string, Workload>()
  readonly #index: CatalogIndex

  constructor({ localCluster, localNetwork, domainSuffix }: CatalogPlace) {
    this.#localCluster = localCluster
    this.#localNetwork = localNetwork
    this.#domainSuffix = domainSuffix
    this.#serviceEntries = new PrecedenceTable(serviceEntry, localCluster)
    this.#workloadEntries = new PrecedenceTable(workloadEntry, localCluster)
    this.#index = new CatalogIndex(localCluster)
  }

  workload(key: string): Workload | undefined {
    return this.#workloads.get(key)
  }

  serviceEntries(): readonly Holding<ServiceEntrySpec>[] {
    return this.#serviceEntries.holdings()
  }

  /** Of a cluster's own that holds it is known that it does, not what it says. */
  workloadEntries(): readonly Holding<WorkloadEntrySpec>[] {
    return this.#workloadEntries.holdings().map((holding) => {
      const holder = this.#holderOf(holding.key)
      return holder ? { ...holding, holder, inForce: holder === 'mesh' ? holding.inForce : [] } : holding
    })
  }

  problems(): readonly Problem[] {
    return [
      ...this.#serviceEntries.problems(),
      ...this.#workloadEntries.problems(),
      ...[...this.#workloadEntries.keys()].flatMap((key) => this.#toContest(key)),
      ...this.#index.problems(),
    ]
  }

  setWorkload(key: string, workload: Workload | null): void {
    setOrDelete(this.#workloads, key, workload)
    this.#offerWorkload(key)
  }

  setWorkloadEntry(origin: Origin, key: string, object: ConfigObject | null): void {
    this.#workloadEntries.set(origin, key, object)
    this.#offerWorkload(toWorkloadKeyOf(key))
  }

  /** A cluster's own ServiceEntries come with its catalog; here they only stand before the mesh's of the same key. */
  setServiceEntry(origin: Origin, key: string, object: ConfigObject | null): void {
    this.#serviceEntries.set(origin, key, object)
    this.#offerServiceEntry(key)
  }

  setDomainSuffix(domainSuffix: string): void {
    this.#domainSuffix = domainSuffix
    for (const key of this.#serviceEntries.keys()) this.#offerServiceEntry(key)
  }

  /** The services that changes since the last time concern, with what is offered of them now; null = nothing. */
  settle(): readonly (readonly [ServiceKey, Contribution | null])[] {
    return [...this.#index.settle()].map(([key, entry]) => {
      const overrides = this.#index.offers(key).some(({ metadata }) => isOverride(metadata))
      return [key, entry && { origin: 'mesh', cluster: this.#localCluster, groups: [], overrides, ...entry }]
    })
  }

  #offerServiceEntry(key: string): void {
    const effective = this.#serviceEntries.effective(key)
    const place = { network: this.#localNetwork, domainSuffix: this.#domainSuffix }
    const offers = effective?.origin === 'mesh' ? toServiceEntryOffers(effective.object, place) : []
    this.#index.setOffers(key, offers.map(toOfferOfMesh))
  }

  /** A pod has nothing to do with a WorkloadEntry of its name: both may serve. */
  #offerWorkload(key: string): void {
    const objectKey = `${workloadEntry.kind}/${key}`
    const entry = this.#entryOfMesh(objectKey)
    const holder = this.#holderOf(objectKey)
    const ofMesh =
      entry && holder !== 'cluster'
        ? toWorkload(entry, this.#localNetwork, holder === 'mesh' ? 'override' : 'only')
        : null
    this.#index.setWorkload(objectKey, ofMesh)
    this.#index.setWorkload(key, holder === 'mesh' ? null : (this.#workloads.get(key) ?? null))
  }

  #entryOfMesh(objectKey: string): Configured<WorkloadEntrySpec> | undefined {
    const effective = this.#workloadEntries.effective(objectKey)
    return effective?.origin === 'mesh' ? effective.object : undefined
  }

  /** Whose WorkloadEntry of this key holds; undefined = the mesh and the cluster do not both have one. */
  #holderOf(objectKey: string): Origin | undefined {
    const entry = this.#entryOfMesh(objectKey)
    const own = this.#workloads.get(toWorkloadKeyOf(objectKey))
    if (!entry || !own || own.origin === 'pod') return undefined
    return isOverride(entry.metadata) ? 'mesh' : 'cluster'
  }

  #toContest(objectKey: string): readonly Problem[] {
    const entry = this.#entryOfMesh(objectKey)
    const holder = this.#holderOf(objectKey)
    return entry && holder ? [toSameKey(entry, holder)] : []
  }
}

const toWorkloadKeyOf = (objectKey: string): string => objectKey.slice(objectKey.indexOf('/') + 1)

const toOfferOfMesh = (offer: Offer): Offer => ({
  ...offer,
  inline: offer.inline.map((workload) => ({ ...workload, ofMesh: 'only' })),
})
