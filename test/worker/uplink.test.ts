import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { afterEach, describe, expect, test, vi } from 'vitest'
import type { Cluster } from '#api/schemas/clusters.ts'
import { UPLINK_MAX_MESSAGE_CHARS, UPLINK_PING, UPLINK_PONG } from '#mesh/uplink.ts'
import { followGeneration } from '#worker/mesh/epoch.ts'
import { toTestEntry } from './support/test-catalog.ts'
import { apply, toRule } from './support/test-configuration.ts'
import { joinTestCluster, TestAgent } from './support/test-agent.ts'
import type { HelloChanges } from './support/test-agent.ts'
import { createTestMesh } from './support/test-plane.ts'
import type { TestMesh } from './support/test-plane.ts'

afterEach(() => {
  vi.useRealTimers()
})

describe('a session', () => {
  test('begins with a challenge and a snapshot', async () => {
    const mesh = await createTestMesh()
    const agent = await TestAgent.connect(await joinTestCluster(mesh, 'east', 'net-a'))

    expect(await agent.next('welcome')).toMatchObject({
      sync: 'snapshot',
      reporter: { term: 0, replica: null, connected: false },
      reported: null,
    })
    await agent.until((state) => state.has('settings') && state.has('trust') && state.has('cluster/east'))
  })

  test('that comes back is told only what it has missed, removals too', async () => {
    const mesh = await createTestMesh()
    const east = await joinTestCluster(mesh, 'east', 'net-a')
    await apply(mesh, toRule('old', 'v1'))
    const before = await TestAgent.connect(east)
    // Whose leaf each replica is to hold is told a moment after it is connected.
    await before.until((state) => state.has('config/DestinationRule/default/old') && state.has('issuance/east'))
    before.socket.close()
    await apply(mesh, toRule('new', 'v1'))
    await mesh.send('DELETE', '/configuration/DestinationRule/default/old')

    const after = await TestAgent.connect(east, {}, before)
    expect(await after.next('welcome')).toMatchObject({ sync: 'resume' })
    const changes = await after.next('changes')
    expect(changes).toMatchObject({ mode: 'delta', revision: 3, more: false })
    expect(changes.items.map(({ key, item }) => `${key} ${item === null}`).toSorted()).toEqual([
      'config/DestinationRule/default/new false',
      'config/DestinationRule/default/old true',
    ])
  })

  test('of the same replica takes the place of the older one', async () => {
    const mesh = await createTestMesh()
    const east = await joinTestCluster(mesh, 'east', 'net-a')
    const older = await TestAgent.connect(east)
    const other = await TestAgent.connect(east, { replica: 'replica-2' })
    const newer = await TestAgent.connect(east)
    expect(await older.next('refused')).toMatchObject({ code: 'replaced' })
    await older.ended()

    const { body } = await mesh.send<Cluster>('GET', '/clusters/east')
    expect(body.replicas.map(({ replica }) => replica).toSorted()).toEqual(['replica-1', 'replica-2'])
    expect([newer.closed, other.closed]).toEqual([undefined, undefined])
  })

  test('of one cluster too many is sent away, and keeps no other cluster out', async () => {
    const mesh = await createTestMesh()
    const east = await joinTestCluster(mesh, 'east', 'net-a')
    const west = await joinTestCluster(mesh, 'west', 'net-a')
    for (let index = 0; index < 32; index += 1) await TestAgent.connect(east, { replica: `replica-${index}` })
    const late = await TestAgent.dial(east, 'one-too-many')
    await late.hello()
    expect(await late.next('refused')).toMatchObject({ code: 'rate_limited' })
    await TestAgent.connect(west)
    await TestAgent.connect(east, { replica: 'replica-7' })
  })

  test('is answered ping by pong', async () => {
    const mesh = await createTestMesh()
    const agent = await TestAgent.dial(await joinTestCluster(mesh, 'east', 'net-a'))
    const answered = new Promise((resolve) => {
      agent.socket.addEventListener('message', ({ data }) => resolve(data))
    })
    agent.socket.send(UPLINK_PING)
    expect(await answered).toBe(UPLINK_PONG)
  })

  test('that is closed by its agent is closed, and shown so', async () => {
    const mesh = await createTestMesh()
    const agent = await TestAgent.connect(await joinTestCluster(mesh, 'east', 'net-a'))
    agent.socket.close(1000, 'done')
    expect((await agent.ended()).code).toBe(1000)
    const { body } = await mesh.send<Cluster>('GET', '/clusters/east')
    expect(body).toMatchObject({ connected: false, replicas: [] })
    expect(body.lastSeenAt).not.toBeNull()
  })

  test('that says too much is refused, with the time to wait', async () => {
    const mesh = await createTestMesh()
    const agent = await TestAgent.connect(await joinTestCluster(mesh, 'east', 'net-a'))
    const refused = () => agent.messages.some(({ type }) => type === 'refused')
    // A plane that is slow may have gained more room than a fixed number takes.
    for (let sent = 0; sent < 20_000 && !refused(); sent += 1) {
      agent.send({ type: 'holds', holds: [] })
      if (sent % 500 === 0) await new Promise((resolve) => setTimeout(resolve))
    }
    expect(await agent.next('refused')).toMatchObject({ code: 'rate_limited', retryAfterSeconds: 10 })
    await agent.ended()
  })

  test('goes on after the object has slept, from where it was', async () => {
    const mesh = await createTestMesh()
    const agent = await TestAgent.connect(await joinTestCluster(mesh, 'east', 'net-a'))
    await agent.until((state) => state.has('settings'))
    await evictDurableObject(mesh.stub)

    await apply(mesh, toRule('reviews', 'v1'))
    await agent.until((state) => state.has('config/DestinationRule/default/reviews'))
    expect(agent.messages.filter(({ type }) => type === 'welcome')).toHaveLength(1)
    expect(agent.messages.filter((message) => message.type === 'changes' && message.mode === 'snapshot')).toHaveLength(
      1,
    )
  })

  test('that does not acknowledge gets all that it missed at once when it does', async () => {
    const mesh = await createTestMesh()
    const agent = await TestAgent.connect(await joinTestCluster(mesh, 'east', 'net-a'))
    await agent.until((state) => state.has('settings'))
    agent.acknowledges = false
    for (let index = 0; index < 12; index += 1) await apply(mesh, toRule(`rule-${index}`, 'v1'))
    // The plane tells other things when it gets round to them.
    const batches = () =>
      agent.messages.filter(
        (message) => message.type === 'changes' && message.items.some(({ key }) => key.startsWith('config/')),
      ).length
    const before = batches()
    expect(before).toBe(4)

    agent.acknowledges = true
    agent.send({ type: 'ack', position: agent.position ?? { epoch: '', sequence: 0 } })
    await agent.until((state) => [...state.keys()].filter((key) => key.startsWith('config/')).length === 12)
    expect(batches()).toBe(before + 1)
  })
})

describe('hello', () => {
  const cases: readonly (readonly [string, HelloChanges, string])[] = [
    ['with a signature that is none', { signature: 'AAAA' }, 'bad_signature'],
    ['of an unknown cluster', { cluster: 'nowhere' }, 'unknown_cluster'],
    ['for another mesh', { mesh: 'elsewhere' }, 'unknown_cluster'],
    ['in a protocol that is too new', { protocol: 99 }, 'protocol_too_new'],
    ['in a protocol that is too old', { protocol: 0 }, 'protocol_too_old'],
  ]
  test.each(cases)('%s is refused', async (_name, changes, code) => {
    const mesh = await createTestMesh()
    const agent = await TestAgent.dial(await joinTestCluster(mesh, 'east', 'net-a'))
    await agent.hello(changes)
    expect(await agent.next('refused')).toMatchObject({ code })
    expect((await agent.ended()).code).toBe(1008)
  })

  test('with a signature over another socket’s nonce is refused', async () => {
    const mesh = await createTestMesh()
    const east = await joinTestCluster(mesh, 'east', 'net-a')
    const first = await TestAgent.dial(east)
    const sent: unknown[] = []
    const send = first.sendRaw.bind(first)
    first.sendRaw = (message) => {
      sent.push(message)
      send(message)
    }
    await first.hello()
    await first.next('welcome')

    const replay = await TestAgent.dial(east)
    replay.sendRaw(sent[0])
    expect(await replay.next('refused')).toMatchObject({ code: 'bad_signature' })
  })

  const nonsense: readonly (readonly [string, unknown, string])[] = [
    ['text that is not JSON', 'hello', 'bad_message'],
    ['another message first', { type: 'claim', term: 1 }, 'bad_message'],
    ['a message of no protocol', { type: 'nonsense' }, 'bad_message'],
    ['a message that is too long', 'x'.repeat(UPLINK_MAX_MESSAGE_CHARS + 1), 'too_large'],
  ]
  test.each(nonsense)('instead of which comes %s is refused', async (_name, message, code) => {
    const mesh = await createTestMesh()
    const agent = await TestAgent.dial(await joinTestCluster(mesh, 'east', 'net-a'))
    agent.sendRaw(message)
    expect(await agent.next('refused')).toMatchObject({ code })
    await agent.ended()
  })

  test('that never comes ends the socket', async () => {
    const mesh = await createTestMesh()
    const agent = await TestAgent.dial(await joinTestCluster(mesh, 'east', 'net-a'))
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 11_000 })
    await runDurableObjectAlarm(mesh.stub)
    expect(await agent.ended()).toMatchObject({ code: 1001 })
  })

  test('said twice is refused', async () => {
    const mesh = await createTestMesh()
    const agent = await TestAgent.connect(await joinTestCluster(mesh, 'east', 'net-a'))
    await agent.hello()
    expect(await agent.next('refused')).toMatchObject({ code: 'bad_message' })
  })
})

describe('a restored plane', () => {
  test('begins a new epoch, and every agent gets a snapshot of it', async () => {
    const mesh = await createTestMesh()
    const east = await joinTestCluster(mesh, 'east', 'net-a')
    const before = await TestAgent.connect(east)
    await before.until((state) => state.has('settings'))
    await runInDurableObject(mesh.stub, (_instance, { storage }) => {
      const context = {
        sql: storage.sql,
        transaction: <T>(body: () => T) => storage.transactionSync(body),
        now: Date.now,
        random: (bytes: number) => crypto.getRandomValues(new Uint8Array(bytes)),
      }
      expect(followGeneration(context, 'another')).toBe(true)
      expect(followGeneration(context, 'another')).toBe(false)
    })
    const after = await TestAgent.connect(east, {}, before)
    const welcome = await after.next('welcome')
    expect(welcome.sync).toBe('snapshot')
    expect(welcome.epoch).not.toBe(before.position?.epoch)
  })

  test('that nobody told is found out by an agent that is ahead of it; a second claim in an hour starts nothing', async () => {
    const mesh = await createTestMesh()
    const east = await joinTestCluster(mesh, 'east', 'net-a')
    const other = await TestAgent.connect(await joinTestCluster(mesh, 'west', 'net-b'))
    await other.until((state) => state.has('settings'))
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 61 * 60 * 1000 })
    const epoch = other.position?.epoch ?? ''
    const ahead = await TestAgent.connect(east, { position: { epoch, sequence: 1_000_000 } })
    const welcome = await ahead.next('welcome')
    expect(welcome).toMatchObject({ sync: 'snapshot' })
    expect(welcome.epoch).not.toBe(epoch)
    await other.ended()

    const again = await TestAgent.connect(east, {
      position: { epoch: welcome.epoch, sequence: 1_000_000 },
      replica: 'replica-2',
    })
    expect((await again.next('welcome')).epoch).toBe(welcome.epoch)
  })
})

describe('a cluster whose reporter has gone', () => {
  const contributionOf = async (mesh: TestMesh) => (await mesh.send<Cluster>('GET', '/clusters/east')).body.contribution
  /** Lets so many seconds pass, tick by tick. */
  const pass = async (mesh: TestMesh, seconds: number) => {
    for (let passed = 0; passed < seconds; passed += 20) {
      vi.setSystemTime(Date.now() + 20_000)
      await runDurableObjectAlarm(mesh.stub)
    }
  }

  test('is kept for a grace, then kept while others reach it, and withdrawn when nobody does', async () => {
    const mesh = await createTestMesh()
    const east = await TestAgent.connect(await joinTestCluster(mesh, 'east', 'net-a'))
    await east.claim(1)
    await east.report([toTestEntry({ cluster: 'east', network: 'net-a', name: 'reviews' })])
    const joined = await joinTestCluster(mesh, 'west', 'net-b')
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() })
    east.socket.close()
    // The watcher is a new session each time: its old one would be ended as silent.
    const watch = (reachable: boolean) =>
      TestAgent.connect(joined).then((agent) => {
        agent.send({
          type: 'probes',
          results: [{ cluster: east.cluster.joined.cluster, address: '192.0.2.1', port: 15443, reachable }],
        })
        return vi.waitUntil(
          async () => (await mesh.send<Cluster>('GET', '/clusters/east')).body.probes[0]?.reachable === reachable,
          { timeout: 10_000 },
        )
      })
    await pass(mesh, 280)
    expect(await contributionOf(mesh)).toBe('live')
    await watch(true)
    await pass(mesh, 40)
    expect(await contributionOf(mesh)).toBe('live')
    await watch(false)
    await pass(mesh, 40)
    expect(await contributionOf(mesh)).toBe('deprioritised')
    await pass(mesh, 320)
    expect(await contributionOf(mesh)).toBe('withdrawn')

    const back = await TestAgent.connect(east.cluster)
    await back.claim(1)
    await pass(mesh, 20)
    expect(await contributionOf(mesh)).toBe('live')
  })

  test('loses nothing by an outage of the plane', async () => {
    const mesh = await createTestMesh()
    const east = await TestAgent.connect(await joinTestCluster(mesh, 'east', 'net-a'))
    await east.claim(1)
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() })
    east.socket.close()
    await pass(mesh, 280)
    vi.setSystemTime(Date.now() + 24 * 60 * 60 * 1000)
    await pass(mesh, 280)
    expect(await contributionOf(mesh)).toBe('live')
    await pass(mesh, 40)
    expect(await contributionOf(mesh)).toBe('deprioritised')
  })
})

test('a half-open socket is ended when it has been silent for a minute', async () => {
  const mesh = await createTestMesh()
  const agent = await TestAgent.connect(await joinTestCluster(mesh, 'east', 'net-a'))
  await agent.until((state) => state.has('settings'))
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 61_000 })
  await runDurableObjectAlarm(mesh.stub)
  expect((await agent.ended()).code).toBe(1001)
  expect((await mesh.send<Cluster>('GET', '/clusters/east')).body.connected).toBe(false)
})
