import { expect, test } from 'vitest'
import { createTestMesh } from './support/test-plane.ts'
import { joinTestCluster, TestAgent } from './support/test-agent.ts'
import { toTestEntry } from './support/test-catalog.ts'

test('an agent joins, is challenged and gets a snapshot', async () => {
  const mesh = await createTestMesh()
  const east = await joinTestCluster(mesh, 'east', 'net-a')
  const agent = await TestAgent.connect(east)

  expect(await agent.next('welcome')).toMatchObject({
    sync: 'snapshot',
    reporter: { term: 0, replica: null, connected: false },
    reported: null,
  })
  await agent.until((state) => state.has('settings') && state.has('trust') && state.has('cluster/east'))
})

test('what one cluster reports the others are told: whole on its network, summed up on others, never to itself', async () => {
  const mesh = await createTestMesh()
  const [east, near, far] = await Promise.all([
    joinTestCluster(mesh, 'east', 'net-a'),
    joinTestCluster(mesh, 'near', 'net-a'),
    joinTestCluster(mesh, 'far', 'net-b'),
  ])
  const reporter = await TestAgent.connect(east)
  const nearAgent = await TestAgent.connect(near)
  const farAgent = await TestAgent.connect(far)

  expect(await reporter.claim(1)).toMatchObject({ granted: true })
  await reporter.report(1, [toTestEntry({ cluster: 'east', network: 'net-a', name: 'reviews', endpoints: 2 })])

  const service = 'default/reviews.default.svc.cluster.local'
  await nearAgent.until((state) => state.has(`catalog/east/${service}`))
  await farAgent.until((state) => state.has(`summary/east/${service}`))
  expect(farAgent.state.has(`catalog/east/${service}`)).toBe(false)
  expect(nearAgent.state.has(`summary/east/${service}`)).toBe(false)
  expect([...reporter.state.keys()].filter((key) => key.includes('reviews'))).toEqual([])
  expect(farAgent.state.get(`summary/east/${service}`)).toMatchObject({
    value: { groups: [{ weight: 2, serviceAccounts: ['reviews'] }] },
  })
})
