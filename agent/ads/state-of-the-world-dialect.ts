import type { TypeUrl } from '#xds/type-url.ts'
import type { DiscoveryRequest } from '#envoy/envoy/service/discovery/v3/discovery_pb.ts'
import type { Dialect, DialectStream } from './dialect.ts'
import { encodeStateOfTheWorldResponse, type WireResponse } from './discovery-response.ts'
import { chunkBytes } from './limits.ts'
import { fullStateTypes, parseTypeUrl, wildcardTypes } from './served-types.ts'
import type { Payload } from './batch.ts'
import type { Subscription } from './subscription.ts'
import type { WireResource } from './wire-resource.ts'

type Held = ReadonlyMap<string, WireResource>

interface SubscriptionState {
  lastNonce: string
  /** What the client has ACKed, of the types whose responses say all there is. */
  held: Held
  /** What it will have when it ACKs the last response. */
  offered: Held
}

/** State-of-the-world ADS (xDS protocol, "Streaming gRPC subscriptions"). */
export class StateOfTheWorldDialect implements Dialect<DiscoveryRequest> {
  readonly pipelined = false
  readonly #states = new Map<Subscription, SubscriptionState>()

  apply(request: DiscoveryRequest, stream: DialectStream): void {
    const type = parseTypeUrl(request.typeUrl)
    if (!type) return
    const known = stream.subscription(type)
    const subscription = known ?? stream.open(type)
    const nonce = request.responseNonce
    if (known && nonce !== '') {
      // "The management server should not send a DiscoveryResponse for any DiscoveryRequest that has a stale nonce."
      if (nonce !== this.#stateOf(subscription).lastNonce) return
      if (request.errorDetail) stream.refuse(subscription, nonce, request.errorDetail.message)
      else stream.acknowledge(subscription, nonce)
    }

    const wanted = new Set(request.resourceNames)
    // An empty list means all until the client has named something; from then on it means nothing.
    const isWildcard =
      wanted.delete('*') ||
      (wanted.size === 0 && wildcardTypes.has(type) && (!known || known.wildcard) && subscription.names.size === 0)
    if (isWildcard && !subscription.wildcard) subscription.subscribeAll()
    if (!isWildcard) subscription.unsubscribeAll()
    subscription.unsubscribe([...subscription.names].filter((name) => !wanted.has(name)))
    stream.subscribe(
      subscription,
      [...wanted].filter((name) => !subscription.names.has(name)),
    )
  }

  maxBytes(type: TypeUrl): number {
    return fullStateTypes.has(type) ? Infinity : chunkBytes
  }

  encode(subscription: Subscription, payload: Payload, nonce: string): WireResponse {
    const state = this.#stateOf(subscription)
    state.lastNonce = nonce
    state.offered = state.held
    if (fullStateTypes.has(subscription.type)) {
      const offered = new Map([...state.held].filter(([name]) => subscription.covers(name)))
      for (const resource of payload.resources) offered.set(resource.name, resource)
      for (const name of payload.removed) offered.delete(name)
      state.offered = offered
    }
    const resources = fullStateTypes.has(subscription.type) ? [...state.offered.values()] : payload.resources
    return encodeStateOfTheWorldResponse({ type: subscription.type, nonce, version: nonce, resources })
  }

  acknowledged(subscription: Subscription, nonce: string): void {
    const state = this.#stateOf(subscription)
    if (state.lastNonce === nonce) state.held = state.offered
  }

  #stateOf(subscription: Subscription): SubscriptionState {
    let state = this.#states.get(subscription)
    if (!state) this.#states.set(subscription, (state = { lastNonce: '', held: new Map(), offered: new Map() }))
    return state
  }
}
