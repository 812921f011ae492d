import { expect, test } from 'vitest'
import { WritePlaces } from '#agent/ads/write-places.ts'
import { VirtualClock } from '../virtual-clock.ts'

const setUp = () => {
  const clock = new VirtualClock()
  const places = new WritePlaces(clock, 2, 1000)
  const started: string[] = []
  const giveBacks = new Map<string, () => void>()
  const take = (name: string): void =>
    places.take((giveBack) => {
      started.push(name)
      giveBacks.set(name, giveBack)
    })
  for (const name of ['a', 'b', 'c', 'd', 'e']) take(name)
  return { clock, started, giveBack: (name: string) => giveBacks.get(name)?.(), take }
}

test('as many are on their way as there are places; who gives back lets the next one in, in order', () => {
  const { started, giveBack } = setUp()
  expect(started).toEqual(['a', 'b'])
  giveBack('b')
  expect(started).toEqual(['a', 'b', 'c'])
  giveBack('a')
  expect(started).toEqual(['a', 'b', 'c', 'd'])
})

test('who does not give back in time loses the place, once', () => {
  const { clock, started, giveBack } = setUp()
  clock.advance(999)
  expect(started).toEqual(['a', 'b'])
  clock.advance(1)
  expect(started).toEqual(['a', 'b', 'c', 'd'])
  giveBack('a')
  giveBack('b')
  expect(started).toEqual(['a', 'b', 'c', 'd'])
  giveBack('c')
  expect(started).toEqual(['a', 'b', 'c', 'd', 'e'])
})

test('giving back at once is fine', () => {
  const places = new WritePlaces(new VirtualClock(), 1, 1000)
  let written = 0
  for (let index = 0; index < 1000; index++)
    places.take((giveBack) => {
      written++
      giveBack()
    })
  expect(written).toBe(1000)
})

test('who takes several waits until these are free, and nobody overtakes it', () => {
  const places = new WritePlaces(new VirtualClock(), 4, 1000)
  const started: string[] = []
  const giveBacks = new Map<string, () => void>()
  const take = (name: string, taken: number): void =>
    places.take((giveBack) => {
      started.push(name)
      giveBacks.set(name, giveBack)
    }, taken)
  take('a', 2)
  take('b', 1)
  take('all and more', 9)
  take('c', 1)
  expect(started).toEqual(['a', 'b'])
  giveBacks.get('a')?.()
  expect(started).toEqual(['a', 'b'])
  giveBacks.get('b')?.()
  expect(started).toEqual(['a', 'b', 'all and more'])
  giveBacks.get('all and more')?.()
  expect(started).toEqual(['a', 'b', 'all and more', 'c'])
})
