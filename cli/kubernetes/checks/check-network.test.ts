import { expect, it } from 'vitest'
import { findOverlap } from './check-network.ts'

it.each([
  [['10.1.0.0/24'], '10.1.0.7', true],
  [['10.1.0.0/24'], '10.1.1.7', false],
  [['10.1.0.0/24', 'fd00:1::/64'], 'fd00:1::5', true],
  [['10.1.0.0/24', 'fd00:1::/64'], 'fd00:2::5', false],
  [['10.1.0.0/24'], 'db.example.com', false],
  [['no range'], '10.1.0.7', false],
  [[], '10.1.0.7', false],
])('%j and %s overlap: %s', (ranges, address, overlap) => {
  const found = findOverlap(ranges, [
    { cluster: 'empty', addresses: [] },
    { cluster: 'west', addresses: ['192.0.2.1', address] },
  ])
  expect(found).toEqual(overlap ? { cluster: 'west', address } : undefined)
})
