import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { Agent, request, type IncomingHttpHeaders, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http'
import { connect } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { parseCredential, secretObject, type Credential } from '#agent/credentials/parse-credential.ts'
import type { ConfigObject } from '#mesh/config-object.ts'
import { clientSecretTypes } from '#mesh/kubernetes/client-secrets.ts'
import type { Result } from '#mesh/result.ts'
import type { ViewChange } from '#mesh/view.ts'
import type { Echo } from '#test/harness/echo-app.ts'
import { untilHolds } from '#test/agent/until-holds.ts'
import { makeObject } from '#test/mesh/records.ts'
import type { Stage } from './stage.ts'
import { serverAddress, stageNetwork, Theatre } from './theatre.ts'

const gateway = `${stageNetwork}.63`
const proxyName = 'gateway/default/gateway-1'

/** One connection to the gateway for each port, kept as long as the gateway keeps it. */
const connections = new Agent({ keepAlive: true, maxSockets: 1 })

let theatre: Theatre
let stage: Stage
/** Of a port whose protocol is found out. */
let soughtPort: number
beforeAll(async () => {
  theatre = await Theatre.open()
  theatre.onClear(() => connections.destroy())
  const app = await theatre.startApp('shop')
  const sought = await theatre.startApp('sought')
  soughtPort = sought.port
  stage = await theatre.start(`
about: ''
settings: {inboundMtls: permissive, meshConfig: {defaultConfig: {gatewayTopology: {numTrustedProxies: 1}}}}
services:
  - {host: sought, ports: [auto:81], endpoints: {server-1: {address: ${serverAddress}, ports: {auto: ${sought.port}}, serviceAccount: shop}}}
  - {host: shop, ports: [http:80], endpoints: {server-1: {address: ${serverAddress}, ports: {http: ${app.port}}, serviceAccount: shop}}}
  - {host: front, ports: [http:80], endpoints: {gateway-1: {address: ${gateway}, ports: {http: 18080}}}}
workloads:
  gateway-1: {address: ${gateway}, labels: {istio: ingressgateway}}
  server-1: {address: ${serverAddress}, serviceAccount: shop, labels: {app: shop}}
config:
  - apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: front, namespace: default}
    spec: {selector: {istio: ingressgateway}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}]}
  - apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: default}
    spec:
      hosts: ['*']
      gateways: [front]
      http:
        - {match: [{uri: {prefix: /refused}}], directResponse: {status: 401}}
        - match: [{uri: {prefix: /cors}}]
          corsPolicy: {allowOrigins: [{exact: 'https://a.example'}], allowMethods: [POST], allowHeaders: [x-api-key]}
          route: [{destination: {host: shop}}]
        - {route: [{destination: {host: shop}}]}
proxies: [${proxyName}, sidecar/default/server-1/shop]
`)
})
afterAll(() => theatre.clear())

const [ofGateway, ofSidecar] = [{ istio: 'ingressgateway' }, { app: 'shop' }].map((matchLabels) => ({
  selector: { matchLabels },
}))
const apiKeys = { secretName: 'keys' }
const sources = { from: [{ header: 'x-api-key' }, { query: 'key' }, { cookie: 'key' }] }

const put = (spec: ConfigObject['spec'] | null, name = 'a', kind = 'ClientAuthentication'): ViewChange => ({
  kind: 'config',
  origin: 'mesh',
  key: `${kind}/default/${name}`,
  value: spec && { ...makeObject(kind, name, spec), apiVersion: apiVersions[kind] ?? 'policy.atoll.dev/v1alpha1' },
})
const apiVersions: Readonly<Record<string, string>> = { AuthorizationPolicy: 'security.istio.io/v1' }

const toSecret = (stringData: Readonly<Record<string, string>>, type: string = clientSecretTypes.apiKeys) =>
  parseCredential(secretObject.parse({ kind: 'Secret', type, metadata: { name: 'any' }, stringData }))

const give = async (name: string, secret: Result<Credential, string> | null) =>
  expect(await stage.changeCredentials(new Map([[`default/${name}`, secret]]))).toEqual([])

const apply = async (...changes: readonly ViewChange[]) => expect(await stage.change(...changes)).toEqual([])

interface Reply {
  /** Of the connection, by a request before. */
  readonly isReused: boolean
  readonly status: number
  readonly challenge: string | undefined
  readonly headers: IncomingHttpHeaders
  /** What the application saw; absent = nothing. */
  readonly seen?: Echo
}

const ask = async (headers: OutgoingHttpHeaders = {}, path = '/', method = 'GET'): Promise<Reply> => {
  const outgoing = request({
    host: gateway,
    port: 18080,
    path,
    method,
    agent: connections,
    headers: { host: 'a.example', ...headers },
  })
  outgoing.end()
  const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage]
  let body = ''
  incoming.setEncoding('utf8')
  for await (const text of incoming) body += text
  return {
    isReused: outgoing.reusedSocket,
    status: incoming.statusCode ?? 0,
    challenge: incoming.headers['www-authenticate'],
    headers: incoming.headers,
    ...(body.startsWith('{') && { seen: JSON.parse(body) as Echo }),
  }
}

/** The status, and who the application took the client for. */
const whoIs = async (headers?: OutgoingHttpHeaders, path?: string): Promise<string> => {
  const { status, seen } = await ask(headers, path)
  return seen ? `${status} ${seen.headers['x-consumer'] ?? 'nobody'}` : String(status)
}
const by = (key: string) => ({ 'x-api-key': key })

const expectOpen = async () => expect(await whoIs()).toBe('200 nobody')

beforeEach(async () => {
  await apply(put(null), put(null, 'b'), put(null, 'limit', 'RateLimit'), put(null, 'policy', 'AuthorizationPolicy'))
  await stage.changeAccess('default/shop', 'allowed')
  await give('keys', toSecret({ ann: 'ann-1\nann-2', bob: 'bob-1' }))
  await expectOpen()
})

test('clients are let in by their keys, wherever these are looked for, and nobody else is', async () => {
  await apply(put({ ...ofGateway, apiKeys: { ...apiKeys, ...sources } }))
  const rows: readonly (readonly [OutgoingHttpHeaders, string, string])[] = [
    [by('ann-1'), '/', '200 ann'],
    [by('ann-2'), '/', '200 ann'],
    [by('Bearer bob-1'), '/', '200 bob'],
    [{}, '/a?key=bob-1&b=c', '200 bob'],
    [{ cookie: 'a=b; key=ann-1' }, '/', '200 ann'],
    // The first place in which there is something counts.
    [by('wrong'), '/?key=ann-1', '401'],
    [by('wrong'), '/', '401'],
    [by('ann-1 '), '/?key=', '200 ann'],
    [by('ANN-1'), '/', '401'],
    [by(''), '/', '401'],
    [by('ann'), '/', '401'],
    [{ authorization: 'ann-1' }, '/', '401'],
    [{}, '/', '401'],
  ]
  for (const [headers, path, expected] of rows)
    expect([headers, path, await whoIs(headers, path)]).toEqual([headers, path, expected])
})

test("nobody but the proxy says in the client's header who it is", async () => {
  await apply(put({ ...ofGateway, apiKeys, clientHeader: 'X-Consumer' }))
  expect(await whoIs({ 'x-consumer': 'ann' })).toBe('401')
  expect(await whoIs({ ...by('bob-1'), 'x-consumer': 'ann' })).toBe('200 bob')
  expect(await whoIs({ ...by('bob-1'), 'x-consumer': ['ann', 'eve'] })).toBe('200 bob')
})

test('a key is taken out of the request, unless it is to go on', async () => {
  const askAll = async () => {
    const { seen } = await ask({ ...by('ann-1'), cookie: 'a=b; key=ann-1' }, '/x?key=ann-1&a=b')
    return [seen?.path, seen?.headers['x-api-key'], seen?.headers['cookie']]
  }
  await apply(put({ ...ofGateway, apiKeys: { ...apiKeys, ...sources } }))
  expect(await askAll()).toEqual(['/x?a=b', undefined, 'a=b'])
  await apply(put({ ...ofGateway, apiKeys: { ...apiKeys, ...sources, forward: true } }))
  expect(await askAll()).toEqual(['/x?key=ann-1&a=b', 'ann-1', 'a=b; key=ann-1'])
})

test('a key that comes or goes does so for the next request on connections that are open', async () => {
  await apply(put({ ...ofGateway, apiKeys }))
  expect(await whoIs(by('bob-1'))).toBe('200 bob')
  await give('keys', toSecret({ ann: 'ann-1', eve: 'eve-1' }))
  expect(await ask(by('bob-1'))).toMatchObject({ status: 401, isReused: true })
  expect(await ask(by('ann-2'))).toMatchObject({ status: 401, isReused: true })
  expect(await ask(by('eve-1'))).toMatchObject({ status: 200, isReused: true })
  await apply(put(null))
  expect(await ask(by('bob-1'))).toMatchObject({ status: 200, isReused: true })
})

test.each<[string, Result<Credential, string> | null, string]>([
  ['is not there', null, 'is not there: nobody is let in'],
  [
    'is of another type',
    toSecret({ ann: 'ann-1' }, 'Opaque'),
    'is not of the type atoll.dev/api-keys: nobody is let in',
  ],
  [
    'is of users',
    toSecret({ auth: 'ann:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=' }, clientSecretTypes.users),
    'is not of the type atoll.dev/api-keys: nobody is let in',
  ],
  ['has no keys', toSecret({ ann: '' }), 'has what lets nobody in: client ann has no key'],
])('a Secret that %s lets nobody in until it is as it should be, and the object says so', async (_, secret, fault) => {
  await apply(put({ ...ofGateway, apiKeys }))
  expect(await whoIs(by('ann-1'))).toBe('200 ann')
  await give('keys', secret)
  expect([await whoIs(by('ann-1')), await whoIs()]).toEqual(['403', '403'])
  expect(stage.credentialProblems()).toEqual([
    { object: 'ClientAuthentication/default/a', message: `apiKeys: Secret default/keys ${fault}` },
  ])
  await give('keys', toSecret({ ann: 'ann-1' }))
  expect(await whoIs(by('ann-1'))).toBe('200 ann')
  expect(stage.credentialProblems()).toEqual([])
})

test('what of a Secret is wrong lets nobody in, and the rest goes on', async () => {
  await give('keys', toSecret({ ann: 'same', bob: 'same', eve: 'two words\neve-1' }))
  await apply(put({ ...ofGateway, apiKeys }))
  expect([await whoIs(by('same')), await whoIs(by('eve-1')), await whoIs(by('two words'))]).toEqual([
    '401',
    '200 eve',
    '401',
  ])
  expect(stage.credentialProblems()).toHaveLength(1)
})

test('an agent that starts again lets those in whom the Secret has now', async () => {
  await apply(put({ ...ofGateway, apiKeys }))
  expect(await stage.restartAgent()).toEqual([])
  expect([await whoIs(by('ann-1')), await whoIs()]).toEqual(['200 ann', '401'])
  expect(await stage.restartAgent(new Map([['default/keys', null]]))).toEqual([])
  expect(await whoIs(by('ann-1'))).toBe('403')
})

test('two objects for one workload, and one that can not be understood, let nobody in', async () => {
  await apply(put({ ...ofGateway, apiKeys }), put({ apiKeys: { secretName: 'others' } }, 'b'))
  expect(await whoIs(by('ann-1'))).toBe('403')
  await apply(put(null, 'b'))
  expect(await whoIs(by('ann-1'))).toBe('200 ann')
  await stage.change(put({ ...ofGateway, apiKeys, unheardOf: 1 }))
  expect(await whoIs(by('ann-1'))).toBe('403')
})

test('users are let in by their passwords, and are asked for them', async () => {
  const sha = (password: string) => `{SHA}${createHash('sha1').update(password).digest('base64')}`
  const basic = (text: string) => ({ authorization: `Basic ${Buffer.from(text).toString('base64')}` })
  await give('users', toSecret({ auth: `ann:${sha('ann:1')}\nbob:$2y$05$abc\n` }, clientSecretTypes.users))
  await apply(put({ ...ofGateway, basic: { secretName: 'users' } }))
  expect(await whoIs({ ...basic('ann:ann:1'), 'x-consumer': 'bob' })).toBe('200 ann')
  for (const wrong of ['ann:ann:2', 'bob:$2y$05$abc', 'ann', ':', 'eve:ann:1'])
    expect([wrong, await whoIs(basic(wrong))]).toEqual([wrong, '401'])
  expect(await ask()).toMatchObject({ status: 401, challenge: expect.stringMatching(/^Basic realm=/) })
  expect(stage.credentialProblems()).toMatchObject([{ message: expect.stringContaining('user bob has a password') }])
})

describe('wrong keys', () => {
  const statuses = async (count: number, ...asked: Parameters<typeof ask>) => {
    const all: number[] = []
    for (let each = 0; each < count; each++) all.push((await ask(...asked)).status)
    return all
  }
  const counted = async (name: string) =>
    (await stage.statistics(new RegExp(`lua\\.clients\\.${name}:`))).map((line) => Number(line.split(': ')[1]))

  test('are slowed by the address that they come from, and nobody who was let in before is', async () => {
    await apply(put({ ...ofGateway, apiKeys: { ...apiKeys, ...sources }, wrongPerMinute: 3 }))
    expect(await whoIs(by('ann-1'))).toBe('200 ann')
    const [turnedAway = 0] = await counted('turned_away')
    expect(await statuses(5, by('wrong'))).toEqual([401, 401, 401, 429, 429])
    const { status, headers } = await ask(by('ann-2'))
    expect(status).toBe(429)
    expect(Number(headers['retry-after'])).toBeGreaterThan(0)
    expect(Number(headers['retry-after'])).toBeLessThanOrEqual(20)
    expect(await counted('turned_away')).toEqual([turnedAway + 3])
    // It was right before; and who brings none asks what is asked of it.
    expect(await whoIs(by('ann-1'))).toBe('200 ann')
    expect(await statuses(1)).toEqual([401])
    const from = (address: string, key: string) => ({ ...by(key), 'x-forwarded-for': address })
    expect(await statuses(2, from('192.0.2.1', 'wrong'))).toEqual([401, 401])
    expect(await statuses(1, from('192.0.2.1', 'bob-1'))).toEqual([200])
    for (const address of ['2001:db8::1', '2001:db8:0:0:1::2', '2001:db8::1:2:3:4'])
      expect(await statuses(1, from(address, `wrong at ${address}`))).toEqual([401])
    expect(await statuses(1, from('2001:db8::ffff:1:2:3', 'wrong'))).toEqual([429])
    expect(await statuses(1, from('2001:db8:0:1::1', 'wrong'))).toEqual([401])
    expect(await whoIs(by('bob-1'))).toBe('200 bob')
  })

  test('are those alone that the filter of clients refuses, wherever they are written', async () => {
    await apply(put({ ...ofGateway, apiKeys: { ...apiKeys, ...sources }, wrongPerMinute: 2 }))
    // Another filter's, and no key at all.
    expect(await statuses(4, by('ann-1'), '/refused')).toEqual([401, 401, 401, 401])
    expect(await statuses(4)).toEqual([401, 401, 401, 401])
    expect(await statuses(1, {}, '/?k%65y=wrong')).toEqual([401])
    expect(await statuses(1, { cookie: 'a=b; key=wrong' })).toEqual([401])
    expect(await statuses(1, by('wrong'))).toEqual([429])
    expect(await statuses(1, {}, '/?k%65y=bob-1')).toEqual([429])
    await apply(put({ ...ofGateway, apiKeys, wrongPerMinute: 0 }))
    expect(await statuses(4, by('wrong'))).toEqual([401, 401, 401, 401])
  })

  test('of users are wrong passwords, of a sidecar those of its own callers', async () => {
    const basic = { authorization: `Basic ${Buffer.from('ann:wrong').toString('base64')}` }
    await give('users', toSecret({ auth: 'ann:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=' }, clientSecretTypes.users))
    await apply(put({ ...ofGateway, basic: { secretName: 'users' }, wrongPerMinute: 1 }))
    expect([...(await statuses(3)), ...(await statuses(2, basic))]).toEqual([401, 401, 401, 401, 429])
    await apply(put({ ...ofSidecar, apiKeys, wrongPerMinute: 1 }))
    expect(await statuses(2, by('wrong'))).toEqual([401, 429])
  })
})

describe('a preflight', () => {
  const preflight = (path: string, origin = 'https://a.example') =>
    ask({ origin, 'access-control-request-method': 'POST' }, path, 'OPTIONS')
  const deny = put({ ...ofGateway, action: 'DENY', rules: [{}] }, 'policy', 'AuthorizationPolicy')

  test("needs no key where its route's CORS policy answers it, and never gets to the application", async () => {
    await apply(put({ ...ofGateway, apiKeys }))
    const { status, headers, seen } = await preflight('/cors')
    expect([status, seen]).toEqual([200, undefined])
    expect(headers['access-control-allow-origin']).toBe('https://a.example')
    const rows: readonly (readonly [string, string])[] = [
      ['/cors', 'https://b.example'],
      ['/', 'https://a.example'],
    ]
    for (const [path, origin] of rows) {
      const reply = await preflight(path, origin)
      expect([path, reply.status, reply.seen]).toEqual([path, 401, undefined])
    }
    // A page may see why it was refused.
    const refused = await ask({ origin: 'https://a.example', ...by('wrong') }, '/cors')
    expect([refused.status, refused.headers['access-control-allow-origin']]).toEqual([401, 'https://a.example'])
    const taken = await ask({ origin: 'https://a.example', ...by('ann-1') }, '/cors')
    expect([taken.status, taken.headers['access-control-allow-origin']]).toEqual([200, 'https://a.example'])
    await apply(deny)
    expect((await preflight('/cors')).status).toBe(200)
  })

  test('is like any other request where nobody asks for keys', async () => {
    expect((await preflight('/cors')).status).toBe(200)
    expect((await preflight('/')).seen?.method).toBe('OPTIONS')
    await apply(deny)
    expect((await preflight('/cors')).status).toBe(403)
  })
})

test('a sidecar asks for keys where its account may read them, and else lets nobody in', async () => {
  await apply(put({ ...ofSidecar, apiKeys }))
  expect([await whoIs(by('ann-1')), await whoIs()]).toEqual(['200 ann', '401'])
  for (const access of ['refused', { failure: 'away' }] as const) {
    expect(await stage.changeAccess('default/shop', access)).toEqual([])
    expect(await whoIs(by('ann-1'))).toBe('403')
    expect(stage.credentialProblems()).toMatchObject([{ object: 'ClientAuthentication/default/a' }])
  }
})

test('what is not taken for HTTP does not get around a sidecar that asks for keys', async () => {
  const say = async (text: string): Promise<string> => {
    const socket = connect(soughtPort, serverAddress)
    socket.setEncoding('utf8').write(text)
    let answer = ''
    for await (const part of socket) answer += part
    return answer.split('\r\n', 1)[0] ?? ''
  }
  const request = 'GET / HTTP/1.1\r\nHost: sought\r\nConnection: close\r\n\r\n'
  await untilHolds(async () => expect(await say(request)).toBe('HTTP/1.1 200 OK'))
  // It begins with what is no method: the application, which does not mind an empty line, has it from TCP.
  expect(await say(`\r\n${request}`)).toBe('HTTP/1.1 200 OK')
  await apply(put({ ...ofSidecar, apiKeys }))
  await untilHolds(async () => expect(await say(request)).toBe('HTTP/1.1 401 Unauthorized'))
  expect(await say(`\r\n${request}`).catch((error: unknown) => error)).not.toBe('HTTP/1.1 200 OK')
})

test("policies and limits go by the client's name", async () => {
  await apply(
    put({ ...ofGateway, apiKeys }),
    put(
      { ...ofGateway, action: 'DENY', rules: [{ when: [{ key: 'request.headers[x-consumer]', values: ['bob'] }] }] },
      'policy',
      'AuthorizationPolicy',
    ),
    put(
      { ...ofGateway, limits: [{ name: 'each', by: [{ header: 'x-consumer' }], requests: 1, per: '24h' }] },
      'limit',
      'RateLimit',
    ),
  )
  expect(await whoIs(by('bob-1'))).toBe('403')
  // Who is not let in is not counted.
  expect([await whoIs({ 'x-consumer': 'ann' }), await whoIs(by('ann-1')), await whoIs(by('ann-2'))]).toEqual([
    '401',
    '200 ann',
    '429',
  ])
})

test('keys are in nothing that shows what proxies have, nor in its versions', async () => {
  await apply(put({ ...ofGateway, apiKeys }))
  expect(await whoIs(by('ann-1'))).toBe('200 ann')
  const shown = JSON.stringify(stage.proxyConfig(proxyName))
  expect(shown).toContain('"client":"ann"')
  expect(shown).not.toMatch(/ann-\d|bob-\d/)
  expect(await stage.configDumps()).not.toMatch(/ann-\d|bob-\d/)
})
