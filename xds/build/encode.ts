import { create, toBinary, type DescMessage, type MessageInitShape } from '@bufbuild/protobuf'
import { toContentHash } from '#xds/content-hash.ts'
import type { UnitResource } from '#xds/incremental/unit.ts'
import type { TypeUrl } from '#xds/type-url.ts'

const noOptions = { writeUnknownFields: false }

/** A resource in its final bytes: equal messages give equal bytes, as maps are written in the order they were made. */
export const encode = <Desc extends DescMessage>(
  type: TypeUrl,
  schema: Desc,
  name: string,
  message: MessageInitShape<Desc>,
): UnitResource => toResource(type, name, encodeBody(schema, message))

export const encodeBody = <Desc extends DescMessage>(schema: Desc, message: MessageInitShape<Desc>): Uint8Array =>
  toBinary(schema, create(schema, message), noOptions)

export const toResource = (type: TypeUrl, name: string, body: Uint8Array): UnitResource => ({
  type,
  resource: { name, version: toContentHash(body), body },
})
