import { expect, test } from 'vitest'
import { toContentHash } from './content-hash.ts'

const utf8 = new TextEncoder()

// From the mmh3 package for Python, which wraps Appleby's own code: hash_bytes(text, 0, x64arch=False).
test.each([
  ['', '0000000000000000'],
  ['a', 'a794933c5556b01b'],
  ['The quick brown fox jumps over the lazy dog', '2f1583c3ecee2c67'],
  ['x'.repeat(33), 'aebb6f144dad0a9e'],
])('hashes %j as MurmurHash3_x86_128 does', (text, expected) => {
  expect(toContentHash(utf8.encode(text))).toBe(expected)
})

test('reads only the bytes of its view', () => {
  const padded = utf8.encode('--a--')
  expect(toContentHash(padded.subarray(2, 3))).toBe('a794933c5556b01b')
})
