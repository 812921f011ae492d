/** Sixteen bits and seven hashes for each text: of texts that are not there one in 1,400 seems to be. What was made with other numbers of bits is read all the same. */
const BITS_FOR_EACH = 16
const HASHES = 7
/** One that is for more texts than a store's records have in earnest rules less out: it has to fit into a row, beside what it is about. */
const MAX_BYTES = 256 * 1024

/** Two independent hashes of 32 bits (FNV-1a, and the same from another start and the other end). */
const hash = (text: string): readonly [number, number] => {
  let first = 0x811c9dc5
  let second = 0x9e3779b9
  for (let index = 0, last = text.length - 1; index <= last; index += 1) {
    first = Math.imul(first ^ text.charCodeAt(index), 0x01000193)
    second = Math.imul(second ^ text.charCodeAt(last - index), 0x85ebca6b)
    second ^= second >>> 13
  }
  return [first >>> 0, (second | 1) >>> 0]
}

/** A Bloom filter of texts: it tells for certain what is not there. */
export const buildBloom = (texts: ReadonlySet<string>): Uint8Array<ArrayBuffer> => {
  const bytes = new Uint8Array(Math.min(MAX_BYTES, Math.max(8, Math.ceil((texts.size * BITS_FOR_EACH) / 8))))
  const bits = bytes.length * 8
  for (const text of texts) {
    const [first, second] = hash(text)
    for (let index = 0; index < HASHES; index += 1) {
      const bit = (first + index * second) % bits
      const byte = bit >>> 3
      bytes[byte] = (bytes[byte] ?? 0) | (1 << (bit & 7))
    }
  }
  return bytes
}

/** Whether the text may be there. */
export const mayHold = (bloom: Uint8Array, text: string): boolean => {
  const bits = bloom.length * 8
  const [first, second] = hash(text)
  for (let index = 0; index < HASHES; index += 1) {
    const bit = (first + index * second) % bits
    if (((bloom[bit >>> 3] ?? 0) & (1 << (bit & 7))) === 0) return false
  }
  return true
}
