import { makeEndpoint, makeEntry, makeService } from '#test/mesh/records.ts'
import { expect, test } from 'vitest'
import { countLostEndpoints, judgeRemoval } from './judge-removal.ts'

test.each([
  [10, 7, false],
  [10, 6, true],
  [100, 70, false],
  [100, 69, true],
  [4, 3, false],
  [4, 2, true],
  [3, 1, false],
  [3, 0, true],
  [2, 1, false],
  [2, 0, true],
  [1, 0, false],
  [0, 0, false],
])('%i endpoints of which %i stay: held %s', (totalEndpoints, staying, held) => {
  const removedEndpoints = totalEndpoints - staying
  expect(judgeRemoval(removedEndpoints, totalEndpoints)).toEqual({ held, removedEndpoints, totalEndpoints })
})

test('an endpoint is lost when its id is gone and no new one has come for it, not when it changes', () => {
  const service = makeService({ hostname: 'a' })
  const before = makeEntry(service, makeEndpoint('x'), makeEndpoint('y'))
  expect(countLostEndpoints(before, undefined)).toBe(2)
  expect(countLostEndpoints(undefined, before)).toBe(0)
  expect(countLostEndpoints(before, makeEntry(service, makeEndpoint('y')))).toBe(1)
  expect(countLostEndpoints(before, makeEntry(service, makeEndpoint('y'), makeEndpoint('z')))).toBe(0)
  expect(countLostEndpoints(before, makeEntry(service, makeEndpoint('z')))).toBe(1)
  const changed = { health: 'unhealthy', address: '10.9.9.9' } as const
  expect(countLostEndpoints(before, makeEntry(service, makeEndpoint('x', changed), makeEndpoint('y')))).toBe(0)
})
