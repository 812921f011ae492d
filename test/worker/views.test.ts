import { runDurableObjectAlarm } from 'cloudflare:test'
import { afterEach, describe, expect, test, vi } from 'vitest'
import type { AuditEvent } from '#api/schemas/audit.ts'
import type { Cluster, JoinToken } from '#api/schemas/clusters.ts'
import type { MachineToken } from '#api/schemas/machine-tokens.ts'
import type { ProxyPage } from '#api/schemas/proxies.ts'
import type { RevisionDelivery } from '#api/schemas/revisions.ts'
import type { Delivery, ProxyStatus } from '#mesh/uplink.ts'
import { joinTestCluster, TestAgent } from './support/test-agent.ts'
import { toRule } from './support/test-configuration.ts'
import { createTestMesh } from './support/test-plane.ts'
import type { TestMesh } from './support/test-plane.ts'

const rule = toRule('reviews', 'v1')

const toDelivery = (changes: Partial<Delivery> = {}): Delivery => ({
  compiled: 1,
  proxies: 2,
  live: [{ revision: 1, proxies: 2 }],
  laggards: [],
  nacks: [],
  ...changes,
})

afterEach(() => {
  vi.useRealTimers()
})

describe('delivery', () => {
  const read = async (mesh: TestMesh, query = '') =>
    (await mesh.send<RevisionDelivery>('GET', `/revisions/1/delivery${query}`)).body

  test('adds up what the replicas of every cluster say, and is complete when all of them are there', async () => {
    const mesh = await createTestMesh()
    const east = await joinTestCluster(mesh, 'east', 'net-a')
    const west = await TestAgent.connect(await joinTestCluster(mesh, 'west', 'net-b'))
    const [first, second] = [await TestAgent.connect(east), await TestAgent.connect(east, { replica: 'replica-2' })]
    await mesh.send('POST', '/configuration', { yaml: rule })
    expect(await read(mesh)).toMatchObject({ revision: 1, complete: false })

    first.send({ type: 'delivery', delivery: toDelivery() })
    second.send({ type: 'delivery', delivery: toDelivery({ proxies: 1, live: [{ revision: 3, proxies: 1 }] }) })
    const laggards = [{ proxy: 'sidecar/default/slow', revision: 0, waitingFor: 'an ACK of EDS' }]
    const live = [
      { revision: 0, proxies: 1 },
      { revision: 1, proxies: 1 },
    ]
    west.send({ type: 'delivery', delivery: toDelivery({ live, laggards }) })
    await expect.poll(async () => (await read(mesh)).clusters.map(({ live: count }) => count)).toEqual([3, 1])
    const partly = await read(mesh)
    expect(partly).toMatchObject({
      complete: false,
      clusters: [
        { cluster: 'east', connected: true, proxies: 3, live: 3, laggards: [] },
        { cluster: 'west', connected: true, proxies: 2, live: 1, laggards },
      ],
    })

    const waiting = read(mesh, `?waitSeconds=20&after=${partly.version}`)
    west.send({ type: 'delivery', delivery: toDelivery() })
    expect(await waiting).toMatchObject({ complete: true })
  })

  test('of a cluster that is away is what it last said, and incomplete; of one that holds back, too', async () => {
    const mesh = await createTestMesh()
    const agent = await TestAgent.connect(await joinTestCluster(mesh, 'east', 'net-a'))
    await mesh.send('POST', '/configuration', { yaml: rule })
    agent.send({ type: 'delivery', delivery: toDelivery() })
    await expect.poll(async () => (await read(mesh)).complete).toBe(true)
    const hold = {
      id: 'restored-plane-1',
      kind: 'restored-plane' as const,
      reason: 'an older plane',
      since: new Date(0).toISOString(),
    }
    agent.send({ type: 'holds', holds: [hold] })
    await expect.poll(async () => (await read(mesh)).clusters[0]?.heldBecause).toBe('an older plane')
    expect((await read(mesh)).complete).toBe(false)

    agent.send({ type: 'holds', holds: [] })
    await expect.poll(async () => (await read(mesh)).complete).toBe(true)
    agent.socket.close()
    await expect
      .poll(async () => (await read(mesh)).clusters[0])
      .toMatchObject({ connected: false, proxies: 2, live: 2 })
    expect((await read(mesh)).complete).toBe(false)
  })

  test('of a revision that is not there yet is not found', async () => {
    const mesh = await createTestMesh()
    expect((await mesh.send('GET', '/revisions/1/delivery')).status).toBe(404)
  })

  test('keeps its counts however much an agent has to say', async () => {
    const mesh = await createTestMesh()
    const agent = await TestAgent.connect(await joinTestCluster(mesh, 'east', 'net-a'))
    await mesh.send('POST', '/configuration', { yaml: rule })
    const nack = { proxy: 'p'.repeat(256), typeUrl: 'type', resources: [], reason: 'r'.repeat(2048), revision: 1 }
    agent.send({ type: 'delivery', delivery: toDelivery({ nacks: Array.from({ length: 20 }, () => nack) }) })
    await expect.poll(async () => (await read(mesh)).clusters[0]?.live).toBe(2)
    expect((await read(mesh)).clusters[0]?.nacks.length).toBeGreaterThan(0)
  })
})

/** Answers every question of the plane in parts, as an agent does. */
const answerWith = (agent: TestAgent, toBody: (query: { kind: string; proxy?: string }) => unknown) => {
  agent.socket.addEventListener('message', ({ data }) => {
    const message = JSON.parse(String(data)) as { type: string; request: string; query: { kind: string } }
    if (message.type !== 'query') return
    const body = toBody(message.query)
    const text = JSON.stringify(body) ?? 'not found'
    const middle = Math.ceil(text.length / 2)
    const ok = body !== undefined
    agent.send({ type: 'answer', request: message.request, ok, part: text.slice(0, middle), more: true })
    agent.send({ type: 'answer', request: message.request, ok, part: text.slice(middle), more: false })
  })
}

describe('delivery to proxies that run and are connected to no agent', () => {
  const live = (proxies: number) => ({ proxies, live: [{ revision: 1, proxies }] })
  const readEast = async (mesh: TestMesh) =>
    (await mesh.send<RevisionDelivery>('GET', '/revisions/1/delivery')).body.clusters[0]
  /** Two replicas of one cluster, that tell which proxies run and are not connected to them. */
  const connectReplicas = async (mesh: TestMesh, ...absent: readonly (readonly string[])[]) => {
    const east = await joinTestCluster(mesh, 'east', 'net-a')
    await mesh.send('POST', '/configuration', { yaml: rule })
    const toReplica = async (names: readonly string[], index: number) => {
      const agent = await TestAgent.connect(east, { replica: `r${index}` })
      answerWith(agent, ({ kind }) => (kind === 'absent-proxies' ? names : undefined))
      return agent
    }
    return Promise.all(absent.map(toReplica))
  }

  test('is incomplete, and they are named', async () => {
    const mesh = await createTestMesh()
    const [first, second] = await connectReplicas(mesh, ['c', 'd', 'e'], ['a', 'b', 'd'])
    first?.send({ type: 'delivery', delivery: toDelivery({ ...live(2), started: { proxies: 5, here: 2 } }) })
    // It has not heard of the newest one, which is connected to it, and serves one that nobody knows to run.
    second?.send({ type: 'delivery', delivery: toDelivery({ ...live(3), started: { proxies: 4, here: 2 } }) })
    await expect.poll(() => readEast(mesh)).toMatchObject({ proxies: 6, live: 5, absent: { proxies: 1, names: ['d'] } })
    expect((await mesh.send<RevisionDelivery>('GET', '/revisions/1/delivery')).body.complete).toBe(false)

    second?.send({ type: 'delivery', delivery: toDelivery({ ...live(4), started: { proxies: 5, here: 3 } }) })
    await expect.poll(() => readEast(mesh)).not.toHaveProperty('absent')
    expect(await readEast(mesh)).toMatchObject({ proxies: 6, live: 6 })
    expect((await mesh.send<RevisionDelivery>('GET', '/revisions/1/delivery')).body.complete).toBe(true)
  })

  test('is what the connected ones have, where an agent can not tell which run', async () => {
    const mesh = await createTestMesh()
    const [first, second] = await connectReplicas(mesh, ['b'], ['a'])
    first?.send({ type: 'delivery', delivery: toDelivery({ ...live(1), started: { proxies: 3, here: 1 } }) })
    second?.send({ type: 'delivery', delivery: toDelivery(live(1)) })
    await expect.poll(() => readEast(mesh)).toMatchObject({ proxies: 2, live: 2 })
    expect((await mesh.send<RevisionDelivery>('GET', '/revisions/1/delivery')).body.complete).toBe(true)
  })

  test('is incomplete while a replica serves no proxies yet', async () => {
    const mesh = await createTestMesh()
    const [first] = await connectReplicas(mesh, [], [])
    first?.send({ type: 'delivery', delivery: toDelivery({ ...live(1), started: { proxies: 1, here: 1 } }) })
    await expect.poll(() => readEast(mesh)).toMatchObject({ proxies: 1, live: 1, silent: 1 })
    expect((await mesh.send<RevisionDelivery>('GET', '/revisions/1/delivery')).body.complete).toBe(false)
  })
})

describe('proxies', () => {
  const toStatus = (name: string): ProxyStatus => ({
    name,
    cluster: 'east' as ProxyStatus['cluster'],
    role: 'sidecar',
    namespace: 'default',
    workload: name,
    serviceAccount: 'default',
    replica: 'replica-1',
    envoyVersion: '1.40.0',
    connectedAt: new Date(0).toISOString(),
    revision: 1,
    synced: true,
    types: [],
    nacks: [],
  })

  test('are asked of the agents, in pages; clusters that cannot answer are named', async () => {
    const mesh = await createTestMesh()
    const agent = await TestAgent.connect(await joinTestCluster(mesh, 'east', 'net-a'))
    await joinTestCluster(mesh, 'away', 'net-b')
    answerWith(agent, () => ['b', 'c', 'a'].map((name) => toStatus(name)))

    const first = (await mesh.send<ProxyPage>('GET', '/proxies?limit=2')).body
    expect(first.items.map(({ name }) => name)).toEqual(['a', 'b'])
    expect(first.unavailable).toEqual([{ cluster: 'away', reason: 'agent_unavailable' }])
    const second = (await mesh.send<ProxyPage>('GET', `/proxies?limit=2&cursor=${first.nextCursor}`)).body
    expect([second.items.map(({ name }) => name), second.nextCursor]).toEqual([['c'], null])
  })

  test('are of the cluster that answers, whatever it says; one that answers nonsense is named', async () => {
    const mesh = await createTestMesh()
    const liar = await TestAgent.connect(await joinTestCluster(mesh, 'liar', 'net-a'))
    const broken = await TestAgent.connect(await joinTestCluster(mesh, 'broken', 'net-a'))
    answerWith(liar, () => [toStatus('a')])
    answerWith(broken, () => [{ name: 'b' }])
    const { body } = await mesh.send<ProxyPage>('GET', '/proxies')
    expect(body.items.map(({ cluster }) => cluster)).toEqual(['liar'])
    expect(body.unavailable).toEqual([{ cluster: 'broken', reason: 'agent_unavailable' }])
  })

  test('are shown one by one, with what they are served', async () => {
    const mesh = await createTestMesh()
    const agent = await TestAgent.connect(await joinTestCluster(mesh, 'east', 'net-a'))
    const name = 'sidecar/default/web'
    const config = {
      name,
      cluster: 'east',
      revision: 1,
      resources: [{ typeUrl: 't', name: 'r', version: 'v', body: { a: 1 } }],
    }
    answerWith(agent, (query) => {
      if (query.kind === 'proxies') return [toStatus(name)]
      return query.proxy === name ? config : undefined
    })
    const path = `/proxies/east/${encodeURIComponent(name)}`
    expect((await mesh.send('GET', path)).body).toMatchObject({ name })
    expect((await mesh.send('GET', `${path}/config`)).body).toEqual(config)
    expect((await mesh.send('GET', '/proxies/east/other')).status).toBe(404)
    expect((await mesh.send('GET', '/proxies/east/other/config')).status).toBe(404)
    expect((await mesh.send('GET', '/proxies/nowhere/other')).status).toBe(404)
  })

  test('of an agent that is away, or goes while it is asked, are unavailable', async () => {
    const mesh = await createTestMesh()
    const east = await joinTestCluster(mesh, 'east', 'net-a')
    expect((await mesh.send('GET', '/proxies/east/x')).body.code).toBe('agent_unavailable')
    const agent = await TestAgent.connect(east)
    const asked = mesh.send('GET', '/proxies/east/x')
    await agent.next('query')
    agent.socket.close()
    expect((await asked).body.code).toBe('agent_unavailable')
  })

  test('of an agent that answers nonsense are unavailable, and the plane goes on', async () => {
    const mesh = await createTestMesh()
    const agent = await TestAgent.connect(await joinTestCluster(mesh, 'east', 'net-a'))
    agent.socket.addEventListener('message', ({ data }) => {
      const message = JSON.parse(String(data)) as { type: string; request: string }
      if (message.type === 'query')
        agent.send({ type: 'answer', request: message.request, ok: true, part: '{', more: false })
    })
    expect((await mesh.send('GET', '/proxies/east/x')).body.code).toBe('agent_unavailable')
    expect((await mesh.send('GET', '/clusters/east')).status).toBe(200)
  })
})

describe('machine tokens', () => {
  const body = { role: 'sidecar', namespace: 'default', serviceAccount: 'web', workload: 'web-1' }

  test('reach the agents of their cluster alone, as a hash, until they are revoked or over', async () => {
    const mesh = await createTestMesh()
    const east = await TestAgent.connect(await joinTestCluster(mesh, 'east', 'net-a'))
    const west = await TestAgent.connect(await joinTestCluster(mesh, 'west', 'net-a'))
    const path = '/clusters/east/machine-tokens'
    const made = (await mesh.send<MachineToken & { secret: string }>('POST', path, { body })).body
    await east.until((state) => state.has(`machine-token/${made.id}`))
    expect(east.state.get(`machine-token/${made.id}`)).toMatchObject({ value: { ...body, expiresAt: made.expiresAt } })
    expect(JSON.stringify([...east.state.values()])).not.toContain(made.secret.slice(-40))

    const short = (await mesh.send<MachineToken>('POST', path, { body: { ...body, ttlSeconds: 60 } })).body
    const { body: list } = await mesh.send<{ items: MachineToken[] }>('GET', path)
    expect(new Set(list.items.map(({ id }) => id))).toEqual(new Set([made.id, short.id]))
    expect((await mesh.send('DELETE', `${path}/${made.id}`)).status).toBe(204)
    await east.until((state) => !state.has(`machine-token/${made.id}`))
    expect((await mesh.send('DELETE', `${path}/${made.id}`)).status).toBe(404)

    await east.until((state) => state.has(`machine-token/${short.id}`))
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 61_000 })
    east.send({ type: 'ack', position: east.position ?? { epoch: '', sequence: 0 } })
    await runDurableObjectAlarm(mesh.stub)
    await expect.poll(async () => (await mesh.send<{ items: unknown[] }>('GET', path)).body.items).toEqual([])
    expect([...west.state.keys()].filter((key) => key.startsWith('machine-token/'))).toEqual([])
  })

  test('of gateways and groups are not told to an agent that does not know them, which is told all else', async () => {
    const mesh = await createTestMesh()
    const joined = await joinTestCluster(mesh, 'east', 'net-a')
    const older = await TestAgent.connect(joined, { capabilities: [] })
    const path = '/clusters/east/machine-tokens'
    const gateway = (await mesh.send<MachineToken>('POST', path, { body: { ...body, role: 'gateway' } })).body
    const ofGroup = (await mesh.send<MachineToken>('POST', path, { body: { ...body, group: true } })).body
    const sidecar = (await mesh.send<MachineToken>('POST', path, { body })).body
    await older.until((state) => state.has(`machine-token/${sidecar.id}`))
    for (const { id } of [gateway, ofGroup]) expect(older.state.has(`machine-token/${id}`)).toBe(false)

    const newer = await TestAgent.connect(joined, { replica: 'another' })
    for (const { id } of [gateway, ofGroup]) await newer.until((state) => state.has(`machine-token/${id}`))
  })

  test('of a group say so to the agents, and are for sidecars', async () => {
    const mesh = await createTestMesh()
    const east = await TestAgent.connect(await joinTestCluster(mesh, 'east', 'net-a'))
    const path = '/clusters/east/machine-tokens'
    const ofGroup = { ...body, workload: 'web', group: true }
    const made = (await mesh.send<MachineToken>('POST', path, { body: ofGroup })).body
    await east.until((state) => state.has(`machine-token/${made.id}`))
    expect(east.state.get(`machine-token/${made.id}`)).toMatchObject({ value: ofGroup })
    const { body: list } = await mesh.send<{ items: MachineToken[] }>('GET', path)
    expect(list.items).toMatchObject([ofGroup])
    const gateway = { ...ofGroup, role: 'gateway' }
    expect((await mesh.send('POST', path, { body: gateway })).status).toBe(400)
  })

  test('are of clusters that are in the mesh', async () => {
    const mesh = await createTestMesh()
    expect((await mesh.send('POST', '/clusters/nowhere/machine-tokens', { body })).status).toBe(404)
    expect((await mesh.send('GET', '/clusters/nowhere/machine-tokens')).status).toBe(404)
  })
})

describe('clusters and join tokens', () => {
  test('are listed, with who is connected', async () => {
    const mesh = await createTestMesh()
    await joinTestCluster(mesh, 'west', 'net-b')
    const agent = await TestAgent.connect(await joinTestCluster(mesh, 'east', 'net-a'))
    await agent.claim(1)
    const { body } = await mesh.send<{ items: Cluster[] }>('GET', '/clusters')
    expect(body.items).toMatchObject([
      {
        name: 'east',
        network: 'net-a',
        connected: true,
        replicas: [{ replica: 'replica-1', reporter: true }],
        contribution: 'live',
      },
      { name: 'west', network: 'net-b', connected: false, replicas: [] },
    ])
    const tokens = await mesh.send<{ items: JoinToken[] }>('GET', '/join-tokens?limit=1')
    expect(tokens.body.items).toHaveLength(1)
    expect(tokens.body.items[0]?.usedAt).not.toBeNull()
    expect(JSON.stringify(tokens.body)).not.toContain('secret')
  })

  test('keep a mesh from being deleted', async () => {
    const mesh = await createTestMesh()
    await joinTestCluster(mesh, 'east', 'net-a')
    expect((await mesh.send('DELETE', '')).body.code).toBe('conflict')
    await mesh.send('DELETE', '/clusters/east')
    expect((await mesh.send('DELETE', '')).status).toBe(204)
  })
})

test('the audit log has an event of every write, with who did it in which request', async () => {
  const mesh = await createTestMesh()
  await joinTestCluster(mesh, 'east', 'net-a')
  const applied = await mesh.send('POST', '/configuration', { yaml: rule })
  await mesh.send('DELETE', '/clusters/east')

  const { body } = await mesh.send<{ items: AuditEvent[] }>('GET', '/audit')
  expect(body.items.map(({ action }) => action)).toEqual([
    'cluster.evict',
    'configuration.apply',
    'certificate.issue',
    'cluster.join',
    'join-token.create',
    'mesh.create',
    'root.create',
  ])
  expect(body.items[1]).toMatchObject({
    actor: { kind: 'token', name: 'owner' },
    requestId: applied.headers.get('X-Request-Id'),
  })
  expect(body.items[3]).toMatchObject({ actor: { kind: 'agent', id: 'east' }, cluster: 'east' })

  const named = await mesh.send<{ items: AuditEvent[] }>('GET', '/audit?action=cluster.&cluster=east&limit=1')
  expect(named.body.items.map(({ action }) => action)).toEqual(['cluster.evict'])
  const until = encodeURIComponent(new Date(0).toISOString())
  expect((await mesh.send<{ items: AuditEvent[] }>('GET', `/audit?until=${until}`)).body.items).toEqual([])
})
