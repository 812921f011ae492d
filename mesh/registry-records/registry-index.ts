import { findForeignHosts } from '../analysis/foreign-hosts.ts'
import type { ConfigObject, Configured } from '../config-object.ts'
import type { KindDefinition } from '../config/kind-definition.ts'
import { findKind } from '../config/kind-table.ts'
import { configuredAs } from '../config/parse-object.ts'
import { service } from '../config/service.ts'
import { serviceEntry } from '../config/service-entry.ts'
import { workloadEntry } from '../config/workload-entry.ts'
import { isEqualData } from '../merge/equal-data.ts'
import { getOrAdd } from '../merge/get-or-add.ts'
import { setOrDelete } from '../merge/set-or-delete.ts'
import type { ClusterName, NetworkName, ServiceKey } from '../names.ts'
import type { Problem } from '../problem.ts'
import type { CatalogEntry } from '../service.ts'
import { toWorkloadKey, type Workload } from '../workload.ts'
import { CatalogIndex, type Offer } from './catalog-index.ts'
import { toServiceEntryOffers, toServiceOffer } from './to-offers.ts'
import { findWorkloadProblems, toWorkload } from './to-workload.ts'

/** An object of the cluster's own; null = it is gone. `key` is its ObjectKey. */
export interface ObjectChange {
  readonly key: string
  readonly value: ConfigObject | null
}

/** What an object says that another part has read; null = it is gone. */
export interface ReadingChange {
  readonly key: string
  readonly reading: Reading | null
}

/** What became different. Both sorted by key; null = gone. */
export interface RegistryDifference {
  readonly catalog: readonly { readonly service: ServiceKey; readonly value: CatalogEntry | null }[]
  readonly workloads: readonly { readonly key: string; readonly value: Workload | null }[]
}

/** Whose records these are. */
export interface Place {
  readonly cluster: ClusterName
  readonly network: NetworkName
  /** MeshSettings.domainSuffix. When it changes, make a new index. */
  readonly domainSuffix: string
}

/** Whether objects of a kind are only material for the records; others are configuration too. */
export const isRecordKind = (kind: string): boolean => kind === service.kind || kind === workloadEntry.kind

/**
 * What a cluster holds, as records: Services, WorkloadEntries, ServiceEntries and pods in, catalog entries and workloads out.
 * Objects of other kinds are passed over, invalid ones left out and reported. Work is in proportion to a change: a WorkloadEntry
 * concerns the services that select it.
 */
export class RegistryIndex {
  readonly #place: Place
  readonly #index: CatalogIndex
  /** What each object says. */
  readonly #readings = new Map<string, Reading>()
  readonly #problems = new Map<string, readonly Problem[]>()
  readonly #catalog = new Map<ServiceKey, CatalogEntry>()
  readonly #workloads = new Map<string, Workload>()

  constructor(place: Place) {
    this.#place = place
    this.#index = new CatalogIndex(place.cluster)
  }

  catalog(): ReadonlyMap<ServiceKey, CatalogEntry> {
    return this.#catalog
  }

  /** By workload key. */
  workloads(): ReadonlyMap<string, Workload> {
    return this.#workloads
  }

  /** What is wrong with the objects that are here now; in no order. */
  problems(): readonly Problem[] {
    return [...[...this.#problems.values()].flat(), ...this.#index.problems()]
  }

  apply(changes: Iterable<ObjectChange | ReadingChange>): RegistryDifference {
    const workloadsBefore = new Map<string, Workload | null>()
    for (const change of changes) {
      const { key } = change
      const before = this.#readings.get(key)?.workload ?? null
      const reading = 'reading' in change ? change.reading : change.value && readObject(change.value, this.#place)
      setOrDelete(this.#readings, key, reading)
      setOrDelete(this.#problems, key, reading?.problems.length ? reading.problems : null)
      this.#index.setOffers(key, reading?.offers ?? [])
      const after = reading?.workload ?? null
      const workload = after ?? before
      if (!workload) continue
      const workloadKey = toWorkloadKey(workload.namespace, workload.name)
      getOrAdd(workloadsBefore, workloadKey, () => before)
      this.#index.setWorkload(workloadKey, after)
      setOrDelete(this.#workloads, workloadKey, after)
    }
    return { catalog: this.#settleCatalog(), workloads: this.#toWorkloadDifference(workloadsBefore) }
  }

  #settleCatalog(): RegistryDifference['catalog'] {
    const changed = [...this.#index.settle()].filter(
      ([service, value]) => !isEqualData(this.#catalog.get(service) ?? null, value),
    )
    for (const [service, value] of changed) setOrDelete(this.#catalog, service, value)
    return changed.map(([service, value]) => ({ service, value }))
  }

  #toWorkloadDifference(before: ReadonlyMap<string, Workload | null>): RegistryDifference['workloads'] {
    return [...before.keys()]
      .toSorted()
      .map((key) => ({ key, value: this.#workloads.get(key) ?? null }))
      .filter(({ key, value }) => !isEqualData(before.get(key), value))
  }
}

/** What one object says. */
export interface Reading {
  readonly offers: readonly Offer[]
  readonly workload: Workload | null
  readonly problems: readonly Problem[]
}

export const emptyReading: Reading = { offers: [], workload: null, problems: [] }

/** Null for kinds that a registry does not consist of. */
const readObject = (object: ConfigObject, { network, domainSuffix }: Place): Reading | null => {
  switch (findKind(object.apiVersion, object.kind)) {
    case service:
      return readAs(service, object, (parsed) => ({ offers: [toServiceOffer(parsed, domainSuffix)] }))
    case serviceEntry:
      return readAs(serviceEntry, object, (parsed) => ({
        offers: toServiceEntryOffers(parsed, { network, domainSuffix }),
        problems: findForeignHosts(parsed, domainSuffix, 'warning'),
      }))
    case workloadEntry:
      return readAs(workloadEntry, object, (parsed) => ({
        workload: toWorkload(parsed, network),
        problems: findWorkloadProblems(parsed),
      }))
    default:
      return null
  }
}

const readAs = <Spec>(
  definition: KindDefinition<Spec>,
  object: ConfigObject,
  read: (parsed: Configured<Spec>) => Partial<Reading>,
): Reading => {
  const parsed = configuredAs(definition, object)
  return parsed.ok ? { ...emptyReading, ...read(parsed.value) } : { ...emptyReading, problems: parsed.error }
}
