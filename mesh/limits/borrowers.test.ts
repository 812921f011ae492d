import { expect, test } from 'vitest'
import { Borrowers, MAX_BORROWERS, MAX_BORROWERS_OF_CLUSTER } from './borrowers.ts'
import { SharedRoom } from './shared-room.ts'

const leaseMs = 1000
const ask = { want: 10, back: 0 }
const from = (session: string, cluster = session) => ({ session, cluster })
const setUp = (most = 10_000, mostOfOwner = 10_000) => new Borrowers(new SharedRoom(most, mostOfOwner))

test('what others want is what they said within a lease', () => {
  const borrowers = setUp()
  borrowers.hear(from('a'), ask, leaseMs, 0)
  expect(borrowers.hear(from('b'), { want: 5, back: 0 }, leaseMs, 500).othersWant).toBe(10)
  expect(borrowers.hear(from('a'), ask, leaseMs, 1499).othersWant).toBe(5)
  expect(borrowers.hear(from('a'), ask, leaseMs, 1500).othersWant).toBe(0)
})

test('a cluster gives back what it was given, and no more, also by a replica that has come back', () => {
  const borrowers = setUp()
  const give = (name: ReturnType<typeof from>, back: number, at = 0) =>
    borrowers.hear(name, { want: 0, back }, leaseMs, at).back
  expect(give(from('a'), 50)).toBe(0)
  borrowers.lend('a', 30, 100)
  expect(give(from('b'), 50)).toBe(0)
  expect([give(from('a'), 20), give(from('later', 'a'), 20), give(from('a'), 20)]).toEqual([20, 10, 0])
  borrowers.lend('a', 80, 100)
  borrowers.lend('a', 80, 100)
  expect(give(from('a'), 1000)).toBe(100)
  borrowers.lend('a', 30, 100)
  expect(give(from('a'), 30, 2 * leaseMs)).toBe(0)
})

test('of one cluster the last few are remembered, and of all as many as there is room for', () => {
  const borrowers = setUp()
  for (let index = 0; index < 10_000; index += 1) borrowers.hear(from(`east-${index}`, 'east'), ask, leaseMs, 0)
  expect(borrowers.size).toBe(MAX_BORROWERS_OF_CLUSTER)
  expect(borrowers.hear(from('west'), ask, leaseMs, 0)).toEqual({
    othersWant: MAX_BORROWERS_OF_CLUSTER * 10,
    back: 0,
    isKnown: true,
  })
  for (let index = 0; index < 2 * MAX_BORROWERS; index += 1) borrowers.hear(from(`other-${index}`), ask, leaseMs, 0)
  expect(borrowers.size).toBe(MAX_BORROWERS)
  expect(borrowers.hear(from('late'), ask, leaseMs, 0).isKnown).toBe(false)
  expect(borrowers.hear(from('late'), ask, leaseMs, 2 * leaseMs).isKnown).toBe(true)
})

test('counts share their room, of which one cluster has a part, and give it back', () => {
  const room = new SharedRoom(4, 3)
  const counts = Array.from({ length: 5 }, () => new Borrowers(room))
  const known = (name: ReturnType<typeof from>) =>
    counts.map((each) => each.hear(name, ask, leaseMs, 0).isKnown).filter(Boolean).length
  expect([known(from('east')), known(from('east')), known(from('west'))]).toEqual([3, 3, 1])
  counts[0]?.clear()
  expect(known(from('north'))).toBe(2)
})
