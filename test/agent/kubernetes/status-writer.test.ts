import { beforeEach, expect, test } from 'vitest'
import { StatusWriter } from '#agent/kubernetes/status-writer.ts'
import { createLog } from '#agent/log.ts'
import type { Condition } from '#mesh/status/condition.ts'
import { VirtualClock } from '../virtual-clock.ts'
import { StatusServer } from './status-server.ts'

let clock: VirtualClock
let server: StatusServer
let writer: StatusWriter
let isReporter: boolean
let told: number

const start = (): StatusWriter => {
  const made = new StatusWriter({
    client: server,
    observed: server.observed,
    isReporter: () => isReporter,
    clock,
    random: () => 0.5,
    log: createLog('silent'),
    onProblems: () => told++,
  })
  server.observed.listen((key) => made.consider(key))
  return made
}

beforeEach(() => {
  clock = new VirtualClock()
  server = new StatusServer()
  isReporter = true
  told = 0
  writer = start()
})

const accepted: Condition = { type: 'atoll.dev/Accepted', status: 'True', reason: 'Accepted', message: '' }
const refused: Condition = {
  type: 'atoll.dev/Accepted',
  status: 'False',
  reason: 'Invalid',
  message: 'spec.hosts is wrong',
}
const foreign = { type: 'Reconciled', status: 'True', lastTransitionTime: '2020-01-01T00:00:00Z', custom: [1] }

/** Time passes, and the informer shows what was written if it is not kept from it. */
const pass = async (milliseconds: number, { shown = true } = {}): Promise<void> => {
  for (let passed = 0; passed < milliseconds; passed += 50) {
    clock.advance(50)
    for (let turn = 0; turn < 4; turn += 1) await new Promise(setImmediate)
    if (shown) server.show()
  }
}

const say = (...conditions: readonly Condition[]) => writer.update(() => conditions)

test("conditions are written once, beside another's, with the generation that they are about and the time of their change", async () => {
  server.put('reviews', [foreign])
  server.show()
  say(accepted)
  await pass(1000)
  const written = { ...accepted, observedGeneration: 1 }
  expect(server.conditions('reviews')).toEqual([foreign, { ...written, lastTransitionTime: expect.any(String) }])
  expect(server.asked).toEqual(['reviews'])
  say(accepted)
  await pass(60_000)
  expect(server.asked).toEqual(['reviews'])

  // Another generation, as good as the one before: the time of the change stays.
  const [, first] = server.conditions('reviews') as { lastTransitionTime: string }[]
  const since = first?.lastTransitionTime ?? ''
  expect(since).toMatch(/^2023-11-14T22:13:2\dZ$/)
  server.put('reviews')
  server.show()
  say(accepted)
  await pass(1000)
  expect(server.conditions('reviews')).toEqual([foreign, { ...first, observedGeneration: 2 }])
  say(refused)
  await pass(1000)
  expect(server.conditions('reviews')).toEqual([
    foreign,
    { ...refused, observedGeneration: 2, lastTransitionTime: expect.not.stringMatching(since) },
  ])
  expect(server.asked).toHaveLength(3)
})

test('a restart writes nothing again, and takes away what another version wrote of ours', async () => {
  const known = { ...accepted, observedGeneration: 1, lastTransitionTime: '2024-01-01T00:00:00Z' }
  server.put('reviews', [known, foreign])
  server.put('ratings', [known, { ...known, type: 'atoll.dev/Former' }])
  server.show()
  say(accepted)
  await pass(5000)
  expect(server.asked).toEqual(['ratings'])
  expect(server.conditions('ratings')).toEqual([known])
})

test('a burst of a thousand objects is written at a bounded rate, and what changes meanwhile is written once', async () => {
  for (let index = 0; index < 1000; index += 1) server.put(`object-${index}`)
  server.show()
  say(refused)
  await pass(1000)
  const inASecond = server.asked.length
  expect(inASecond).toBeGreaterThan(10)
  expect(inASecond).toBeLessThanOrEqual(21)
  say(accepted)
  await pass(60_000)
  expect(writer.pending).toBe(0)
  expect(server.asked).toHaveLength(1000 + inASecond)
  expect([...server.objects.keys()].every((name) => JSON.stringify(server.conditions(name)).includes('True'))).toBe(
    true,
  )
})

test('who sees an older version of an object takes nothing away from another writer', async () => {
  server.put('reviews')
  server.show()
  server.putConditions('reviews', [foreign])
  say(accepted)
  await pass(5000, { shown: false })
  expect(server.asked).toEqual(['reviews'])
  expect(server.conditions('reviews')).toEqual([foreign])
  server.show()
  await pass(1000)
  expect(server.conditions('reviews')).toMatchObject([foreign, accepted])
  expect(writer.problems()).toEqual([])
})

test('what was found out of an older generation is not said of a newer one', async () => {
  server.put('reviews')
  server.show()
  say(accepted)
  server.put('reviews')
  server.show()
  await pass(5000)
  expect(server.asked).toEqual([])
  say(refused)
  await pass(1000)
  expect(server.conditions('reviews')).toMatchObject([{ ...refused, observedGeneration: 2 }])
})

test('only the reporter writes', async () => {
  isReporter = false
  server.put('reviews')
  server.show()
  say(accepted)
  await pass(5000)
  expect(server.asked).toEqual([])
  isReporter = true
  writer.electionChanged()
  await pass(1000)
  expect(server.asked).toEqual(['reviews'])
  for (let index = 0; index < 100; index += 1) server.put(`object-${index}`)
  server.show()
  say(accepted)
  await pass(500)
  isReporter = false
  writer.electionChanged()
  const { length } = server.asked
  expect(length).toBeLessThan(50)
  await pass(10_000)
  expect(server.asked).toHaveLength(length)
})

test('an API server that refuses all of it is asked less and less, and it is known; then all is written', async () => {
  server.put('reviews')
  server.put('ratings')
  server.show()
  server.refusal = 403
  say(accepted)
  await pass(60_000)
  expect(server.asked.length).toBeGreaterThan(2)
  expect(server.asked.length).toBeLessThan(12)
  expect(writer.problems()).toEqual(["statuses can't be written: refused"])
  server.refusal = undefined
  await pass(60_000)
  expect(writer.problems()).toEqual([])
  expect(server.conditions('reviews')).toMatchObject([accepted])
  expect(server.conditions('ratings')).toMatchObject([accepted])
  expect(told).toBe(4)
})

test('an object that the server takes no status of is left alone until it is another, and holds nobody up', async () => {
  server.put('bad')
  server.put('gone')
  server.put('reviews')
  server.show()
  server.objects.delete('gone')
  server.invalid.add('bad')
  say(accepted)
  await pass(20_000)
  expect(server.asked.toSorted()).toEqual(['bad', 'gone', 'reviews'])
  say(accepted)
  await pass(5000)
  expect(server.asked).toHaveLength(3)
  server.invalid.clear()
  server.put('bad')
  server.show()
  say(accepted)
  await pass(1000)
  expect(server.conditions('bad')).toMatchObject([accepted])
})

test('an object whose status a policy denies keeps no other waiting, and is named and tried again', async () => {
  server.denied.add('denied')
  for (const name of ['denied', 'reviews', 'ratings']) server.put(name)
  server.show()
  say(accepted)
  await pass(1000)
  expect(server.conditions('reviews')).toMatchObject([accepted])
  expect(server.conditions('ratings')).toMatchObject([accepted])
  await pass(60_000)
  expect(server.asked.filter((name) => name === 'denied').length).toBeLessThan(12)
  expect(writer.problems()).toEqual(["the status of VirtualService/shop/denied can't be written: denied by policy"])
  server.put('later')
  server.show()
  say(accepted)
  await pass(1000)
  expect(server.conditions('later')).toMatchObject([accepted])
  server.denied.clear()
  await pass(60_000)
  expect(server.conditions('denied')).toMatchObject([accepted])
  expect(writer.problems()).toEqual([])
})

test('after its end nothing is written', async () => {
  server.put('reviews')
  server.show()
  say(accepted)
  writer.stop()
  await pass(5000)
  expect(server.asked).toEqual([])
})

test('what is not known of an object leaves it what it has, and keeps no other waiting', async () => {
  const unknown = new Set(['VirtualService/shop/reviews'])
  server.put('reviews')
  server.put('ratings')
  server.show()
  writer.update(() => [refused], unknown)
  await pass(1000)
  expect(server.asked).toEqual(['ratings'])
  writer.update(() => [accepted])
  await pass(1000)
  writer.update(() => [refused], unknown)
  await pass(1000)
  expect(server.conditions('ratings')).toMatchObject([refused])
  expect(server.conditions('reviews')).toMatchObject([accepted])
})
