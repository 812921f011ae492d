import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { fetchKeySet } from '#agent/jwks/fetch-key-set.ts'
import { allowedPlace, PlaceGuard } from '#agent/outside/place-guard.ts'
import { VirtualClock } from '../virtual-clock.ts'
import { untilHolds } from '../until-holds.ts'
import { createJwks, startIssuer } from './issuer.ts'

const jwks = createJwks('one')
type Answer = Parameters<typeof startIssuer>[0]
const answer =
  (text: string, headers: Record<string, string> = {}, status = 200): Answer =>
  (_request, response) =>
    response.writeHead(status, headers).end(text)

const setUp = async (handle: Answer, { allow = ['127.0.0.1'] as readonly string[], address = '127.0.0.1' } = {}) => {
  const started = await startIssuer(handle)
  const clock = new VirtualClock()
  const guard = new PlaceGuard(allow.map((place) => allowedPlace.parse(place)))
  const looked: string[] = []
  const fetching = {
    guard,
    clock,
    ca: [started.ca],
    resolve: (hostname: string) => {
      looked.push(hostname)
      return Promise.resolve([{ address, family: 4 }])
    },
  }
  const fetch = (url = `${started.origin}/keys`) => fetchKeySet(url, 5000, fetching)
  return { ...started, clock, fetch, looked }
}

test('fetches keys, and how long they hold', async () => {
  const { fetch, requests } = await setUp(answer(jwks, { 'cache-control': 'public, max-age=600' }))
  const fetched = await fetch()
  expect(JSON.parse(fetched.jwks)).toMatchObject({ keys: [{ kid: 'one', kty: 'EC' }] })
  expect(fetched.maxAgeSeconds).toBe(600)
  expect(requests).toEqual(['GET /keys'])
})

test.each([
  ['500', answer('', {}, 500), 'answered 500'],
  ['404', answer(jwks, {}, 404), 'answered 404'],
  ['HTML', answer('<html>welcome</html>'), 'is no JSON with a list of "keys"'],
  ['no keys', answer('{"keys":[]}'), 'has no public key to verify by'],
  [
    'a shared secret alone',
    answer('{"keys":[{"kty":"oct","k":"AAAA"}]}'),
    'has no public key to verify by; a key is a shared secret: it is not used',
  ],
  [
    'points that are none',
    answer(JSON.stringify({ keys: [{ kty: 'EC', crv: 'P-256', x: 'A'.repeat(43), y: 'A'.repeat(43) }] })),
    'has no key that is one: points that are not on their curves',
  ],
  ['more than it should', answer(`{"keys":[],"x":"${'x'.repeat(1024 * 1024)}"}`), 'answered with more than 1 MiB'],
  [
    'what is packed',
    answer('packed', { 'content-encoding': 'gzip' }),
    'answered in an encoding that was not asked for',
  ],
  ['an end', (request) => request.socket.destroy(), "can't be reached: ECONNRESET"],
] satisfies [string, Answer, string][])('takes %s for no keys', async (_name, handle, message) => {
  const { fetch } = await setUp(handle)
  await expect(fetch()).rejects.toThrow(message)
})

test.each([
  'http://169.254.169.254/latest/meta-data/iam/security-credentials/',
  'https://127.0.0.1:1/keys',
  'https://issuer.example/elsewhere',
])('follows no redirect to %s', async (location) => {
  const { fetch, requests } = await setUp(answer('', { location }, 302))
  await expect(fetch()).rejects.toThrow('redirects (302), which is not followed')
  expect(requests).toHaveLength(1)
})

test('waits for a slow issuer no longer than it should, and for its body neither', async () => {
  const silent = await setUp(() => {})
  const fetching = silent.fetch()
  await untilHolds(() => expect(silent.requests).toHaveLength(1))
  silent.clock.advance(5000)
  await expect(fetching).rejects.toThrow('did not answer within 5 s')

  const slow = await setUp((_request, response) => response.writeHead(200).write('{"keys":['))
  const reading = slow.fetch()
  await untilHolds(() => expect(slow.requests).toHaveLength(1))
  slow.clock.advance(5000)
  await expect(reading).rejects.toThrow('did not answer within 5 s')
})

test('believes nobody whose certificate is not the name’s', async () => {
  const { fetch, port } = await setUp(answer(jwks))
  await expect(fetch(`https://other.example:${port}/keys`)).rejects.toThrow(
    "can't be reached: ERR_TLS_CERT_ALTNAME_INVALID",
  )
})

test('says that nobody answers', async () => {
  const { fetch, server } = await setUp(answer(jwks))
  server.close()
  await expect(fetch()).rejects.toThrow("can't be reached: ECONNREFUSED")
})

test('asks nobody at an address that is not allowed, whatever its name', async () => {
  const { fetch, requests, port } = await setUp(answer(jwks), { allow: [] })
  const refused = 'is at an address that the agent may not ask'
  await expect(fetch()).rejects.toThrow(refused)
  await expect(fetch(`https://127.0.0.1:${port}/keys`)).rejects.toThrow(refused)
  await expect(fetch(`https://[::ffff:127.0.0.1]:${port}/keys`)).rejects.toThrow(refused)
  await expect(fetch(`https://0x7f.1:${port}/keys`)).rejects.toThrow(refused)
  expect(requests).toEqual([])
})

test('judges the address that is connected to', async () => {
  const handle = answer(jwks)
  const { fetch, looked, requests } = await setUp(handle, { allow: [], address: '169.254.169.254' })
  await expect(fetch()).rejects.toThrow('is at an address that the agent may not ask')
  expect(looked).toEqual(['issuer.example'])
  expect(requests).toEqual([])
})

test('speaks plain HTTP with names alone that are allowed', async () => {
  const app = createServer((_request, response) => response.end(jwks))
  await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void app.close())
  const { port } = app.address() as AddressInfo
  const allowed = await setUp(answer(jwks), { allow: ['issuer.example', '127.0.0.1'] })
  expect((await allowed.fetch(`http://issuer.example:${port}/`)).warnings).toEqual([])
  expect((await allowed.fetch(`http://127.0.0.1:${port}/`)).warnings).toEqual([])
  const other = await setUp(answer(jwks))
  await expect(other.fetch(`http://issuer.example:${port}/`)).rejects.toThrow('is not https://')
})

const discovery = '/.well-known/openid-configuration'
const discoverable =
  (document: (origin: string) => unknown): Answer =>
  (request, response) =>
    response.end(request.url === discovery ? JSON.stringify(document(`https://${String(request.headers.host)}`)) : jwks)

test('finds the keys of an issuer by its discovery document', async () => {
  const { fetch, origin, requests } = await setUp(
    discoverable((at) => ({ issuer: `${at}/`, jwks_uri: `${at}/certs`, more: 1 })),
  )
  expect((await fetch(`${origin}${discovery}`)).jwks).toContain('"one"')
  expect(requests).toEqual([`GET ${discovery}`, 'GET /certs'])
})

test.each([
  [
    'another issuer',
    'is another issuer',
    (at: string) => ({ issuer: 'https://evil.example', jwks_uri: `${at}/certs` }),
  ],
  ['no keys', '"jwks_uri" are required', (at: string) => ({ issuer: at })],
  ['a forbidden place', 'may not ask', (at: string) => ({ issuer: at, jwks_uri: 'https://10.0.0.1/certs' })],
  ['a file', 'neither https', (at: string) => ({ issuer: at, jwks_uri: 'file:///etc/passwd' })],
])('takes no discovery document of %s', async (_name, message, document) => {
  const { fetch, origin, requests } = await setUp(discoverable(document))
  await expect(fetch(`${origin}${discovery}`)).rejects.toThrow(message)
  expect(requests).toEqual([`GET ${discovery}`])
})
