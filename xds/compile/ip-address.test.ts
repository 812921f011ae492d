import { expect, test } from 'vitest'
import { isInBlock, isWithin, toBlockLength } from './ip-address.ts'

test.each([
  ['10.1.2.3', '10.1.2.3', true],
  ['10.1.2.3', '10.1.2.4', false],
  ['10.1.2.3', '10.1.0.0/16', true],
  ['10.2.2.3', '10.1.0.0/16', false],
  ['200.1.2.3', '128.0.0.0/1', true],
  ['100.1.2.3', '128.0.0.0/1', false],
  ['10.1.2.3', '0.0.0.0/0', true],
  ['10.1.2.7', '10.1.2.4/30', true],
  ['10.1.2.8', '10.1.2.4/30', false],
  ['::1', '::1', true],
  ['::1', '10.0.0.0/8', false],
  ['2001:db8::1', '2001:db8::/32', true],
  ['2001:db8:0:0:0:0:0:1', '2001:db8::1', true],
  ['2001:db9::1', '2001:db8::/32', false],
  ['10.1.2.3', '::/0', false],
  ['a.example', '0.0.0.0/0', false],
  ['a.example', 'a.example', true],
])('%s is within %s: %s', (address, block, expected) => {
  expect(isWithin(address, block)).toBe(expected)
})

test.each([
  ['10.0.0.0/8', 8],
  ['10.0.0.1', 32],
  ['2001:db8::1', 128],
  ['2001:db8::/48', 48],
])('%s has %d bits in common', (block, expected) => {
  expect(toBlockLength(block)).toBe(expected)
})

test.each([
  ['10.1.2.3', '10.0.0.0', 8, true],
  ['11.1.2.3', '10.0.0.0', 8, false],
  ['10.0.0.1', '10.0.0.1', 32, true],
  ['10.0.0.1', '0.0.0.0', 0, true],
  ['2001:db8::1', '2001:db8::', 32, true],
  ['2001:db9::1', '2001:db8::', 32, false],
  ['::1', '::1', 128, true],
  ['::ffff:10.0.0.1', '::ffff:0a00:0', 112, true],
  ['10.0.0.1', '::', 0, false],
  ['a.example', '0.0.0.0', 0, false],
])('%s in %s/%d: %s', (address, addressPrefix, prefixLen, expected) => {
  expect(isInBlock(address, { addressPrefix, prefixLen })).toBe(expected)
})
