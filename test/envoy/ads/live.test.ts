import { afterEach, beforeEach, expect, test } from 'vitest'
import { east, TestRoot } from '#test/agent/test-pki.ts'
import { eventually } from '#test/harness/child.ts'
import { EchoApp } from '#test/harness/echo-app.ts'
import { freePort } from '#test/harness/world.ts'
import { inotifyInstances } from '#xds/bootstrap.ts'
import { TestAgent, TestEnvoy } from './envoy-fixture.ts'
import {
  cluster,
  endpoints,
  fullRouteConfiguration,
  listener,
  routeConfiguration,
  virtualHost,
} from './envoy-resources.ts'
import { statusOf } from './status-of.ts'

let root: TestRoot
let agent: TestAgent
let envoy: TestEnvoy
let app: EchoApp
let port: number

beforeEach(async () => {
  root = await TestRoot.create(Date.now())
  agent = await TestAgent.start(root, east)
  app = await EchoApp.start('app')
  port = await freePort()
  agent.compile(
    1,
    listener(port, 'r'),
    routeConfiguration('r'),
    virtualHost('r', 'app.test', 'app'),
    virtualHost('r', 'fixed.test', 200),
    cluster('app'),
    endpoints('app', app.port),
  )
  envoy = await TestEnvoy.start(agent, root, 'w')
})
afterEach(async () => {
  await envoy.stop()
  await agent.stop()
  await app.stop()
})

const untilStatus = (host: string, status: number) =>
  eventually(`${host} answers ${status}`, async () => (await statusOf(port, host)) === status)
const untilRevision = (revision: number) =>
  eventually(`revision ${revision} is live`, () =>
    agent.server.delivery.summary().live.some((live) => live.revision === revision),
  )

test('an Envoy goes live from the bootstrap, serves traffic, and follows changes', async () => {
  await envoy.untilLive()
  await untilRevision(1)
  expect(await statusOf(port, 'app.test')).toBe(200)
  expect(await statusOf(port, 'fixed.test')).toBe(200)
  expect(await statusOf(port, 'unknown.test')).toBe(404)
  const other = await EchoApp.start('other')
  agent.compile(2, cluster('other'), endpoints('other', other.port), virtualHost('r', 'app.test', 'other'))
  await untilRevision(2)
  await statusOf(port, 'app.test')
  expect(other.requests).toBe(1)
  await other.stop()
})

test('it holds as many inotify instances as is counted with', async () => {
  await envoy.untilLive()
  await untilRevision(1)
  expect(await envoy.countInotifyInstances()).toBe(inotifyInstances)
})

test('with another root, token and server certificate it connects again, and is brought up to date', async () => {
  await envoy.untilLive()
  await untilRevision(1)
  await agent.stop()
  const otherRoot = await TestRoot.create(Date.now(), 'other root')
  const otherAgent = await TestAgent.start(otherRoot, east, agent.port)
  otherAgent.set.apply([
    listener(port, 'r'),
    routeConfiguration('r'),
    virtualHost('r', 'app.test', 'app'),
    virtualHost('r', 'new.test', 201),
    cluster('app'),
    endpoints('app', app.port),
  ])
  agent = otherAgent
  expect(await statusOf(port, 'fixed.test')).toBe(200)
  await envoy.replace('machine-token', otherAgent.token('w', '-renewed'))
  await envoy.replaceRoot(otherRoot)
  await untilStatus('new.test', 201)
  await untilStatus('fixed.test', 404)
  expect(await statusOf(port, 'app.test')).toBe(200)
})

test('what it refuses is quarantined and reported; traffic and the rest of the changes go on', async () => {
  await envoy.untilLive()
  await untilRevision(1)
  // Two virtual hosts of one domain: Envoy refuses the response as a whole, and names neither.
  const hosts = Array.from({ length: 50 }, (_, index) => virtualHost('r', `host${index}.test`, 202))
  const twin = virtualHost('r', 'twin', 500, 'app.test')
  agent.compile(2, ...hosts, twin, virtualHost('r', 'fixed.test', 203))
  await untilStatus('fixed.test', 203)
  for (const index of [0, 25, 49]) await untilStatus(`host${index}.test`, 202)
  expect(await statusOf(port, 'app.test')).toBe(200)
  const { nacks, live } = agent.server.delivery.summary()
  expect(nacks).toMatchObject([{ proxy: 'sidecar/default/w', resources: ['r/twin'], revision: 2 }])
  expect(nacks[0]?.reason).toMatch(/duplicate/i)
  expect(live).toEqual([{ revision: 1, proxies: 1 }])
  agent.compile(3, { ...twin, resource: null })
  await untilRevision(3)
})

test('an Envoy that speaks state of the world goes live, and follows changes', async () => {
  const sotwPort = await freePort()
  const needsDelta = { ...listener(port, 'r'), resource: null }
  agent.compile(2, needsDelta, listener(sotwPort, 'full'), fullRouteConfiguration('full', 'sotw.test', 'app'))
  await envoy.stop()
  envoy = await TestEnvoy.start(agent, root, 'w', (bootstrap) => bootstrap.replace('DELTA_GRPC', 'GRPC'))
  port = sotwPort
  await untilStatus('sotw.test', 200)
  await untilRevision(2)
  agent.compile(3, cluster('other'), endpoints('other', app.port), fullRouteConfiguration('full', 'sotw.test', 'other'))
  await untilRevision(3)
  const before = app.requests
  expect(await statusOf(port, 'sotw.test')).toBe(200)
  expect(app.requests).toBe(before + 1)
})
