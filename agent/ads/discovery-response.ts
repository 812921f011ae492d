import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import type { TypeUrl } from '#xds/type-url.ts'
import type { WireResource } from './wire-resource.ts'

// Fields may come in any order (protobuf encoding, "Field order"), so a response is the shared bytes of its resources and a short
// tail of its own. Field numbers: envoy/service/discovery/v3/discovery.proto.

export const encodeDeltaResponse = (response: {
  readonly type: TypeUrl
  readonly nonce: string
  readonly resources: readonly WireResource[]
  readonly removed: readonly string[]
}): Buffer => {
  const tail = new BinaryWriter()
  tail.tag(4, WireType.LengthDelimited).string(response.type)
  tail.tag(5, WireType.LengthDelimited).string(response.nonce)
  for (const name of response.removed) tail.tag(6, WireType.LengthDelimited).string(name)
  return Buffer.concat([...response.resources.map((resource) => resource.delta), tail.finish()])
}

export const encodeStateOfTheWorldResponse = (response: {
  readonly type: TypeUrl
  readonly nonce: string
  readonly version: string
  readonly resources: readonly WireResource[]
}): Buffer => {
  const tail = new BinaryWriter()
  tail.tag(1, WireType.LengthDelimited).string(response.version)
  tail.tag(4, WireType.LengthDelimited).string(response.type)
  tail.tag(5, WireType.LengthDelimited).string(response.nonce)
  return Buffer.concat([...response.resources.map((resource) => resource.stateOfTheWorld), tail.finish()])
}
