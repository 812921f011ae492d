import { create } from '@bufbuild/protobuf'
import { DurationSchema, type Duration } from '@bufbuild/protobuf/wkt'

export const toDuration = (milliseconds: number): Duration =>
  create(DurationSchema, {
    seconds: BigInt(Math.floor(milliseconds / 1000)),
    nanos: Math.round((milliseconds % 1000) * 1e6),
  })
