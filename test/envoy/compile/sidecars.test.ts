import { once } from 'node:events'
import { createServer as createHttpServer, request, type IncomingMessage } from 'node:http'
import { createServer, type Socket } from 'node:net'
import { afterEach, beforeAll, expect, test } from 'vitest'
import { eventually } from '#test/harness/child.ts'
import { requestThroughProxy } from '#test/harness/proxy-request.ts'
import { trust } from '#test/mesh/records.ts'
import type { Stage } from './stage.ts'
import {
  ask,
  clientAddress,
  exchange,
  get,
  getEcho,
  proxyPort,
  serverAddress,
  Theatre,
  withEndpoints,
} from './theatre.ts'

let theatre: Theatre
beforeAll(async () => {
  theatre = await Theatre.open()
})
afterEach(() => theatre.clear())

/** A client and the server of `reviews` with their sidecars; the variations are YAML. */
const scene = (port: number, { protocol = 'http', endpoint = '', settings = '' } = {}) => `
about: ''
settings: {${settings}}
services:
  - host: reviews
    ports: ['p:80:${protocol}']
    endpoints:
      server-1: {ports: {p: ${port}}, address: ${endpoint || serverAddress}}
workloads:
  client-1: {address: ${clientAddress}}
  server-1: {address: ${serverAddress}}
proxies: [sidecar/default/client-1, sidecar/default/server-1]
`
const mtlsCaller = 'spiffe://td.example/ns/default/sa/default'
const echoTcp = () => createServer((socket) => socket.pipe(socket))
const rawRequest = 'GET /raw HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n'

test('a request is proxied over mTLS, and the application sees who calls', async () => {
  const app = await theatre.startApp('reviews')
  await theatre.start(scene(app.port))
  const seen = await getEcho('http://reviews/path?q=1', { 'x-forwarded-client-cert': 'URI=spiffe://forged' })
  expect(seen).toMatchObject({ app: 'reviews', path: '/path?q=1', caller: mtlsCaller })
})

test('sidecars speak TLS 1.3 with each other', async () => {
  const app = await theatre.startApp('reviews')
  const stage = await theatre.start(scene(app.port))
  await getEcho('http://reviews/')
  const connections = await stage.statistics(/^listener\..*ssl\.versions/)
  expect(connections).toEqual([expect.stringMatching(/TLSv1\.3: 1$/)])
})

test('a ServiceEntry of another namespace takes none of the names of a service', async () => {
  const app = await theatre.startApp('reviews')
  const thief = await theatre.startApp('thief')
  const steal = (host: string) =>
    `  - {host: ${host}, namespace: aaa, ports: [p:80:http], endpoints: {t: {ports: {p: ${thief.port}}, address: 127.0.0.1, tls: none}}}\n`
  const entries = ['reviews.default.svc.cluster.local', 'reviews.default.svc', 'reviews.default', 'other.example']
  await theatre.start(
    scene(app.port)
      .replace(/about: ''/, "about: ''\nfaulty: true")
      .replace('workloads:', `${entries.map(steal).join('')}workloads:`),
  )
  for (const name of ['reviews', ...entries.slice(0, -1)])
    expect(await getEcho(`http://${name}/`)).toMatchObject({ app: 'reviews', caller: mtlsCaller })
  // The thief is there for the host that is its alone.
  expect(await getEcho('http://other.example/')).toMatchObject({ app: 'thief' })
})

test('each name of a service is understood, and no other', async () => {
  const app = await theatre.startApp('reviews')
  await theatre.start(scene(app.port, { settings: 'meshConfig: {outboundTrafficPolicy: {mode: REGISTRY_ONLY}}' }))
  for (const name of [
    'reviews',
    'reviews:80',
    'reviews.default',
    'reviews.default.svc',
    'reviews.default.svc.cluster.local',
  ]) {
    expect(await getEcho(`http://${name}/`)).toMatchObject({ app: 'reviews' })
  }
  for (const name of ['reviews:81', 'reviews.other', 'localhost', `localhost:${app.port}`]) {
    expect(await get(`http://${name}/`)).toMatchObject({ status: 502 })
  }
})

test('a server with another account, or without one, is believed by nobody', async () => {
  const app = await theatre.startApp('reviews')
  const stage = await theatre.start(scene(app.port))
  expect(await getEcho('http://reviews/')).toMatchObject({ app: 'reviews' })
  for (const serviceAccount of ['another', '']) {
    expect(await stage.change(...withEndpoints(stage.scene.changes, { serviceAccount }))).toEqual([])
    await eventually(
      'the connection under the old account is gone',
      async () => (await get('http://reviews/')).status === 503,
    )
  }
})

test('a server without mTLS is never spoken to in plaintext, unless its endpoint says so', async () => {
  const app = await theatre.startApp('reviews')
  const stage = await theatre.start(scene(app.port, { endpoint: '127.0.0.1' }))
  expect(await get('http://reviews/')).toMatchObject({ status: 503 })
  expect(app.requests).toBe(0)
  expect(await stage.change(...withEndpoints(stage.scene.changes, { tls: 'none' }))).toEqual([])
  expect(await getEcho('http://reviews/')).toMatchObject({ app: 'reviews', caller: null })
})

test('strict listeners take no plaintext, permissive ones do and say that nobody is known', async () => {
  const app = await theatre.startApp('reviews')
  const stage = await theatre.start(scene(app.port))
  const headers = { host: 'reviews', 'x-forwarded-client-cert': 'URI=spiffe://forged' }
  const bypass = () => requestThroughProxy({ host: serverAddress, port: app.port }, 'http://reviews/', { headers })
  await expect(bypass()).rejects.toThrow(/hang up|ECONNRESET/)
  expect(await stage.changeSettings({ inboundMtls: 'permissive' })).toEqual([])
  const { body } = await eventually('plaintext is taken', bypass)
  expect(JSON.parse(body)).toMatchObject({ app: 'reviews', caller: null })
  expect(await getEcho('http://reviews/')).toMatchObject({ caller: mtlsCaller })
})

test('TCP goes through a tunnel and mTLS to a TCP port', async () => {
  await theatre.start(scene(await theatre.listen(echoTcp()), { protocol: 'tcp' }))
  const { status, socket } = await theatre.openTunnel('reviews:80')
  expect(status).toBe(200)
  expect(await ask(socket, 'hello')).toBe('hello')
  expect(await get('http://reviews/')).toMatchObject({ status: 404 })
})

test('a sniffed port takes HTTP, and TCP as it is', async () => {
  const app = await theatre.startApp('reviews')
  await theatre.start(scene(app.port, { protocol: 'auto' }))
  expect(await getEcho('http://reviews/')).toMatchObject({ app: 'reviews', caller: mtlsCaller })
  const { socket } = await theatre.openTunnel('reviews:80')
  expect(await exchange(socket, rawRequest)).toContain('"caller":null')
})

test('a connection may be upgraded to WebSocket', async () => {
  const app = createHttpServer()
  app.on('upgrade', (_request, socket: Socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n')
    socket.pipe(socket)
  })
  await theatre.start(scene(await theatre.listen(app)))
  const headers = { host: 'reviews', connection: 'upgrade', upgrade: 'websocket' }
  const outgoing = request({ host: clientAddress, port: proxyPort, path: 'http://reviews/', agent: false, headers })
  outgoing.end()
  const [response, socket] = (await once(outgoing, 'upgrade')) as [IncomingMessage, Socket]
  expect(response.statusCode).toBe(101)
  socket.write('ping')
  expect(String((await once(socket, 'data'))[0])).toBe('ping')
  socket.destroy()
})

test.each(['client-1', 'server-1'])('a new trust epoch at %s alone closes what is open', async (changed) => {
  const both = scene(await theatre.listen(echoTcp()), { protocol: 'tcp' })
  const stages = new Map<string, Stage>()
  for (const name of ['server-1', 'client-1']) {
    stages.set(name, await theatre.start(both.replace(/^proxies:.*$/m, `proxies: [sidecar/default/${name}]`)))
  }
  const { socket } = await theatre.openTunnel('reviews:80')
  expect(await ask(socket, 'hello')).toBe('hello')
  const closed = once(socket, 'close')
  expect(await stages.get(changed)?.change({ kind: 'trust', value: { ...trust, epoch: 1 } })).toEqual([])
  await closed
})

test('hosts that the mesh does not know are called where it allows any, but never the proxy itself', async () => {
  const app = await theatre.startApp('outside')
  await theatre.start(scene(app.port))
  expect(await getEcho(`http://localhost:${app.port}/x`)).toMatchObject({ app: 'outside', path: '/x', caller: null })
  const { status, socket } = await theatre.openTunnel(`localhost:${app.port}`)
  expect(status).toBe(200)
  expect(await exchange(socket, rawRequest)).toContain('"path":"/raw"')
  expect(await get(`http://${clientAddress}:${proxyPort}/`)).toMatchObject({ status: 502 })
  expect(await get(`http://localhost:${proxyPort}/`)).toMatchObject({ status: 502 })
})
