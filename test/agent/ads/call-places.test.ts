import { expect, test } from 'vitest'
import { CallPlaces } from '#agent/ads/call-places.ts'

test('calls of one, and the bytes of all, have so many places, which are given back', () => {
  const places = new CallPlaces({ callsOfOne: 2, bytes: 100 })
  const first = places.take('a', 10)
  const second = places.take('a', 10)
  expect(places.take('a', 10)).toBeUndefined()
  expect(places.take('b', 81)).toBeUndefined()
  const other = places.take('b', 80)
  expect(other).toBeDefined()
  first?.()
  expect(places.take('a', 11)).toBeUndefined()
  expect(places.take('a', 10)).toBeDefined()
  second?.()
  other?.()
  expect(places.take('b', 90)).toBeDefined()
})
