import { Agent, request } from 'node:http'
import { create } from '@bufbuild/protobuf'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { PolicySchema, RBAC_Action as Action } from '#envoy/envoy/config/rbac/v3/rbac_pb.ts'
import { east, TestRoot } from '#test/agent/test-pki.ts'
import { eventually } from '#test/harness/child.ts'
import { freePort } from '#test/harness/world.ts'
import type { ResourceUpdate } from '#xds/resource-set.ts'
import { typeUrls } from '#xds/type-url.ts'
import { TestAgent, TestEnvoy } from './envoy-fixture.ts'
import { accessFilter, fullRouteConfiguration, listener } from './envoy-resources.ts'

let root: TestRoot
let agent: TestAgent
let envoy: TestEnvoy
let port: number
let keepAlive: Agent

beforeEach(async () => {
  root = await TestRoot.create(Date.now())
  agent = await TestAgent.start(root, east)
  port = await freePort()
  keepAlive = new Agent({ keepAlive: true, maxSockets: 1 })
})
afterEach(async () => {
  keepAlive.destroy()
  await envoy.stop()
  await agent.stop()
})

const guarded = () => [
  listener(port, 'r', { isGuarded: true }),
  fullRouteConfiguration('r', 'app.test', 200),
  accessFilter('audit'),
]
const open = [accessFilter('deny'), accessFilter('allow')]
const everybody = create(PolicySchema, {
  permissions: [{ rule: { case: 'any', value: true } }],
  principals: [{ identifier: { case: 'any', value: true } }],
})
const nobody = accessFilter('deny', { action: Action.DENY, policies: { everybody } })
const unreadable = accessFilter('deny', { action: Action.DENY, policies: { bad: create(PolicySchema) } })
const refused: ResourceUpdate = {
  ...unreadable,
  resource: unreadable.resource && {
    ...unreadable.resource,
    fallbacks: (reason) =>
      nobody.resource
        ? [{ resource: nobody.resource, without: [{ object: 'AuthorizationPolicy/default/bad', reason }] }]
        : [],
  },
}

/** A request on the one connection; which one that is, by its own port. */
const ask = (): Promise<{ readonly status: number; readonly from: number }> =>
  new Promise((resolve, reject) => {
    const outgoing = request(
      { host: '127.0.0.1', port, agent: keepAlive, headers: { host: 'app.test' } },
      (incoming) => {
        incoming.resume()
        const from = incoming.socket.localPort ?? 0
        incoming.on('end', () => resolve({ status: incoming.statusCode ?? 0, from }))
      },
    )
    outgoing.on('error', reject)
    outgoing.end()
  })

const untilRevision = (revision: number) =>
  eventually(`revision ${revision} is live`, () =>
    agent.server.delivery.summary().live.some((live) => live.revision === revision),
  )

test.each(['DELTA_GRPC', 'GRPC'])(
  'who may call changes on connections that are open, which stay so (%s)',
  async (api) => {
    agent.compile(1, ...guarded(), ...open)
    envoy = await TestEnvoy.start(agent, root, 'w', (bootstrap) => bootstrap.replace('DELTA_GRPC', api))
    await envoy.untilLive()
    await untilRevision(1)
    const first = await ask()
    expect(first.status).toBe(200)
    agent.compile(2, nobody)
    await untilRevision(2)
    expect(await ask()).toEqual({ status: 403, from: first.from })
    agent.compile(3, accessFilter('deny'))
    await untilRevision(3)
    expect(await ask()).toEqual(first)
  },
)

test.each(['DELTA_GRPC', 'GRPC'])('what Envoy refuses of it is replaced by what lets nobody in (%s)', async (api) => {
  agent.compile(1, ...guarded(), ...open)
  envoy = await TestEnvoy.start(agent, root, 'w', (bootstrap) => bootstrap.replace('DELTA_GRPC', api))
  await envoy.untilLive()
  await untilRevision(1)
  const first = await ask()
  agent.compile(2, refused)
  await eventually('nobody is let in', async () => (await ask()).status === 403)
  expect(await ask()).toEqual({ status: 403, from: first.from })
  const { nacks, live } = agent.server.delivery.summary()
  expect(nacks).toMatchObject([{ resources: ['envoy.filters.http.rbac.deny'], revision: 2 }])
  expect(live).toEqual([{ revision: 1, proxies: 1 }])
  expect(agent.server.delivery.blamed()).toMatchObject([{ object: 'AuthorizationPolicy/default/bad' }])
  agent.compile(3, accessFilter('deny'))
  await untilRevision(3)
  expect(await ask()).toEqual(first)
})

test('a proxy that is refused it from its start lets nobody in', async () => {
  agent.compile(1, ...guarded(), accessFilter('allow'), refused)
  envoy = await TestEnvoy.start(agent, root, 'w')
  await envoy.untilLive()
  const seen: number[] = []
  await eventually('what is sent in its place holds', async () => {
    seen.push((await ask()).status)
    return seen.at(-1) === 403
  })
  // Until then Envoy answers 500 for the filter that it has not got.
  expect(seen.filter((status) => status !== 403 && status !== 500)).toEqual([])
})

test('a listener opens when it is known who may call, and not before', async () => {
  agent.compile(1, ...guarded(), accessFilter('allow'))
  envoy = await TestEnvoy.start(agent, root, 'w')
  await eventually('it has asked for both', () =>
    agent.server.proxies()[0]?.types.some(({ typeUrl }) => typeUrl === typeUrls.extensionConfig),
  )
  await expect(ask()).rejects.toThrow('ECONNREFUSED')
  agent.compile(2, accessFilter('deny'))
  await envoy.untilLive()
  expect((await ask()).status).toBe(200)
})

test('with another agent it goes on as it was, and learns what has changed', async () => {
  agent.compile(1, ...guarded(), accessFilter('allow'), nobody)
  envoy = await TestEnvoy.start(agent, root, 'w')
  await envoy.untilLive()
  await agent.stop()
  expect((await ask()).status).toBe(403)
  const next = await TestAgent.start(root, east, agent.port)
  for (const [id, token] of agent.tokens) next.tokens.set(id, token)
  next.set.apply([...guarded(), ...open])
  agent = next
  await eventually('everybody is let in', async () => (await ask()).status === 200)
})
