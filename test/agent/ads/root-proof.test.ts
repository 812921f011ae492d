import { beforeEach, expect, test } from 'vitest'
import { RootProof } from '#agent/ads/root-proof.ts'
import { createLog } from '#agent/log.ts'
import { VirtualClock } from '../virtual-clock.ts'

let clock: VirtualClock
let candidate: string | undefined
let isShown: boolean
let reconnects: number
/** Proxies and whether they know the new root. */
let proxies: Map<string, boolean>
let connections: Map<string, number>
let proof: RootProof

beforeEach(() => {
  clock = new VirtualClock()
  candidate = undefined
  isShown = false
  reconnects = 0
  proxies = new Map()
  connections = new Map()
  proof = new RootProof({
    clock,
    log: createLog('silent'),
    settleMilliseconds: 1000,
    candidate: () => candidate,
    show: async (shows) => {
      isShown = shows
      comeBack()
    },
    reconnect: () => {
      reconnects++
      connections.clear()
      comeBack()
    },
    connections: () => connections,
    onChange: () => {},
  })
})

/** Who knows the root that is shown connects. */
const comeBack = (): void => {
  for (const [proxy, knows] of proxies)
    if (!connections.has(proxy) && (knows || !isShown)) connections.set(proxy, clock.now())
}

const pass = async (milliseconds: number): Promise<void> => {
  for (let passed = 0; passed < milliseconds; passed += 500) {
    clock.advance(500)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

const begin = async (): Promise<void> => {
  comeBack()
  candidate = 'new'
  await proof.changed()
}

test('nothing is to be proven where the one that is to sign is of the same root', async () => {
  proxies = new Map([['a', false]])
  comeBack()
  await proof.changed()
  await pass(60_000)
  expect({ reconnects, isShown, unproven: proof.unproven() }).toEqual({ reconnects: 0, isShown: false, unproven: [] })
})

test('who comes back while the new one is shown has proven that it knows it', async () => {
  proxies = new Map([
    ['a', true],
    ['b', true],
  ])
  await begin()
  expect(proof.unproven()).toEqual(['a', 'b'])
  await pass(6_000)
  expect(proof.unproven()).toEqual([])
  await pass(60_000)
  proxies.set('c', true)
  comeBack()
  expect(proof.unproven()).toEqual([])
  expect(reconnects).toBe(1)
})

test('who does not come back is let in by the old one, named, and tried again later', async () => {
  proxies = new Map([
    ['a', true],
    ['stale', false],
  ])
  await begin()
  await pass(10_000)
  expect(connections.has('stale')).toBe(false)
  await pass(15_000)
  expect(isShown).toBe(false)
  expect(connections.has('stale')).toBe(true)
  expect(proof.unproven()).toEqual(['stale'])
  expect(reconnects).toBe(1)
  proxies.set('stale', true)
  await pass(12 * 60_000)
  expect(proof.unproven()).toEqual([])
  expect(reconnects).toBe(2)
})

test('who comes for the first time by the old one has proven nothing, and can come', async () => {
  proxies = new Map([['a', true]])
  await begin()
  await pass(20_000)
  proxies.set('stale', false)
  await pass(5.5 * 60_000)
  expect(connections.has('stale')).toBe(true)
  expect(proof.unproven()).toContain('stale')
})

test('it ends when the new one signs, or is dropped', async () => {
  proxies = new Map([['stale', false]])
  await begin()
  await pass(5_000)
  candidate = undefined
  await proof.changed()
  expect(isShown).toBe(false)
  expect(proof.unproven()).toEqual([])
  await pass(30 * 60_000)
  expect(reconnects).toBe(1)
})
