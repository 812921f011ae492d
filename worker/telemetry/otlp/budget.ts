import { AtollError } from '#api/atoll-error.ts'

/**
 * What a batch may be made of: records, points, attributes, and values within values. Each takes memory that its bytes do not show: an empty record is two bytes of protobuf and
 * more than a hundred in memory, and what is in memory here is shared with others.
 */
export const MAX_PROTOBUF_OBJECTS = 400_000
/** In JSON, where they are made twice: objects, lists, and what comes after a comma. */
export const MAX_JSON_VALUES = 300_000
const MAX_JSON_DEPTH = 100

export const refuseObjects = (): never => {
  throw new AtollError('too_large', 'the batch has too many records, attributes or values: send it in parts')
}

const QUOTE = 0x22
const COMMA = 0x2c
const BACKSLASH = 0x5c
const isOpening = (byte: number): boolean => byte === 0x5b || byte === 0x7b
const isClosing = (byte: number): boolean => byte === 0x5d || byte === 0x7d

/** Where a text ends that begins here. */
const skipText = (bytes: Uint8Array, start: number): number => {
  let at = start + 1
  while (at < bytes.length && bytes[at] !== QUOTE) at += bytes[at] === BACKSLASH ? 2 : 1
  return at
}

/** Counts what JSON would become, before any of it is made. Throws AtollError `too_large`, or `invalid_request` where it is nested too deep. */
export const checkJsonSize = (bytes: Uint8Array): void => {
  let [values, depth] = [0, 0]
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at] ?? 0
    if (byte === QUOTE) at = skipText(bytes, at)
    else if (byte === COMMA) values += 1
    else if (isOpening(byte)) {
      values += 1
      depth += 1
    } else if (isClosing(byte)) depth -= 1
    if (values > MAX_JSON_VALUES) refuseObjects()
    if (depth > MAX_JSON_DEPTH) throw new AtollError('invalid_request', 'not OTLP: it is nested too deep')
  }
}
