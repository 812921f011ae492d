import { BinaryReader, WireType } from '@bufbuild/protobuf/wire'

/** A DeltaDiscoveryResponse, read only as far as a load client has to: bodies stay bytes. */
export interface ShallowResponse {
  readonly typeUrl: string
  readonly nonce: string
  readonly resources: readonly { readonly name: string; readonly body: Uint8Array }[]
  readonly removed: readonly string[]
}

/** Field numbers: envoy/service/discovery/v3/discovery.proto, DeltaDiscoveryResponse and Resource. */
export const readShallowResponse = (bytes: Uint8Array): ShallowResponse => {
  const reader = new BinaryReader(bytes)
  const resources: { name: string; body: Uint8Array }[] = []
  const removed: string[] = []
  let typeUrl = ''
  let nonce = ''
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag()
    if (field === 2 && wireType === WireType.LengthDelimited) resources.push(readResource(reader.bytes()))
    else if (field === 4) typeUrl = reader.string()
    else if (field === 5) nonce = reader.string()
    else if (field === 6) removed.push(reader.string())
    else reader.skip(wireType, field)
  }
  return { typeUrl, nonce, resources, removed }
}

const readResource = (bytes: Uint8Array): { name: string; body: Uint8Array } => {
  const reader = new BinaryReader(bytes)
  let name = ''
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag()
    if (field === 3) {
      name = reader.string()
      break
    }
    reader.skip(wireType, field)
  }
  return { name, body: bytes }
}
