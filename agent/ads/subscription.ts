import type { ResourceSet } from '#xds/resource-set.ts'
import { typeUrls, type TypeUrl } from '#xds/type-url.ts'
import { Batch, type Payload } from './batch.ts'
import { lingerMilliseconds, maxLingering } from './limits.ts'
import type { ProxyResources } from './proxy-resources.ts'
import type { WireResource } from './wire-resource.ts'

export interface SubscriptionOptions {
  /** Whether several responses may be un-ACKed at once: delta ACKs name a response, state-of-the-world ones only the newest. */
  readonly pipelined: boolean
  /** What a response aims at. */
  readonly maxBytes: number
  /** Of a VirtualHost subscription: the route configurations that the proxy uses. */
  readonly routeConfigurations?: () => ReadonlySet<string>
}

const noNames: ReadonlySet<string> = new Set()

/** Removals of these are put off until nothing routes to them any more (xDS protocol, "Eventual consistency considerations"). */
const makeBeforeBreak: ReadonlySet<TypeUrl> = new Set([typeUrls.cluster, typeUrls.endpoint])

/**
 * One type on one stream: what the client asked for and how far it has been served. It remembers a generation per set, not a
 * version per resource. What is due is gathered into a batch when the one before has been ACKed whole; while it has not, later
 * versions replace earlier ones in the sets and cost nothing here.
 */
export class Subscription {
  readonly type: TypeUrl
  readonly names = new Set<string>()
  wildcard = false
  readonly #resources: ProxyResources
  readonly #options: SubscriptionOptions
  readonly #served = new Map<ResourceSet, number>()
  /** The state of the sets at which nothing was due: what makes looking again cheap. */
  #servedState = -1
  /** Names that the client waits for: answered whatever it may have. */
  #asked = new Set<string>()
  /** Names of which the client may have something else than we do, beyond what the generations tell. */
  #doubtful = new Set<string>()
  /**
   * What the client said that it has, or waits for, while nobody knew what there is: looked at when somebody does. Name → version, 'unknown'
   * as soon as it asks: it may have dropped what it had.
   */
  readonly #withheld = new Map<string, string>()
  #mustAnswer = false
  /** Names to be removed when nothing can be routed to them by what the client was told last. */
  readonly #waitingRemovals = new Set<string>()
  /** Names for which that is so, and when they may go (milliseconds since the epoch), in this order. */
  readonly #lingering = new Map<string, number>()
  #batch: Batch | undefined
  #settledTick = -1

  constructor(type: TypeUrl, resources: ProxyResources, options: SubscriptionOptions) {
    this.type = type
    this.#resources = resources
    this.#options = options
    for (const set of resources.sets) this.#served.set(set, set.generation)
  }

  // ── what the client says ─────────────────────────────────────────────────────────────────────────────────────────

  /**
   * The client names resources. "The server must still provide those resources" when it is subscribed to them already (Incremental
   * xDS, "Subscribing to Resources").
   */
  subscribe(names: Iterable<string>): void {
    for (const name of names) {
      const interned = this.#resources.current(this.type, name)?.name ?? name
      this.names.add(interned)
      if (this.#withheld.has(interned)) this.#withheld.set(interned, 'unknown')
      this.ask(interned)
    }
  }

  /**
   * "Servers are not generally required to send a response", except to a client that has the wildcard too: it has to learn whether
   * the wildcard covers the name (Incremental xDS, "Unsubscribing from Resources").
   */
  unsubscribe(names: Iterable<string>): void {
    for (const name of names) {
      this.#withheld.delete(name)
      if (this.names.delete(name) && this.wildcard) this.ask(name)
      else this.#asked.delete(name)
    }
  }

  /** The wildcard: everything there is, and an answer even if that is nothing. */
  subscribeAll(): void {
    this.wildcard = true
    this.#mustAnswer = true
    for (const name of this.#withheld.keys()) this.#withheld.set(name, 'unknown')
    const routeConfigurations = this.#options.routeConfigurations?.()
    if (routeConfigurations) for (const name of routeConfigurations) this.askVirtualHosts(name)
    else for (const set of this.#resources.sets) for (const name of set.all(this.type).keys()) this.ask(name)
  }

  unsubscribeAll(): void {
    this.wildcard = false
    for (const name of this.#withheld.keys()) if (!this.names.has(name)) this.#withheld.delete(name)
  }

  /** A client that comes back says what it has: only what differs is sent, and what is gone is removed (`initial_resource_versions`). */
  know(versions: Readonly<Record<string, string>>): void {
    for (const [name, version] of Object.entries(versions)) {
      const current = this.#resources.current(this.type, name)
      if (current && current.version !== version) continue
      this.#asked.delete(name)
      if (current) continue
      if (this.#resources.withholds(this.type)) this.#withheld.set(name, version)
      else this.#doubtful.add(name)
    }
  }

  /** One name has to be answered although its resource did not change. */
  ask(name: string): void {
    this.#asked.add(name)
    this.#settledTick = -1
  }

  /**
   * All virtual hosts of a route configuration. A listener waits for an answer that is not empty, so where there is none, the removal
   * of one that never was is the answer.
   */
  askVirtualHosts(routeConfiguration: string): void {
    for (const name of this.#withheld.keys())
      if (toRouteConfiguration(name) === routeConfiguration) this.#withheld.set(name, 'unknown')
    let found = false
    for (const set of this.#resources.sets)
      for (const name of set.all(this.type).keys()) {
        if (toRouteConfiguration(name) !== routeConfiguration) continue
        found = true
        this.ask(name)
      }
    if (!found) this.ask(`${routeConfiguration}/none`)
  }

  covers(name: string): boolean {
    if (this.names.has(name)) return true
    if (!this.wildcard) return false
    return this.#options.routeConfigurations?.().has(toRouteConfiguration(name)) ?? true
  }

  /** The resources that it stands for, as the client has them when it has ACKed everything. */
  served(): WireResource[] {
    return this.#resources.sets.flatMap((set) =>
      [...set.all(this.type).keys()].flatMap((name) => {
        const served = this.covers(name) ? this.#resources.served(this.type, name) : 'gone'
        return typeof served === 'string' ? [] : [served]
      }),
    )
  }

  // ── how far it has been served ───────────────────────────────────────────────────────────────────────────────────

  /** Whether there is more to say than the current batch does. */
  get #isStale(): boolean {
    if (this.#asked.size > 0 || this.#doubtful.size > 0 || this.#owesAnswer || this.#hasReleased) return true
    const { sets, state } = this.#resources
    if (state === this.#servedState) return false
    const isStale =
      sets.length !== this.#served.size || sets.some((set) => set.lastChange(this.type) > (this.#served.get(set) ?? -1))
    if (!isStale) this.#servedState = state
    return isStale
  }

  /** In the state of the world an answer says that there is nothing else. */
  get #owesAnswer(): boolean {
    return this.#mustAnswer && (this.#options.pipelined || !this.#resources.withholds(this.type))
  }

  /** It is known again what is to become of what was withheld. */
  get #hasReleased(): boolean {
    return this.#withheld.size > 0 && !this.#resources.withholds(this.type)
  }

  /** Everything due has been written. Removals that were put off are not due. */
  get isWritten(): boolean {
    return (this.#batch?.isWritten ?? true) && !this.#isStale
  }

  /** Everything due has been written and ACKed. */
  get isAccepted(): boolean {
    return !this.#batch && !this.#isStale
  }

  /** Something that the client waits for is not ACKed yet. */
  get isAnswering(): boolean {
    return this.#asked.size > 0 || (this.#batch?.asked.size ?? 0) > 0
  }

  /** There are removals that were put off. */
  get hasRemovals(): boolean {
    return this.#waitingRemovals.size > 0 || this.#lingering.size > 0
  }

  /** When the next lingering name may go (milliseconds since the epoch). */
  get nextRemovalAt(): number {
    const [next = Infinity] = this.#lingering.values()
    return next
  }

  /** Everything that was due at this tick is ACKed, but for removals that were put off; Infinity = everything is; -1 = nobody knows what is due. */
  get settledTick(): number {
    if (this.#resources.withholds(this.type) || this.#resources.awaits(this.type, this.names)) return -1
    return this.isAccepted ? Infinity : this.#settledTick
  }

  get unackedResponses(): number {
    return this.#batch?.unackedResponses ?? 0
  }

  /** The generation up to which changes of this set are written: tombstones up to it are not needed any more. */
  servedGeneration(set: ResourceSet): number {
    return this.#served.get(set) ?? 0
  }

  // ── batches ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Gathers what is due into a batch, when the one before is done. `tick` = what "due by then" is measured in. */
  plan(tick: number): void {
    if (this.#batch || !this.#isStale) return
    const names = this.#asked
    const changed = [...this.#doubtful, ...this.#takeChanges()]
    const asked = changed.length > 0 ? new Set(names) : names
    for (const name of changed) names.add(name)
    const mustAnswer = this.#owesAnswer
    this.#asked = new Set()
    this.#doubtful = new Set()
    if (mustAnswer) this.#mustAnswer = false
    if (names.size === 0 && !mustAnswer) return
    const whole = this.#options.maxBytes === Infinity ? undefined : this.#resources.wholeSet(this.type, names)
    const rest = whole ? [...names].filter((name) => !whole.has(name)) : names
    this.#batch = new Batch({ names: rest, whole: whole?.set, asked, tick, isRemoval: false, mustAnswer })
  }

  /**
   * The client routes nothing anew to the names whose removal waits. What it does by older routes goes on for a while, so they linger:
   * see `lingerMilliseconds`. `now`: milliseconds since the epoch.
   */
  linger(now: number): void {
    for (const name of this.#waitingRemovals) this.#lingering.set(name, now + lingerMilliseconds)
    this.#waitingRemovals.clear()
  }

  /** Lets the removals go that have lingered. */
  planRemovals(tick: number, now: number): void {
    if (this.#batch || this.#isStale) return
    const names = new Set<string>()
    for (const [name, at] of this.#lingering) {
      if (at > now && this.#lingering.size <= maxLingering) break
      this.#lingering.delete(name)
      names.add(name)
    }
    if (names.size > 0) this.#batch = new Batch({ names, asked: noNames, tick, isRemoval: true, mustAnswer: false })
  }

  /** The next response's content; undefined when there is none to write now. */
  take(): Payload | undefined {
    const batch = this.#batch
    if (!batch || (!this.#options.pipelined && batch.unackedResponses > 0)) return undefined
    const payload = batch.take(this.#options.maxBytes, (name) => this.#lookUp(batch, name))
    if (!payload) this.#settle(batch)
    else if (this.hasRemovals) for (const { name } of payload.resources) this.#keep(name)
    return payload
  }

  sent(nonce: string, payload: Payload): void {
    this.#batch?.sent(nonce, payload)
  }

  /** What has changed since it was last looked at. */
  #takeChanges(): string[] {
    const { sets } = this.#resources
    const changed: string[] = []
    if (sets.length !== this.#served.size || sets.some((set) => !this.#served.has(set))) this.#followSets(changed)
    for (const set of sets) {
      for (const name of set.changesSince(this.type, this.servedGeneration(set)))
        if (this.covers(name)) changed.push(name)
      this.#served.set(set, set.generation)
    }
    return this.#hasReleased ? this.#withReleased(changed) : changed
  }

  #withReleased(changed: readonly string[]): string[] {
    const held = new Map(this.#withheld)
    this.#withheld.clear()
    return [...changed, ...held.keys()].filter(
      (name) =>
        this.covers(name) && (!held.has(name) || held.get(name) !== this.#resources.current(this.type, name)?.version),
    )
  }

  /** The proxy was given other sets: what it has of the old ones is compared with what the new ones hold. */
  #followSets(changed: string[]): void {
    const { sets } = this.#resources
    const left = [...this.#served.keys()].filter((set) => !sets.includes(set))
    const joined = sets.filter((set) => !this.#served.has(set))
    const had = new Map<string, string>()
    for (const set of left) {
      for (const [name, resource] of set.all(this.type)) had.set(name, resource.version)
      for (const name of set.changesSince(this.type, this.servedGeneration(set))) had.set(name, 'unknown')
      this.#served.delete(set)
    }
    const names = new Set(had.keys())
    for (const set of joined) {
      this.#served.set(set, set.generation)
      for (const name of set.all(this.type).keys()) names.add(name)
    }
    for (const name of names) {
      const version = this.#resources.current(this.type, name)?.version
      if (version !== had.get(name) && this.covers(name)) changed.push(name)
    }
  }

  #lookUp(batch: Batch, name: string): WireResource | 'removed' | undefined {
    const served = this.#resources.served(this.type, name)
    if (served === 'kept') {
      if (this.#resources.withholds(this.type) && !this.#withheld.has(name)) this.#withheld.set(name, 'unknown')
      return undefined
    }
    if (served !== 'gone') return served
    this.#keep(name)
    if (!makeBeforeBreak.has(this.type) || batch.isRemoval || batch.asked.has(name)) return 'removed'
    this.#waitingRemovals.add(name)
    return undefined
  }

  /** What was to be removed stays, or is looked at anew. */
  #keep(name: string): void {
    this.#waitingRemovals.delete(name)
    this.#lingering.delete(name)
  }

  // ── verdicts ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The client took a response. Returns what it carried; undefined when no such response is waiting. */
  acknowledge(nonce: string): Payload | undefined {
    const batch = this.#batch
    const payload = batch?.acknowledge(nonce)
    if (batch) this.#settle(batch)
    return payload
  }

  /** The client refused a response. Returns what is to blame as soon as that is known; a name stands for its removal. */
  refuse(nonce: string, message: string): WireResource | string | undefined {
    const batch = this.#batch
    const culprit = batch?.refuse(nonce, message)
    if (culprit !== undefined && typeof culprit !== 'string') this.#doubtful.add(culprit.name) // the version before it may be due
    if (batch) this.#settle(batch)
    return culprit
  }

  #settle(batch: Batch): void {
    if (!batch.isDone) return
    this.#batch = undefined
    if (this.#asked.size === 0) this.#settledTick = batch.tick
  }
}

/** "<route configuration>/<name>": Envoy takes the name's part before its last slash. */
const toRouteConfiguration = (virtualHost: string): string => virtualHost.slice(0, virtualHost.lastIndexOf('/'))
