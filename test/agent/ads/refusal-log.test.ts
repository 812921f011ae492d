import { pino } from 'pino'
import { beforeEach, expect, test } from 'vitest'
import { RefusalLog } from '#agent/ads/refusal-log.ts'
import { VirtualClock } from '../virtual-clock.ts'

let clock: VirtualClock
let refusals: RefusalLog
let lines: { peer: string; refusal: string; unsaid: number }[]
beforeEach(() => {
  clock = new VirtualClock()
  lines = []
  const log = pino({ base: null, timestamp: false }, { write: (line: string) => lines.push(JSON.parse(line)) })
  refusals = new RefusalLog(clock, log)
})

test('one address and reason is told of once in ten seconds, with how many went unsaid', () => {
  for (let port = 1; port <= 50; port++) refusals.refused(`10.0.0.1:${port}`, 'unknown')
  refusals.refused('10.0.0.1:51', 'expired')
  refusals.refused('::1:52', 'unknown')
  expect(lines).toMatchObject([
    { peer: '10.0.0.1', refusal: 'unknown', unsaid: 0 },
    { peer: '10.0.0.1', refusal: 'expired', unsaid: 49 },
    { peer: '::1', refusal: 'unknown', unsaid: 0 },
  ])
  for (let port = 1; port <= 5; port++) refusals.refused(`10.0.0.1:${port}`, 'unknown')
  lines = []
  clock.advance(10_000)
  refusals.refused('10.0.0.1:53', 'unknown')
  expect(lines).toMatchObject([{ peer: '10.0.0.1', refusal: 'unknown', unsaid: 5 }])
})

test('however many addresses there are, the lines are few', () => {
  const flood = (): void => {
    for (let index = 0; index < 1000; index++) refusals.refused(`10.0.${index >> 8}.${index & 255}:1`, 'missing')
  }
  flood()
  expect(lines).toHaveLength(101)
  expect(lines.at(-1)).toMatchObject({ peer: 'others', unsaid: 0 })
  lines = []
  clock.advance(10_000)
  flood()
  expect(lines).toHaveLength(101)
  expect(lines[0]).toMatchObject({ unsaid: 899 })
})

test('what a proxy tells that is not understood is told of once in ten seconds', () => {
  const tell = (): void => refusals.notUnderstood('10.0.0.1:1', '/x/Y', new RangeError('no message'))
  for (let index = 0; index < 100; index++) tell()
  clock.advance(10_000)
  tell()
  expect(lines).toMatchObject([{ peer: '10.0.0.1:1' }, { peer: '10.0.0.1:1' }])
})
