import { isEqualData } from '#mesh/merge/equal-data.ts'
import { setOrDelete } from '#mesh/merge/set-or-delete.ts'
import type { NetworkName, ServiceKey } from '#mesh/names.ts'
import type { CatalogEntry, GatewayAddress } from '#mesh/service.ts'
import type { AgentMessage, ReportPosition } from '#mesh/uplink.ts'

/** A whole report; `toReportChunks` cuts it. */
export type Report = Omit<Extract<AgentMessage, { type: 'report' }>, 'type' | 'more'>

export interface CatalogReporterOptions {
  /** Unique to this start of this replica: sequences count within it. */
  readonly boot: string
  readonly network: NetworkName
  readonly now: () => number
}

/** What is said of the cluster beside its services. */
export interface ClusterFacts {
  readonly gateways: readonly GatewayAddress[]
  readonly namespaces: readonly string[]
}

/**
 * What the plane is told of this cluster's catalog. Every change gets the next number; a report says what changed since the number
 * that the plane has, so that coalescing, resuming and retransmitting are one query. One report is under way at a time.
 */
export class CatalogReporter {
  readonly #options: CatalogReporterOptions
  readonly #catalog = new Map<ServiceKey, CatalogEntry>()
  /** The number of each service's last change, in order; removed ones stay until the plane has heard of it. */
  readonly #changedAt = new Map<ServiceKey, number>()
  #forgottenUntil = 0
  #facts: ClusterFacts = { gateways: [], namespaces: [] }
  #gatewaysChangedAt = 0
  #namespacesChangedAt = 0
  #version = 0
  #ready = false
  /** The removal that a person confirmed and the number of its change, until the plane has it. */
  #confirmed: { readonly hold: string; readonly sequence: number } | undefined

  #term: number | undefined
  /** Up to where the plane has heard; undefined = it needs everything. */
  #base: number | undefined
  #underWay: number | undefined
  /** The plane put a report aside: until it takes one, only whole ones make sense, and only when something changed. */
  #putAsideAt: number | undefined

  constructor(options: CatalogReporterOptions) {
    this.#options = options
  }

  /** The services as they are now. Not reported before `ready`. `confirmed`: the hold by which a person agreed to what goes. */
  update(upserts: readonly CatalogEntry[], removes: readonly ServiceKey[], confirmed?: string): void {
    const changes = [
      ...upserts.map((entry) => [entry.service.key, entry] as const),
      ...removes.map((key) => [key, undefined] as const),
    ].filter(([key, entry]) => !isEqualData(this.#catalog.get(key), entry))
    if (changes.length > 0) this.#version += 1
    for (const [key, entry] of changes) {
      setOrDelete(this.#catalog, key, entry)
      this.#changedAt.delete(key) // re-inserted at the end: the map stays in order of change
      this.#changedAt.set(key, this.#version)
    }
    if (confirmed !== undefined) this.#confirmed = { hold: confirmed, sequence: this.#version }
  }

  updateFacts(facts: Partial<ClusterFacts>): void {
    const { gateways, namespaces } = facts
    if (gateways && !isEqualData(gateways, this.#facts.gateways)) {
      this.#facts = { ...this.#facts, gateways }
      this.#gatewaysChangedAt = this.#version += 1
    }
    if (namespaces && !isEqualData(namespaces, this.#facts.namespaces)) {
      this.#facts = { ...this.#facts, namespaces }
      this.#namespacesChangedAt = this.#version += 1
    }
  }

  /** The whole registry has been read: from now on there is something to say. */
  ready(): void {
    this.#ready = true
  }

  /** The plane accepted this replica as the reporter; `reported` is what it has of the cluster. */
  grant(term: number, reported: ReportPosition | null): void {
    const { boot } = this.#options
    this.#term = term
    this.#underWay = undefined
    this.#putAsideAt = undefined
    const known =
      reported?.boot === boot && reported.sequence <= this.#version && reported.sequence >= this.#forgottenUntil
    this.#base = known ? reported.sequence : undefined
    if (known) this.#forgetUntil(reported.sequence)
  }

  /** Not the reporter (any more), or not connected. */
  revoke(): void {
    this.#term = undefined
    this.#underWay = undefined
    this.#putAsideAt = undefined
  }

  get isReady(): boolean {
    return this.#ready
  }

  get reporting(): boolean {
    return this.#term !== undefined
  }

  get waiting(): boolean {
    return this.#underWay !== undefined
  }

  /** The next report, if there is something to say and nothing under way. */
  next(): Report | undefined {
    if (this.#term === undefined || !this.#ready || this.#underWay !== undefined) return undefined
    if (this.#putAsideAt !== undefined && this.#version === this.#putAsideAt) return undefined
    const base = this.#putAsideAt === undefined ? this.#base : undefined
    if (base === this.#version) return undefined
    this.#underWay = this.#version
    const changed = base === undefined ? [...this.#catalog.keys()] : this.#changedSince(base)
    const isNew = (changedAt: number): boolean => base === undefined || changedAt > base
    return {
      term: this.#term,
      mode: base === undefined ? 'full' : 'delta',
      position: { boot: this.#options.boot, sequence: this.#version },
      upserts: changed.flatMap((key) => this.#catalog.get(key) ?? []),
      removes: changed.filter((key) => !this.#catalog.has(key)),
      network: this.#options.network,
      ...(isNew(this.#gatewaysChangedAt) ? { gateways: [...this.#facts.gateways] } : {}),
      ...(isNew(this.#namespacesChangedAt) ? { namespaces: [...this.#facts.namespaces] } : {}),
      ...(this.#confirmed === undefined ? {} : { confirmed: this.#confirmed.hold }),
    }
  }

  /** The plane has committed everything up to there. */
  acknowledge(position: ReportPosition): void {
    if (position.boot !== this.#options.boot || position.sequence > this.#version) return
    if (this.#underWay !== undefined && position.sequence >= this.#underWay) this.#underWay = undefined
    if (this.#putAsideAt !== undefined && position.sequence >= this.#putAsideAt) this.#putAsideAt = undefined
    this.#base = Math.max(this.#base ?? 0, position.sequence)
    if (this.#confirmed && this.#confirmed.sequence <= position.sequence) this.#confirmed = undefined
    this.#forgetUntil(this.#base)
  }

  /** The plane has put the report aside until a person confirms it there. */
  putAside(position: ReportPosition): void {
    if (position.boot !== this.#options.boot || position.sequence !== this.#underWay) return
    this.#underWay = undefined
    this.#putAsideAt = position.sequence
  }

  #changedSince(version: number): ServiceKey[] {
    const changed: ServiceKey[] = []
    for (const [key, changedAt] of this.#changedAt) if (changedAt > version) changed.push(key)
    return changed
  }

  #forgetUntil(version: number): void {
    this.#forgottenUntil = version
    for (const [key, changedAt] of this.#changedAt) {
      if (changedAt > version) return
      this.#changedAt.delete(key)
    }
  }
}
