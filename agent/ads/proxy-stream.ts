import type { Clock } from '#agent/clock.ts'
import type { CompileProblem } from '#xds/incremental/unit.ts'
import { secretNames } from '#xds/proxy.ts'
import { typeUrls, type TypeUrl } from '#xds/type-url.ts'
import type { DialectStream, ResponseEncoder } from './dialect.ts'
import { bigWriteBytes, smallResponseBytes, type AdsLimits } from './limits.ts'
import type { ProxyResources } from './proxy-resources.ts'
import { routingTypes, toPushable, toRemovable } from './push-order.ts'
import type { Rejection } from './quarantine.ts'
import type { WireResponse } from './discovery-response.ts'
import { StreamError } from './stream-error.ts'
import type { Payload } from './batch.ts'
import { Subscription } from './subscription.ts'
import type { WireResource } from './wire-resource.ts'
import type { WritePlaces } from './write-places.ts'

const trustSecrets: ReadonlySet<string> = new Set(Object.values(secretNames))

/** What a stream has to know of the server that it belongs to. */
export interface StreamHost {
  readonly clock: Clock
  readonly limits: AdsLimits
  /** Counts what made resources due: see `Subscription.plan`. */
  readonly tick: number
  /** The newest compiled revision. */
  readonly revision: number
  readonly bigWrites: WritePlaces
  /** A proxy took what others were spared: they may have it now. */
  onReleased(resources: readonly WireResource[]): void
  onRefused(refused: { readonly type: TypeUrl; readonly name: string; readonly reason: string }): void
}

/** What a stream needs of its connection, which also answers for what the callbacks throw. */
export interface StreamTransport {
  /** Writes one response and calls back when it has left for the proxy. */
  write(response: WireResponse, onDrained: () => void): void
  readonly after: Clock['after']
}

/**
 * The protocol on one stream: which subscription may write its next response. One response is on its way at a time, over all types:
 * a proxy that does not read costs one chunk.
 */
export class ProxyStream implements DialectStream {
  readonly #host: StreamHost
  readonly #resources: ProxyResources
  readonly #transport: StreamTransport
  readonly #subscriptions = new Map<TypeUrl, Subscription>()
  readonly #encoder: ResponseEncoder
  #nonce = 0
  #isWriting = false
  #isClosed = false
  /** Set while the stream is to be woken for a removal. */
  #cancelWaking: (() => void) | undefined

  constructor(host: StreamHost, resources: ProxyResources, encoder: ResponseEncoder, transport: StreamTransport) {
    this.#host = host
    this.#resources = resources
    this.#encoder = encoder
    this.#transport = transport
  }

  get subscriptions(): ReadonlyMap<TypeUrl, Subscription> {
    return this.#subscriptions
  }

  get resources(): ProxyResources {
    return this.#resources
  }

  /** Refused resources that the proxy asked for and does not have in their current version. */
  rejections(): readonly Rejection[] {
    return this.#resources.rejections().filter(({ type, name }) => this.#subscriptions.get(type)?.covers(name))
  }

  /**
   * Everything that was due at this tick is ACKed; -1 = the proxy has not even asked for its listeners, which it does last, or nobody knows
   * what is due.
   */
  get settledTick(): number {
    if (!this.#subscriptions.has(typeUrls.listener)) return -1
    this.#resources.refresh()
    let settled = Infinity
    for (const subscription of this.#subscriptions.values()) settled = Math.min(settled, subscription.settledTick)
    return settled
  }

  /** As `settledTick`, of what it trusts and who it is: no other resource keeps it from that. */
  get settledTrustTick(): number {
    this.#resources.refresh()
    const secrets = this.#subscriptions.get(typeUrls.secret)
    // It asks for secrets before it takes the listener that names them.
    if (!secrets) return this.#subscriptions.get(typeUrls.listener)?.settledTick ?? -1
    return this.rejections().some(({ type, name }) => type === typeUrls.secret && trustSecrets.has(name))
      ? -1
      : secrets.settledTick
  }

  /** Why nobody knows what the proxy is to have. */
  get blockedBy(): CompileProblem | undefined {
    return this.#resources.blockedBy
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Nothing is written any more. */
  close(): void {
    this.#isClosed = true
    this.#cancelWaking?.()
  }

  /** A resource that this proxy was spared may have become right for it. */
  revisit(resource: WireResource): void {
    const subscription = this.#subscriptions.get(resource.type)
    if (subscription?.covers(resource.name)) subscription.ask(resource.name)
  }

  // ── for the dialects ─────────────────────────────────────────────────────────────────────────────────────────────

  subscription(type: TypeUrl): Subscription | undefined {
    return this.#subscriptions.get(type)
  }

  open(type: TypeUrl): Subscription {
    const subscription = new Subscription(type, this.#resources, {
      pipelined: this.#encoder.pipelined,
      maxBytes: this.#encoder.maxBytes(type),
      ...(type === typeUrls.virtualHost
        ? { routeConfigurations: () => this.#subscriptions.get(typeUrls.route)?.names ?? new Set<string>() }
        : {}),
    })
    this.#subscriptions.set(type, subscription)
    return subscription
  }

  subscribe(subscription: Subscription, names: readonly string[]): void {
    if (names.length === 0) return
    const { names: limit, nameLength } = this.#host.limits
    const subscribed = [...this.#subscriptions.values()].reduce((sum, { names: { size } }) => sum + size, 0)
    if (subscribed + names.length > limit)
      throw new StreamError('resource_exhausted', `a stream may subscribe to ${limit} names in all`)
    if (names.some((name) => name.length > nameLength))
      throw new StreamError('invalid_argument', `a resource name is longer than ${nameLength} characters`)
    subscription.subscribe(names)
    // Envoy asks for virtual hosts once and then counts on those of each further route configuration.
    const virtualHosts = this.#subscriptions.get(typeUrls.virtualHost)
    if (subscription.type === typeUrls.route && virtualHosts?.wildcard)
      for (const name of names) virtualHosts.askVirtualHosts(name)
  }

  acknowledge(subscription: Subscription, nonce: string): void {
    const payload = subscription.acknowledge(nonce)
    if (!payload) return
    this.#encoder.acknowledged(subscription, nonce)
    const released = this.#resources.accept(payload.resources)
    if (released.length > 0) this.#host.onReleased(released)
  }

  refuse(subscription: Subscription, nonce: string, reason: string): void {
    const culprit = subscription.refuse(nonce, reason)
    if (culprit === undefined) return
    // A removal that is refused is not repeated: the proxy keeps what it has.
    if (typeof culprit !== 'string') this.#resources.reject(culprit, reason, this.#host.revision)
    const name = typeof culprit === 'string' ? culprit : culprit.name
    this.#host.onRefused({ type: subscription.type, name, reason })
  }

  // ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Writes what is due and in order, one response at a time. */
  push(): void {
    if (this.#isWriting || this.#isClosed) return
    this.#resources.refresh()
    const next = this.#next()
    if (!next) return this.#wakeForRemovals()
    const { subscription, payload } = next
    const nonce = String(++this.#nonce)
    subscription.sent(nonce, payload)
    if (subscription.type === typeUrls.cluster) this.#askEndpoints(payload)
    this.#isWriting = true
    const response = this.#encoder.encode(subscription, payload, nonce)
    if (response.byteLength <= smallResponseBytes) this.#transport.write(response, () => this.#goOn())
    else
      this.#host.bigWrites.take(
        (giveBack) => {
          if (this.#isClosed) return giveBack()
          this.#transport.write(response, () => {
            giveBack()
            this.#goOn()
          })
        },
        Math.ceil(response.byteLength / bigWriteBytes),
      )
  }

  #goOn(): void {
    this.#isWriting = false
    this.push()
  }

  #next(): { subscription: Subscription; payload: Payload } | undefined {
    const { tick, clock } = this.#host
    for (const subscription of toPushable(this.#subscriptions)) {
      subscription.plan(tick)
      const payload = subscription.take()
      if (payload) return { subscription, payload }
    }
    for (const subscription of toRemovable(this.#subscriptions)) {
      if (this.#keepsOldRoutes()) return undefined
      subscription.linger(clock.now())
      subscription.planRemovals(tick, clock.now())
      const payload = subscription.take()
      if (payload) return { subscription, payload }
    }
    return undefined
  }

  /** A removal that is due already, and was not written, waits for an ACK or a change, and those push. */
  #wakeForRemovals(): void {
    if (this.#cancelWaking) return
    let next = Infinity
    for (const { nextRemovalAt } of this.#subscriptions.values()) next = Math.min(next, nextRemovalAt)
    const delay = next - this.#host.clock.now()
    if (next === Infinity || delay <= 0) return
    this.#cancelWaking = this.#transport.after(delay, () => {
      this.#cancelWaking = undefined
      this.push()
    })
  }

  /** A refused route leaves its predecessor in force, and that may still need the clusters that are to go. */
  #keepsOldRoutes(): boolean {
    return this.rejections().some(({ type }) => routingTypes.includes(type))
  }

  /**
   * "Warming of Cluster is completed only when a new ClusterLoadAssignment response is supplied by management server even though there
   * is no change in endpoints": Envoy does not ask for it when it is subscribed already. An assignment is named as its cluster.
   */
  #askEndpoints({ resources }: Payload): void {
    const endpoints = this.#subscriptions.get(typeUrls.endpoint)
    for (const { name } of resources) if (endpoints?.names.has(name)) endpoints.ask(name)
  }
}
