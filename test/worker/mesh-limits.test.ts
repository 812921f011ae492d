import { evictDurableObject, runInDurableObject } from 'cloudflare:test'
import { expect, test, vi } from 'vitest'
import type { ApplyResult, ObjectStatus } from '#api/schemas/configuration.ts'
import { quotaUse, type QuotaUse } from '#api/schemas/quotas.ts'
import { UPLINK_CAPABILITIES, UPLINK_MAX_LEASE_ASKS, type LeaseAsk, type LeaseGrant } from '#mesh/uplink.ts'
import { LeaseDesk, MAX_COUNTS_OF_NAMESPACE } from '#worker/mesh/limits/lease-desk.ts'
import { MAX_QUOTA_USES, MAX_QUOTA_USES_OF_NAMESPACE } from '#worker/mesh/limits/quota-uses.ts'
import { joinTestCluster, TestAgent } from './support/test-agent.ts'
import { createTestMesh, type TestMesh } from './support/test-plane.ts'

const toLimitsOf = (namespace: string, ...limits: readonly string[]) => `apiVersion: policy.atoll.dev/v1alpha1
kind: RateLimit
metadata: {name: shop, namespace: ${namespace}}
spec:
  limits:
${limits.map((limit) => `  - {${limit}}`).join('\n')}
`
const toLimits = (...limits: readonly string[]) => toLimitsOf('default', ...limits)
const rate = 'name: all, scope: MESH, requests: 100, per: 1h'
const quota = 'name: day, scope: MESH, requests: 100, calendar: DAY, by: [{claim: sub}]'
const own = 'name: own, requests: 5, per: 1s'

const start = async (...limits: readonly string[]) => {
  const mesh = await createTestMesh()
  await mesh.send('POST', '/configuration', { yaml: toLimits(...limits) })
  return mesh
}

const connect = async (mesh: TestMesh, cluster: string, capabilities: readonly string[] = UPLINK_CAPABILITIES) =>
  TestAgent.connect(await joinTestCluster(mesh, cluster, `net-${cluster}`), { capabilities })

const ask = async (agent: TestAgent, asked: Partial<LeaseAsk>): Promise<LeaseGrant> => {
  const answers = () => agent.messages.filter((message) => message.type === 'leases')
  const before = answers().length
  const nothing = { limit: 'RateLimit/default/shop/all', consumer: '', want: 0, back: 0, ahead: 0 }
  agent.send({ type: 'lease', asks: [{ ...nothing, ...asked }] })
  await expect.poll(() => answers().length).toBe(before + 1)
  const [grant] = answers()[before]?.grants ?? []
  if (!grant) throw new Error('no answer')
  return grant
}
const ofDay = { limit: 'RateLimit/default/shop/day', consumer: 'ann' }

test('what a rate allows is leased to those who ask, and no more of it, and what was run ahead by counts', async () => {
  const mesh = await start(rate)
  const [east, west] = [await connect(mesh, 'east'), await connect(mesh, 'west')]
  expect(await ask(east, { want: 60, ahead: 10 })).toMatchObject({ tokens: 60, againMs: 0, forMs: 30_000 })
  const { tokens, againMs } = await ask(west, { want: 60 })
  expect(tokens).toBeGreaterThan(0)
  expect(tokens).toBeLessThan(30)
  expect(againMs).toBe(0)
  expect((await ask(east, { want: 100 })).tokens).toBeLessThanOrEqual(30 - tokens)
})

test('every replica is told how many there are, and takes its part of the same', async () => {
  const mesh = await start(rate)
  const east = await connect(mesh, 'east')
  const other = await TestAgent.connect(east.cluster, { replica: 'replica-2' })
  // Anybody can open a socket, and an older agent asks for nothing.
  await TestAgent.dial(east.cluster, 'replica-3')
  await TestAgent.connect(east.cluster, { replica: 'replica-4', capabilities: [] })
  const tokens = [await ask(east, { want: 50 }), await ask(other, { want: 90 }), await ask(east, { want: 90 })]
  expect(tokens.reduce((sum, grant) => sum + grant.tokens, 0)).toBeLessThanOrEqual(100)
  expect((await other.next('leases')).replicas).toBe(2)
})

test('what a cluster gives back of a rate that it was not given gives others nothing more', async () => {
  const mesh = await start(rate)
  const tokens = await runInDurableObject(mesh.stub, (_instance, { storage: { sql } }) => {
    let nowMs = 1_000_000
    const desk = new LeaseDesk({ context: { sql, now: () => nowMs }, countReplicas: () => 2 })
    const lease = (cluster: string, asked: Partial<LeaseAsk>) => {
      const nothing = { limit: 'RateLimit/default/shop/all', consumer: '', want: 0, back: 0, ahead: 0 }
      return desk.lease({ session: cluster, cluster }, [{ ...nothing, ...asked }]).grants[0]?.tokens
    }
    const first = lease('west', { want: 100 })
    nowMs += 31_000
    lease('east', { back: 100 })
    const lied = lease('west', { want: 100 })
    lease('west', { back: 30 })
    return [first, lied, lease('west', { want: 100 })]
  })
  expect(tokens).toEqual([100, 0, 30])
})

test('nor of a quota, also after the object has slept', async () => {
  const mesh = await start(quota)
  const [east, west] = [await connect(mesh, 'east'), await connect(mesh, 'west')]
  const { day } = await ask(west, { ...ofDay, want: 40 })
  const used = async () => (await mesh.send<{ items: QuotaUse[] }>('GET', '/quotas')).body.items[0]?.used
  for (const back of [40, 10]) await ask(east, { ...ofDay, back, day })
  expect(await used()).toBe(40)
  await evictDurableObject(mesh.stub)
  const [liar, honest] = [await TestAgent.connect(east.cluster), await TestAgent.connect(west.cluster)]
  await ask(liar, { ...ofDay, back: 40, day })
  expect(await used()).toBe(40)
  await ask(honest, { ...ofDay, back: 15, day })
  expect(await used()).toBe(25)
})

test('of a rate nothing is let through twice by an object that has lost its memory', async () => {
  const mesh = await start(rate)
  const east = await connect(mesh, 'east')
  expect(await ask(east, { want: 100 })).toMatchObject({ tokens: 100 })
  await evictDurableObject(mesh.stub)
  const back = await TestAgent.connect(east.cluster)
  const { tokens, againMs } = await ask(back, { want: 100 })
  expect(tokens).toBe(0)
  expect(againMs).toBeGreaterThan(0)
})

test('what is used of a quota is kept, also by an object that has lost its memory; each consumer has one', async () => {
  const mesh = await start(quota)
  const east = await connect(mesh, 'east')
  const first = await ask(east, { ...ofDay, want: 40 })
  expect(first).toMatchObject({ tokens: 40, day: Math.floor(Date.now() / 86_400_000) })
  expect(await ask(east, { ...ofDay, back: 10, day: first.day, want: 0 })).toMatchObject({ tokens: 0, againMs: 0 })
  await evictDurableObject(mesh.stub)
  const back = await TestAgent.connect(east.cluster)
  expect(await ask(back, { ...ofDay, want: 100 })).toMatchObject({ tokens: 35 })
  expect(await ask(back, { ...ofDay, ahead: 40, day: first.day, want: 100 })).toMatchObject({ tokens: 0 })
  const { againMs } = await ask(back, { ...ofDay, want: 1 })
  expect(againMs).toBeGreaterThan(1000)
  expect(await ask(back, { ...ofDay, consumer: 'bob', want: 10 })).toMatchObject({ tokens: 10 })
})

test('what is used of quotas is listed against what they allow, by day and namespace, page by page', async () => {
  const mesh = await start(quota, 'name: other, scope: MESH, requests: 7, calendar: DAY')
  const east = await connect(mesh, 'east')
  await ask(east, { ...ofDay, want: 40 })
  await ask(east, { ...ofDay, consumer: 'bob', want: 10, ahead: 120 })
  await ask(east, { limit: 'RateLimit/default/shop/other', want: 1 })
  type Page = { items: QuotaUse[]; nextCursor: string | null }
  const list = async (query = '') => (await mesh.send<Page>('GET', `/quotas?${query}`)).body
  const { items } = await list()
  const common = { namespace: 'default', rateLimit: 'shop', day: new Date().toISOString().slice(0, 10) }
  expect(items).toEqual([
    { ...common, limit: 'day', consumer: 'ann', used: 40, requests: 100 },
    { ...common, limit: 'day', consumer: 'bob', used: 120, requests: 100 },
    { ...common, limit: 'other', consumer: '', used: 1, requests: 7 },
  ])
  const first = await list('limit=2')
  expect(first.items).toEqual(items.slice(0, 2))
  expect((await list(`limit=2&cursor=${first.nextCursor}`)).items).toEqual(items.slice(2))
  expect((await list('namespace=elsewhere')).items).toEqual([])
  expect((await list('day=2020-01-01')).items).toEqual([])
  await mesh.send('DELETE', '/configuration/RateLimit/default/shop')
  expect((await list()).items.map(({ requests }) => requests)).toEqual([null, null, null])
})

test('what an agent says that nobody can have used is told as a number all the same', async () => {
  const mesh = await start(quota)
  const east = await connect(mesh, 'east')
  const { day } = await ask(east, { ...ofDay, want: 1 })
  for (let times = 0; times < 3; times += 1) await ask(east, { ...ofDay, day, ahead: Number.MAX_SAFE_INTEGER })
  const { body } = await mesh.send<{ items: unknown[] }>('GET', '/quotas')
  expect(body.items.map((item) => quotaUse.safeParse(item).success)).toEqual([true])
})

test('a session that asks for far more counts than an agent does is ended', async () => {
  const mesh = await start(rate)
  const east = await connect(mesh, 'east')
  const asks = Array.from({ length: UPLINK_MAX_LEASE_ASKS }, (_, index) => ({
    limit: 'RateLimit/default/shop/all',
    consumer: String(index),
    want: 0,
    back: 0,
    ahead: 0,
  }))
  const refused = () => east.messages.some(({ type }) => type === 'refused')
  // As many messages as are no matter with little in them.
  for (let sent = 0; sent < 800 && !refused(); sent += 1) {
    east.send({ type: 'lease', asks })
    if (sent % 20 === 0) await new Promise((resolve) => setTimeout(resolve))
  }
  expect(await east.next('refused')).toMatchObject({ code: 'rate_limited', retryAfterSeconds: 10 })
})

test('a limit that is changed holds as it is now, and of one that is not there nothing is counted', async () => {
  const mesh = await start(rate)
  const east = await connect(mesh, 'east')
  expect(await ask(east, { want: 10 })).toMatchObject({ tokens: 10 })
  await mesh.send('POST', '/configuration', { yaml: toLimits('name: all, scope: MESH, requests: 5, per: 1h', own) })
  expect((await ask(east, { want: 10 })).tokens).toBeLessThanOrEqual(5)
  expect(await ask(east, { limit: 'RateLimit/default/shop/own', want: 1 })).toMatchObject({ none: 'gone' })
  await mesh.send('DELETE', '/configuration/RateLimit/default/shop')
  expect(await ask(east, { want: 10 })).toMatchObject({ tokens: 0, none: 'gone' })
})

test('an agent that leases nothing is told the other limits alone, and the status says where limits over the mesh do not hold', async () => {
  const mesh = await start(rate, own)
  const old = await connect(
    mesh,
    'old',
    UPLINK_CAPABILITIES.filter((each) => each !== 'leases'),
  )
  const east = await connect(mesh, 'east')
  const toldTo = (agent: TestAgent) => agent.state.get('config/RateLimit/default/shop')
  await expect
    .poll(() => toldTo(east))
    .toMatchObject({ value: { spec: { limits: [{ name: 'all' }, { name: 'own' }] } } })
  await expect.poll(() => toldTo(old)).toMatchObject({ value: { spec: { limits: [{ name: 'own' }] } } })
  const { body } = await mesh.send<{ status: ObjectStatus[] }>('GET', '/configuration/RateLimit/default/shop')
  expect(body.status).toMatchObject([
    { cluster: 'old', conditions: [{ type: 'atoll.dev/Effective', status: 'False', reason: 'AgentTooOld' }] },
  ])
  const { body: applied } = await mesh.send<ApplyResult>('POST', '/configuration', { yaml: toLimits(rate) })
  expect(applied.problems.map(({ message }) => message)).toEqual([
    expect.stringMatching(
      /^limits of the scope MESH don't hold in cluster old \(agent .+\): the agent there is too old/,
    ),
  ])
  await expect.poll(() => toldTo(old)).toBeUndefined()
})

const today = () => Math.floor(Date.now() / 86_400_000)

/** So many consumers of a quota have come on a day. */
const fill = (mesh: TestMesh, day: number, count: number) =>
  runInDurableObject(mesh.stub, (_instance, { storage: { sql } }) => {
    sql.exec(
      `WITH RECURSIVE consumers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM consumers WHERE n < ?1)
       INSERT INTO quota_uses (day, limit_name, consumer, used) SELECT ?2, 'RateLimit/default/shop/day', 'consumer-' || n, 1 FROM consumers`,
      count,
      day,
    )
  })

test('days that are over give way to who comes today', async () => {
  const mesh = await start(quota)
  const east = await connect(mesh, 'east')
  await fill(mesh, today() - 2, MAX_QUOTA_USES)
  expect(await ask(east, { ...ofDay, want: 10 })).toMatchObject({ tokens: 10 })
})

test('consumers of one namespace, however many, leave room for those of others', async () => {
  const mesh = await start(quota)
  await mesh.send('POST', '/configuration', { yaml: toLimitsOf('bank', quota) })
  const east = await connect(mesh, 'east')
  await fill(mesh, today(), MAX_QUOTA_USES_OF_NAMESPACE)
  expect(await ask(east, { ...ofDay, want: 10 })).toMatchObject({ tokens: 0, none: 'full' })
  expect(await ask(east, { ...ofDay, consumer: 'consumer-1', want: 10 })).toMatchObject({ tokens: 10 })
  const { tokens, none } = await ask(east, { ...ofDay, limit: 'RateLimit/bank/shop/day', want: 10 })
  expect([tokens, none]).toEqual([10, undefined])
})

test('replicas that are remembered are bounded, and the log says so when there are more', async () => {
  const log = vi.spyOn(console, 'warn').mockImplementation(() => {})
  const mesh = await start(rate)
  await runInDurableObject(mesh.stub, (_instance, { storage: { sql } }) => {
    const desk = new LeaseDesk({ context: { sql, now: () => 1_000_000 }, countReplicas: () => 1 })
    for (let replica = 0; replica < 12; replica += 1)
      for (let count = 0; count < MAX_COUNTS_OF_NAMESPACE; count += 1) {
        const asked = { limit: 'RateLimit/default/shop/all', consumer: String(count), want: 1, back: 0, ahead: 0 }
        desk.lease({ session: `session-${replica}`, cluster: `cluster-${replica}` }, [asked])
      }
  })
  expect(log.mock.calls.map(([line]) => String(line))).toEqual([expect.stringContaining('leases: too many replicas')])
  log.mockRestore()
})

test('so do counts of rates, which are in memory', async () => {
  const mesh = await start(rate)
  await mesh.send('POST', '/configuration', { yaml: toLimitsOf('bank', rate) })
  const answers = await runInDurableObject(mesh.stub, (_instance, { storage: { sql } }) => {
    const desk = new LeaseDesk({ context: { sql, now: () => 1_000_000 }, countReplicas: () => 1 })
    const lease = (limit: string, consumer: string) =>
      desk.lease({ session: 'session', cluster: 'east' }, [{ limit, consumer, want: 1, back: 0, ahead: 0 }]).grants[0]
    const own = 'RateLimit/default/shop/all'
    for (let index = 0; index < MAX_COUNTS_OF_NAMESPACE; index += 1) lease(own, String(index))
    return [lease(own, 'one more'), lease(own, '0'), lease('RateLimit/bank/shop/all', 'one more')]
  })
  expect(answers).toMatchObject([{ none: 'full' }, { tokens: 1 }, { tokens: 1 }])
})
