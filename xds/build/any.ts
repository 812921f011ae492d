import { create, type DescMessage, type MessageInitShape } from '@bufbuild/protobuf'
import { anyPack, type Any } from '@bufbuild/protobuf/wkt'

/** A message packed for a field that takes any extension. */
export const toAny = <Desc extends DescMessage>(schema: Desc, init: MessageInitShape<Desc>): Any =>
  anyPack(schema, create(schema, init))
