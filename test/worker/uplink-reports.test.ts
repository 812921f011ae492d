import { evictDurableObject, runInDurableObject } from 'cloudflare:test'
import { describe, expect, test, vi } from 'vitest'
import type { AuditEvent } from '#api/schemas/audit.ts'
import type { Cluster } from '#api/schemas/clusters.ts'
import { toServiceKey } from '#mesh/names.ts'
import type { CatalogEntry } from '#mesh/service.ts'
import type { Hold } from '#mesh/uplink.ts'
import { MAX_AGENT_EVENTS_PER_HOUR } from '#worker/mesh/audit.ts'
import { MAX_SERVICES_PER_CLUSTER } from '#worker/mesh/catalog.ts'
import { toTestEntry } from './support/test-catalog.ts'
import { apply, toRule } from './support/test-configuration.ts'
import { joinTestCluster, TestAgent } from './support/test-agent.ts'
import { createTestMesh } from './support/test-plane.ts'
import type { TestMesh } from './support/test-plane.ts'

const reviews = 'default/reviews.default.svc.cluster.local'

describe('a report', () => {
  test('is told to others: whole on the same network, summed up on others, never to its own cluster', async () => {
    const mesh = await createTestMesh()
    const [east, near, far] = await Promise.all([
      joinTestCluster(mesh, 'east', 'net-a'),
      joinTestCluster(mesh, 'near', 'net-a'),
      joinTestCluster(mesh, 'far', 'net-b'),
    ])
    const reporter = await TestAgent.connect(east)
    const nearAgent = await TestAgent.connect(near)
    const farAgent = await TestAgent.connect(far)
    expect(await reporter.claim(1)).toMatchObject({ granted: true, reported: null })
    const answer = await reporter.report([
      toTestEntry({ cluster: 'east', network: 'net-a', name: 'reviews', endpoints: 2 }),
    ])
    expect(answer.type).toBe('report-ack')

    await nearAgent.until((state) => state.has(`catalog/east/${reviews}`))
    await farAgent.until((state) => state.has(`summary/east/${reviews}`))
    expect(farAgent.state.has(`catalog/east/${reviews}`)).toBe(false)
    expect(nearAgent.state.has(`summary/east/${reviews}`)).toBe(false)
    expect([...reporter.state.keys()].filter((key) => key.includes('reviews'))).toEqual([])
    expect(farAgent.state.get(`summary/east/${reviews}`)).toMatchObject({
      value: { groups: [{ weight: 2, serviceAccounts: ['reviews'] }] },
    })
    expect(farAgent.state.get('cluster/east')).toMatchObject({
      value: { gateways: [{ address: '192.0.2.1', port: 15443 }] },
    })
  })

  test('is told only to clusters that have one of the namespaces it is exported to, also when those come and go', async () => {
    const mesh = await createTestMesh()
    const east = await TestAgent.connect(await joinTestCluster(mesh, 'east', 'net-a'))
    const west = await TestAgent.connect(await joinTestCluster(mesh, 'west', 'net-b'))
    await east.claim(1)
    await west.claim(1)
    await east.report([
      toTestEntry({ cluster: 'east', network: 'net-a', name: 'reviews', exportTo: ['blue'] }),
      toTestEntry({ cluster: 'east', network: 'net-a', name: 'open' }),
    ])
    await west.until((state) => state.has('summary/east/default/open.default.svc.cluster.local'))
    expect(west.state.has(`summary/east/${reviews}`)).toBe(false)

    await west.report([], { namespaces: ['blue'] })
    await west.until((state) => state.has(`summary/east/${reviews}`))
    await west.report([], { namespaces: ['red'] })
    await west.until((state) => !state.has(`summary/east/${reviews}`))
  })

  test("is told without a host that is another namespace's by name, whatever else it says", async () => {
    const mesh = await createTestMesh()
    const east = await TestAgent.connect(await joinTestCluster(mesh, 'east', 'net-a'))
    const west = await TestAgent.connect(await joinTestCluster(mesh, 'west', 'net-a'))
    await east.claim(1)
    const { service, endpoints } = toTestEntry({ cluster: 'east', network: 'net-a', name: 'reviews' })
    const squatter = {
      endpoints,
      service: { ...service, namespace: 'books', key: toServiceKey('books', service.hostname) },
    }
    await east.report([squatter, toTestEntry({ cluster: 'east', network: 'net-a', name: 'open' })])
    await west.until((state) => state.has('catalog/east/default/open.default.svc.cluster.local'))
    await east.report([squatter, toTestEntry({ cluster: 'east', network: 'net-a', name: 'reviews' })])
    await west.until((state) => state.has(`catalog/east/${reviews}`))
    expect([...west.state.keys()].filter((key) => key.includes('books'))).toEqual([])
  })

  test('is told as before when its cluster has joined anew on another network, until it reports from there', async () => {
    const mesh = await createTestMesh()
    const toEntries = (network: string) => [
      toTestEntry({ cluster: 'east', network, name: 'reviews' }),
      toTestEntry({ cluster: 'east', network, name: 'idle', endpoints: 0 }),
    ]
    const [joined, near, far] = await Promise.all([
      joinTestCluster(mesh, 'east', 'net-a'),
      joinTestCluster(mesh, 'near', 'net-a'),
      joinTestCluster(mesh, 'far', 'net-b'),
    ])
    const before = await TestAgent.connect(joined)
    const nearAgent = await TestAgent.connect(near)
    const farAgent = await TestAgent.connect(far)
    const toldTo = (agent: TestAgent) => [...agent.state.keys()].filter((key) => key.includes('/east/')).toSorted()
    await before.claim(1)
    await before.report(toEntries('net-a'))
    const whole = ['idle', 'reviews'].map((name) => `catalog/east/default/${name}.default.svc.cluster.local`)
    await expect.poll(() => [toldTo(nearAgent), toldTo(farAgent)]).toEqual([whole, [`summary/east/${reviews}`]])

    const after = await TestAgent.connect(await joinTestCluster(mesh, 'east', 'net-b'))
    expect([toldTo(nearAgent), toldTo(farAgent)]).toEqual([whole, [`summary/east/${reviews}`]])
    await after.claim(2)
    await after.report(toEntries('net-b'), { term: 2 })
    await expect.poll(() => [toldTo(nearAgent), toldTo(farAgent)]).toEqual([[`summary/east/${reviews}`], whole])
  })

  test('is summed up by the labels of subsets, which a rule may change later', async () => {
    const mesh = await createTestMesh()
    const east = await TestAgent.connect(await joinTestCluster(mesh, 'east', 'net-a'))
    const west = await TestAgent.connect(await joinTestCluster(mesh, 'west', 'net-b'))
    await east.claim(1)
    const labels = { app: 'reviews', version: 'v2' }
    await east.report([toTestEntry({ cluster: 'east', network: 'net-a', name: 'reviews', labels })])
    const groupLabels = () => {
      const item = west.state.get(`summary/east/${reviews}`)
      return item?.kind === 'summary' ? item.value.groups.map((group) => group.labels) : undefined
    }
    await expect.poll(groupLabels, { timeout: 10_000 }).toEqual([{}])
    await apply(mesh, toRule('reviews', 'v1', 'v2'))
    await expect.poll(groupLabels, { timeout: 10_000 }).toEqual([{ version: 'v2' }])
    await mesh.send('DELETE', '/configuration/DestinationRule/default/reviews')
    await expect.poll(groupLabels, { timeout: 10_000 }).toEqual([{}])
  })

  test('comes from one replica at a time: an older term is refused, a vacant one is told', async () => {
    const mesh = await createTestMesh()
    const east = await joinTestCluster(mesh, 'east', 'net-a')
    const first = await TestAgent.connect(east)
    const second = await TestAgent.connect(east, { replica: 'replica-2' })
    expect(await first.claim(3)).toMatchObject({ granted: true })
    expect(await second.claim(3)).toMatchObject({ granted: false, term: 3 })
    expect(await second.claim(4)).toMatchObject({ granted: true })

    first.sendReport({ term: 3 })
    expect(await first.next('refused')).toMatchObject({ code: 'stale_term' })
    expect(first.closed).toBeUndefined()

    second.socket.close()
    expect(await first.next('vacancy')).toEqual({ type: 'vacancy', term: 4 })
    const back = await TestAgent.connect(east, { replica: 'replica-2' })
    expect(await back.next('welcome')).toMatchObject({ reporter: { term: 4, replica: 'replica-2', connected: false } })
    expect(await back.claim(4)).toMatchObject({ granted: true })
  })

  test('by replicas that take turns without end is refused, before they have filled the audit log', async () => {
    const mesh = await createTestMesh()
    const east = await joinTestCluster(mesh, 'east', 'net-a')
    const [first, second] = [await TestAgent.connect(east), await TestAgent.connect(east, { replica: 'replica-2' })]
    const countEvents = () =>
      runInDurableObject(
        mesh.stub,
        (_, { storage }) =>
          storage.sql.exec<{ events: number }>(`SELECT count(*) AS events FROM audit WHERE actor_id = 'east'`).one()
            .events,
      )
    const before = await countEvents()
    for (let term = 1; term <= MAX_AGENT_EVENTS_PER_HOUR - before; term += 1)
      expect(await (term % 2 === 1 ? first : second).claim(term)).toMatchObject({ granted: true })
    const next = before % 2 === 0 ? first : second
    next.send({ type: 'claim', term: MAX_AGENT_EVENTS_PER_HOUR })
    expect(await next.next('refused')).toMatchObject({ code: 'rate_limited' })
    expect(await countEvents()).toBe(MAX_AGENT_EVENTS_PER_HOUR)
  })

  test('in chunks is committed whole; one that is cut off is nothing', async () => {
    const mesh = await createTestMesh()
    const east = await joinTestCluster(mesh, 'east', 'net-a')
    const west = await TestAgent.connect(await joinTestCluster(mesh, 'west', 'net-b'))
    const position = { boot: 'b', sequence: 1 }
    const toChunk = (name: string, more: boolean) => ({
      position,
      upserts: [toTestEntry({ cluster: 'east', network: 'net-a', name })],
      more,
    })
    const cut = await TestAgent.connect(east)
    await cut.claim(1)
    cut.sendReport(toChunk('reviews', true))
    cut.socket.close()

    const whole = await TestAgent.connect(east)
    await whole.claim(1)
    whole.sendReport(toChunk('ratings', true))
    await evictDurableObject(mesh.stub)
    whole.sendReport(toChunk('details', false))
    await whole.next('report-ack')
    await west.until((state) => [...state.keys()].filter((key) => key.startsWith('summary/')).length === 2)
    expect([...west.state.keys()].filter((key) => key.startsWith('summary/')).toSorted()).toEqual([
      'summary/east/default/details.default.svc.cluster.local',
      'summary/east/default/ratings.default.svc.cluster.local',
    ])
  })

  test('that is sent again is acknowledged and not done again; a change of an unknown catalog is refused', async () => {
    const mesh = await createTestMesh()
    const agent = await TestAgent.connect(await joinTestCluster(mesh, 'east', 'net-a'))
    await agent.claim(1)
    const upserts = [toTestEntry({ cluster: 'east', network: 'net-a', name: 'reviews' })]
    const position = agent.sendReport({ upserts })
    await agent.next('report-ack')
    agent.sendReport({ position, upserts: [] })
    await vi.waitUntil(() => agent.messages.filter(({ type }) => type === 'report-ack').length === 2, {
      timeout: 10_000,
    })
    expect((await mesh.send<Cluster>('GET', '/clusters/east')).body.services).toBe(1)

    agent.sendReport({ mode: 'delta', position: { boot: 'other', sequence: 9 } })
    expect(await agent.next('refused')).toMatchObject({ code: 'bad_message' })
  })

  test('of more services than a cluster may have is refused, however many messages it comes in', async () => {
    const mesh = await createTestMesh()
    const agent = await TestAgent.connect(await joinTestCluster(mesh, 'east', 'net-a'))
    await agent.claim(1)
    const entry = toTestEntry({ cluster: 'east', network: 'net-a', name: 'reviews', endpoints: 0 })
    const position = { boot: 'a-boot', sequence: 1 }
    for (let start = 0; start <= MAX_SERVICES_PER_CLUSTER; start += 500) {
      const upserts = Array.from({ length: 500 }, (_, index): CatalogEntry => {
        const hostname = `service-${start + index}.example`
        return { ...entry, service: { ...entry.service, hostname, key: toServiceKey('default', hostname) } }
      })
      agent.sendReport({ position, upserts, more: start < MAX_SERVICES_PER_CLUSTER })
    }
    expect(await agent.next('refused')).toMatchObject({ code: 'too_large' })
    expect((await mesh.send<Cluster>('GET', '/clusters/east')).body.services).toBe(0)
  })

  const foreign: readonly (readonly [string, Parameters<typeof toTestEntry>[0]])[] = [
    ['of another cluster', { cluster: 'west', network: 'net-a', name: 'reviews' }],
    [
      'under another name',
      { cluster: 'east', network: 'net-a', name: 'reviews', service: { hostname: 'ratings.example' } },
    ],
    [
      'that is too large for a row',
      { cluster: 'east', network: 'net-a', name: 'reviews', endpoints: 900, labels: { version: '€'.repeat(330) } },
    ],
  ]
  test.each(foreign)('that speaks of endpoints %s is refused', async (_name, entry) => {
    const mesh = await createTestMesh()
    const agent = await TestAgent.connect(await joinTestCluster(mesh, 'east', 'net-a'))
    await agent.claim(1)
    agent.sendReport({ upserts: [toTestEntry(entry)] })
    expect(await agent.next('refused')).toMatchObject({ code: 'bad_message' })
    expect((await mesh.send<Cluster>('GET', '/clusters/east')).body.services).toBe(0)
  })
})

describe('a report that would strip its cluster', () => {
  const entries = (count: number) =>
    Array.from({ length: count }, (_, index) =>
      toTestEntry({ cluster: 'east', network: 'net-a', name: `s${index}`, endpoints: 2 }),
    )

  test('is held, shown, and applied when a person confirms it', async () => {
    const mesh = await createTestMesh()
    const agent = await TestAgent.connect(await joinTestCluster(mesh, 'east', 'net-a'))
    await agent.claim(1)
    await agent.report(entries(5))
    const held = await agent.report(entries(1))
    if (held.type !== 'report-held') throw new Error('it was not held')

    const { body } = await mesh.send<Cluster>('GET', '/clusters/east')
    expect(body).toMatchObject({ services: 5, endpoints: 10, holds: [{ id: held.hold, kind: 'mass-removal' }] })
    await evictDurableObject(mesh.stub)
    expect((await mesh.send('POST', '/clusters/east/confirm', { body: { hold: 'other' } })).status).toBe(404)
    expect((await mesh.send('POST', '/clusters/east/confirm', { body: { hold: held.hold } })).status).toBe(204)
    await agent.next('report-ack', ({ position }) => position.sequence === held.position.sequence)
    expect((await mesh.send<Cluster>('GET', '/clusters/east')).body).toMatchObject({
      services: 1,
      endpoints: 2,
      holds: [],
    })
  })

  test('is forgotten when the registry comes back', async () => {
    const mesh = await createTestMesh()
    const agent = await TestAgent.connect(await joinTestCluster(mesh, 'east', 'net-a'))
    await agent.claim(1)
    await agent.report(entries(5))
    expect((await agent.report([])).type).toBe('report-held')
    expect((await agent.report(entries(6))).type).toBe('report-ack')
    expect((await mesh.send<Cluster>('GET', '/clusters/east')).body).toMatchObject({ services: 6, holds: [] })
  })

  /** The agent holds a step itself, and a person confirms it. */
  const confirmAt = async (mesh: TestMesh, agent: TestAgent, id: string, shown: Pick<Hold, 'endpoints'> = {}) => {
    const holds = [{ id, kind: 'mass-removal' as const, reason: 'a test', since: '2026-11-21T00:00:00Z', ...shown }]
    agent.send({ type: 'holds', holds })
    const { name } = agent.cluster
    const confirm = async () => (await mesh.send('POST', `/clusters/${name}/confirm`, { body: { hold: id } })).status
    await expect.poll(confirm, { timeout: 10_000 }).toBe(204)
    await agent.next('confirm', ({ hold }) => hold === id)
  }

  test('passes once by the id of what a person confirmed to its agent', async () => {
    const mesh = await createTestMesh()
    const agent = await TestAgent.connect(await joinTestCluster(mesh, 'east', 'net-a'))
    await agent.claim(1)
    await agent.report(entries(5))
    await confirmAt(mesh, agent, 'mass-removal-1')
    await evictDurableObject(mesh.stub)
    expect((await agent.report([], { confirmed: 'mass-removal-1' })).type).toBe('report-ack')
    expect((await mesh.send<Cluster>('GET', '/clusters/east')).body.services).toBe(0)

    await agent.report(entries(5))
    expect((await agent.report([], { confirmed: 'mass-removal-1' })).type).toBe('report-held')
    expect((await mesh.send<Cluster>('GET', '/clusters/east')).body.services).toBe(5)
  })

  test('takes away no more than a person was shown, but for what is everyday work', async () => {
    const mesh = await createTestMesh()
    const agent = await TestAgent.connect(await joinTestCluster(mesh, 'east', 'net-a'))
    await agent.claim(1)
    await agent.report(entries(10))
    await confirmAt(mesh, agent, 'mass-removal-1', { endpoints: 8 })
    const held = await agent.report(entries(2), { confirmed: 'mass-removal-1' })
    if (held.type !== 'report-held') throw new Error('it was not held')
    expect(held.reason).toContain('would remove 16 of 20 endpoints')
    expect(held.reason).toContain('what was confirmed as mass-removal-1 were 8')
    expect((await agent.report(entries(5), { confirmed: 'mass-removal-1' })).type).toBe('report-ack')
    expect((await agent.report(entries(1), { confirmed: 'mass-removal-1' })).type).toBe('report-held')
  })

  test('is held when its agent only says that a person confirmed it, and shown with what it says', async () => {
    const mesh = await createTestMesh()
    const agent = await TestAgent.connect(await joinTestCluster(mesh, 'east', 'net-a'))
    const west = await TestAgent.connect(await joinTestCluster(mesh, 'west', 'net-a'))
    await agent.claim(1)
    await agent.report(entries(5))
    await confirmAt(mesh, west, 'mass-removal-of-west')
    for (const confirmed of ['made-up', 'mass-removal-of-west'])
      expect((await agent.report([], { confirmed })).type).toBe('report-held')

    const { body } = await mesh.send<Cluster>('GET', '/clusters/east')
    expect(body).toMatchObject({ services: 5, holds: [{ reason: expect.stringContaining('says that made-up was') }] })
    const audit = await mesh.send<{ items: AuditEvent[] }>('GET', '/audit?action=hold.create&cluster=east')
    expect(audit.body.items).toMatchObject([
      { target: body.holds[0]?.id, detail: { reason: expect.stringContaining('made-up') } },
    ])
  })

  test('is held again, under another id, when its agent begins to say that it was confirmed', async () => {
    const mesh = await createTestMesh()
    const agent = await TestAgent.connect(await joinTestCluster(mesh, 'east', 'net-a'))
    await agent.claim(1)
    await agent.report(entries(5))
    const first = await agent.report([])
    const second = await agent.report([], { confirmed: 'made-up' })
    const third = await agent.report([])
    if (first.type !== 'report-held' || second.type !== 'report-held' || third.type !== 'report-held')
      throw new Error('it was not held')
    expect(second.hold).not.toBe(first.hold)
    expect(third).toMatchObject({ hold: second.hold, reason: second.reason })
  })

  test('is held when what a person confirmed was confirmed long ago', async () => {
    const mesh = await createTestMesh()
    const agent = await TestAgent.connect(await joinTestCluster(mesh, 'east', 'net-a'))
    await agent.claim(1)
    await agent.report(entries(5))
    await confirmAt(mesh, agent, 'mass-removal-1')
    await runInDurableObject(mesh.stub, (_instance, { storage }) => {
      storage.sql.exec('UPDATE hold_grants SET granted_at = granted_at - 3600000')
    })
    expect((await agent.report([], { confirmed: 'mass-removal-1' })).type).toBe('report-held')
  })
})
