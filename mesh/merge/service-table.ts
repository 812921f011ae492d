import { isForeignHost } from '../host-owner.ts'
import { splitServiceKey, type ClusterName, type ServiceKey } from '../names.ts'
import type { Problem } from '../problem.ts'
import { tellsNodes, type Service } from '../service.ts'
import { type DirectEndpoint, type RemoteGroups, type ViewKey, viewKeys } from '../view.ts'
import { compareText } from './compare-text.ts'
import { isEqualData } from './equal-data.ts'
import { distinctData } from './distinct-data.ts'
import { getOrAdd } from './get-or-add.ts'
import { toConflict } from './merge-definitions.ts'
import { type Contribution, mergeService, type MergedService, type Standpoint } from './merge-service.ts'
import { MultiMap } from './multi-map.ts'
import { setOrDelete } from './set-or-delete.ts'

type Ports = Readonly<Record<string, number>>

export interface WorkloadService {
  readonly service: ServiceKey
  readonly ports: Ports
}

/**
 * The merged services and their indexes. Contributions are put in and taken out as they come; `settle` then merges the services
 * that they belong to, and no other.
 */
export class ServiceTable {
  readonly #standpoint: Standpoint
  /** Service → "<origin>/<cluster>" → contribution. */
  readonly #contributions = new Map<ServiceKey, Map<string, Contribution>>()
  readonly #servicesOf = new MultiMap<ClusterName, ServiceKey>()
  readonly #unsettled = new Set<ServiceKey>()
  readonly #merged = new Map<ServiceKey, MergedService>()
  readonly #byHostname = new Map<string, readonly ServiceKey[]>()
  readonly #byPort = new MultiMap<number, ServiceKey>()
  readonly #byAddress = new MultiMap<string, ServiceKey>()
  readonly #byWorkload = new Map<string, readonly WorkloadService[]>()
  /** Those to which it matters which clusters are on which networks. */
  readonly #ofNetworks = new Set<ServiceKey>()
  /** Those to which nodes matter. */
  readonly #ofNodes = new Set<ServiceKey>()
  /** Those that say of a host that is another namespace's by name. */
  readonly #foreign = new Set<ServiceKey>()
  #domainSuffix: string
  #keys: readonly ServiceKey[] = []
  #ports: readonly number[] = []

  constructor({ domainSuffix, ...standpoint }: Standpoint & { readonly domainSuffix: string }) {
    this.#standpoint = standpoint
    this.#domainSuffix = domainSuffix
  }

  keys(): readonly ServiceKey[] {
    return this.#keys
  }

  service(key: ServiceKey): Service | undefined {
    return this.#merged.get(key)?.service
  }

  endpoints(key: ServiceKey): readonly DirectEndpoint[] {
    return this.#merged.get(key)?.endpoints ?? []
  }

  remoteGroups(key: ServiceKey): readonly RemoteGroups[] {
    return this.#merged.get(key)?.remoteGroups ?? []
  }

  byHostname(hostname: string): readonly ServiceKey[] {
    return this.#byHostname.get(hostname) ?? []
  }

  ports(): readonly number[] {
    return this.#ports
  }

  onPort(port: number): readonly ServiceKey[] {
    return [...this.#byPort.get(port)].sort(compareText)
  }

  tellsNodes(): boolean {
    return this.#ofNodes.size > 0
  }

  at(address: string): readonly ServiceKey[] {
    return [...this.#byAddress.get(address)].sort(compareText)
  }

  byWorkload(workloadKey: string): readonly WorkloadService[] {
    return this.#byWorkload.get(workloadKey) ?? []
  }

  problems(): readonly Problem[] {
    return [
      // What is wrong with a workload is found with each of its services.
      ...distinctData(this.#keys.flatMap((key) => this.#merged.get(key)?.problems ?? [])),
      ...[...this.#foreign].flatMap((key) => this.#toForeign(key)),
      ...[...this.#byHostname.values()].flatMap((keys) => this.#toRivals(keys)),
    ]
  }

  #toForeign(key: ServiceKey): readonly Problem[] {
    return [...(this.#contributions.get(key)?.values() ?? [])].map(({ cluster, service }) =>
      toConflict(
        service,
        `the cluster ${cluster} says so of a host that is another namespace's by name: it is left out`,
      ),
    )
  }

  /** A warning to each of several services that have one host name for others than their own namespace. */
  #toRivals(keys: readonly ServiceKey[]): readonly Problem[] {
    if (keys.length === 1) return []
    const rivals = keys
      .flatMap((key) => this.service(key) ?? [])
      .filter(({ exportTo, namespace }) => exportTo.some((entry) => !['.', '~', namespace].includes(entry)))
    return rivals.flatMap((service) => {
      const others = rivals.filter((other) => other !== service).map(({ namespace }) => namespace)
      return others.length === 0
        ? []
        : toConflict(service, `services of ${others.join(', ')} have the same host: clients see one of them`)
    })
  }

  put(key: ServiceKey, contribution: Contribution): void {
    const { origin, cluster } = contribution
    getOrAdd(this.#contributions, key, () => new Map<string, Contribution>()).set(`${origin}/${cluster}`, contribution)
    this.#servicesOf.add(cluster, key)
    this.#unsettled.add(key)
  }

  remove(key: ServiceKey, origin: Contribution['origin'], cluster: ClusterName): void {
    const contributions = this.#contributions.get(key)
    if (!contributions?.delete(`${origin}/${cluster}`)) return
    if (contributions.size === 0) this.#contributions.delete(key)
    if (![...contributions.values()].some((other) => other.cluster === cluster)) this.#servicesOf.delete(cluster, key)
    this.#unsettled.add(key)
  }

  /** Other hosts are namespaces' by name now. */
  setDomainSuffix(domainSuffix: string): void {
    this.#domainSuffix = domainSuffix
    this.unsettleAll()
  }

  /** What holds for all of them has changed. */
  unsettleAll(): void {
    for (const key of this.#contributions.keys()) this.#unsettled.add(key)
  }

  /** What its own cluster says of its proxies has changed; absent = in all namespaces. */
  unsettleOwn(namespace?: string): void {
    for (const key of this.#servicesOf.get(this.#standpoint.localCluster))
      if (namespace === undefined || splitServiceKey(key).namespace === namespace) this.#unsettled.add(key)
  }

  /** The state of a cluster has changed, and with it what its contributions count for. */
  unsettleCluster(cluster: ClusterName): void {
    for (const key of this.#servicesOf.get(cluster)) this.#unsettled.add(key)
    for (const key of this.#ofNetworks) this.#unsettled.add(key)
  }

  /**
   * Merges what has changed since the last time and adds the keys of the reads that answer differently now to `touched`.
   * Returns the host names whose services came or went.
   */
  settle(touched: Set<ViewKey>): ReadonlySet<string> {
    const hostnames = new Set<string>()
    const added: ServiceKey[] = []
    let isAnyGone = false
    const toldNodes = this.tellsNodes()
    for (const key of this.#unsettled) {
      const before = this.#merged.get(key)
      const after = this.#merge(key)
      touchDifferences(key, before, after, touched)
      this.#indexWorkloads(key, before?.workloadPorts ?? noPorts, after?.workloadPorts ?? noPorts, touched)
      this.#indexReach(key, before?.service, after?.service, touched)
      setOrDelete(this.#merged, key, after)
      setMember(this.#ofNodes, key, after !== undefined && tellsNodes(after.service))
      setMember(this.#ofNetworks, key, after?.dependsOnNetworks === true)
      if (before && !after) isAnyGone = true
      if (!before && after) added.push(key)
      const service = after?.service ?? before?.service
      if (service && !(before && after)) {
        this.#indexHostname(service, after !== undefined)
        hostnames.add(service.hostname)
      }
    }
    this.#unsettled.clear()
    for (const hostname of hostnames) touched.add(viewKeys.servicesByHostname(hostname))
    if (isAnyGone) this.#keys = this.#keys.filter((key) => this.#merged.has(key))
    // A sorted list with a few more at its end: the engine's merge sort takes one pass.
    if (added.length > 0) this.#keys = [...this.#keys, ...added].sort(compareText)
    if (isAnyGone || added.length > 0) touched.add(viewKeys.serviceKeys)
    if (this.tellsNodes() !== toldNodes) touched.add(viewKeys.tellsNodes)
    this.#settlePorts(touched)
    return hostnames
  }

  /** Nobody's word makes a host another namespace's than its name says: an older agent or plane may pass one on. */
  #merge(key: ServiceKey): MergedService | undefined {
    const { namespace, hostname } = splitServiceKey(key)
    const isForeign = isForeignHost(hostname, namespace, this.#domainSuffix)
    if (!isForeign || !this.#contributions.has(key)) this.#foreign.delete(key)
    else this.#foreign.add(key)
    if (isForeign) return undefined
    return mergeService(this.#contributions.get(key)?.values() ?? [], this.#standpoint)
  }

  #settlePorts(touched: Set<ViewKey>): void {
    const ports = [...this.#byPort.keys()].sort((left, right) => left - right)
    if (isEqualData(ports, this.#ports)) return
    this.#ports = ports
    touched.add(viewKeys.servicePorts)
  }

  #indexHostname({ key, hostname }: Service, exists: boolean): void {
    const others = this.byHostname(hostname).filter((other) => other !== key)
    const services = exists ? [...others, key].toSorted(compareText) : others
    setOrDelete(this.#byHostname, hostname, services.length > 0 ? services : null)
  }

  /** By what clients can tell that a connection is for the service: port and virtual address. */
  #indexReach(key: ServiceKey, before: Service | undefined, after: Service | undefined, touched: Set<ViewKey>): void {
    for (const port of toDifference(toPortNumbers(before), toPortNumbers(after))) {
      if (this.#byPort.get(port).has(key)) this.#byPort.delete(port, key)
      else this.#byPort.add(port, key)
      touched.add(viewKeys.servicesOnPort(port))
    }
    for (const address of toDifference(before?.addresses ?? [], after?.addresses ?? [])) {
      if (this.#byAddress.get(address).has(key)) this.#byAddress.delete(address, key)
      else this.#byAddress.add(address, key)
      touched.add(viewKeys.servicesAt(address))
    }
  }

  #indexWorkloads(
    service: ServiceKey,
    before: ReadonlyMap<string, Ports>,
    after: ReadonlyMap<string, Ports>,
    touched: Set<ViewKey>,
  ): void {
    for (const workload of new Set([...before.keys(), ...after.keys()])) {
      const ports = after.get(workload)
      if (isEqualData(before.get(workload), ports)) continue
      const others = this.byWorkload(workload).filter((other) => other.service !== service)
      const services = ports
        ? [...others, { service, ports }].sort((left, right) => compareText(left.service, right.service))
        : others
      setOrDelete(this.#byWorkload, workload, services.length > 0 ? services : null)
      touched.add(viewKeys.workloadServices(workload))
    }
  }
}

const toPortNumbers = (service: Service | undefined): readonly number[] =>
  service?.ports.map(({ number }) => number) ?? []

/** What is in one list alone. */
const toDifference = <T>(left: readonly T[], right: readonly T[]): ReadonlySet<T> =>
  new Set([...left.filter((each) => !right.includes(each)), ...right.filter((each) => !left.includes(each))])

const setMember = <T>(set: Set<T>, value: T, isIn: boolean): void => {
  if (isIn) set.add(value)
  else set.delete(value)
}

const noPorts: ReadonlyMap<string, Ports> = new Map()

const touchDifferences = (
  key: ServiceKey,
  before: MergedService | undefined,
  after: MergedService | undefined,
  touched: Set<ViewKey>,
): void => {
  if (!isEqualData(before?.service, after?.service)) touched.add(viewKeys.service(key))
  if (!isEqualData(before?.endpoints ?? [], after?.endpoints ?? [])) touched.add(viewKeys.endpoints(key))
  if (!isEqualData(before?.remoteGroups ?? [], after?.remoteGroups ?? [])) touched.add(viewKeys.remoteGroups(key))
}
