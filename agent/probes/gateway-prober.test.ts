import { pino } from 'pino'
import { expect, test } from 'vitest'
import { clusterName, networkName } from '#mesh/names.ts'
import { clusterState, type ClusterState } from '#mesh/state.ts'
import type { ViewChange } from '#mesh/view.ts'
import { VirtualClock } from '#test/agent/virtual-clock.ts'
import { GatewayProber } from './gateway-prober.ts'

const west = clusterName.parse('west')

const stateOf = (network: string, ...addresses: string[]): ClusterState =>
  clusterState.parse({
    name: 'west',
    network,
    gateways: addresses.map((address) => ({ address, port: 15_443 })),
    contribution: 'live',
  })

interface Faults {
  readonly answerAfterMilliseconds?: number
  readonly resolve?: (name: string) => Promise<string[]>
}

const createProber = ({ answerAfterMilliseconds = 0, resolve: resolveName }: Faults = {}) => {
  const clock = new VirtualClock()
  const dead = new Set<string>()
  const names = new Map<string, string[]>()
  const probed: string[] = []
  const changes: ViewChange[] = []
  const results: unknown[] = []
  const prober = new GatewayProber({
    localNetwork: networkName.parse('net-east'),
    clock,
    random: () => 0.5,
    log: pino({ level: 'silent' }),
    connect: (address) => {
      probed.push(address)
      if (answerAfterMilliseconds === 0) return Promise.resolve(!dead.has(address))
      return new Promise((resolve) => clock.after(answerAfterMilliseconds, () => resolve(!dead.has(address))))
    },
    resolve: resolveName ?? ((name) => Promise.resolve(names.get(name) ?? Promise.reject(new Error('ENOTFOUND')))),
    onChanges: (more) => changes.push(...more),
    onResults: (latest) => results.push(latest),
  })
  /** Moves the clock, and lets what became due end. */
  const pass = async (milliseconds: number): Promise<void> => {
    for (let passed = 0; passed < milliseconds; passed += 500) {
      clock.advance(500)
      await new Promise(setImmediate)
    }
  }
  return { prober, dead, names, probed, changes, results, pass }
}

const verdict = (address: string, alive: boolean): ViewChange => ({
  kind: 'gateway-health',
  cluster: west,
  address: { address, port: 15_443 },
  alive,
})

test('two failures make a gateway dead, one success makes it alive', async () => {
  const { prober, dead, changes, results, pass } = createProber()
  prober.start()
  expect(prober.update([[west, stateOf('net-west', '10.0.0.1', '10.0.0.2')]])).toHaveLength(1)
  await pass(6000)
  expect(changes).toEqual([])
  dead.add('10.0.0.1')
  await pass(7000)
  expect(changes).toEqual([verdict('10.0.0.1', false)])
  expect(results.at(-1)).toMatchObject([
    { address: '10.0.0.1', reachable: false },
    { address: '10.0.0.2', reachable: true },
  ])
  dead.delete('10.0.0.1')
  await pass(7000)
  expect(changes.at(-1)).toEqual(verdict('10.0.0.1', true))
})

test('one failure alone changes nothing', async () => {
  const { prober, dead, changes, probed, pass } = createProber()
  prober.update([[west, stateOf('net-west', '10.0.0.1')]])
  dead.add('10.0.0.1')
  prober.start()
  await new Promise(setImmediate)
  expect(probed).toHaveLength(1)
  dead.delete('10.0.0.1')
  await pass(20_000)
  expect(changes).toEqual([])
})

test('gateways of the own network are not probed', async () => {
  const { prober, probed, pass } = createProber()
  prober.start()
  prober.update([[west, stateOf('net-east', '10.0.0.1')]])
  await pass(10_000)
  expect(probed).toEqual([])
})

test('names are told to the view as addresses, and resolved again', async () => {
  const { prober, names, changes, probed, results, pass } = createProber()
  prober.start()
  names.set('gateway.example', ['10.0.0.9', '10.0.0.8'])
  expect(prober.update([[west, stateOf('net-west', 'gateway.example')]])).toMatchObject([{ value: { gateways: [] } }])
  await pass(1000)
  expect(changes.at(-1)).toMatchObject({ value: { gateways: [{ address: '10.0.0.8' }, { address: '10.0.0.9' }] } })
  names.set('gateway.example', ['10.0.0.7'])
  await pass(11_000)
  expect(changes.at(-1)).toMatchObject({ value: { gateways: [{ address: '10.0.0.7' }] } })
  names.delete('gateway.example')
  const before = changes.length
  await pass(11_000)
  expect(changes).toHaveLength(before)
  expect(new Set(probed)).toEqual(new Set(['10.0.0.7', '10.0.0.8', '10.0.0.9']))
  expect(results.at(-1)).toMatchObject([{ address: 'gateway.example', reachable: true }])
})

test('a verdict goes with its gateway', async () => {
  const { prober, dead, changes, pass } = createProber()
  prober.start()
  prober.update([[west, stateOf('net-west', '10.0.0.1')]])
  dead.add('10.0.0.1')
  await pass(10_000)
  expect(changes.at(-1)).toEqual(verdict('10.0.0.1', false))
  expect(prober.update([[west, stateOf('net-west', '10.0.0.2')]])).toContainEqual(verdict('10.0.0.1', true))
  expect(prober.gateways).toMatchObject([{ address: '10.0.0.2', reachable: true }])
})

test('the last of many has its turn, however many do not answer', async () => {
  const many = Array.from({ length: 200 }, (_, index) => `10.0.1.${index}`)
  const { prober, probed, pass } = createProber({ answerAfterMilliseconds: 3000 })
  prober.update([[west, { ...stateOf('net-west'), gateways: many.map((address) => ({ address, port: 15_443 })) }]])
  prober.start()
  await pass(60_000)
  const counts = many.map((address) => probed.filter((each) => each === address).length)
  expect(Math.min(...counts)).toBeGreaterThan(0)
  expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1)
})

test('tells when names have been looked up, and does not wait for ever', async () => {
  const { prober, names, changes } = createProber()
  names.set('gateway.example', ['10.0.0.9'])
  prober.update([[west, stateOf('net-west', 'gateway.example')]])
  await prober.lookedUp()
  expect(changes).toMatchObject([{ value: { gateways: [{ address: '10.0.0.9' }] } }])

  const silent = createProber({ resolve: () => new Promise(() => {}) })
  silent.prober.update([[west, stateOf('net-west', 'gateway.example')]])
  const lookedUp = silent.prober.lookedUp()
  await silent.pass(3000)
  await lookedUp
  expect(silent.changes).toEqual([])
})
