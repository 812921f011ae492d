import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '#agent/clock.ts'
import { openDataDirectory } from '#agent/data-directory.ts'
import { createLog } from '#agent/log.ts'
import { allowedPlace } from '#agent/outside/place-guard.ts'
import { WasmModules } from '#agent/wasm/wasm-modules.ts'
import type { ConfigObject } from '#mesh/config-object.ts'
import type { ViewChange } from '#mesh/view.ts'
import { toModuleKey, type WasmModule } from '#mesh/wasm/module-source.ts'
import { startIssuer } from '#test/agent/jwks/issuer.ts'
import { temporaryDirectory } from '#test/agent/temporary-directory.ts'
import { eventually } from '#test/harness/child.ts'
import { requestThroughProxy, type ProxyReply } from '#test/harness/proxy-request.ts'
import { TokenSigner, toJwks } from '#test/harness/token-signer.ts'
import { buildModule } from '#test/harness/wasm/build-module.ts'
import { ImageRegistry } from '#test/harness/wasm/image-registry.ts'
import { makeObject } from '#test/mesh/records.ts'
import type { Stage } from './stage.ts'
import { ask, clientAddress, gatewayAddress, get, proxyPort, serverAddress, Theatre } from './theatre.ts'

const signer = new TokenSigner('https://issuer.example', 'one', 'ES256')
const ofServer = { selector: { matchLabels: { app: 'server' } } }
const ofClient = { selector: { matchLabels: { app: 'client' } } }
const url = 'https://modules.example/plugin.wasm'
const gatewayPort = 18097

let theatre: Theatre
let stage: Stage
let code: Uint8Array
let httpPort: number
let tcpPort: number

beforeAll(async () => {
  theatre = await Theatre.open()
  code = await buildModule()
  const app = await theatre.startApp('server')
  httpPort = app.port
  tcpPort = await theatre.listen(createServer((socket) => socket.pipe(socket)))
  stage = await theatre.start(`
about: ''
settings: {meshConfig: {rootNamespace: root}}
services:
  - host: server
    ports: [http:80, tcp:9000]
    endpoints: {server-1: {address: ${serverAddress}, ports: {http: ${app.port}, tcp: ${tcpPort}}, serviceAccount: server}}
workloads:
  client-1: {address: ${clientAddress}, serviceAccount: web, labels: {app: client}}
  server-1: {address: ${serverAddress}, serviceAccount: server, labels: {app: server}}
  gateway-1: {address: ${gatewayAddress}, labels: {istio: ingressgateway, gateway.networking.k8s.io/gateway-name: front}}
config:
  - apiVersion: security.istio.io/v1
    kind: RequestAuthentication
    metadata: {name: tokens, namespace: default}
    spec:
      selector: {matchLabels: {app: server}}
      jwtRules: [{issuer: ${signer.issuer}, jwks: '${toJwks(signer)}'}]
  - apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {name: secret, namespace: default}
    spec: {selector: {matchLabels: {app: server}}, action: DENY, rules: [{to: [{operation: {paths: [/secret], ports: ['${app.port}']}}]}]}
  - apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: front, namespace: default}
    spec:
      selector: {istio: ingressgateway}
      servers:
        - {port: {number: ${gatewayPort}, name: http, protocol: HTTP}, hosts: ['*']}
        - {port: {number: ${gatewayPort + 1}, name: tcp, protocol: TCP}, hosts: ['*']}
  - apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: front, namespace: default}
    spec: {hosts: ['*'], gateways: [front], http: [{route: [{destination: {host: server, port: {number: 80}}}]}], tcp: [{match: [{port: ${gatewayPort + 1}}], route: [{destination: {host: server, port: {number: 9000}}}]}]}
proxies: [sidecar/default/client-1/web, sidecar/default/server-1/server, gateway/default/gateway-1]
`)
})
afterAll(() => theatre.clear())

const put = (name: string, spec: ConfigObject['spec'] | null, namespace = 'default'): ViewChange => ({
  kind: 'config',
  origin: 'mesh',
  key: `WasmPlugin/${namespace}/${name}`,
  value: spec && {
    ...makeObject('WasmPlugin', name, { url, ...spec }),
    apiVersion: 'extensions.istio.io/v1alpha1',
    metadata: { name, namespace },
  },
})

const toModule = (bytes: Uint8Array): WasmModule => ({
  code: bytes,
  digest: createHash('sha256').update(bytes).digest('hex'),
})
const give = (value: WasmModule | null, of: { url: string; sha256?: string } = { url }): ViewChange => {
  const module = toModuleKey({ url: of.url, sha256: of.sha256 }, 'default')
  if (module === undefined) throw new Error('no module')
  return { kind: 'wasm-module', module, value }
}

const apply = async (...changes: readonly ViewChange[]) => expect(await stage.change(...changes)).toEqual([])
const names = [
  ['a', 'b', 'c', 'd', 'e', 'authn', 'authz', 'stats', 'unspecified_phase'],
  [
    'client',
    'client-port',
    'client-other',
    'client-server',
    'either',
    'server',
    'server-port',
    'server-client',
    'server-80',
  ],
].flat()
beforeEach(async () => {
  await apply(...names.map((name) => put(name, null)), put('mesh', null, 'root'), give(toModule(code)))
})

const call = (headers: Readonly<Record<string, string>> = {}, path = '/') =>
  get(`http://server.default${path}`, headers)
/** Which plugins a request met, in their order, as the application saw it. */
const met = ({ body }: ProxyReply): string => {
  const { headers } = JSON.parse(body) as { readonly headers: Readonly<Record<string, string>> }
  return headers['x-met'] ?? 'none'
}
const told = (text: string) => ({ pluginConfig: { is: text } })
const said = (text: string) => `{"is":"${text}"}`
const deny = { 'x-deny': '1' }

/** Applies, and waits until requests meet these: connections that were open are drained first. */
const expectMet = async (expected: string, ...changes: readonly ViewChange[]): Promise<ProxyReply> => {
  await apply(...changes)
  return untilMet(expected)
}
const untilMet = (expected: string): Promise<ProxyReply> =>
  eventually(`requests meet ${expected}`, async () => {
    const reply = await call()
    return reply.status === 200 && met(reply) === expected && reply
  })
/** Waits until requests are answered so. */
const untilAnswered = (status: number, headers: Readonly<Record<string, string>> = {}): Promise<ProxyReply> =>
  eventually(`requests are answered ${status}`, async () => {
    const reply = await call(headers)
    return reply.status === status && reply
  })

test('a plugin is told its configuration and its environment, and has its name', async () => {
  const env = [
    { name: 'PLACE', value: 'here' },
    { name: 'EMPTY', valueFrom: 'INLINE' },
    { name: 'NOT_THERE', valueFrom: 'HOST' },
    { name: 'PATH', valueFrom: 'HOST' },
  ]
  const reply = await expectMet(
    said('one'),
    put('a', { ...ofServer, ...told('one'), pluginName: 'my-root', vmConfig: { env } }),
  )
  expect(reply.headers).toMatchObject({ 'x-plugin': said('one'), 'x-root': 'my-root' })
  expect(String(reply.headers['x-env']).split(';').toSorted()).toEqual([
    'EMPTY=',
    `PATH=${process.env['PATH']}`,
    'PLACE=here',
  ])
})

/** Where a plugin's own answer comes, before or after what the proxy says no by. */
test.each([
  ['AUTHN', { 'no token': 418, 'a wrong token': 418, 'a denied path': 418 }],
  ['AUTHZ', { 'no token': 418, 'a wrong token': 401, 'a denied path': 418 }],
  ['STATS', { 'no token': 418, 'a wrong token': 401, 'a denied path': 403 }],
  ['UNSPECIFIED_PHASE', { 'no token': 418, 'a wrong token': 401, 'a denied path': 403 }],
])('a plugin of phase %s has its place among those that judge', async (phase, expected) => {
  // Of a name of its own: in a listener that is drained a plugin has the place that it had.
  await expectMet(said(phase), put(phase.toLowerCase(), { ...ofServer, ...told(phase), phase }))
  const statuses = {
    'no token': (await call(deny)).status,
    'a wrong token': (await call({ ...deny, authorization: 'Bearer wrong' })).status,
    'a denied path': (await call(deny, '/secret')).status,
  }
  expect(statuses).toEqual(expected)
})

test('plugins are met by phase, by priority within it, and by name', async () => {
  const reply = await expectMet(
    ['d', 'mesh', 'b', 'e', 'c', 'a'].map(said).join(', '),
    put('a', { ...ofServer, ...told('a') }),
    put('b', { ...ofServer, ...told('b'), phase: 'AUTHN', priority: -1 }),
    put('c', { ...ofServer, ...told('c'), phase: 'STATS' }),
    put('d', { ...ofServer, ...told('d'), phase: 'AUTHN', priority: 10 }),
    put('e', { ...ofServer, ...told('e'), phase: 'AUTHZ' }),
    put('mesh', { ...told('mesh'), phase: 'AUTHN', match: [{ mode: 'SERVER' }] }, 'root'),
  )
  expect(reply.status).toBe(200)
})

test('a plugin is for calls of one side, and for ports', async () => {
  const match = (mode: string, ...ports: number[]) => ({
    match: [{ mode, ports: ports.map((number) => ({ number })) }],
  })
  const reply = await expectMet(
    ['client', 'client-port', 'either', 'server', 'server-port'].map(said).join(', '),
    put('client', { ...ofClient, ...told('client'), ...match('CLIENT'), priority: 9 }),
    put('client-port', { ...ofClient, ...told('client-port'), ...match('UNDEFINED', 80, proxyPort), priority: 8 }),
    put('client-other', { ...ofClient, ...told('client-other'), ...match('CLIENT_AND_SERVER', 80) }),
    put('client-server', { ...ofClient, ...told('client-server'), ...match('SERVER') }),
    put('either', { ...ofServer, ...told('either'), priority: 9 }),
    put('server', { ...ofServer, ...told('server'), ...match('SERVER'), priority: 8 }),
    put('server-port', { ...ofServer, ...told('server-port'), ...match('UNDEFINED', httpPort), priority: 7 }),
    put('server-client', { ...ofServer, ...told('server-client'), ...match('CLIENT') }),
    put('server-80', { ...ofServer, ...told('server-80'), ...match('SERVER', 80) }),
  )
  expect(reply.status).toBe(200)
})

describe('where a plugin fails', () => {
  const spec = (name: string, failStrategy: string) => put('a', { ...ofServer, ...told(name), failStrategy })
  const trap = { 'x-trap': '1' }

  test('while it runs, it lets nobody past', async () => {
    await expectMet(said('closes'), spec('closes', 'FAIL_CLOSE'))
    expect((await call(trap)).status).toBe(503)
    expect((await call()).status).toBe(503)
  })

  test('while it runs, it lets everybody past when it may fail', async () => {
    await expectMet(said('opens'), spec('opens', 'FAIL_OPEN'))
    await call(trap)
    expect(met(await untilAnswered(200))).toBe('none')
  })

  test('while it runs, it is started again when it is to', async () => {
    await expectMet(said('reloads'), spec('reloads', 'FAIL_RELOAD'))
    expect((await call(trap)).status).toBe(503)
    await untilMet(said('reloads'))
  })

  test('as there is no such module, it lets nobody past, or everybody when it may fail', async () => {
    await apply(give({ fault: 'answered 404' }), spec('gone', 'FAIL_CLOSE'))
    await untilAnswered(403)
    expect(stage.problems().map(({ object, message }) => ({ object, message }))).toEqual([
      { object: 'WasmPlugin/default/a', message: 'spec.url: answered 404: no requests get past it' },
    ])
    await apply(spec('gone', 'FAIL_OPEN'))
    expect(met(await call())).toBe('none')
    await apply(give(toModule(code)))
    expect(met(await call())).toBe(said('gone'))
  })

  test('as the module is none, it lets nobody past, or everybody when it may fail, and is blamed', async () => {
    await stage.change(give(toModule(Buffer.from('no module'))), spec('broken', 'FAIL_CLOSE'))
    await untilAnswered(403)
    // It answers so before the agent has heard why.
    const blamed = await eventually('somebody is blamed', () => stage.blamed().length > 0 && stage.blamed())
    expect(blamed).toMatchObject([{ object: 'WasmPlugin/default/a' }])
    await stage.change(spec('broken', 'FAIL_OPEN'))
    expect(met(await untilAnswered(200))).toBe('none')
  })

  test('as the object can not be understood, it lets nobody past', async () => {
    await apply(put('a', { ...ofServer, ...told('strange'), phase: 'SOMEWHERE' }))
    await untilAnswered(403)
    await apply(put('a', { ...ofServer, failStrategy: 'FAIL_OPEN', phase: 'SOMEWHERE' }))
    expect((await call()).status).toBe(200)
  })
})

test('a new plugin is met by nobody before its module has come, and one that is taken away goes on where it was', async () => {
  await expectMet('none', give(null), put('b', { ...ofServer, ...told('waits') }))
  await expectMet(said('waits'), give(toModule(code)))
  expect((await expectMet('none', put('b', null))).headers['x-plugin']).toBeUndefined()
})

test('a module is replaced under load: each request meets one of the two, and none fails', async () => {
  await expectMet(said('load'), put('a', { ...ofServer, ...told('load') }))
  const other = await buildModule('x-second')
  const seen: string[] = []
  let isOver = false
  const load = Array.from({ length: 8 }, async () => {
    while (!isOver) {
      const { status, headers } = await call()
      seen.push(`${status} ${['x-plugin', 'x-second'].filter((name) => headers[name] !== undefined).join()}`)
    }
  })
  for (const bytes of [other, code, other, code, other]) {
    const before = seen.length
    await apply(give(toModule(bytes)))
    await eventually('requests went on', () => seen.length > before + 50)
  }
  isOver = true
  await Promise.all(load)
  expect(new Set(seen)).toEqual(new Set(['200 x-plugin', '200 x-second']))
  expect((await call()).headers).toMatchObject({ 'x-second': said('load') })
})

test('a plugin of type NETWORK meets connections, and lets none past it when it can not be run', async () => {
  const tcp = async (): Promise<string> => {
    const { socket } = await theatre.openTunnel('server.default:9000')
    return Promise.race([ask(socket, 'hello'), once(socket, 'close').then(() => 'closed')])
  }
  const network = (failStrategy = 'FAIL_CLOSE') =>
    put('a', { ...ofServer, ...told('tcp'), failStrategy, type: 'NETWORK', match: [{ ports: [{ number: tcpPort }] }] })
  expect(await tcp()).toBe('hello')
  await expectMet('none', network())
  await eventually('connections meet it', async () => (await tcp()) === `${said('tcp')}hello`)
  await apply(give({ fault: 'answered 404' }))
  expect(await tcp()).toBe('closed')
  await apply(network('FAIL_OPEN'))
  expect(await tcp()).toBe('hello')
})

describe('at a gateway', () => {
  const ofGateway = { selector: { matchLabels: { istio: 'ingressgateway' } } }
  const ofTarget = (name: string) => ({
    targetRefs: [{ group: 'gateway.networking.k8s.io', kind: 'Gateway', name }],
  })
  const enter = () => requestThroughProxy({ host: gatewayAddress, port: gatewayPort }, 'http://server/', {})
  const untilEntered = (expected: string) =>
    eventually(`requests meet ${expected}`, async () => {
      const reply = await enter()
      return (reply.status === 200 ? met(reply) : String(reply.status)) === expected
    })

  test.each([
    ['selects it', ofGateway],
    ['targets its Gateway', ofTarget('front')],
  ])('a plugin that %s meets what comes in, and no call of a sidecar', async (_, target) => {
    await apply(put('a', { ...target, ...told('one') }), put('b', { ...ofTarget('other'), ...told('other') }))
    await untilEntered(said('one'))
    expect(met(await call())).toBe('none')
    await apply(put('a', { ...target, ...told('two') }))
    expect(met(await enter())).toBe(said('two'))
    await apply(give({ fault: 'answered 404' }))
    expect((await enter()).status).toBe(403)
    expect((await call()).status).toBe(200)
    await apply(put('a', null), give(toModule(code)))
    await untilEntered('none')
  })

  test('a plugin is for its ports, as a client, and for its connections', async () => {
    const ports = (...numbers: number[]) => ({ ports: numbers.map((number) => ({ number })) })
    const of = (name: string, match: object) => put(name, { ...ofGateway, ...told(name), match: [match] })
    await apply(
      of('client', { mode: 'CLIENT', ...ports(gatewayPort) }),
      of('server', { mode: 'SERVER' }),
      of('either', ports(gatewayPort + 1)),
      put('b', { ...ofGateway, ...told('tcp'), type: 'NETWORK', match: [ports(gatewayPort + 1)] }),
    )
    await untilEntered(said('client'))
    const reply = await eventually('connections meet it', async () => {
      const answer = await ask(await theatre.dial(gatewayAddress, gatewayPort + 1), 'hello')
      return answer !== 'hello' && answer
    })
    expect(reply).toBe(`${said('tcp')}hello`)
  })
})

test('what an agent fetches runs, also when it starts again without the registry; a changed file does not', async () => {
  const registry = new ImageRegistry()
  const sha256 = registry.push('team/plugin', 'v1', code)
  const { ca, port, issuer } = await startIssuer(registry.handle)
  const image = `oci://localhost:${port}/team/plugin:v1`
  const directory = temporaryDirectory()
  const plugin = (name: string) => put('a', { ...ofServer, ...told(name), url: image, sha256 })
  /** An agent's part that fetches, and what it tells of the module. */
  const startAgent = async (allow: readonly string[]) => {
    const data = await openDataDirectory(directory, undefined, () => {})
    const { promise, resolve } = Promise.withResolvers<readonly ViewChange[]>()
    const modules = new WasmModules({
      view: stage.scene.store,
      config: { wasm: { allow: allow.map((place) => allowedPlace.parse(place)) } },
      credentials: { wantLogins: () => {}, loginsOf: () => ({ fault: 'is not there' }) },
      modulesCa: ca,
      data,
      clock: systemClock,
      random: Math.random,
      log: createLog('silent'),
      onChanges: resolve,
      onProblems: () => {},
      reportStoreProblem: () => {},
    })
    modules.start()
    await apply(...(await promise))
    return async () => {
      await modules.stop()
      data.close()
    }
  }
  await expectMet('none', plugin('fetched'))
  await (
    await startAgent([])
  )()
  await untilAnswered(403)
  expect(stage.problems().at(-1)?.message).toContain('is at an address that the agent may not ask')
  await (
    await startAgent(['127.0.0.1', '::1'])
  )()
  await untilMet(said('fetched'))

  issuer.handle = (_request, response) => response.writeHead(503).end()
  await apply(give(null, { url: image, sha256 }))
  await (
    await startAgent(['127.0.0.1', '::1'])
  )()
  expect((await untilMet(said('fetched'))).status).toBe(200)
  await stage.restartAgent()
  await untilMet(said('fetched'))

  const folder = join(directory, 'wasm-modules')
  for (const name of readdirSync(folder)) writeFileSync(join(folder, name), 'changed')
  await (
    await startAgent(['127.0.0.1', '::1'])
  )()
  await untilAnswered(403)
})
