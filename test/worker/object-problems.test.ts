import { expect, test } from 'vitest'
import type { Cluster } from '#api/schemas/clusters.ts'
import type { ApplyResult, ObjectStatus } from '#api/schemas/configuration.ts'
import type { Condition } from '#mesh/status/condition.ts'
import type { ObjectProblems } from '#mesh/uplink.ts'
import { joinTestCluster, TestAgent } from './support/test-agent.ts'
import { toRule } from './support/test-configuration.ts'
import { createTestMesh } from './support/test-plane.ts'
import type { TestMesh } from './support/test-plane.ts'

const key = 'DestinationRule/default/reviews'
const effective: Condition = {
  type: 'atoll.dev/Effective',
  status: 'False',
  reason: 'ClusterObjectHolds',
  message: "the cluster's own object of this key holds",
}
const conflicted: Condition = { type: 'atoll.dev/Conflicted', status: 'True', reason: 'SameKey', message: '' }
const said = (...conditions: readonly Condition[]): ObjectProblems => ({
  problems: conditions.map((condition) => ({ key, condition })),
  omitted: 0,
})

/** A mesh with the rule, and the reporter of a cluster in it. */
const start = async () => {
  const mesh = await createTestMesh()
  await mesh.send('POST', '/configuration', { yaml: toRule('reviews', 'v1') })
  return { mesh, east: await joinReporter(mesh, 'east') }
}

const joinReporter = async (mesh: TestMesh, name: string): Promise<TestAgent> => {
  const agent = await TestAgent.connect(await joinTestCluster(mesh, name, `net-${name}`))
  await agent.claim(1)
  return agent
}

const tell = (agent: TestAgent, problems: ObjectProblems) => agent.send({ type: 'object-problems', ...problems })

const statusOf = async (mesh: TestMesh): Promise<readonly ObjectStatus[]> =>
  (await mesh.send<{ status: ObjectStatus[] }>('GET', '/configuration/DestinationRule/default/reviews')).body.status
const clusterOf = async (mesh: TestMesh, cluster: string) =>
  (await mesh.send<Cluster>('GET', `/clusters/${cluster}`)).body
const countOf = async (mesh: TestMesh, cluster: string) => (await clusterOf(mesh, cluster)).objectProblems

test('a plane says that it takes what clusters say of objects', async () => {
  const { east } = await start()
  const { capabilities } = await east.next('challenge')
  expect(capabilities).toEqual(expect.arrayContaining(['object-problems', 'objects-judged']))
})

test('an agent that is too old for a kind is named when an object of it is written, and in its status', async () => {
  const { mesh, east } = await start()
  const old = await TestAgent.connect(await joinTestCluster(mesh, 'old', 'net-old'), { capabilities: ['leases'] })
  const yaml = `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: nobody, namespace: default}
spec: {}
`
  const apply = async (query: string) =>
    (await mesh.send<ApplyResult>('POST', `/configuration${query}`, { yaml })).body.problems
  const warning = {
    code: 'ineffective',
    severity: 'warning',
    object: { kind: 'AuthorizationPolicy', namespace: 'default', name: 'nobody' },
    path: 'spec',
    message: 'it does nothing in cluster old (agent test): the agent there is too old for it; upgrade it first',
  }
  expect(await apply('?dryRun=true')).toEqual([warning])
  expect(await apply('')).toEqual([warning])
  const statuses = async () =>
    (await mesh.send<{ status: ObjectStatus[] }>('GET', '/configuration/AuthorizationPolicy/default/nobody')).body
      .status
  expect(await statuses()).toMatchObject([
    { cluster: 'old', conditions: [{ type: 'atoll.dev/Effective', status: 'False', reason: 'AgentTooOld' }] },
  ])
  await TestAgent.connect(old.cluster, { replica: old.replica })
  await expect.poll(statuses).toEqual([])
  expect(await apply('')).toEqual([])
  expect(east.closed).toBeUndefined()
})

test('what clusters say of an object is shown with it, until they say otherwise', async () => {
  const { mesh, east } = await start()
  expect(await statusOf(mesh)).toEqual([])
  expect(await countOf(mesh, 'east')).toBeNull()
  tell(east, said(effective, conflicted))
  const status = [{ cluster: 'east', conditions: [effective, conflicted] }]
  await expect.poll(() => statusOf(mesh)).toEqual(status)
  expect(await countOf(mesh, 'east')).toBe(2)
  tell(await joinReporter(mesh, 'west'), { ...said(conflicted), omitted: 7 })
  await expect.poll(() => countOf(mesh, 'west')).toBe(8)
  tell(east, { ...said(effective, conflicted), revision: 1 })
  await expect.poll(async () => (await statusOf(mesh))[0]).toEqual({ ...status[0], revision: 1 })
  tell(east, said(effective, conflicted))
  await expect.poll(async () => (await statusOf(mesh))[0]).toEqual(status[0])
  expect(await statusOf(mesh)).toEqual([...status, { cluster: 'west', conditions: [conflicted] }])
  tell(east, said())
  await expect.poll(() => countOf(mesh, 'east')).toBe(0)
  expect(await statusOf(mesh)).toEqual([{ cluster: 'west', conditions: [conflicted] }])
})

test('what was so at one revision may be told to be so at another', async () => {
  const { mesh, east } = await start()
  // Of what was never told nothing is known.
  east.send({ type: 'objects-judged', revision: 1 })
  await east.claim(2)
  expect(await countOf(mesh, 'east')).toBeNull()
  const status = { cluster: 'east', conditions: [effective, conflicted] }
  tell(east, { ...said(effective, conflicted), revision: 1 })
  tell(await joinReporter(mesh, 'west'), { ...said(conflicted), revision: 1 })
  await expect.poll(() => countOf(mesh, 'west')).toBe(1)
  for (const revision of [7, 7]) east.send({ type: 'objects-judged', revision })
  await expect.poll(async () => (await statusOf(mesh))[0]).toEqual({ ...status, revision: 7 })
  expect(await statusOf(mesh)).toEqual([
    { ...status, revision: 7 },
    { cluster: 'west', revision: 1, conditions: [conflicted] },
  ])
})

test('a cluster names the objects that something is wrong with, once each and not too many', async () => {
  const { mesh, east } = await start()
  const rules = Array.from({ length: 30 }, (_, number) => `DestinationRule/default/rule-${30 - number}`)
  const problems = rules.flatMap((each) => [effective, conflicted].map((condition) => ({ key: each, condition })))
  tell(east, { problems, omitted: 0 })
  await expect.poll(() => countOf(mesh, 'east')).toBe(60)
  expect((await clusterOf(mesh, 'east')).troubledObjects).toEqual(rules.slice(0, 20))
})

test('what a cluster said is kept while its agent is away, and goes with the cluster', async () => {
  const { mesh, east } = await start()
  tell(east, said(conflicted))
  await expect.poll(() => countOf(mesh, 'east')).toBe(1)
  east.socket.close()
  await expect.poll(async () => (await mesh.send<Cluster>('GET', '/clusters/east')).body.connected).toBe(false)
  expect(await statusOf(mesh)).toHaveLength(1)
  await mesh.send('DELETE', '/clusters/east')
  expect(await statusOf(mesh)).toEqual([])
})

test('only the reporter is listened to', async () => {
  const { mesh, east } = await start()
  const other = await TestAgent.connect(east.cluster, { replica: 'replica-2' })
  tell(other, said(effective))
  // Messages of one session are taken in order: when the second one is there, the first has been passed over.
  await other.claim(2)
  expect(await countOf(mesh, 'east')).toBeNull()
  tell(other, said(conflicted))
  await expect.poll(() => statusOf(mesh)).toEqual([{ cluster: 'east', conditions: [conflicted] }])
  tell(east, said(effective))
  east.send({ type: 'objects-judged', revision: 9 })
  east.send({ type: 'claim', term: 2 })
  await east.next('claimed', ({ granted }) => !granted)
  expect(await statusOf(mesh)).toEqual([{ cluster: 'east', conditions: [conflicted] }])
})

test('more than the most that a cluster may say is refused', async () => {
  const { east } = await start()
  tell(east, { problems: Array.from({ length: 201 }, () => ({ key, condition: effective })), omitted: 0 })
  expect(await east.next('refused')).toMatchObject({ code: 'bad_message' })
})
