import type { ObjectMeta } from '../config-object.ts'
import { byAge } from '../merge/by-age.ts'
import { combineEndpoints, mergeDefinitions } from '../merge/merge-definitions.ts'
import { MultiMap } from '../merge/multi-map.ts'
import { setOrDelete } from '../merge/set-or-delete.ts'
import type { ClusterName, ServiceKey } from '../names.ts'
import type { Problem } from '../problem.ts'
import { tellsNodes, type CatalogEntry, type Endpoint, type Service } from '../service.ts'
import { toNode, type Workload } from '../workload.ts'
import { SelectorIndex } from './selector-index.ts'
import { isReachableBy, toEndpoint } from './to-endpoint.ts'

/** What one object (a Service, a ServiceEntry) says of one service: its definition, and who serves it. */
export interface Offer {
  readonly kind: 'Service' | 'ServiceEntry'
  readonly metadata: ObjectMeta
  readonly service: Service
  /** Endpoints that the object itself holds, named "<object>/<address>", or "<object>/<network>" without one. */
  readonly inline: readonly Workload[]
  /** Endpoints that a Kubernetes API server tells: it has worked out which pods serve this. */
  readonly told?: readonly Endpoint[]
  /** Which workloads serve it, beside the inline ones; pods only where nothing is told. Null = none does. */
  readonly selector: { readonly namespace: string; readonly labels: Readonly<Record<string, string>> } | null
  /** Service port name → number, at a workload that names these ports. A port that is left out is not served there. */
  readonly toPorts: (named: NonNullable<Workload['ports']>) => Endpoint['ports']
}

/**
 * One cluster's catalog out of its offers and workloads. Changes are noted when they are put in; `settle` then works out the
 * services that they concern, and no other.
 */
export class CatalogIndex {
  readonly #cluster: ClusterName
  readonly #offersOf = new Map<string, readonly Offer[]>()
  readonly #byService = new MultiMap<ServiceKey, Offer>()
  readonly #workloads = new Map<string, Workload>()
  readonly #selection = new SelectorIndex<Offer, Workload>()
  readonly #unsettled = new Set<ServiceKey>()
  readonly #problems = new Map<ServiceKey, readonly Problem[]>()

  constructor(cluster: ClusterName) {
    this.#cluster = cluster
  }

  /** What an object offers now, each service once; nothing when it is gone. */
  setOffers(objectKey: string, offers: readonly Offer[]): void {
    for (const before of this.#offersOf.get(objectKey) ?? []) {
      this.#byService.delete(before.service.key, before)
      this.#selection.deleteSelector(before)
      this.#unsettled.add(before.service.key)
    }
    for (const offer of offers) {
      this.#byService.add(offer.service.key, offer)
      this.#selection.addSelector(offer)
      this.#unsettled.add(offer.service.key)
    }
    setOrDelete(this.#offersOf, objectKey, offers.length > 0 ? offers : null)
  }

  setWorkload(key: string, workload: Workload | null): void {
    const before = this.#workloads.get(key)
    if (before) {
      this.#unsettleServicesOf(before)
      this.#selection.deleteWorkload(before)
    }
    if (workload) {
      this.#unsettleServicesOf(workload)
      this.#selection.addWorkload(workload)
    }
    setOrDelete(this.#workloads, key, workload)
  }

  /** The services that changes since the last time concern, sorted, with what is offered of them now; null = nothing. */
  settle(): ReadonlyMap<ServiceKey, CatalogEntry | null> {
    const settled = new Map([...this.#unsettled].toSorted().map((key) => [key, this.#toEntry(key)]))
    this.#unsettled.clear()
    return settled
  }

  /** The offers of a service, the weightiest first. */
  offers(key: ServiceKey): readonly Offer[] {
    return [...this.#byService.get(key)].sort(byRank)
  }

  /** In no order. */
  problems(): readonly Problem[] {
    return [...this.#problems.values()].flat()
  }

  #unsettleServicesOf(workload: Workload): void {
    for (const offer of this.#selection.selectorsOf(workload))
      if (isSelectedBy(offer, workload)) this.#unsettled.add(offer.service.key)
  }

  #toEntry(key: ServiceKey): CatalogEntry | null {
    const offers = this.offers(key)
    const [first, ...others] = offers.map(({ service }) => service)
    if (!first) {
      this.#problems.delete(key)
      return null
    }
    const merged = mergeDefinitions(first, ...others)
    const served = offers.map((offer) => this.#toEndpoints(offer))
    const problems = [...merged.problems, ...served.flatMap((part) => part.problems)]
    setOrDelete(this.#problems, key, problems.length > 0 ? problems : null)
    return {
      service: merged.service,
      endpoints: combineEndpoints(
        merged,
        served.map((part) => part.endpoints),
      ),
    }
  }

  #toEndpoints(offer: Offer): { readonly endpoints: readonly Endpoint[]; readonly problems: readonly Problem[] } {
    // "Already resolved" (Istio: NONE): a request goes where the client sent it, and no endpoint is asked for.
    if (offer.service.resolution === 'none') return { endpoints: [], problems: [] }
    const endpoints = [...(offer.told ?? [])]
    const problems: Problem[] = []
    const selected = this.#selection.workloadsOf(offer).filter((workload) => isSelectedBy(offer, workload))
    for (const workload of [...offer.inline, ...selected]) {
      const ports = offer.toPorts(workload.ports ?? {})
      if (!isReachableBy(offer.service.resolution, workload.address)) problems.push(toAddressProblem(offer, workload))
      else if (Object.keys(ports).length > 0)
        endpoints.push({
          ...toEndpoint(workload, this.#cluster, ports),
          ...(tellsNodes(offer.service) && { node: toNode(workload) }),
        })
    }
    return { endpoints, problems }
  }
}

const isSelectedBy = (offer: Offer, { origin, address }: Workload): boolean =>
  origin !== 'pod' || (offer.told === undefined && address !== '')

/** A Service before ServiceEntries, then the oldest first. */
const byRank = (left: Offer, right: Offer): number =>
  Number(left.kind !== 'Service') - Number(right.kind !== 'Service') || byAge(left, right)

const toAddressProblem = ({ kind, metadata, service }: Offer, workload: Workload): Problem => ({
  code: 'invalid',
  severity: 'warning',
  object: { kind, namespace: metadata.namespace, name: metadata.name },
  path: '',
  message: `${workload.name} can't be an endpoint: resolution ${service.resolution} has no use for the address "${workload.address}"`,
})
