import { beforeEach, expect, test } from 'vitest'
import { ReporterLease, type Lease } from '#agent/kubernetes/reporter-lease.ts'
import { createLog } from '#agent/log.ts'
import { VirtualClock } from '../virtual-clock.ts'
import { ObjectServer } from './object-server.ts'

const log = createLog('silent')
const nobodyYet = { term: 0, isOurs: false, isVacant: true }

let clock: VirtualClock
let server: ObjectServer<Lease>

beforeEach(() => {
  clock = new VirtualClock()
  server = new ObjectServer()
})

const pass = async (seconds: number): Promise<void> => {
  for (let tick = 0; tick < seconds * 4; tick += 1) {
    clock.advance(250)
    for (let turn = 0; turn < 3; turn += 1) await new Promise(setImmediate)
  }
}

const start = (replica: string, leases: Pick<ObjectServer<Lease>, 'find' | 'create' | 'replace'> = server) => {
  const changes: boolean[] = []
  const lease: ReporterLease = new ReporterLease({
    leases,
    replica,
    clock,
    random: () => 0.5,
    log,
    onChange: () => changes.push(lease.isHeld),
  })
  lease.start()
  return { lease, changes }
}

const heldBy = () => [...server.objects.values()].map(({ spec }) => [spec.holderIdentity, spec.leaseTransitions])

test('one of several replicas holds it, and keeps it as long as it renews', async () => {
  const [first, second] = [start('agent-1'), start('agent-2')]
  await pass(60)
  expect([first.lease.isHeld, second.lease.isHeld]).toEqual([true, false])
  expect(first.changes).toEqual([true])
  expect(heldBy()).toEqual([['agent-1', 1]])
  expect(first.lease.toTerm(nobodyYet)).toBe(1)
  expect(second.lease.toTerm(nobodyYet)).toBeUndefined()
})

test('who stops gives it to another at once, under a higher term', async () => {
  const first = start('agent-1')
  await pass(1)
  const second = start('agent-2')
  await pass(6)
  await first.lease.stop()
  await pass(6)
  expect([first.lease.isHeld, second.lease.isHeld]).toEqual([false, true])
  expect(second.lease.toTerm({ term: 1, isOurs: false, isVacant: true })).toBe(2)
})

test('one that has died is waited for until it could not hold it any more', async () => {
  const away = new ObjectServer<Lease>()
  const cut = {
    find: server.find.bind(server),
    create: server.create.bind(server),
    replace: () => away.replace({} as Lease),
  }
  away.isAway = true
  const first = start('agent-1', cut)
  await pass(1)
  const second = start('agent-2')
  await pass(13)
  expect([first.lease.isHeld, second.lease.isHeld]).toEqual([true, false])
  await pass(9)
  expect([first.lease.isHeld, second.lease.isHeld]).toEqual([false, true])
  expect(first.changes).toEqual([true, false])
})

test('while the API server is away the holder stays until its time is over, and is the holder again after it', async () => {
  const { lease, changes } = start('agent-1')
  await pass(6)
  server.isAway = true
  await pass(8)
  expect(lease.isHeld).toBe(true)
  await pass(8)
  expect(lease.isHeld).toBe(false)
  expect(lease.toTerm(nobodyYet)).toBeUndefined()
  expect(changes).toEqual([true, false])
  server.isAway = false
  await pass(4)
  expect(changes).toEqual([true, false, true])
  expect(heldBy()).toEqual([['agent-1', 1]])
})

test('a container that starts again in the same pod is the same holder', async () => {
  start('agent-1')
  await pass(1)
  const again = start('agent-1')
  await pass(1)
  expect(again.lease.isHeld).toBe(true)
  expect(heldBy()).toEqual([['agent-1', 1]])
})

test('a plane that knows a higher term is claimed from under one above it', async () => {
  const { lease, changes } = start('agent-1')
  await pass(1)
  const standing = { term: 7, isOurs: false, isVacant: false }
  expect(lease.toTerm(standing)).toBeUndefined()
  await pass(1)
  expect(heldBy()).toEqual([['agent-1', 8]])
  expect(changes).toEqual([true, true])
  expect(lease.toTerm(standing)).toBe(8)
  expect(lease.toTerm({ term: 8, isOurs: true, isVacant: false })).toBe(8)
})

test('who was replaced without noticing can not raise its term', async () => {
  const { lease, changes } = start('agent-1')
  await pass(1)
  const [present] = server.objects.values()
  if (!present) throw new Error('there is no Lease')
  server.put({ ...present, spec: { ...present.spec, holderIdentity: 'agent-2', leaseTransitions: 2 } })
  expect(lease.toTerm({ term: 2, isOurs: false, isVacant: false })).toBeUndefined()
  await pass(1)
  expect(heldBy()).toEqual([['agent-2', 2]])
  expect(lease.isHeld).toBe(false)
  expect(changes).toEqual([true, false])
})
