import { expect, test } from 'vitest'
import { SecretReaders } from '#agent/kubernetes/secret-readers.ts'
import { untilHolds } from '../until-holds.ts'

test('of many accounts four are asked about at once, and each again at a time of its own', async () => {
  const underWay = new Map<string, (answer: 'allowed' | 'refused') => void>()
  const delays: number[] = []
  const readers = new SecretReaders({
    review: (_, account) => new Promise((resolve) => underWay.set(account, resolve)),
    clock: {
      after: (delay) => {
        delays.push(delay)
        return () => {}
      },
    },
    random: () => delays.length / 4,
    onChange: () => {},
  })
  const answer = (account: string, what: 'allowed' | 'refused') => {
    underWay.get(account)?.(what)
    underWay.delete(account)
  }
  readers.want(new Set(['1', '2', '3', '4', '5', '6', '7'].map((name) => `shop/${name}`)))
  expect([...underWay.keys()]).toEqual(['1', '2', '3', '4'])
  answer('2', 'allowed')
  await untilHolds(() => expect([...underWay.keys()]).toEqual(['1', '3', '4', '5']))
  readers.want(new Set(['1', '2', '3', '4', '5', '7'].map((name) => `shop/${name}`)))
  answer('5', 'allowed')
  answer('4', 'refused')
  await untilHolds(() => expect([...underWay.keys()]).toEqual(['1', '3', '7']))
  expect(delays).toEqual([30_000, 37_500, 7500])
})
