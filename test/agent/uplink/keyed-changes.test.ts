import { expect, test } from 'vitest'
import { KeyedChanges } from '#agent/uplink/keyed-changes.ts'

const churn = (changes: KeyedChanges<string, number>, keys: number): void => {
  for (let index = 0; index < keys; index += 1) {
    changes.set([[`key-${index}`, index]])
    changes.set([[`key-${index}`, undefined]])
  }
}

test('what has gone is told to whoever has not heard, as long as it is not too much; then everything is told', () => {
  const changes = new KeyedChanges<string, number>()
  changes.set([['stays', 1]])
  const { version } = changes
  churn(changes, 1000)
  expect(changes.since(changes.reachable(version))).toHaveLength(1000)
  churn(changes, 11_000)
  expect(changes.reachable(version)).toBeUndefined()
  expect(changes.since(0).length).toBeLessThan(10_002)
  expect(changes.since(changes.reachable(version))).toEqual(['stays'])
  // From the newest, it goes on with what changes.
  const newest = changes.version
  changes.set([['stays', undefined]])
  expect(changes.since(changes.reachable(newest))).toEqual(['stays'])
})
