import { writeFileSync } from 'node:fs'
import { EventEmitter } from 'node:events'
import { join } from 'node:path'
import { pino } from 'pino'
import { expect, onTestFinished, test } from 'vitest'
import { systemClock } from '#agent/clock.ts'
import { GroupMachines } from '#agent/machines/group-machines.ts'
import { toMachineAddress } from '#agent/machines/to-machine-address.ts'
import type { RegistryChange } from '#agent/registry/registry.ts'
import { UniversalRegistry } from '#agent/registry/universal/universal-registry.ts'
import { loadSealingKey } from '#agent/store/sealing-key.ts'
import { SealedSnapshot } from '#agent/store/sealed-snapshot.ts'
import { HealthStatus } from '#envoy/envoy/config/core/v3/health_check_pb.ts'
import { clusterName, networkName } from '#mesh/names.ts'
import { groupMachine } from '#mesh/registry-records/machine-groups.ts'
import type { MachineToken } from '#mesh/state.ts'
import { temporaryDirectory } from '../temporary-directory.ts'
import { untilHolds } from '../until-holds.ts'
import { VirtualClock } from '../virtual-clock.ts'
import { greet, report, token } from './group-member.ts'

const service = `apiVersion: v1
kind: Service
metadata: {name: reviews, namespace: shop}
spec:
  selector: {app: reviews}
  ports: [{name: http, port: 80, targetPort: 8080}]
---
`

const groupYaml = (
  template = '{serviceAccount: reviews}',
  version = 'v1',
): string => `apiVersion: networking.istio.io/v1
kind: WorkloadGroup
metadata: {name: reviews, namespace: shop}
spec:
  metadata: {labels: {app: reviews, version: ${version}}}
  template: ${template}
`

const entry = (name: string): string => `---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: ${name}, namespace: shop}
spec: {address: 10.0.0.99, labels: {app: reviews}}
`

/** An agent's registry and machines over a directory, and what it says of the service's endpoints. */
const open = async (text: string, directory = temporaryDirectory()) => {
  const write = (content: string): void => writeFileSync(join(directory, 'all.yaml'), content)
  write(text)
  const clock = new VirtualClock()
  const registry = new UniversalRegistry({
    directory,
    cluster: clusterName.parse('east'),
    network: networkName.parse('net-east'),
    domainSuffix: 'cluster.local',
    clock: systemClock,
    log: pino({ level: 'silent' }),
  })
  const snapshot = new SealedSnapshot({
    path: join(directory, '.machines'),
    name: 'machines',
    key: loadSealingKey(join(directory, '.key'), true),
    schema: groupMachine,
    report: (problem) => expect.fail(problem),
  })
  const machines = new GroupMachines({ registry, snapshot, clock })
  machines.start()
  const known = new Map<string, RegistryChange>()
  const changes: RegistryChange[] = []
  const left: string[] = []
  registry.start((batch) => {
    for (const change of batch.changes) if (change.kind === 'catalog') known.set(change.service, change)
    changes.push(...batch.changes.filter(({ kind }) => kind === 'catalog'))
    left.push(...(batch.left ?? []))
  })
  await registry.synced
  onTestFinished(async () => {
    await machines.stop()
    await registry.stop()
  })
  const endpoints = () => {
    const change = known.get('shop/reviews.shop.svc.cluster.local')
    return change?.kind === 'catalog' ? (change.value?.endpoints ?? []) : []
  }
  const ids = () => endpoints().map(({ id }) => id)
  const admit = (peer: string, record = token) => {
    const admitted = machines.admit(record, peer)
    if (!admitted.ok) throw new Error(admitted.error)
    return admitted.value
  }
  return { directory, write, clock, registry, machines, endpoints, changes, ids, left, admit }
}

test('a machine is a workload of its group from its first stream to a grace after its last', async () => {
  const { clock, machines, endpoints, ids, admit } = await open(service + groupYaml())
  const machine = admit('10.0.0.4:40000')
  expect(ids()).toEqual([])
  machines.opened(machine)
  expect(endpoints()).toMatchObject([
    {
      id: 'reviews-10.0.0.4',
      address: '10.0.0.4',
      labels: { app: 'reviews', version: 'v1' },
      serviceAccount: 'reviews',
      tls: 'mutual',
    },
  ])
  machines.opened(machine)
  machines.closed(machine)
  clock.advance(60_000)
  expect(ids()).toEqual(['reviews-10.0.0.4'])
  machines.closed(machine)
  clock.advance(9_000)
  machines.opened(machine)
  clock.advance(60_000)
  expect(ids()).toEqual(['reviews-10.0.0.4'])
  machines.closed(machine)
  clock.advance(9_999)
  expect(ids()).toEqual(['reviews-10.0.0.4'])
  clock.advance(1)
  expect(ids()).toEqual([])
})

test('the machines of a group follow it', async () => {
  const { write, machines, endpoints, ids, admit } = await open(service + groupYaml())
  machines.opened(admit('10.0.0.4:1'))
  write(service + groupYaml('{serviceAccount: reviews, weight: 3}', 'v2'))
  await untilHolds(() => expect(endpoints()).toMatchObject([{ weight: 3, labels: { version: 'v2' } }]))
  write(service)
  await untilHolds(() => expect(ids()).toEqual([]))
  expect(machines.admit(token, '10.0.0.4:1')).toEqual({ ok: false, error: 'no_group' })
})

test('over a restart of the agent machines stay, and leave when they do not come back', async () => {
  const before = await open(service + groupYaml())
  for (const peer of ['10.0.0.4:1', '10.0.0.5:1']) before.machines.opened(before.admit(peer))
  await before.machines.stop()
  await before.registry.stop()
  const { clock, machines, ids, left, admit } = await open(service + groupYaml(), before.directory)
  const both = ['reviews-10.0.0.4', 'reviews-10.0.0.5']
  // Until the agent listens nobody can come back.
  clock.advance(600_000)
  expect(ids()).toEqual(both)
  machines.reachable()
  clock.advance(59_000)
  expect(ids()).toEqual(both)
  machines.opened(admit('10.0.0.4:2'))
  clock.advance(60_000)
  expect(ids()).toEqual(['reviews-10.0.0.4'])
  // It was missed, and nobody has seen it leave.
  expect(left).toEqual([])
})

test('a machine that has been here since the restart is known to have left', async () => {
  const { clock, machines, left, admit } = await open(service + groupYaml())
  const machine = admit('10.0.0.4:1')
  machines.opened(undefined)
  machines.opened(machine)
  machines.closed(machine)
  clock.advance(10_000)
  expect(left).toEqual(['shop/reviews-10.0.0.4'])
})

test('a machine that comes back under another account has that one', async () => {
  const before = await open(service + groupYaml('{}'))
  before.machines.opened(before.admit('10.0.0.4:1'))
  await before.machines.stop()
  await before.registry.stop()
  const { clock, machines, endpoints, admit } = await open(service + groupYaml('{}'), before.directory)
  expect(endpoints()).toMatchObject([{ serviceAccount: 'reviews' }])
  const other = admit('10.0.0.4:2', { ...token, serviceAccount: 'other' })
  machines.opened(other)
  expect(endpoints()).toMatchObject([{ id: 'reviews-10.0.0.4', serviceAccount: 'other' }])
  machines.closed(other)
  machines.opened(admit('10.0.0.4:3'))
  clock.advance(60_000)
  expect(endpoints()).toMatchObject([{ serviceAccount: 'reviews' }])
})

test.each<[string, string, string, MachineToken, string]>([
  ['from a loopback address of every machine', groupYaml(), '127.0.0.1:1', token, 'no_address'],
  ['from no address', groupYaml(), 'unknown', token, 'no_address'],
  ['without its group', '', '10.0.0.4:1', token, 'no_group'],
  ['in another namespace', groupYaml(), '10.0.0.4:1', { ...token, namespace: 'other' }, 'no_group'],
  [
    'of another account than the group’s',
    groupYaml(),
    '10.0.0.4:1',
    { ...token, serviceAccount: 'x' },
    'other_account',
  ],
  ['that is written by hand already', groupYaml() + entry('reviews-10.0.0.4'), '10.0.0.4:1', token, 'name_taken'],
])('a machine %s is not admitted', async (_, text, peer, record, error) => {
  const { machines } = await open(service + text)
  expect(machines.admit(record, peer)).toEqual({ ok: false, error })
})

test('a group has 1000 machines at most, and those that are among them come back', async () => {
  const { machines, admit } = await open(groupYaml())
  for (let index = 0; index < 1000; index++) machines.opened(admit(`10.0.${index >> 8}.${index & 255}:1`))
  expect(machines.admit(token, '10.1.0.0:1')).toEqual({ ok: false, error: 'group_full' })
  expect(machines.admit(token, '10.0.0.0:1')).toMatchObject({ ok: true })
})

test('a file that takes the name of a machine stands, also when the machine leaves', async () => {
  const { write, clock, machines, endpoints, admit } = await open(service + groupYaml())
  const machine = admit('10.0.0.4:1')
  machines.opened(machine)
  write(service + groupYaml() + entry('reviews-10.0.0.4'))
  await untilHolds(() => expect(endpoints()).toMatchObject([{ address: '10.0.0.99' }]))
  machines.closed(machine)
  clock.advance(60_000)
  expect(endpoints()).toMatchObject([{ id: 'reviews-10.0.0.4', address: '10.0.0.99' }])
})

test.each([
  ['{network: west}', '10.0.0.4:1', 'reviews-10.0.0.4-west'],
  ['{}', 'fd00::4:1', 'reviews-fd00--4'],
])('with the template %s, %s is %s', async (template, peer, name) => {
  const { admit } = await open(groupYaml(template))
  expect(admit(peer).name).toBe(name)
})

test.each([
  ['10.0.0.4:40000', '10.0.0.4'],
  ['::ffff:10.0.0.4:40000', '10.0.0.4'],
  ['127.78.0.4:40000', '127.78.0.4'],
  ['fe80::1%eth0:40000', undefined],
  ['::ffff:127.0.0.1:40000', undefined],
  ['::1:40000', undefined],
])('the address of %s is %s', (peer, address) => {
  expect(toMachineAddress(peer)).toBe(address)
})

test('a machine that is probed is healthy when a probe has found it so, also over a restart', async () => {
  const text = service + groupYaml('{}\n  probe: {tcpSocket: {port: 1}}')
  const before = await open(text)
  const stream = new EventEmitter()
  const machine = before.admit('10.0.0.4:1')
  before.machines.opened(machine)
  before.machines.followHealth(machine, Object.assign(stream, { write: () => {} }))
  expect(before.endpoints()).toMatchObject([{ health: 'unhealthy' }])
  greet(stream)
  before.clock.advance(0)
  report(stream, HealthStatus.HEALTHY)
  expect(before.endpoints()).toMatchObject([{ health: 'healthy' }])
  await before.machines.stop()
  await before.registry.stop()
  const after = await open(text, before.directory)
  expect(after.endpoints()).toMatchObject([{ health: 'healthy' }])
})

test('machines whose health flaps are told of once a second, all together, as they were last found', async () => {
  const { clock, machines, endpoints, changes, admit } = await open(
    service + groupYaml('{}\n  probe: {tcpSocket: {port: 1}}'),
  )
  const streams = ['10.0.0.4:1', '10.0.0.5:1'].map((peer) => {
    const [machine, stream] = [admit(peer), new EventEmitter()]
    machines.opened(machine)
    machines.followHealth(machine, Object.assign(stream, { write: () => {} }))
    greet(stream)
    return stream
  })
  clock.advance(0)
  const before = changes.length
  const flap = (last: HealthStatus): void => {
    for (let round = 0; round < 100; round++)
      for (const stream of streams) {
        report(stream, round % 2 === 0 ? HealthStatus.HEALTHY : HealthStatus.UNHEALTHY)
        if (round === 99) report(stream, last)
      }
  }
  flap(HealthStatus.HEALTHY)
  expect(changes.length - before).toBe(1)
  expect(endpoints()).toMatchObject([{ health: 'healthy' }, { health: 'unhealthy' }])
  clock.advance(1000)
  expect(changes.length - before).toBe(2)
  expect(endpoints()).toMatchObject([{ health: 'healthy' }, { health: 'healthy' }])
  flap(HealthStatus.HEALTHY)
  clock.advance(1000)
  expect(changes.length - before).toBe(2)
  flap(HealthStatus.UNHEALTHY)
  clock.advance(1000)
  expect(endpoints()).toMatchObject([{ health: 'unhealthy' }, { health: 'unhealthy' }])
})
