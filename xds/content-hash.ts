/**
 * MurmurHash3_x86_128 (Austin Appleby, public domain), of which the first 64 bits, as 16 hex digits. It tells versions of a
 * resource apart; it protects nothing against an adversary.
 */
export const toContentHash = (bytes: Uint8Array): string => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const length = bytes.byteLength
  const blocksEnd = length - (length % 16)
  let h1 = 0
  let h2 = 0
  let h3 = 0
  let h4 = 0

  for (let at = 0; at < blocksEnd; at += 16) {
    h1 ^= mixA(view.getInt32(at, true))
    h1 = Math.imul(rotate(h1, 19) + h2, 5) + 0x561ccd1b
    h2 ^= mixB(view.getInt32(at + 4, true))
    h2 = Math.imul(rotate(h2, 17) + h3, 5) + 0x0bcaa747
    h3 ^= mixC(view.getInt32(at + 8, true))
    h3 = Math.imul(rotate(h3, 15) + h4, 5) + 0x96cd1c35
    h4 ^= mixD(view.getInt32(at + 12, true))
    h4 = Math.imul(rotate(h4, 13) + h1, 5) + 0x32ac3b17
  }

  const tailWord = (from: number): number => {
    let word = 0
    for (let at = Math.min(from + 4, length) - 1; at >= from; at--) word = (word << 8) | (bytes[at] ?? 0)
    return word
  }
  h4 ^= mixD(tailWord(blocksEnd + 12))
  h3 ^= mixC(tailWord(blocksEnd + 8))
  h2 ^= mixB(tailWord(blocksEnd + 4))
  h1 ^= mixA(tailWord(blocksEnd))

  h1 ^= length
  h2 ^= length
  h3 ^= length
  h4 ^= length
  h1 = (h1 + h2 + h3 + h4) | 0
  h2 = (h2 + h1) | 0
  h3 = (h3 + h1) | 0
  h4 = (h4 + h1) | 0
  h1 = finish(h1)
  h2 = finish(h2)
  h1 = (h1 + h2 + finish(h3) + finish(h4)) | 0
  h2 = (h2 + h1) | 0
  return toHex(h1) + toHex(h2)
}

const rotate = (word: number, bits: number): number => (word << bits) | (word >>> (32 - bits))
const mixA = (word: number): number => Math.imul(rotate(Math.imul(word, 0x239b961b), 15), 0xab0e9789)
const mixB = (word: number): number => Math.imul(rotate(Math.imul(word, 0xab0e9789), 16), 0x38b34ae5)
const mixC = (word: number): number => Math.imul(rotate(Math.imul(word, 0x38b34ae5), 17), 0xa1e38b93)
const mixD = (word: number): number => Math.imul(rotate(Math.imul(word, 0xa1e38b93), 18), 0x239b961b)
const finish = (word: number): number => {
  let mixed = Math.imul(word ^ (word >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return mixed ^ (mixed >>> 16)
}
const toHex = (word: number): string => (word >>> 0).toString(16).padStart(8, '0')
