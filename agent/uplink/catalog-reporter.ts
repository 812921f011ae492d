import { countLostEndpoints, judgeRemoval, type StripVerdict } from '#mesh/judge-removal.ts'
import { isEqualData } from '#mesh/merge/equal-data.ts'
import type { NetworkName, ServiceKey } from '#mesh/names.ts'
import type { CatalogEntry, GatewayAddress } from '#mesh/service.ts'
import type { AgentMessage, Hold, ReportPosition } from '#mesh/uplink.ts'

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

const massRemovalHold = 'mass-removal'

/**
 * What the plane is told of this cluster's catalog. Every change gets the next number; a report says what changed since the number
 * that the plane has, so that coalescing, resuming and retransmitting are one query. One report is under way at a time.
 *
 * A step that would strip the cluster (`judgeRemoval`) is not published: the services that lose endpoints by it stay as they were
 * told until a person confirms it or the endpoints are back; all others go on.
 */
export class CatalogReporter {
  readonly #options: CatalogReporterOptions
  readonly #desired = new Map<ServiceKey, CatalogEntry>()
  readonly #published = new Map<ServiceKey, CatalogEntry>()
  #publishedEndpoints = 0
  /** Where `#desired` differs from `#published`. */
  readonly #pending = new Set<ServiceKey>()
  /** The number of each service's last change, in order; removed ones stay until the plane has heard of it. */
  readonly #changedAt = new Map<ServiceKey, number>()
  #forgottenUntil = 0
  #facts: ClusterFacts = { gateways: [], namespaces: [] }
  #gatewaysChangedAt = 0
  #namespacesChangedAt = 0
  #version = 0
  #ready = false
  #hold: Hold | undefined
  #heldEndpoints = 0
  /** The removal that a person confirmed, until the plane has it. */
  #confirmed: string | undefined

  #term: number | undefined
  /** Up to where the plane has heard; undefined = it needs everything. */
  #base: number | undefined
  #underWay: number | undefined
  /** The plane put a report aside: until it takes one, only whole ones make sense, and only when something changed. */
  #putAsideAt: number | undefined

  constructor(options: CatalogReporterOptions) {
    this.#options = options
  }

  /** The services as they are now. Not published before `ready`. */
  update(upserts: readonly CatalogEntry[], removes: readonly ServiceKey[]): void {
    for (const entry of upserts) {
      this.#desired.set(entry.service.key, entry)
      this.#pending.add(entry.service.key)
    }
    for (const key of removes) {
      this.#desired.delete(key)
      this.#pending.add(key)
    }
    this.#publish()
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
    this.#publish()
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
    const changed = base === undefined ? [...this.#published.keys()] : this.#changedSince(base)
    const isNew = (changedAt: number): boolean => base === undefined || changedAt > base
    return {
      term: this.#term,
      mode: base === undefined ? 'full' : 'delta',
      position: { boot: this.#options.boot, sequence: this.#version },
      upserts: changed.flatMap((key) => this.#published.get(key) ?? []),
      removes: changed.filter((key) => !this.#published.has(key)),
      network: this.#options.network,
      ...(isNew(this.#gatewaysChangedAt) ? { gateways: [...this.#facts.gateways] } : {}),
      ...(isNew(this.#namespacesChangedAt) ? { namespaces: [...this.#facts.namespaces] } : {}),
      ...(this.#confirmed === undefined ? {} : { confirmed: this.#confirmed }),
    }
  }

  /** The plane has committed everything up to there. */
  acknowledge(position: ReportPosition): void {
    if (position.boot !== this.#options.boot || position.sequence > this.#version) return
    if (this.#underWay !== undefined && position.sequence >= this.#underWay) this.#underWay = undefined
    if (this.#putAsideAt !== undefined && position.sequence >= this.#putAsideAt) this.#putAsideAt = undefined
    this.#base = Math.max(this.#base ?? 0, position.sequence)
    this.#confirmed = undefined
    this.#forgetUntil(this.#base)
  }

  /** The plane has put the report aside until a person confirms it there. */
  putAside(position: ReportPosition): void {
    if (position.boot !== this.#options.boot || position.sequence !== this.#underWay) return
    this.#underWay = undefined
    this.#putAsideAt = position.sequence
  }

  get hold(): Hold | undefined {
    return this.#hold
  }

  /** A person agreed to the removal. */
  confirm(holdId: string): boolean {
    if (this.#hold?.id !== holdId) return false
    this.#confirmed = holdId
    this.#hold = undefined
    this.#publishKeys([...this.#pending])
    return true
  }

  #publish(): void {
    if (!this.#ready) return
    for (const key of this.#pending)
      if (isEqualData(this.#desired.get(key), this.#published.get(key))) this.#pending.delete(key)
    const lost = new Map(
      [...this.#pending].map((key) => [key, countLostEndpoints(this.#published.get(key), this.#desired.get(key))]),
    )
    const removed = [...lost.values()].reduce((sum, count) => sum + count, 0)
    const verdict = judgeRemoval(removed, this.#publishedEndpoints)
    if (!verdict.held) {
      this.#hold = undefined
      this.#publishKeys([...lost.keys()])
      return
    }
    this.#publishKeys([...lost].flatMap(([key, count]) => (count === 0 ? [key] : [])))
    this.#holdBack(verdict)
  }

  /** Keeps the id of a hold that a person may be looking at, unless it has come to mean more than was shown. */
  #holdBack({ removedEndpoints, totalEndpoints }: StripVerdict): void {
    const shown = this.#hold && removedEndpoints <= this.#heldEndpoints ? this.#hold : undefined
    this.#heldEndpoints = removedEndpoints
    this.#hold = {
      id: shown?.id ?? `${massRemovalHold}-${this.#options.boot}-${this.#version}-${removedEndpoints}`,
      kind: massRemovalHold,
      reason: `${removedEndpoints} of ${totalEndpoints} endpoints of this cluster have gone from its registry at once. Other clusters keep them.`,
      since: this.#hold?.since ?? new Date(this.#options.now()).toISOString(),
    }
  }

  #publishKeys(keys: readonly ServiceKey[]): void {
    if (keys.length === 0) return
    this.#version += 1
    for (const key of keys) {
      const entry = this.#desired.get(key)
      this.#publishedEndpoints += (entry?.endpoints.length ?? 0) - (this.#published.get(key)?.endpoints.length ?? 0)
      if (entry) this.#published.set(key, entry)
      else this.#published.delete(key)
      this.#changedAt.delete(key) // re-inserted at the end: the map stays in order of change
      this.#changedAt.set(key, this.#version)
      this.#pending.delete(key)
    }
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
