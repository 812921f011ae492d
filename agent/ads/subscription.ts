import type { ResourceSet } from '#xds/resource-set.ts'
import { typeUrls, type TypeUrl } from '#xds/type-url.ts'
import type { ProxyResources } from './proxy-resources.ts'
import { splitRefused } from './split-refused.ts'
import type { WireResource } from './wire-resource.ts'

/** What one response carries. */
export interface Payload {
  readonly resources: readonly WireResource[]
  readonly removed: readonly string[]
}

export interface SubscriptionOptions {
  /** Whether several responses may be un-ACKed at once: delta ACKs name a response, state-of-the-world ones only the newest. */
  readonly pipelined: boolean
  /** Of a VirtualHost subscription: the route configurations that the proxy uses. */
  readonly routeConfigurations?: () => ReadonlySet<string>
}

/** Removals of these wait until nothing routes to them any more (xDS protocol, "Eventual consistency considerations"). */
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
  /** Names that the client waits for: answered whatever it may have. */
  #asked = new Set<string>()
  /** Names of which the client may have something else than we do, beyond what the generations tell. */
  #doubtful = new Set<string>()
  readonly #waitingRemovals = new Set<string>()
  #mustAnswer = false

  // The batch
  #queue: readonly string[] = []
  #next = 0
  #answers = new Set<string>()
  #releasing = false
  readonly #trials: (readonly string[])[] = []
  readonly #unacked = new Map<string, Payload>()
  #batchTick = 0
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
      this.ask(interned)
    }
  }

  /**
   * "Servers are not generally required to send a response", except to a client that has the wildcard too: it has to learn whether
   * the wildcard covers the name (Incremental xDS, "Unsubscribing from Resources").
   */
  unsubscribe(names: Iterable<string>): void {
    for (const name of names) {
      if (this.names.delete(name) && this.wildcard) this.ask(name)
      else this.#asked.delete(name)
    }
  }

  /** The wildcard: everything there is, and an answer even if that is nothing. */
  subscribeAll(): void {
    this.wildcard = true
    this.#mustAnswer = true
    const routeConfigurations = this.#options.routeConfigurations?.()
    if (routeConfigurations) for (const name of routeConfigurations) this.askVirtualHosts(name)
    else for (const set of this.#resources.sets) for (const name of set.all(this.type).keys()) this.ask(name)
  }

  unsubscribeAll(): void {
    this.wildcard = false
  }

  /** A client that comes back says what it has: only what differs is sent, and what is gone is removed (`initial_resource_versions`). */
  know(versions: Readonly<Record<string, string>>): void {
    for (const [name, version] of Object.entries(versions)) {
      const current = this.#resources.current(this.type, name)
      if (current?.resource.version === version) this.#asked.delete(name)
      else if (!current) {
        this.#asked.delete(name)
        this.#doubtful.add(name)
      }
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
    if (this.#asked.size > 0 || this.#doubtful.size > 0 || this.#mustAnswer) return true
    const { sets } = this.#resources
    return (
      sets.length !== this.#served.size || sets.some((set) => set.lastChange(this.type) > (this.#served.get(set) ?? -1))
    )
  }

  get #hasQueued(): boolean {
    return this.#next < this.#queue.length || this.#trials.length > 0
  }

  get #isIdle(): boolean {
    return !this.#hasQueued && this.#unacked.size === 0
  }

  /** Everything due has been written. Removals that wait for routes are not due. */
  get isWritten(): boolean {
    return !this.#hasQueued && !this.#isStale
  }

  /** Everything due has been written and ACKed. */
  get isAccepted(): boolean {
    return this.isWritten && this.#unacked.size === 0
  }

  /** Something that the client waits for is not ACKed yet. */
  get isAnswering(): boolean {
    return this.#asked.size > 0 || (this.#answers.size > 0 && !this.#isIdle)
  }

  get hasWaitingRemovals(): boolean {
    return this.#waitingRemovals.size > 0
  }

  /** Everything that was due at this tick, removals included, is ACKed; Infinity = everything is. */
  get settledTick(): number {
    return this.isAccepted && !this.hasWaitingRemovals ? Infinity : this.#settledTick
  }

  get unackedResponses(): number {
    return this.#unacked.size
  }

  /** The generation up to which changes of this set are written: tombstones up to it are not needed any more. */
  servedGeneration(set: ResourceSet): number {
    return this.#served.get(set) ?? 0
  }

  // ── batches ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Gathers what is due into a batch, when the one before is done. `tick` = what "due by then" is measured in. */
  plan(tick: number): void {
    if (!this.#isIdle || !this.#isStale) return
    const due = new Set([...this.#asked, ...this.#doubtful])
    this.#answers = this.#asked
    this.#asked = new Set()
    this.#doubtful = new Set()
    this.#followSets(due)
    for (const set of this.#resources.sets) {
      for (const name of set.changesSince(this.type, this.servedGeneration(set))) if (this.covers(name)) due.add(name)
      this.#served.set(set, set.generation)
    }
    this.#start([...due], tick)
  }

  /** Lets the removals go that waited for the routes. */
  planRemovals(tick: number): void {
    if (!this.#isIdle || this.#isStale || !this.hasWaitingRemovals) return
    const names = [...this.#waitingRemovals]
    this.#waitingRemovals.clear()
    this.#answers = new Set()
    this.#start(names, tick)
    this.#releasing = true
  }

  #start(names: readonly string[], tick: number): void {
    this.#queue = names
    this.#next = 0
    this.#releasing = false
    this.#batchTick = tick
  }

  /** The next response's content, of about `maxBytes`; undefined when there is none to write now. */
  take(maxBytes: number): Payload | undefined {
    if (!this.#options.pipelined && this.#unacked.size > 0) return undefined
    while (this.#hasQueued || (this.#mustAnswer && this.#isIdle)) {
      const trial = this.#trials.shift()
      const payload = trial ? this.#collect(trial, 0, Infinity).payload : this.#takeQueued(maxBytes)
      if (payload.resources.length > 0 || payload.removed.length > 0 || (this.#mustAnswer && !this.#hasQueued)) {
        this.#mustAnswer = false
        return payload
      }
    }
    return undefined
  }

  sent(nonce: string, payload: Payload): void {
    this.#unacked.set(nonce, payload)
  }

  #takeQueued(maxBytes: number): Payload {
    const { payload, end } = this.#collect(this.#queue, this.#next, maxBytes)
    this.#next = end
    if (!this.#hasQueued) this.#queue = []
    return payload
  }

  #collect(names: readonly string[], start: number, maxBytes: number): { payload: Payload; end: number } {
    const resources: WireResource[] = []
    const removed: string[] = []
    let bytes = 0
    let index = start
    for (; index < names.length && bytes < maxBytes; index++) {
      const name = names[index] ?? ''
      const served = this.#resources.served(this.type, name)
      if (served === 'gone') {
        if (this.#removalWaits(name)) this.#waitingRemovals.add(name)
        else removed.push(name)
        bytes += name.length
      } else if (served !== 'kept') {
        this.#waitingRemovals.delete(name)
        resources.push(served)
        bytes += served.resource.body.byteLength
      }
    }
    return { payload: { resources, removed }, end: index }
  }

  #removalWaits(name: string): boolean {
    return makeBeforeBreak.has(this.type) && !this.#releasing && !this.#answers.has(name)
  }

  /** The proxy was given other sets: what it has of the old ones is compared with what the new ones hold. */
  #followSets(due: Set<string>): void {
    const { sets } = this.#resources
    const left = [...this.#served.keys()].filter((set) => !sets.includes(set))
    const joined = sets.filter((set) => !this.#served.has(set))
    const had = new Map<string, string>()
    for (const set of left) {
      for (const [name, resource] of set.all(this.type)) had.set(name, resource.version)
      for (const name of set.changesSince(this.type, this.servedGeneration(set))) had.set(name, 'unknown')
      this.#served.delete(set)
    }
    const isDifferent = (name: string): boolean =>
      this.#resources.current(this.type, name)?.resource.version !== had.get(name)
    for (const name of had.keys()) if (this.covers(name) && isDifferent(name)) due.add(name)
    for (const set of joined) {
      this.#served.set(set, set.generation)
      for (const name of set.all(this.type).keys()) if (this.covers(name) && isDifferent(name)) due.add(name)
    }
  }

  // ── verdicts ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The proxy took a response. Returns what it carried; undefined when no such response is waiting ("stale nonce"). */
  acknowledge(nonce: string): Payload | undefined {
    const payload = this.#unacked.get(nonce)
    this.#unacked.delete(nonce)
    this.#settle()
    return payload
  }

  /**
   * The proxy refused a response. When it carried one thing, that is to blame and returned; otherwise its parts are tried again
   * apart, until one is: a NACK speaks of a whole response.
   */
  refuse(nonce: string, message: string): { readonly culprit: WireResource | string } | undefined {
    const payload = this.#unacked.get(nonce)
    if (!payload) return undefined
    this.#unacked.delete(nonce)
    const [first = payload.removed[0], ...others] = [...payload.resources, ...payload.removed]
    if (first !== undefined && others.length === 0) {
      if (typeof first !== 'string') this.#doubtful.add(first.name) // the version before it may be due
      this.#settle()
      return { culprit: first }
    }
    this.#trials.push(...splitRefused([...payload.resources.map(({ name }) => name), ...payload.removed], message))
    return undefined
  }

  #settle(): void {
    if (!this.#isIdle) return
    this.#answers = new Set()
    if (!this.hasWaitingRemovals && this.#asked.size === 0) this.#settledTick = this.#batchTick
  }
}

/** "<route configuration>/<name>": Envoy takes the name's part before its last slash. */
const toRouteConfiguration = (virtualHost: string): string => virtualHost.slice(0, virtualHost.lastIndexOf('/'))
