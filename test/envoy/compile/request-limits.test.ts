import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { defaultMeshConfig } from '#mesh/config/mesh-config.ts'
import { rateLimit } from '#mesh/config/rate-limit.ts'
import { toApiVersion, type KindDefinition } from '#mesh/config/kind-definition.ts'
import { requestAuthentication } from '#mesh/config/request-authentication.ts'
import { parseObject } from '#mesh/config/parse-object.ts'
import type { ViewChange } from '#mesh/view.ts'
import { requestThroughProxy } from '#test/harness/proxy-request.ts'
import { TokenSigner, toJwks } from '#test/harness/token-signer.ts'
import type { Stage } from './stage.ts'
import { clientAddress, proxyPort, serverAddress, stageNetwork, Theatre } from './theatre.ts'

let theatre: Theatre
let stage: Stage

const otherClient = `${stageNetwork}.4`

const scene = (port: number) => `
about: ''
services:
  - {host: app, ports: ['http:80'], endpoints: {server-1: {address: ${serverAddress}, ports: {http: ${port}}}}}
workloads:
  client-1: {address: ${clientAddress}, labels: {app: client}}
  client-2: {address: ${otherClient}, labels: {app: client}}
  server-1: {address: ${serverAddress}, labels: {app: server}}
proxies: [sidecar/default/client-1, sidecar/default/client-2/other, sidecar/default/server-1]
`

beforeAll(async () => {
  theatre = await Theatre.open()
  stage = await theatre.start(scene((await theatre.startApp('app')).port))
})
afterAll(() => theatre.clear())

/** What is written now and then makes no difference to how full a bucket is. */
const per = '24h'
const limit = { name: 'all', requests: 2, per }

const toChange = (
  name: string,
  spec: object | null,
  namespace = 'default',
  definition: KindDefinition = rateLimit,
): ViewChange => {
  const { kind, versions } = definition
  const key = `${kind}/${namespace}/${name}`
  if (spec === null) return { kind: 'config', origin: 'mesh', key, value: null }
  const apiVersion = toApiVersion(definition, versions[0] ?? '')
  const parsed = parseObject({ apiVersion, kind, metadata: { name, namespace }, spec }, { defaultNamespace: 'default' })
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.error))
  return { kind: 'config', origin: 'mesh', key, value: parsed.value.object }
}

/** Puts limits in force, of counts that nobody has drawn on. */
const enforce = async (...limits: readonly object[]): Promise<void> => {
  const selector = { matchLabels: { app: 'server' } }
  for (const spec of [null, { selector, limits }]) expect(await stage.change(toChange('app', spec))).toEqual([])
}

interface Request {
  readonly path?: string
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly from?: string
  readonly host?: string
}

const call = ({ path = '/', method = 'GET', headers = {}, from = clientAddress, host = 'app' }: Request = {}) =>
  requestThroughProxy({ host: from, port: proxyPort }, `http://${host}${path}`, { method, headers })

const codes = async (...requests: readonly Request[]): Promise<readonly number[]> => {
  const all: number[] = []
  for (const request of requests) all.push((await call(request)).status)
  return all
}

beforeEach(() => enforce(limit))

test('as many requests go through as a limit says; the others are told that there are too many, and when to come again', async () => {
  expect(await codes({}, {}, {}, { method: 'POST', path: '/x' })).toEqual([200, 200, 429, 429])
  const { headers } = await call()
  expect(headers).toMatchObject({ 'x-ratelimit-limit': '2', 'x-ratelimit-remaining': '0' })
  expect(Number(headers['x-ratelimit-reset'])).toBeGreaterThan(0)
})

test('a limit that is filled again lets requests through again', async () => {
  await enforce({ name: 'all', requests: 1, per: '100ms' })
  const answers = new Set<number>()
  for (let tries = 0; tries < 200 && !answers.has(429); tries++) answers.add((await call()).status)
  expect(answers).toEqual(new Set([200, 429]))
  await expect.poll(async () => (await call()).status, { interval: 150 }).toBe(200)
})

test('a burst is let through at once', async () => {
  await enforce({ ...limit, burst: 4 })
  expect(await codes({}, {}, {}, {}, {})).toEqual([200, 200, 200, 200, 429])
})

test.each<[string, object, Request, Request]>([
  ['methods', { methods: ['POST', 'PU*'] }, { method: 'PUT' }, { method: 'GET' }],
  ['a path', { paths: ['/a'] }, { path: '/a?b=c' }, { path: '/a/b' }],
  ['the beginnings of paths', { paths: ['/x', '/a/*'] }, { path: '/a/b?c' }, { path: '/a' }],
  ['the ends of paths', { paths: ['*.json'] }, { path: '/a.json?b' }, { path: '/a.xml?b=.json' }],
  ['hosts in any letters', { hosts: ['APP', 'b.example'] }, {}, { host: 'app.default' }],
  ['the ends of hosts', { hosts: ['*.default'] }, { host: 'App.Default:80' }, {}],
  [
    'headers',
    { headers: { 'x-plan': { exact: 'free' }, 'x-user': {} } },
    { headers: { 'x-plan': 'free', 'x-user': 'a' } },
    { headers: { 'x-plan': 'free' } },
  ],
  ['all of these together', { methods: ['GET'], paths: ['/a'] }, { path: '/a' }, { path: '/a', method: 'POST' }],
])('a limit to %s is about those requests alone', async (_, match, meant, other) => {
  await enforce({ ...limit, match })
  expect(await codes(meant, meant, meant)).toEqual([200, 200, 429])
  expect(await codes(other, other, other)).toEqual([200, 200, 200])
})

test.each<[string, object, Request, Request]>([
  ['who calls', { peer: 'PRINCIPAL' }, {}, { from: otherClient }],
  ['a header', { header: 'X-Tenant' }, { headers: { 'x-tenant': 'a' } }, { headers: { 'x-tenant': 'b' } }],
  ['a header and nothing', { header: 'x-tenant' }, { headers: { 'x-tenant': 'a' } }, {}],
  ['the method', { request: 'METHOD' }, {}, { method: 'POST' }],
  ['the path', { request: 'PATH' }, { path: '/a?b' }, { path: '/b' }],
])('requests are counted apart by %s', async (_, by, one, another) => {
  await enforce({ ...limit, by: [by] })
  expect(await codes(one, one, one)).toEqual([200, 200, 429])
  expect(await codes(another, another, another)).toEqual([200, 200, 429])
})

test('requests without what they are counted by share one count, also where it is empty', async () => {
  await enforce({ ...limit, by: [{ header: 'x-tenant' }, { claim: 'realm.org' }] })
  expect(await codes({}, { headers: { 'x-tenant': '' } }, {})).toEqual([200, 200, 429])
})

test('requests are counted apart by what a verified token claims, in texts', async () => {
  const signer = new TokenSigner('https://issuer.example', 'k', 'ES256')
  const jwtRules = [{ issuer: signer.issuer, jwks: toJwks(signer) }]
  await stage.change(toChange('tokens', { jwtRules }, 'default', requestAuthentication))
  await enforce({ ...limit, by: [{ claim: 'realm.org' }] })
  const withToken = (realm: unknown): Request => ({
    headers: { authorization: `Bearer ${signer.sign({ realm })}` },
  })
  const acme = withToken({ org: 'acme' })
  expect(await codes(acme, acme, acme)).toEqual([200, 200, 429])
  expect(await codes(withToken({ org: 'other' }))).toEqual([200])
  // What is no text, and what is not there.
  expect(await codes(withToken({ org: 5 }), withToken('acme'), {})).toEqual([200, 200, 429])
  await stage.change(toChange('tokens', null, 'default', requestAuthentication))
})

test('what counts are kept apart by counts together', async () => {
  await enforce({ ...limit, by: [{ header: 'x-tenant' }, { peer: 'PRINCIPAL' }, { peer: 'ADDRESS' }] })
  const headers = { 'x-tenant': 'a' }
  expect(await codes({ headers }, { headers }, { headers })).toEqual([200, 200, 429])
  expect(await codes({ headers, from: otherClient }, {})).toEqual([200, 200])
})

test('of several limits, and of several objects, each holds by itself', async () => {
  await enforce({ ...limit, requests: 3 }, { ...limit, name: 'posts', requests: 1, match: { methods: ['POST'] } })
  await stage.change(toChange('all', { limits: [{ ...limit, requests: 4 }] }))
  const post = { method: 'POST' }
  expect(await codes(post, post, {}, {}, {})).toEqual([200, 429, 200, 200, 429])
  await stage.change(toChange('all', null))
})

test('a RateLimit of the root namespace is for the whole mesh, one of another namespace is not', async () => {
  await stage.change(toChange('app', null))
  await stage.change(toChange('all', { limits: [limit] }, 'elsewhere'))
  expect(await codes({}, {}, {})).toEqual([200, 200, 200])
  await stage.change(toChange('all', { limits: [limit] }, defaultMeshConfig.rootNamespace))
  expect(await codes({}, {}, {})).toEqual([200, 200, 429])
  await stage.change(toChange('all', null, defaultMeshConfig.rootNamespace), toChange('all', null, 'elsewhere'))
})
