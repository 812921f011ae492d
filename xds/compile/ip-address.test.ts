import { expect, test } from 'vitest'
import { isWithin } from './ip-address.ts'

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
])('%s is within %s: %s', (address, block, expected) => {
  expect(isWithin(address, block)).toBe(expected)
})
