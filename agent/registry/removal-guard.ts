import { createHash } from 'node:crypto'
import { countLostEndpoints, judgeRemoval } from '#mesh/judge-removal.ts'
import { setOrDelete } from '#mesh/merge/set-or-delete.ts'
import type { ServiceKey } from '#mesh/names.ts'
import type { CatalogEntry, GatewayAddress } from '#mesh/service.ts'
import type { Hold } from '#mesh/uplink.ts'
import type { RegistryBatch, RegistryChange } from './registry.ts'

export interface RemovalGuardOptions {
  readonly now: () => number
  /** What counts from now on, called for every batch; `confirmed` is the hold that a person agreed to by it. Must not block. */
  readonly onBatch: (batch: RegistryBatch, confirmed?: string) => void
}

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
  #endpoints = 0
  #gateways: readonly GatewayAddress[] = []
  #namespaces: readonly string[] = []
  /** The latest change of each record that was not let through yet. */
  readonly #waiting = new Map<string, RegistryChange>()
  #wantedGateways: readonly GatewayAddress[] = []
  #wantedNamespaces: readonly string[] = []
  #hold: Hold | undefined
  #held: Loss = { endpoints: 0, services: 0, traces: [] }

  constructor(options: RemovalGuardOptions) {
    this.#options = options
  }

  get hold(): Hold | undefined {
    return this.#hold
  }

  take(batch: RegistryBatch): void {
    for (const change of batch.changes) this.#waiting.set(toRecordKey(change), change)
    this.#wantedGateways = batch.gateways ?? this.#wantedGateways
    this.#wantedNamespaces = batch.namespaces ?? this.#wantedNamespaces
    if (batch.renamed) {
      this.#pass(batch.changes)
      return
    }
    const loss = this.#weigh()
    const held =
      judgeRemoval(loss.endpoints, this.#endpoints).held || judgeRemoval(loss.services, this.#catalog.size).held
    this.#hold = held ? this.#toHold(loss) : undefined
    this.#pass([...this.#waiting.values()].filter((change) => !held || !this.#isRemoval(change)))
  }

  /** A person agreed to what `hold` would take away. Nothing happens when there is no such hold (any more). */
  confirm(hold: string): void {
    if (this.#hold?.id !== hold) return
    this.#hold = undefined
    this.#pass([...this.#waiting.values()], hold)
  }

  #isRemoval(change: RegistryChange): boolean {
    if (change.value === null) return true
    return change.kind === 'catalog' && countLostEndpoints(this.#catalog.get(change.service), change.value) > 0
  }

  #weigh(): Loss {
    const loss: Loss = { endpoints: 0, services: 0, traces: [] }
    for (const change of this.#waiting.values()) {
      const before = change.kind === 'catalog' ? this.#catalog.get(change.service) : undefined
      if (change.kind !== 'catalog' || !before) continue
      const endpoints = countLostEndpoints(before, change.value ?? undefined)
      loss.endpoints += endpoints
      if (!change.value) loss.services += 1
      if (!change.value || endpoints > 0) loss.traces.push(`${change.service} ${endpoints}`)
    }
    return loss
  }

  /** Keeps the id of a hold that a person may be looking at, unless it has come to mean more than was shown. */
  #toHold(loss: Loss): Hold {
    const isShown = this.#hold && loss.endpoints <= this.#held.endpoints && loss.services <= this.#held.services
    const digest = createHash('sha256').update(loss.traces.toSorted().join('\n')).digest('hex').slice(0, 16)
    this.#held = loss
    return {
      id: isShown && this.#hold ? this.#hold.id : `${massRemovalHold}-${digest}`,
      kind: massRemovalHold,
      reason: `${loss.endpoints} of ${this.#endpoints} endpoints and ${loss.services} of ${this.#catalog.size} services of this cluster have gone from its registry at once. They are kept, here and in the other clusters.`,
      since: this.#hold?.since ?? new Date(this.#options.now()).toISOString(),
    }
  }

  #pass(changes: readonly RegistryChange[], confirmed?: string): void {
    for (const change of changes) {
      this.#waiting.delete(toRecordKey(change))
      if (change.kind !== 'catalog') continue
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

const toRecordKey = (change: RegistryChange): string =>
  `${change.kind} ${change.kind === 'catalog' ? change.service : change.key}`

/** Both without repetition, sorted by what they say. */
const unite = <T>(left: readonly T[], right: readonly T[]): readonly T[] =>
  [...new Map([...left, ...right].map((item) => [JSON.stringify(item), item]))]
    .toSorted(([one], [other]) => (one < other ? -1 : 1))
    .map(([, item]) => item)
