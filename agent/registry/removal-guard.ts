import { createHash } from 'node:crypto'
import { countLostEndpoints, judgeRemoval } from '#mesh/judge-removal.ts'
import { compareText } from '#mesh/merge/compare-text.ts'
import { isEqualData } from '#mesh/merge/equal-data.ts'
import { setOrDelete } from '#mesh/merge/set-or-delete.ts'
import { toServiceKey, type ClusterName, type ServiceKey } from '#mesh/names.ts'
import type { CatalogEntry, GatewayAddress } from '#mesh/service.ts'
import { toWorkloadKey } from '#mesh/workload.ts'
import type { Hold } from '#mesh/uplink.ts'
import { toRecordKey, type DomainRename, type RegistryBatch, type RegistryChange } from './registry.ts'

export interface RemovalGuardOptions {
  /** Of the registry. */
  readonly cluster: ClusterName
  readonly now: () => number
  /** What counts from now on, called for every batch; `confirmed` is the hold that a person agreed to by it. Must not block. */
  readonly onBatch: (batch: RegistryBatch, confirmed?: string) => void
}

type CatalogChange = Extract<RegistryChange, { kind: 'catalog' }>

const massRemovalHold = 'mass-removal'

/** What a step takes away. */
interface Loss {
  endpoints: number
  services: number
  /** Says what is lost, and nothing else: the same for every replica. */
  readonly traces: string[]
}

/**
 * Stands between a registry and all that follows it, the proxies here as well as the plane: a step that would strip the cluster
 * (`judgeRemoval`, of its endpoints or of its services) takes nothing away until a person confirms it or what has gone is back. What comes
 * or changes meanwhile counts at once.
 */
export class RemovalGuard {
  readonly #options: RemovalGuardOptions
  /** What was let through. */
  readonly #catalog = new Map<ServiceKey, CatalogEntry>()
  /**
   * While a step is held: what the services were before it that have changed since. What goes is weighed against that, so that new
   * endpoints beside the lost ones add nothing to what a person was asked about.
   */
  readonly #original = new Map<ServiceKey, CatalogEntry | undefined>()
  #endpoints = 0
  #gateways: readonly GatewayAddress[] = []
  #namespaces: readonly string[] = []
  /** The latest change of each record that was not let through yet. */
  readonly #waiting = new Map<string, RegistryChange>()
  #wantedGateways: readonly GatewayAddress[] = []
  #wantedNamespaces: readonly string[] = []
  /** What was let through before a restart, until the registry has been read. */
  #restored: readonly RegistryChange[] | undefined
  #hold: Hold | undefined
  /** How much there was before the step that is held. */
  #before = { endpoints: 0, services: 0 }
  #held: Loss = { endpoints: 0, services: 0, traces: [] }

  constructor(options: RemovalGuardOptions) {
    this.#options = options
  }

  get hold(): Hold | undefined {
    return this.#hold
  }

  take(batch: RegistryBatch): void {
    if (batch.left) this.#pass(this.#leave(batch.changes, batch.left))
    const renames = batch.renamed ? this.#rename(batch.renamed) : []
    const renamedAway = new Set(renames.flatMap(({ service, value }) => (value === null ? [service] : [])))
    for (const change of this.#sinceRestart(batch.changes))
      if (change.kind !== 'catalog' || change.value !== null || !renamedAway.has(change.service))
        this.#waiting.set(toRecordKey(change), change)
    this.#wantedGateways = batch.gateways ?? this.#wantedGateways
    this.#wantedNamespaces = batch.namespaces ?? this.#wantedNamespaces
    // What comes while a step is held makes the step no smaller.
    if (!this.#hold) this.#before = { endpoints: this.#endpoints, services: this.#catalog.size }
    const { endpoints, services } = this.#before
    const loss = this.#weigh()
    const held = judgeRemoval(loss.endpoints, endpoints).held || judgeRemoval(loss.services, services).held
    const waiting = [...this.#waiting.values()]
    const passed = held ? waiting.flatMap((change) => this.#withoutLoss(change) ?? []) : waiting
    this.#hold = held ? this.#toHold(loss, this.#countGoing(passed)) : undefined
    const overwritten = new Set(passed.map(toRecordKey))
    this.#pass([...renames.filter((change) => !overwritten.has(toRecordKey(change))), ...passed])
  }

  /**
   * Begins with what was let through before a restart, all of it: what the first batch, which has the whole registry, lacks of it is lost.
   */
  restore(batch: RegistryBatch): void {
    this.#restored = batch.changes
    this.#wantedGateways = batch.gateways ?? []
    this.#wantedNamespaces = batch.namespaces ?? []
    this.#pass(batch.changes)
  }

  /** The services go by other names before the registry could be read and say so. */
  rename(rename: DomainRename): void {
    this.#pass(this.#rename(rename))
  }

  #sinceRestart(changes: readonly RegistryChange[]): readonly RegistryChange[] {
    if (!this.#restored) return changes
    const restored = new Map(this.#restored.map((change) => [toRecordKey(change), change]))
    this.#restored = undefined
    const present = new Set(changes.map(toRecordKey))
    const lost = [...restored].flatMap(([key, change]) => (present.has(key) ? [] : [{ ...change, value: null }]))
    return [...changes.filter((change) => !isEqualData(restored.get(toRecordKey(change)), change)), ...lost]
  }

  /** A person agreed to what `hold` would take away. Nothing happens when there is no such hold (any more). */
  confirm(hold: string): void {
    if (this.#hold?.id !== hold) return
    this.#hold = undefined
    this.#pass([...this.#waiting.values()], hold)
  }

  /**
   * Calls what was let through, and what waits, by the names of another domain suffix; answers the changes of the former. Nothing is lost by
   * it, and what is held stays so under its new name.
   */
  #rename(rename: DomainRename): readonly CatalogChange[] {
    const changes = [...this.#catalog.values()].flatMap((entry): CatalogChange[] => {
      const value = toRenamed(entry, rename)
      if (!value) return []
      const change = { kind: 'catalog' as const, cluster: this.#options.cluster }
      return [
        { ...change, service: entry.service.key, value: null },
        { ...change, service: value.service.key, value },
      ]
    })
    for (const { service, value } of changes) setOrDelete(this.#catalog, service, value)
    for (const [key, entry] of this.#original) {
      const renamed = toRenamedKey(key, rename)
      if (renamed === undefined) continue
      this.#original.delete(key)
      this.#original.set(renamed, entry && (toRenamed(entry, rename) ?? entry))
    }
    this.#restored = this.#restored?.map((change) => toRenamedChange(change, rename))
    for (const [key, change] of this.#waiting) {
      const renamed = toRenamedChange(change, rename)
      if (renamed === change) continue
      this.#waiting.delete(key)
      this.#waiting.set(toRecordKey(renamed), renamed)
    }
    return changes
  }

  /** What of a change takes nothing away; undefined = nothing. Endpoints that were replaced by others stay beside them. */
  #withoutLoss(change: RegistryChange): RegistryChange | undefined {
    if (change.value === null) return undefined
    const before = change.kind === 'catalog' ? this.#originalOf(change.service) : undefined
    if (change.kind !== 'catalog' || countLostEndpoints(before, change.value) === 0) return change
    const present = new Set(change.value.endpoints.map(({ id }) => id))
    const lost = before?.endpoints.filter(({ id }) => !present.has(id)) ?? []
    const endpoints = [...change.value.endpoints, ...lost].toSorted((one, other) => compareText(one.id, other.id))
    const value = { ...change.value, endpoints }
    return isEqualData(value, this.#catalog.get(change.service)) ? undefined : { ...change, value }
  }

  /** What there was before, without the endpoints of workloads that have left; answers the changes of what was let through. */
  #leave(changes: readonly RegistryChange[], left: ReadonlySet<string>): readonly CatalogChange[] {
    return changes.flatMap((change): CatalogChange[] => {
      if (change.kind !== 'catalog') return []
      const before = this.#catalog.get(change.service)
      const original = this.#hold && this.#originalOf(change.service)
      if (original) this.#original.set(change.service, withoutWorkloads(original, left))
      const value = before && withoutWorkloads(before, left)
      return value && value !== before ? [{ ...change, value }] : []
    })
  }

  #originalOf(service: ServiceKey): CatalogEntry | undefined {
    return this.#original.has(service) ? this.#original.get(service) : this.#catalog.get(service)
  }

  #weigh(): Loss {
    const loss: Loss = { endpoints: 0, services: 0, traces: [] }
    for (const change of this.#waiting.values()) {
      const before = change.kind === 'catalog' ? this.#originalOf(change.service) : undefined
      if (change.kind !== 'catalog' || !before) continue
      const endpoints = countLostEndpoints(before, change.value ?? undefined)
      loss.endpoints += endpoints
      if (!change.value) loss.services += 1
      if (!change.value || endpoints > 0) loss.traces.push(`${change.service} ${endpoints}`)
    }
    return loss
  }

  /** How many endpoints a person's yes would take away of what is there once this has passed: those that others stand for are among them. */
  #countGoing(passed: readonly RegistryChange[]): number {
    const present = new Map(
      passed.flatMap((change) => (change.kind === 'catalog' ? [[change.service, change.value]] : [])),
    )
    return [...this.#waiting.values()].reduce((sum, change) => {
      if (change.kind !== 'catalog') return sum
      const before = present.get(change.service) ?? this.#catalog.get(change.service)
      return sum + countLostEndpoints(before, change.value ?? undefined)
    }, 0)
  }

  /** Keeps the id of a hold that a person may be looking at, unless it has come to mean more than was shown. */
  #toHold(loss: Loss, going: number): Hold {
    const isShown = this.#hold && loss.endpoints <= this.#held.endpoints && loss.services <= this.#held.services
    const digest = createHash('sha256').update(loss.traces.toSorted().join('\n')).digest('hex').slice(0, 16)
    this.#held = loss
    return {
      id: isShown && this.#hold ? this.#hold.id : `${massRemovalHold}-${digest}`,
      kind: massRemovalHold,
      reason: `${loss.endpoints} of ${this.#before.endpoints} endpoints and ${loss.services} of ${this.#before.services} services of this cluster have gone from its registry at once. They are kept, here and in the other clusters.`,
      endpoints: going,
      since: this.#hold?.since ?? new Date(this.#options.now()).toISOString(),
    }
  }

  #pass(changes: readonly RegistryChange[], confirmed?: string): void {
    if (!this.#hold) this.#original.clear()
    for (const change of changes) {
      const key = toRecordKey(change)
      if (this.#waiting.get(key) === change) this.#waiting.delete(key)
      if (change.kind !== 'catalog') continue
      if (this.#hold && !this.#original.has(change.service))
        this.#original.set(change.service, this.#catalog.get(change.service))
      this.#endpoints -= this.#catalog.get(change.service)?.endpoints.length ?? 0
      this.#endpoints += change.value?.endpoints.length ?? 0
      setOrDelete(this.#catalog, change.service, change.value)
    }
    const [gateways, namespaces] = [this.#gateways, this.#namespaces]
    this.#gateways = this.#hold ? unite(gateways, this.#wantedGateways) : this.#wantedGateways
    this.#namespaces = this.#hold ? unite(namespaces, this.#wantedNamespaces) : this.#wantedNamespaces
    this.#options.onBatch(
      {
        changes,
        ...(gateways === this.#gateways ? {} : { gateways: this.#gateways }),
        ...(namespaces === this.#namespaces ? {} : { namespaces: this.#namespaces }),
      },
      confirmed,
    )
  }
}

const withoutWorkloads = (entry: CatalogEntry, left: ReadonlySet<string>): CatalogEntry => {
  const endpoints = entry.endpoints.filter(({ id }) => !left.has(toWorkloadKey(entry.service.namespace, id)))
  return endpoints.length === entry.endpoints.length ? entry : { ...entry, endpoints }
}

const toRenamedChange = (change: RegistryChange, rename: DomainRename): RegistryChange => {
  if (change.kind !== 'catalog') return change
  const service = toRenamedKey(change.service, rename)
  const value = change.value && toRenamed(change.value, rename)
  return service === undefined || value === undefined ? change : { ...change, service, value }
}

/** undefined = it does not go by a name under that suffix. */
const toRenamed = (entry: CatalogEntry, rename: DomainRename): CatalogEntry | undefined => {
  const { service } = entry
  const key = service.source === 'service' ? toRenamedKey(service.key, rename) : undefined
  return key && { ...entry, service: { ...service, key, hostname: key.slice(key.indexOf('/') + 1) } }
}

const toRenamedKey = (key: ServiceKey, { from, to }: DomainRename): ServiceKey | undefined => {
  const namespace = key.slice(0, key.indexOf('/'))
  return key.endsWith(`.${namespace}.svc.${from}`)
    ? toServiceKey(namespace, `${key.slice(namespace.length + 1, -from.length)}${to}`)
    : undefined
}

/** Both without repetition, sorted by what they say. */
const unite = <T>(left: readonly T[], right: readonly T[]): readonly T[] =>
  [...new Map([...left, ...right].map((item) => [JSON.stringify(item), item]))]
    .toSorted(([one], [other]) => compareText(one, other))
    .map(([, item]) => item)
