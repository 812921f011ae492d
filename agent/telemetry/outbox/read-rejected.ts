import { BinaryReader } from '@bufbuild/protobuf/wire'

/**
 * How many records an Export…ServiceResponse says were not taken: partial_success = 1 with rejected_… = 1, whatever they are called
 * (opentelemetry/proto/collector/…). An answer that can't be read says nothing of that.
 */
export const readRejected = (answer: Uint8Array): number => {
  try {
    const partial = findField(answer, 1)
    return partial instanceof Uint8Array ? Number(findField(partial, 1) ?? 0) : 0
  } catch {
    return 0
  }
}

const findField = (message: Uint8Array, wanted: number): Uint8Array | bigint | undefined => {
  const reader = new BinaryReader(message)
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag()
    if (field !== wanted) reader.skip(wireType)
    else return wireType === 2 ? reader.bytes() : BigInt(reader.uint64())
  }
  return undefined
}
