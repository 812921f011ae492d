import { isEqualData } from '#mesh/merge/equal-data.ts'
import type { NetworkName, ServiceKey } from '#mesh/names.ts'
import type { CatalogEntry, GatewayAddress } from '#mesh/service.ts'
import type { AgentMessage, ReportPosition } from '#mesh/uplink.ts'
import { KeyedChanges } from './keyed-changes.ts'

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
 * What the plane is told of this cluster's catalog: what changed since the plane acknowledged a report. One report is under way at a
 * time.
 */
export class CatalogReporter {
  readonly #options: CatalogReporterOptions
  readonly #catalog = new KeyedChanges<ServiceKey, CatalogEntry>()
  #facts: ClusterFacts = { gateways: [], namespaces: [] }
  #gatewaysChangedAt = 0
  #namespacesChangedAt = 0
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
    this.#catalog.set([
      ...upserts.map((entry) => [entry.service.key, entry] as const),
      ...removes.map((key) => [key, undefined] as const),
    ])
    if (confirmed !== undefined) this.#confirmed = { hold: confirmed, sequence: this.#catalog.version }
  }

  updateFacts(facts: Partial<ClusterFacts>): void {
    const { gateways, namespaces } = facts
    if (gateways && !isEqualData(gateways, this.#facts.gateways)) {
      this.#facts = { ...this.#facts, gateways }
      this.#gatewaysChangedAt = this.#catalog.advance()
    }
    if (namespaces && !isEqualData(namespaces, this.#facts.namespaces)) {
      this.#facts = { ...this.#facts, namespaces }
      this.#namespacesChangedAt = this.#catalog.advance()
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
    const known = reported?.boot === boot && this.#catalog.reachesBack(reported.sequence)
    this.#base = known ? reported.sequence : undefined
    if (known) this.#catalog.forgetUntil(reported.sequence)
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
    if (this.#putAsideAt !== undefined && this.#catalog.version === this.#putAsideAt) return undefined
    const base = this.#putAsideAt === undefined ? this.#catalog.reachable(this.#base) : undefined
    if (base === this.#catalog.version) return undefined
    this.#underWay = this.#catalog.version
    const changed = this.#catalog.since(base)
    const isNew = (changedAt: number): boolean => base === undefined || changedAt > base
    return {
      term: this.#term,
      mode: base === undefined ? 'full' : 'delta',
      position: { boot: this.#options.boot, sequence: this.#catalog.version },
      upserts: changed.flatMap((key) => this.#catalog.get(key) ?? []),
      removes: changed.filter((key) => this.#catalog.get(key) === undefined),
      network: this.#options.network,
      ...(isNew(this.#gatewaysChangedAt) ? { gateways: [...this.#facts.gateways] } : {}),
      ...(isNew(this.#namespacesChangedAt) ? { namespaces: [...this.#facts.namespaces] } : {}),
      ...(this.#confirmed === undefined ? {} : { confirmed: this.#confirmed.hold }),
    }
  }

  /** The plane has committed everything up to there. */
  acknowledge(position: ReportPosition): void {
    if (position.boot !== this.#options.boot || position.sequence > this.#catalog.version) return
    if (this.#underWay !== undefined && position.sequence >= this.#underWay) this.#underWay = undefined
    if (this.#putAsideAt !== undefined && position.sequence >= this.#putAsideAt) this.#putAsideAt = undefined
    this.#base = Math.max(this.#base ?? 0, position.sequence)
    if (this.#confirmed && this.#confirmed.sequence <= position.sequence) this.#confirmed = undefined
    this.#catalog.forgetUntil(this.#base)
  }

  /** The plane has put the report aside until a person confirms it there. */
  putAside(position: ReportPosition): void {
    if (position.boot !== this.#options.boot || position.sequence !== this.#underWay) return
    this.#underWay = undefined
    this.#putAsideAt = position.sequence
  }
}
