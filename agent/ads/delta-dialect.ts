import type { DeltaDiscoveryRequest } from '#envoy/envoy/service/discovery/v3/discovery_pb.ts'
import type { Dialect, DialectStream } from './dialect.ts'
import { encodeDeltaResponse, type WireResponse } from './discovery-response.ts'
import { chunkBytes } from './limits.ts'
import { parseTypeUrl, wildcardTypes } from './served-types.ts'
import type { Payload } from './batch.ts'
import type { Subscription } from './subscription.ts'
import { typeUrls, type TypeUrl } from '#xds/type-url.ts'

/** Incremental ADS (xDS protocol, "Incremental xDS"). */
export class DeltaDialect implements Dialect<DeltaDiscoveryRequest> {
  readonly pipelined = true

  apply(request: DeltaDiscoveryRequest, stream: DialectStream): void {
    const type = parseTypeUrl(request.typeUrl)
    if (!type) return
    const known = stream.subscription(type)
    const subscription = known ?? stream.open(type)

    // "The server must honor changes to the subscription state even if the nonce is stale."
    if (request.errorDetail) stream.refuse(subscription, request.responseNonce, request.errorDetail.message)
    else if (request.responseNonce !== '') stream.acknowledge(subscription, request.responseNonce)

    const { resourceNamesSubscribe: subscribe, resourceNamesUnsubscribe: unsubscribe } = request
    // "… or (legacy behavior) the request must have no resources in both" fields.
    const isLegacyWildcard = !known && subscribe.length === 0 && unsubscribe.length === 0 && wildcardTypes.has(type)
    if (unsubscribe.includes('*')) subscription.unsubscribeAll()
    subscription.unsubscribe(unsubscribe.filter((name) => name !== '*'))
    if (isLegacyWildcard || subscribe.includes('*')) subscription.subscribeAll()
    stream.subscribe(
      subscription,
      subscribe.filter((name) => name !== '*'),
    )
    if (!known) subscription.know(request.initialResourceVersions)
  }

  /** Envoy takes its listeners for complete, and goes live, after the first response with some: that one is not cut. */
  maxBytes(type: TypeUrl): number {
    return type === typeUrls.listener ? Infinity : chunkBytes
  }

  encode(subscription: Subscription, payload: Payload, nonce: string): WireResponse {
    return encodeDeltaResponse({ type: subscription.type, nonce, ...payload })
  }

  acknowledged(): void {}
}
