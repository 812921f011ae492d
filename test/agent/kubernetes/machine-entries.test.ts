import { EventEmitter } from 'node:events'
import { expect, onTestFinished, test } from 'vitest'
import { MachineEntries, machineEntryKind } from '#agent/kubernetes/machine-entries.ts'
import { ObjectClient } from '#agent/kubernetes/object-client.ts'
import { createLog } from '#agent/log.ts'
import { GroupMachines } from '#agent/machines/group-machines.ts'
import { HealthStatus } from '#envoy/envoy/config/core/v3/health_check_pb.ts'
import { greet, report, token } from '../machines/group-member.ts'
import { kubePod, kubeSlice, paths, shop } from '../registry/kubernetes/kube-objects.ts'
import { createRegistry } from '../registry/kubernetes/registry-fixture.ts'
import type { FakeApiServer } from '../registry/kubernetes/fake-api-server.ts'
import { untilHolds } from '../until-holds.ts'
import { VirtualClock } from '../virtual-clock.ts'

const groupOf = (version: string, probe = '') => ({
  metadata: { name: 'reviews', namespace: 'shop' },
  spec: {
    metadata: { labels: { app: 'reviews', version } },
    template: { serviceAccount: 'reviews' },
    ...(probe !== '' && { probe: { tcpSocket: { port: 1 } } }),
  },
})
const group = groupOf('v1')
const entryPath = paths.config('workloadentries')
const groupPath = paths.config('workloadgroups')
const pods = ['10.1.0.1', '10.1.0.2']

/** A cluster with a Service of two pods and a WorkloadGroup. */
const createServer = (): FakeApiServer => {
  const server = shop()
  server.served = { v1: ['workloadentries', 'workloadgroups'] }
  server.put(groupPath, group)
  return server
}

/** A replica of an agent in it. */
const startReplica = async (server: FakeApiServer, replica: string, gone: ReadonlySet<string> = new Set()) => {
  const clock = new VirtualClock()
  const entries = new MachineEntries({
    entries: new ObjectClient(server, machineEntryKind),
    replica,
    isOrphaned: (other) => gone.has(other),
    clock,
    log: createLog('silent'),
    onProblems: () => {},
  })
  const registry = createRegistry(server, { onObject: (key, object) => entries.takeObject(key, object) })
  await registry.synced()
  const machines = new GroupMachines({ registry: entries, clock })
  entries.start()
  const stop = async (): Promise<void> => {
    entries.stop()
    await machines.stop()
  }
  onTestFinished(stop)
  const admit = (peer: string) => {
    const admitted = machines.admit(token, peer)
    if (!admitted.ok) throw new Error(admitted.error)
    return admitted.value
  }
  const entry = (name: string) => server.find(entryPath, 'shop', name)
  const addresses = () => registry.addresses('reviews')?.toSorted()
  /** When it has read or written all that it wanted to. */
  const settled = async (): Promise<void> => {
    for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate)
  }
  /** The workloads that were told to have left. */
  const left = () => registry.batches.flatMap((batch) => [...(batch.left ?? [])])
  return { ...registry, left, settled, clock, entries, machines, admit, entry, addresses, stop }
}

test('a machine serves beside the pods of its Service while its proxy is connected, for all replicas', async () => {
  const server = createServer()
  const [first, second] = [await startReplica(server, 'agent-1'), await startReplica(server, 'agent-2')]
  const machine = first.admit('10.9.0.4:40000')
  for (const each of [machine, first.admit('10.9.0.5:40000')]) first.machines.opened(each)
  for (const { addresses } of [first, second])
    await untilHolds(() => expect(addresses()).toEqual([...pods, '10.9.0.4', '10.9.0.5']))
  expect(first.entry('reviews-10.9.0.4')).toMatchObject({
    metadata: {
      labels: { app: 'reviews', version: 'v1' },
      annotations: { 'istio.io/autoRegistrationGroup': 'reviews', 'atoll.dev/workload-controller': 'agent-1' },
    },
    spec: { address: '10.9.0.4', serviceAccount: 'reviews' },
  })
  expect(second.workloads.get('shop/reviews-10.9.0.4')).toMatchObject({ serviceAccount: 'reviews' })

  server.put(groupPath, groupOf('v2'))
  await untilHolds(() =>
    expect(second.workloads.get('shop/reviews-10.9.0.4')?.labels).toEqual({ app: 'reviews', version: 'v2' }),
  )

  first.machines.closed(machine)
  first.clock.advance(9_999)
  expect(first.entry('reviews-10.9.0.4')).toBeDefined()
  first.clock.advance(1)
  for (const { addresses } of [first, second])
    await untilHolds(() => expect(addresses()).toEqual([...pods, '10.9.0.5']))
  expect(second.left()).toEqual(['shop/reviews-10.9.0.4'])
})

test('a machine that comes back to another replica stays, whatever the first thinks of it', async () => {
  const server = createServer()
  const [first, second] = [await startReplica(server, 'agent-1'), await startReplica(server, 'agent-2')]
  const [before, after] = [first.admit('10.9.0.4:1'), second.admit('10.9.0.4:2')]
  first.machines.opened(before)
  await untilHolds(() => expect(second.addresses()).toContain('10.9.0.4'))
  first.machines.closed(before)
  second.machines.opened(after)
  const controller = () => first.entry('reviews-10.9.0.4')?.metadata['annotations']
  await untilHolds(() => expect(controller()).toMatchObject({ 'atoll.dev/workload-controller': 'agent-2' }))
  server.put(groupPath, groupOf('v2'))
  await untilHolds(() => expect(second.workloads.get('shop/reviews-10.9.0.4')?.labels['version']).toBe('v2'))
  first.clock.advance(10_000)
  await first.settled()
  expect(controller()).toMatchObject({ 'atoll.dev/workload-controller': 'agent-2' })
})

test('machines that an agent has left behind leave when they come to no other', async () => {
  const server = createServer()
  const gone = new Set<string>()
  const [first, second] = [await startReplica(server, 'agent-1'), await startReplica(server, 'agent-2', gone)]
  for (const peer of ['10.9.0.4:1', '10.9.0.5:1']) first.machines.opened(first.admit(peer))
  await untilHolds(() => expect(second.addresses()).toEqual([...pods, '10.9.0.4', '10.9.0.5']))
  await first.stop()
  gone.add('agent-1')
  second.machines.opened(second.admit('10.9.0.5:2'))
  for (let seconds = 0; seconds < 120; seconds += 10) second.clock.advance(10_000)
  await untilHolds(() => expect(second.addresses()).toEqual([...pods, '10.9.0.5']))
  expect(second.left()).toEqual([])
})

test('an agent from which all machines go may be cut off: none is known to have left', async () => {
  const server = createServer()
  const { machines, admit, addresses, clock, left } = await startReplica(server, 'agent-1')
  const machine = admit('10.9.0.4:1')
  machines.opened(machine)
  await untilHolds(() => expect(addresses()).toContain('10.9.0.4'))
  machines.closed(machine)
  clock.advance(10_000)
  await untilHolds(() => expect(addresses()).toEqual(pods))
  expect(left()).toEqual([])
})

test('an agent that starts again under its name lets go of machines that do not come back', async () => {
  const server = createServer()
  const before = await startReplica(server, 'agent-1')
  before.machines.opened(before.admit('10.9.0.4:1'))
  await untilHolds(() => expect(before.addresses()).toContain('10.9.0.4'))
  await before.stop()
  const after = await startReplica(server, 'agent-1')
  expect(after.addresses()).toContain('10.9.0.4')
  for (let seconds = 0; seconds < 120; seconds += 10) after.clock.advance(10_000)
  await untilHolds(() => expect(after.addresses()).toEqual(pods))
})

test('what a probe of a machine has found is in its entry, and holds when it comes to another replica', async () => {
  const server = createServer()
  server.put(groupPath, groupOf('v1', 'probed'))
  const [first, second] = [await startReplica(server, 'agent-1'), await startReplica(server, 'agent-2')]
  const machine = first.admit('10.9.0.4:1')
  first.machines.opened(machine)
  const health = () => second.workloads.get('shop/reviews-10.9.0.4')?.health
  await untilHolds(() => expect(health()).toBe('unhealthy'))
  const stream = Object.assign(new EventEmitter(), { write: () => {} })
  first.machines.followHealth(machine, stream)
  greet(stream)
  first.clock.advance(0)
  report(stream, HealthStatus.HEALTHY)
  await untilHolds(() => expect(health()).toBe('healthy'))
  second.machines.opened(second.admit('10.9.0.4:2'))
  await untilHolds(() =>
    expect(first.entry('reviews-10.9.0.4')?.metadata['annotations']).toMatchObject({
      'atoll.dev/workload-controller': 'agent-2',
      'atoll.dev/health': 'healthy',
    }),
  )
})

test('an entry that a person has written stands, and one that somebody takes away comes back', async () => {
  const server = createServer()
  const written = { metadata: { name: 'reviews-10.9.0.9', namespace: 'shop' }, spec: { address: '10.9.0.9' } }
  server.put(entryPath, written)
  const { machines, admit, entry, entries, addresses, clock } = await startReplica(server, 'agent-1')
  expect(machines.admit(token, '10.9.0.9:1')).toEqual({ ok: false, error: 'name_taken' })

  server.away = true
  machines.opened(admit('10.9.0.4:1'))
  await untilHolds(() => expect(entries.problems()).toEqual([expect.stringContaining('connection refused')]))
  server.away = false
  await untilHolds(() => {
    clock.advance(5000)
    expect(addresses()).toContain('10.9.0.4')
  })
  expect(entries.problems()).toEqual([])
  const ours = entry('reviews-10.9.0.4')
  if (ours) server.delete(entryPath, ours)
  await untilHolds(() => expect(addresses()).toContain('10.9.0.4'))
  expect(entry('reviews-10.9.0.9')).toMatchObject({ spec: { address: '10.9.0.9' } })
})

test('what others add to an entry stays, and is no reason to write it', async () => {
  const server = createServer()
  server.put(groupPath, groupOf('v1', 'probed'))
  const { machines, admit, entry, settled, addresses } = await startReplica(server, 'agent-1')
  machines.opened(admit('10.9.0.4:1'))
  await untilHolds(() => expect(addresses()).toContain('10.9.0.4'))
  const ours = entry('reviews-10.9.0.4')
  if (!ours) throw new Error('there is an entry')
  const { labels, annotations } = ours.metadata as Record<string, object>
  const added = { labels: { ...labels, team: 'a' }, annotations: { ...annotations, 'policy.example/checked': 'yes' } }
  server.put(entryPath, { ...ours, metadata: { ...ours.metadata, ...added } })
  await settled()
  expect(entry('reviews-10.9.0.4')?.metadata).toMatchObject(added)

  const { app } = group.spec.metadata.labels
  server.put(groupPath, { ...group, spec: { ...group.spec, metadata: { labels: { app } } } })
  await untilHolds(() => expect(entry('reviews-10.9.0.4')?.metadata['labels']).toEqual({ app, team: 'a' }))
  const left = entry('reviews-10.9.0.4')?.metadata['annotations']
  expect(left).toMatchObject({ 'policy.example/checked': 'yes' })
  expect(left).not.toHaveProperty(['atoll.dev/health'])
})

/** What is left on an entry of this metadata when its machine comes to an agent whose group has labels `app` and `version`. */
const rewrite = async (labels: Readonly<Record<string, string>>, annotations: Readonly<Record<string, string>>) => {
  const server = createServer()
  const ofGroup = { 'istio.io/autoRegistrationGroup': 'reviews', 'atoll.dev/workload-controller': 'agent-0' }
  server.put(entryPath, {
    metadata: {
      name: 'reviews-10.9.0.4',
      namespace: 'shop',
      labels: { ...group.spec.metadata.labels, ...labels },
      annotations: { ...ofGroup, ...annotations },
    },
    spec: { address: '10.9.0.4' },
  })
  const { machines, admit, entry } = await startReplica(server, 'agent-1')
  machines.opened(admit('10.9.0.4:1'))
  const found = (field: string) => (entry('reviews-10.9.0.4')?.metadata[field] ?? {}) as Record<string, string>
  await untilHolds(() => expect(found('annotations')['atoll.dev/workload-controller']).toBe('agent-1'))
  const toNames = (field: string, known: object) => Object.keys(found(field)).filter((name) => !(name in known))
  return {
    labels: toNames('labels', group.spec.metadata.labels).toSorted(),
    annotations: toNames('annotations', ofGroup).toSorted(),
  }
}
const written = 'atoll.dev/workload-written'

test.each<[string, string | undefined, { labels: string[]; annotations: string[] }]>([
  [
    'labels and annotations of one name are told apart',
    JSON.stringify({ labels: ['team', 'stale'], annotations: ['atoll.dev/health'] }),
    { labels: [], annotations: [written, 'team'] },
  ],
  [
    'in a list of both what may be a label is not taken for an annotation',
    'atoll.dev/health,stale,team',
    { labels: [], annotations: [written, 'team'] },
  ],
  ['an agent without a list wrote all that is there', undefined, { labels: [], annotations: [written] }],
  [
    'nothing but what is listed is taken away',
    JSON.stringify({ labels: [], annotations: [] }),
    { labels: ['stale', 'team'], annotations: ['atoll.dev/health', written, 'team'] },
  ],
])('of an entry that is written again, %s', async (_, list, expected) => {
  const annotations = { team: 'b', 'atoll.dev/health': 'unhealthy', ...(list !== undefined && { [written]: list }) }
  expect(await rewrite({ team: 'a', stale: 'yes' }, annotations)).toEqual(expected)
})

test('an annotation that somebody adds by the name of a label of the group stays', async () => {
  const server = createServer()
  const { machines, admit, entry, addresses } = await startReplica(server, 'agent-1')
  machines.opened(admit('10.9.0.4:1'))
  await untilHolds(() => expect(addresses()).toContain('10.9.0.4'))
  const ours = entry('reviews-10.9.0.4')
  if (!ours) throw new Error('there is an entry')
  const annotations = { ...(ours.metadata['annotations'] as object), version: 'theirs' }
  server.put(entryPath, { ...ours, metadata: { ...ours.metadata, annotations } })
  server.put(groupPath, groupOf('v2'))
  await untilHolds(() => expect(entry('reviews-10.9.0.4')?.metadata['labels']).toMatchObject({ version: 'v2' }))
  expect(entry('reviews-10.9.0.4')?.metadata['annotations']).toMatchObject({ version: 'theirs' })
})

test('an entry that is about to go stays for a machine that comes to another replica', async () => {
  const server = createServer()
  const [first, second] = [await startReplica(server, 'agent-1'), await startReplica(server, 'agent-2')]
  first.machines.opened(first.admit('10.9.0.4:1'))
  await untilHolds(() => expect(second.addresses()).toContain('10.9.0.4'))
  const ours = first.entry('reviews-10.9.0.4')
  if (!ours) throw new Error('there is an entry')
  await first.stop()
  const annotations = { ...(ours.metadata['annotations'] as object), 'atoll.dev/workload-left': 'true' }
  server.put(entryPath, { ...ours, metadata: { ...ours.metadata, annotations } })
  second.machines.opened(second.admit('10.9.0.4:2'))
  const found = () => second.entry('reviews-10.9.0.4')?.metadata['annotations']
  await untilHolds(() => expect(found()).toMatchObject({ 'atoll.dev/workload-controller': 'agent-2' }))
  expect(found()).not.toHaveProperty(['atoll.dev/workload-left'])
})

test('entries that somebody takes away are lost, not left, whoever wrote them', async () => {
  const server = createServer()
  const annotations = { 'istio.io/autoRegistrationGroup': 'reviews', 'istio.io/workloadController': 'istiod-1' }
  const labels = { app: 'reviews' }
  const istiods = {
    metadata: { name: 'reviews-10.9.0.9', namespace: 'shop', labels, annotations },
    spec: { address: '10.9.0.9' },
  }
  server.put(entryPath, istiods)
  const { machines, admit, entry, addresses, left } = await startReplica(server, 'agent-1')
  machines.opened(admit('10.9.0.4:1'))
  await untilHolds(() => expect(addresses()).toContain('10.9.0.4'))
  const ours = entry('reviews-10.9.0.4')
  if (!ours) throw new Error('there is an entry')
  server.delete(entryPath, ours)
  server.delete(entryPath, istiods)
  await untilHolds(() => expect(addresses()).toEqual([...pods, '10.9.0.4']))
  expect(left()).toEqual([])
})

test('an entry of an istiod beside us stands, whatever becomes of that', async () => {
  const server = createServer()
  const annotations = { 'istio.io/autoRegistrationGroup': 'reviews', 'istio.io/workloadController': 'istiod-1' }
  server.put(entryPath, {
    metadata: { name: 'reviews-10.9.0.9', namespace: 'shop', annotations },
    spec: { address: '10.9.0.9' },
  })
  const { machines, entry, clock } = await startReplica(server, 'agent-1')
  expect(machines.admit(token, '10.9.0.9:1')).toEqual({ ok: false, error: 'name_taken' })
  for (let seconds = 0; seconds < 200; seconds += 10) clock.advance(10_000)
  await untilHolds(() => expect(entry('reviews-10.9.0.9')?.metadata['annotations']).toEqual(annotations))
})

test('without its group there is no machine, and pods are no concern of it', async () => {
  const server = createServer()
  const { machines, admit, addresses, clock, entries, left } = await startReplica(server, 'agent-1')
  const machine = admit('10.9.0.4:1')
  machines.opened(machine)
  await untilHolds(() => expect(addresses()).toContain('10.9.0.4'))
  server.delete(groupPath, group)
  await untilHolds(() => expect(addresses()).toEqual(pods))
  expect(left()).toEqual([])
  expect(machines.admit(token, '10.9.0.4:1')).toEqual({ ok: false, error: 'no_group' })
  server.put(paths.pods, kubePod('reviews', 3))
  server.put(paths.slices, kubeSlice('reviews', [1, 2, 3]))
  await untilHolds(() => expect(addresses()).toEqual([...pods, '10.1.0.3']))
  machines.closed(machine)
  clock.advance(10_000)
  expect(entries.problems()).toEqual([])
})
