import type { TypeUrl } from '#xds/type-url.ts'
import type { Payload } from './batch.ts'
import type { WireResource } from './wire-resource.ts'

/** The encoded pieces of a response. They are put together only when it is written: most of them are shared. */
export interface WireResponse {
  readonly pieces: readonly Uint8Array[]
  readonly byteLength: number
}

// Fields may come in any order (protobuf encoding, "Field order"), so a response is the shared bytes of its resources and a short
// tail of its own. Field numbers: envoy/service/discovery/v3/discovery.proto.

export const encodeDeltaResponse = (
  response: Payload & { readonly type: TypeUrl; readonly nonce: string },
): WireResponse =>
  toWireResponse([
    ...(response.shared ? [response.shared.delta] : response.resources.map((resource) => resource.delta)),
    toStringField(4, response.type),
    toStringField(5, response.nonce),
    ...response.removed.map((name) => toStringField(6, name)),
  ])

export const encodeStateOfTheWorldResponse = (response: {
  readonly type: TypeUrl
  readonly nonce: string
  readonly version: string
  readonly resources: readonly WireResource[]
}): WireResponse =>
  toWireResponse([
    ...response.resources.map((resource) => resource.stateOfTheWorld),
    toStringField(1, response.version),
    toStringField(4, response.type),
    toStringField(5, response.nonce),
  ])

const toWireResponse = (pieces: readonly Uint8Array[]): WireResponse => ({
  pieces,
  byteLength: pieces.reduce((sum, piece) => sum + piece.byteLength, 0),
})

/** A length-delimited field with a number below 16; protobuf encoding, "Length-Delimited Records". */
const toStringField = (field: number, text: string): Uint8Array => {
  const value = Buffer.from(text)
  const prefix = [(field << 3) | 2]
  let length = value.byteLength
  for (; length > 0x7f; length >>>= 7) prefix.push((length & 0x7f) | 0x80)
  prefix.push(length)
  return Buffer.concat([Buffer.from(prefix), value])
}

const scratch = Buffer.allocUnsafeSlow(1024 * 1024)

/**
 * A response's bytes, good until the next call: grpc-js copies them at once, behind its own prefix. 500 proxies that are served
 * at the same time would otherwise leave 500 chunks a round to the garbage collector.
 */
export const serializeResponse = ({ pieces, byteLength }: WireResponse): Buffer => {
  if (byteLength > scratch.byteLength) return Buffer.concat(pieces)
  let at = 0
  for (const piece of pieces) {
    scratch.set(piece, at)
    at += piece.byteLength
  }
  return scratch.subarray(0, byteLength)
}
