import type { TypeUrl } from '#xds/type-url.ts'
import type { WireResponse } from './discovery-response.ts'
import type { Payload } from './batch.ts'
import type { Subscription } from './subscription.ts'

/** What a variant of the protocol sees of its stream. */
export interface DialectStream {
  subscription(type: TypeUrl): Subscription | undefined
  open(type: TypeUrl): Subscription
  /** @throws {StreamError} when the client asks for too much */
  subscribe(subscription: Subscription, names: readonly string[]): void
  acknowledge(subscription: Subscription, nonce: string): void
  refuse(subscription: Subscription, nonce: string, reason: string): void
}

/** How a variant of the protocol writes responses. It belongs to one stream. */
export interface ResponseEncoder {
  /** Whether a response may be written while another of its type is not ACKed. */
  readonly pipelined: boolean
  /** What a response of a type aims at. */
  maxBytes(type: TypeUrl): number
  encode(subscription: Subscription, payload: Payload, nonce: string): WireResponse
  acknowledged(subscription: Subscription, nonce: string): void
}

/** A variant of the aggregated protocol (xDS protocol, "Four Variants"). */
export interface Dialect<Request> extends ResponseEncoder {
  apply(request: Request, stream: DialectStream): void
}
