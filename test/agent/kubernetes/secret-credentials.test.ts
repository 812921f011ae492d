import { setImmediate } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { SecretCredentials } from '#agent/kubernetes/secret-credentials.ts'
import { createLog } from '#agent/log.ts'
import { TestRoot } from '../test-pki.ts'
import { FakeApiServer } from '../registry/kubernetes/fake-api-server.ts'
import { untilHolds } from '../until-holds.ts'
import { VirtualClock } from '../virtual-clock.ts'

const path = '/api/v1/namespaces/atoll-ingress/secrets'

let server: FakeApiServer
let clock: VirtualClock
let credentials: SecretCredentials
let calls: number
const seen = new Map<string, unknown>()

beforeEach(() => {
  server = new FakeApiServer()
  clock = new VirtualClock()
  calls = 0
  seen.clear()
  credentials = new SecretCredentials({
    client: server,
    clock,
    random: () => 0,
    log: createLog('silent'),
  })
  credentials.start((changes) => {
    calls += 1
    for (const [key, value] of changes) seen.set(key, value)
  })
})
afterEach(() => credentials.stop())

/** As the items of a list are: without a kind. */
const secret = (name: string, caPem: string) => ({
  metadata: { name, namespace: 'atoll-ingress' },
  type: 'Opaque',
  data: { cacert: Buffer.from(caPem).toString('base64') },
})

const want = (...names: readonly string[]) =>
  credentials.want(new Set(names.map((name) => `atoll-ingress/${name}`)), new Set())

test('only what is named is kept, follows its Secret, and goes when nobody names it any more', async () => {
  const { pem } = await TestRoot.create(Date.now())
  server.put(path, secret('front', pem), secret('front-cacert', pem), secret('other', pem), secret('bad', 'no PEM'))
  expect(server.requests).toEqual([])
  want('front', 'bad')
  const authorities = { ok: true, value: { authorities: { caPem: pem } } }
  await untilHolds(() =>
    expect(Object.fromEntries(seen)).toEqual({
      'atoll-ingress/front': authorities,
      'atoll-ingress/front-cacert': authorities,
      'atoll-ingress/bad': { ok: false, error: 'its authority can not be read' },
    }),
  )
  await untilHolds(() => expect(server.watches).toBe(1))
  server.delete(path, secret('front-cacert', pem))
  server.put(path, secret('bad', pem))
  await untilHolds(() => expect(seen.get('atoll-ingress/front-cacert')).toBeNull())
  expect(seen.get('atoll-ingress/bad')).toEqual(authorities)

  want('front', 'other')
  await untilHolds(() => expect(seen.get('atoll-ingress/other')).toEqual(authorities))
  expect(seen.get('atoll-ingress/bad')).toBeNull()
  want()
  await untilHolds(() => expect([...seen.values()]).toEqual([null, null, null, null]))
  expect(server.requests.every((request) => request.includes(path))).toBe(true)
})

test('a namespace that the agent may not read is told of, and read as soon as it may', async () => {
  const { pem } = await TestRoot.create(Date.now())
  server.put(path, secret('front', pem))
  server.forbidden.add(path)
  want('front')
  expect(credentials.isReading('atoll-ingress')).toBe(true)
  await untilHolds(() =>
    expect(credentials.failureOf('atoll-ingress')).toMatch(
      /^forbidden .* Role atoll-agent-secrets that namespace atoll-ingress needs/,
    ),
  )
  expect(credentials.isReading('atoll-ingress')).toBe(false)
  expect(calls).toBe(1)
  server.forbidden.clear()
  await untilHolds(() => {
    clock.advance(1000)
    expect(seen.size).toBe(1)
  })
  await untilHolds(() => expect(credentials.failureOf('atoll-ingress')).toBeUndefined())
})

test('an agent that may not read a namespace any more tells it, and what it has read goes on', async () => {
  const { pem } = await TestRoot.create(Date.now())
  server.put(path, secret('front', pem))
  want('front')
  await untilHolds(() => expect(server.watches).toBe(1))
  expect(credentials.isForbidden('atoll-ingress')).toBe(false)
  server.forbidden.add(path)
  server.endWatches('well')
  await untilHolds(() => {
    clock.advance(1000)
    expect(credentials.failureOf('atoll-ingress')).toMatch(/^forbidden .* Role/)
  })
  expect(credentials.isForbidden('atoll-ingress')).toBe(true)
  expect(seen.get('atoll-ingress/front')).toMatchObject({ ok: true })
  expect(calls).toBe(3)
})

test('it is told that all is read where none of what is named is there', async () => {
  want('front')
  expect(credentials.isReading('atoll-ingress')).toBe(true)
  await untilHolds(() => expect(calls).toBe(1))
  expect(credentials.isReading('atoll-ingress')).toBe(false)
  expect(seen.size).toBe(0)
})

test('accounts are asked about again and again, and what was said goes on while nobody answers', async () => {
  const reviews = '/apis/authorization.k8s.io/v1/namespaces/shop/localsubjectaccessreviews'
  const asked = () => server.requests.filter((request) => request === `POST ${reviews}`).length
  server.forbidden.add(reviews)
  credentials.want(new Set(), new Set(['shop/sleep']))
  expect(credentials.accessOf('shop/sleep')).toBe('asked')
  await untilHolds(() =>
    expect(credentials.accessOf('shop/sleep')).toEqual({
      failure: expect.stringMatching(/^forbidden .*Role/) as string,
    }),
  )
  server.forbidden.clear()
  clock.advance(10_000)
  await untilHolds(() => expect(credentials.accessOf('shop/sleep')).toBe('refused'))
  server.secretReaders.add('system:serviceaccount:shop:sleep')
  clock.advance(10_000)
  await untilHolds(() => expect(credentials.accessOf('shop/sleep')).toBe('allowed'))
  expect(calls).toBe(3)

  server.away = true
  clock.advance(60_000)
  await setImmediate()
  expect(credentials.accessOf('shop/sleep')).toBe('allowed')
  server.away = false
  server.forbidden.add(reviews)
  await untilHolds(() => {
    clock.advance(60_000)
    expect(credentials.accessOf('shop/sleep')).toEqual({
      failure: expect.stringMatching(/^forbidden .*Role/) as string,
      before: 'allowed',
    })
  })
  server.forbidden.clear()
  server.secretReaders.clear()
  await untilHolds(() => {
    clock.advance(60_000)
    expect(credentials.accessOf('shop/sleep')).toBe('refused')
  })
  const before = asked()
  credentials.want(new Set(), new Set())
  clock.advance(120_000)
  expect(asked()).toBe(before)
  expect(credentials.accessOf('shop/sleep')).toBe('asked')
})
