import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gunzipSync, gzipSync } from 'node:zlib'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { RegistryLogin } from '#agent/credentials/parse-registry-logins.ts'
import { fetchModule } from '#agent/wasm/fetch-module.ts'
import { maxModuleBytes } from '#agent/wasm/module-limits.ts'
import { allowedPlace, PlaceGuard } from '#agent/outside/place-guard.ts'
import { parseModuleUrl } from '#mesh/config/schema/module-url.ts'
import { toModuleKey } from '#mesh/wasm/module-source.ts'
import { archive } from '#test/harness/wasm/archive.ts'
import { ImageRegistry } from '#test/harness/wasm/image-registry.ts'
import { startIssuer } from '../jwks/issuer.ts'
import { VirtualClock } from '../virtual-clock.ts'

/** All that tells a module: what is behind it is for Envoy. */
const code = Buffer.concat([Buffer.from('\0asm'), Buffer.from([1, 0, 0, 0]), Buffer.from('the rest')])
const digest = createHash('sha256').update(code).digest('hex')

type Handler = (request: IncomingMessage, response: ServerResponse) => void
const answer =
  (body: string | Uint8Array, status = 200, headers: Record<string, string> = {}): Handler =>
  (_request, response) =>
    response.writeHead(status, headers).end(body)

const setUp = async (handle: Handler, allow: readonly string[] = ['127.0.0.1']) => {
  const started = await startIssuer(handle)
  const fetching = {
    guard: new PlaceGuard(allow.map((place) => allowedPlace.parse(place))),
    clock: new VirtualClock(),
    ca: [started.ca],
    // One name is of the metadata service of a cloud.
    resolve: (hostname: string) =>
      Promise.resolve([{ address: hostname.startsWith('metadata') ? '169.254.169.254' : '127.0.0.1', family: 4 }]),
  }
  const fetch = (url: string, sha256?: string, login?: RegistryLogin) => {
    const place = parseModuleUrl(url)
    const key = toModuleKey({ url, sha256 }, 'shop')
    if (typeof place === 'string' || key === undefined) throw new Error(url)
    return fetchModule({ key, place, pullSecret: undefined, sha256, refreshedBy: '' }, login, fetching)
  }
  const registry = `issuer.example:${started.port}`
  return { ...started, fetch, registry, url: `${started.origin}/plugin.wasm` }
}

test.each([
  ['as it is', code],
  ['zipped', gzipSync(code)],
  ['in an archive', archive({ 'any.wasm': code })],
])('fetches a module %s', async (_, body) => {
  const { fetch, url } = await setUp(answer(body))
  expect(await fetch(url, digest)).toEqual({ code, digest })
})

test('follows where a server leads, and tells nobody else what it was told', async () => {
  const seen: (string | undefined)[] = []
  const { fetch, url } = await setUp((request, response) => {
    seen.push(request.url)
    answer(code, request.url === '/end' ? 200 : 302, { location: '/end' })(request, response)
  })
  expect(await fetch(url)).toEqual({ code, digest })
  expect(seen).toEqual(['/plugin.wasm', '/end'])
})

const listen = async (server: Server): Promise<AddressInfo> => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return server.address() as AddressInfo
}

const large = Buffer.concat([code, Buffer.alloc(maxModuleBytes)])
test.each<[string, Handler, string]>([
  ['is not there', answer('', 404), 'answered 404'],
  ['is none', answer('<html>welcome</html>'), 'is no WebAssembly module'],
  ['is of another version', answer(Buffer.from('\0asm\x02\0\0\0')), 'is no WebAssembly module'],
  ['is too large', answer(large), 'answered with more than 16 MiB'],
  ['is too large when unpacked', answer(gzipSync(large)), 'is a module of more than 16 MiB'],
  ['is damaged', answer(gzipSync(code).subarray(0, 20)), 'is damaged: it can not be unzipped'],
  [
    'is in an archive that ends',
    answer(gzipSync(unzipped().subarray(0, 520))),
    'is damaged: its archive ends too soon',
  ],
  ['leads in a circle', answer('', 302, { location: '/' }), 'redirects more than 5 times'],
  [
    'leads inside',
    answer('', 302, { location: 'https://metadata.google.internal/' }),
    'is at an address that the agent may not ask (docs/security-policy.md)',
  ],
  [
    'leads to what is not encrypted',
    answer('', 302, { location: 'http://elsewhere.example/' }),
    "redirects to a place that is not https://, and not allowed in the agent's configuration",
  ],
  [
    'leads to a file',
    answer('', 302, { location: 'file:///etc/passwd' }),
    'redirects to a place that is neither https:// nor http://',
  ],
])('takes no module that %s', async (_, handle, reason) => {
  const { fetch, url } = await setUp(handle)
  await expect(fetch(url)).rejects.toHaveProperty('message', reason)
})

function unzipped(): Buffer {
  return gunzipSync(archive({ 'any.wasm': code }))
}

test('takes no other module than the one that is meant', async () => {
  const { fetch, url } = await setUp(answer(code))
  await expect(fetch(url, 'a'.repeat(64))).rejects.toHaveProperty(
    'message',
    `is another module: its sha256 is ${digest}`,
  )
})

test('asks at no address that is not allowed, and without TLS only where that is', async () => {
  const closed = await setUp(answer(code), [])
  const refused = 'is at an address that the agent may not ask (docs/security-policy.md)'
  await expect(closed.fetch(closed.url)).rejects.toHaveProperty('message', refused)
  await expect(closed.fetch(`oci://${closed.registry}/a:v1`)).rejects.toHaveProperty('message', refused)
  expect(closed.requests).toEqual([])
  await expect(closed.fetch('http://modules.example/a')).rejects.toHaveProperty(
    'message',
    "is not https://, and not allowed in the agent's configuration",
  )
  const { port } = await listen(createServer(answer(code)))
  const named = await setUp(answer(code), ['modules.example', '127.0.0.1'])
  expect(await named.fetch(`http://modules.example:${port}/a`)).toEqual({ code, digest })
})

test.each(['compat', 'docker', 'artifact'] as const)('fetches the module of an image, as %s', async (form) => {
  const registry = new ImageRegistry()
  const pushed = registry.push('team/plugin', 'v1', code, form)
  const { fetch, registry: host } = await setUp(registry.handle)
  for (const url of [`oci://${host}/team/plugin:v1`, `${host}/team/plugin@sha256:${pushed}`])
    expect(await fetch(url, pushed)).toEqual({ code, digest })
  await expect(fetch(`oci://${host}/team/plugin:v1`, digest)).rejects.toThrow(
    `is another image: its digest is ${pushed}`,
  )
  await expect(fetch(`oci://${host}/team/plugin:v2`)).rejects.toHaveProperty('message', 'answered 404')
})

test('fetches the module of an image of several platforms, by the digest of either', async () => {
  const registry = new ImageRegistry()
  const index = registry.push('plugin', 'v1', code, 'compat', true)
  const manifest = registry.push('plugin', 'v2', code)
  const { fetch, registry: host } = await setUp(registry.handle)
  for (const sha256 of [index, manifest, undefined])
    expect(await fetch(`oci://${host}/plugin:v1`, sha256)).toEqual({ code, digest })
})

test('asks for a token as anybody, and signs in nowhere', async () => {
  const registry = new ImageRegistry()
  registry.push('plugin', 'v1', code)
  registry.asksForToken = true
  const { fetch, registry: host, issuer } = await setUp(registry.handle)
  expect(await fetch(`oci://${host}/plugin:v1`)).toEqual({ code, digest })
  const basic = { 'www-authenticate': 'Basic realm="registry"' }
  issuer.handle = answer('', 401, basic)
  await expect(fetch(`oci://${host}/plugin:v1`)).rejects.toThrow('asks for a user and a password')
  issuer.handle = answer('', 401, { 'www-authenticate': 'Bearer realm="https://metadata.google.internal/token"' })
  await expect(fetch(`oci://${host}/plugin:v1`)).rejects.toThrow('is at an address that the agent may not ask')
})

describe('signs in', () => {
  const password = 'pass:word'
  const login = { registry: 'issuer.example', path: '', user: 'ann', password }
  const basic = `Basic ${Buffer.from(`ann:${password}`).toString('base64')}`
  const setUpPrivate = async () => {
    const registry = new ImageRegistry()
    registry.push('plugin', 'v1', code)
    registry.account = `ann:${password}`
    const { fetch, registry: host, issuer } = await setUp(registry.handle)
    const pull = (as: RegistryLogin | 'nobody' = login) =>
      fetch(`oci://${host}/plugin:v1`, undefined, as === 'nobody' ? undefined : as)
    return { registry, issuer, pull }
  }
  const refused = 'refuses the user and the password of the imagePullSecret'

  test.each([
    ['with its password', false, [undefined, basic]],
    ['for a token', true, [undefined, basic, 'Bearer any.body']],
  ])('%s, once it is asked', async (_, asksForToken, shown) => {
    const { registry, pull } = await setUpPrivate()
    registry.asksForToken = asksForToken
    expect(await pull()).toEqual({ code, digest })
    expect([...registry.shown]).toEqual(shown)
    await expect(pull({ ...login, password: 'other' })).rejects.toHaveProperty('message', refused)
    await expect(pull('nobody')).rejects.toThrow(asksForToken ? 'gives nobody a token' : 'names no imagePullSecret')
  })

  test('with nothing where nothing is asked for', async () => {
    const { registry, pull } = await setUpPrivate()
    registry.account = undefined
    await pull()
    expect([...registry.shown]).toEqual([undefined])
  })

  test('nowhere without TLS', async () => {
    const { registry, pull } = await setUpPrivate()
    registry.asksForToken = true
    const plain = new ImageRegistry()
    const { port } = await listen(createServer(plain.handle))
    registry.realm = `http://issuer.example:${port}/token`
    await expect(pull()).rejects.toThrow('sends for a token to a place without TLS')
    const { fetch } = await setUp(answer(code), ['registry.example', '127.0.0.1'])
    await expect(
      fetch(`oci://registry.example:${port}/plugin:v1`, undefined, { ...login, registry: `registry.example:${port}` }),
    ).rejects.toThrow('speaks no TLS, without which nobody signs in')
    expect([...plain.shown]).toEqual([])
  })

  test.each([
    ['where layers are', false],
    ['who gives tokens', true],
  ])('with nobody whom %s redirect to', async (_, asksForToken) => {
    const { registry, issuer, pull } = await setUpPrivate()
    registry.asksForToken = asksForToken
    const seen: (string | undefined)[] = []
    // The same server by another name, which asks for all that can be had.
    issuer.handle = (request, response) => {
      const { host = '', authorization } = request.headers
      if (host.startsWith('localhost')) {
        seen.push(authorization)
        const challenge = `Bearer realm="https://${host}/token"`
        response.writeHead(401, { 'www-authenticate': challenge }).end()
      } else if (request.url?.startsWith('/token') || request.url?.includes('/blobs/'))
        response.writeHead(307, { location: `https://${host.replace('issuer.example', 'localhost')}/x` }).end()
      else registry.handle(request, response)
    }
    await expect(pull()).rejects.toThrow(asksForToken ? refused : 'redirects to where a password is asked for')
    expect(seen).toEqual([undefined])
  })
})

test('follows where a registry keeps its layers, and takes none that was changed', async () => {
  const registry = new ImageRegistry()
  registry.push('plugin', 'v1', code)
  const { fetch, registry: host } = await setUp(registry.handle)
  registry.tamper()
  await expect(fetch(`oci://${host}/plugin:v1`)).rejects.toThrow('a part of it is not what its digest says')
  registry.redirects = 'https://metadata.google.internal/layer'
  await expect(fetch(`oci://${host}/plugin:v1`)).rejects.toThrow('is at an address that the agent may not ask')
})

test('fetches from a registry without TLS where the agent may', async () => {
  const registry = new ImageRegistry()
  registry.push('plugin', 'v1', code)
  const { port } = await listen(createServer(registry.handle))
  const { fetch } = await setUp(answer(code), ['registry.example', '127.0.0.1'])
  expect(await fetch(`oci://registry.example:${port}/plugin:v1`)).toEqual({ code, digest })
})
