import { expect, test } from 'vitest'
import { RequestCounts } from './request-counts.ts'

test('requests are counted by key for a minute, and fade over the next', () => {
  const counts = new RequestCounts(60)
  for (let time = 0; time < 10; time += 1) counts.add('a', 60_000 + time)
  counts.add('b', 60_000)
  expect([counts.read('a', 61_000), counts.read('b', 61_000), counts.read('c', 61_000)]).toEqual([10, 1, 0])
  counts.add('a', 120_000)
  expect([counts.read('a', 120_000), counts.read('a', 150_000), counts.read('a', 179_999)]).toEqual([11, 6, 1])
  expect(counts.read('a', 400_000)).toBe(0)
})

test('so many callers are told apart, and no more', () => {
  const counts = new RequestCounts(60)
  for (let key = 0; key < 10_001; key += 1) counts.add(String(key), 60_000)
  counts.add('0', 60_000)
  expect([counts.read('0', 60_000), counts.read('9999', 60_000), counts.read('10000', 60_000)]).toEqual([2, 1, 0])
})
