import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import type { EncodedResource } from '#xds/resource-set.ts'
import type { TypeUrl } from '#xds/type-url.ts'

/** A resource as the fields of a response carry it: framed once, its bytes shared by every proxy that receives it. */
export class WireResource {
  readonly type: TypeUrl
  readonly resource: EncodedResource
  /** Whether some proxy has ACKed this version: then a NACK by another one speaks of that proxy and not of the resource. */
  accepted = false
  #delta: Uint8Array | undefined
  #stateOfTheWorld: Uint8Array | undefined

  constructor(type: TypeUrl, resource: EncodedResource) {
    this.type = type
    this.resource = resource
  }

  get name(): string {
    return this.resource.name
  }

  /** The field `resources` of a DeltaDiscoveryResponse (discovery.proto: 2; in Resource version 1, resource 2, name 3). */
  get delta(): Uint8Array {
    this.#delta ??= this.#writeAny(
      new BinaryWriter()
        .tag(2, WireType.LengthDelimited)
        .fork()
        .tag(3, WireType.LengthDelimited)
        .string(this.name)
        .tag(1, WireType.LengthDelimited)
        .string(this.resource.version)
        .tag(2, WireType.LengthDelimited),
    )
      .join()
      .finish()
    return this.#delta
  }

  /** The field `resources` of a DiscoveryResponse (2). */
  get stateOfTheWorld(): Uint8Array {
    this.#stateOfTheWorld ??= this.#writeAny(new BinaryWriter().tag(2, WireType.LengthDelimited)).finish()
    return this.#stateOfTheWorld
  }

  /** google.protobuf.Any: type_url 1, value 2. */
  #writeAny(writer: BinaryWriter): BinaryWriter {
    return writer
      .fork()
      .tag(1, WireType.LengthDelimited)
      .string(this.type)
      .tag(2, WireType.LengthDelimited)
      .bytes(this.resource.body)
      .join()
  }
}

const wireResources = new WeakMap<EncodedResource, WireResource>()

/** The one WireResource of a resource. */
export const toWireResource = (type: TypeUrl, resource: EncodedResource): WireResource => {
  let wire = wireResources.get(resource)
  if (!wire) wireResources.set(resource, (wire = new WireResource(type, resource)))
  return wire
}
