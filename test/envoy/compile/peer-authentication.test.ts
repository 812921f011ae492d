import { createServer } from 'node:net'
import { afterEach, beforeAll, expect, test } from 'vitest'
import type { Origin } from '#mesh/config-object.ts'
import { objectKeyOf } from '#mesh/config-object.ts'
import { OfferedCatalog } from '#mesh/security/offered-catalog.ts'
import type { ViewChange } from '#mesh/view.ts'
import { eventually } from '#test/harness/child.ts'
import { requestThroughProxy } from '#test/harness/proxy-request.ts'
import { makeObject, network1 } from '#test/mesh/records.ts'
import { ask, clientAddress, exchange, gatewayAddress, get, getEcho, serverAddress, Theatre } from './theatre.ts'
import { talkTls } from './talk-tls.ts'

let theatre: Theatre
beforeAll(async () => {
  theatre = await Theatre.open()
})
afterEach(() => theatre.clear())

const caller = 'spiffe://td.example/ns/default/sa/default'
const selector = { matchLabels: { app: 'reviews' } }

interface Ports {
  readonly http: number
  readonly admin?: number
  readonly raw?: number
}

/** `reviews` with its sidecar, whose ports are those of applications, and a client. */
const scene = ({ http, admin = http, raw = http }: Ports, { proxies = ['client-1', 'server-1'], where = '' } = {}) => `
about: ''
${where === '' ? '' : 'clusters: {west: {network: network-1}}'}
services:
  - host: reviews
    ports: [http:80, 'admin:81:http', 'raw:82:tcp', 'any:83:auto']
    endpoints:
      server-1: {${where} ports: {http: ${http}, admin: ${admin}, raw: ${raw}}, address: ${serverAddress}, labels: {app: reviews}}
workloads:
  client-1: {address: ${clientAddress}}
  server-1: {address: ${serverAddress}, labels: {app: reviews}}
proxies: [${proxies.map((name) => `sidecar/default/${name}`).join(', ')}]
`

/** In namespace default unless it is `root`. */
const policy = (name: string, spec: Record<string, unknown>, origin: Origin = 'mesh'): ViewChange => {
  const namespace = name === 'root' ? 'atoll-system' : 'default'
  const value = {
    ...makeObject('PeerAuthentication', name, spec, { namespace }),
    apiVersion: 'security.istio.io/v1',
  }
  return { kind: 'config', origin, key: objectKeyOf(value), value }
}
const mode = (text: string) => ({ mtls: { mode: text } })

/** What comes to a port in plaintext, past the client's sidecar: who the application saw, or that nothing came through. */
const bypass = async (port: number): Promise<unknown> => {
  const headers = { host: 'reviews', 'x-forwarded-client-cert': 'URI=spiffe://forged' }
  try {
    const { body } = await requestThroughProxy({ host: serverAddress, port }, 'http://reviews/', { headers })
    return (JSON.parse(body) as { caller: unknown }).caller
  } catch {
    return 'refused'
  }
}
const isTaken = (port: number, expected: unknown) =>
  eventually(`plaintext at ${port}: ${String(expected)}`, async () => (await bypass(port)) === expected)

test('a port takes what the object of its workload, its namespace or the mesh says, in this order', async () => {
  const [app, other] = [await theatre.startApp('reviews'), await theatre.startApp('admin')]
  const stage = await theatre.start(scene({ http: app.port, admin: other.port }))
  expect(await bypass(app.port)).toBe('refused')

  expect(await stage.change(policy('root', mode('PERMISSIVE')))).toEqual([])
  await isTaken(app.port, null)
  expect(await getEcho('http://reviews/')).toMatchObject({ caller })

  expect(await stage.change(policy('all', mode('STRICT')))).toEqual([])
  await isTaken(app.port, 'refused')
  expect(await getEcho('http://reviews/')).toMatchObject({ caller })

  const portLevelMtls = { [app.port]: { mode: 'STRICT' }, [other.port]: {} }
  expect(await stage.change(policy('reviews', { selector, ...mode('PERMISSIVE'), portLevelMtls }))).toEqual([])
  await isTaken(other.port, null)
  expect(await bypass(app.port)).toBe('refused')

  expect(await stage.change(policy('reviews', { selector, ...mode('UNSET'), portLevelMtls }))).toEqual([])
  await isTaken(other.port, 'refused')

  // One that selects others, and one of the root namespace that selects, are nobody's here.
  expect(
    await stage.change(
      policy('others', { selector: { matchLabels: { app: 'other' } }, ...mode('DISABLE') }),
      policy('root', { selector, ...mode('DISABLE') }),
    ),
  ).toEqual([])
  expect(await bypass(other.port)).toBe('refused')
})

test('where it says DISABLE nobody terminates TLS, and clients of the mesh call in plaintext, on this port alone', async () => {
  const [app, other] = [await theatre.startApp('reviews'), await theatre.startApp('admin')]
  const raw = await theatre.listen(createServer((socket) => socket.pipe(socket)))
  const stage = await theatre.start(scene({ http: app.port, admin: other.port, raw }))
  const portLevelMtls = { [other.port]: { mode: 'DISABLE' }, [raw]: { mode: 'DISABLE' } }
  expect(await stage.change(policy('reviews', { selector, ...mode('STRICT'), portLevelMtls }))).toEqual([])
  await isTaken(other.port, null)
  expect(await getEcho('http://reviews:81/')).toMatchObject({ app: 'admin', caller: null })
  expect(await getEcho('http://reviews/')).toMatchObject({ app: 'reviews', caller })
  expect(await bypass(app.port)).toBe('refused')

  const tunnel = await theatre.openTunnel('reviews:82')
  expect(await ask(tunnel.socket, 'hello')).toBe('hello')
  const hello = '\u0016\u0003\u0001 is how TLS begins'
  expect(await ask(await theatre.dial(serverAddress, raw), hello)).toBe(hello)
  expect(await talkTls({ host: serverAddress, port: other.port, servername: 'reviews' }, 'hello')).toBe('refused')

  // With the object gone nothing goes in plaintext any more.
  const gone = policy('reviews', {})
  expect(await stage.change({ ...gone, value: null } as ViewChange)).toEqual([])
  await isTaken(other.port, 'refused')
  await eventually('the connection in plaintext is gone', async () => {
    return (await getEcho('http://reviews:81/')).caller === caller
  })
})

test("a DestinationRule's own TLS holds before what the server takes", async () => {
  const app = await theatre.startApp('reviews')
  const stage = await theatre.start(scene({ http: app.port }))
  const rule = (name: string): ViewChange => {
    const value = makeObject('DestinationRule', 'reviews', { host: 'reviews', trafficPolicy: { tls: { mode: name } } })
    return { kind: 'config', origin: 'mesh', key: objectKeyOf(value), value }
  }
  expect(await stage.change(policy('all', mode('DISABLE')))).toEqual([])
  await eventually('it is called in plaintext', async () => (await getEcho('http://reviews/')).caller === null)
  const { requests } = app
  expect(await stage.change(rule('ISTIO_MUTUAL'))).toEqual([])
  await eventually('mTLS is wanted', async () => (await get('http://reviews/')).status === 503)
  expect(await get('http://reviews/')).toMatchObject({ status: 503 })
  expect(await stage.change(policy('all', mode('STRICT')), rule('DISABLE'))).toEqual([])
  await eventually('plaintext is refused', async () => (await get('http://reviews/')).status === 503)
  expect(app.requests - requests).toBeLessThan(2)
})

test("the mesh's and the cluster's objects add up: of one level the stricter holds", async () => {
  const app = await theatre.startApp('reviews')
  const stage = await theatre.start(scene({ http: app.port }))
  expect(await stage.change(policy('all', mode('STRICT')), policy('all', mode('DISABLE'), 'cluster'))).toEqual([])
  expect(await bypass(app.port)).toBe('refused')
  expect(await getEcho('http://reviews/')).toMatchObject({ caller })
  expect(await stage.change(policy('all', mode('PERMISSIVE')))).toEqual([])
  await isTaken(app.port, null)
  expect(await getEcho('http://reviews/')).toMatchObject({ caller })
})

test('a cluster tells the others which ports take plaintext, and until then nobody calls them in plaintext', async () => {
  const app = await theatre.startApp('reviews')
  const west = { ...theatre.west, network: network1 }
  const where = 'cluster: west,'
  const server = await theatre.start(scene({ http: app.port }, { proxies: ['server-1'], where }), { member: west })
  const client = await theatre.start(scene({ http: app.port }, { proxies: ['client-1'], where }))
  expect(await getEcho('http://reviews/')).toMatchObject({ caller })

  // Only the cluster itself knows of it.
  const own = policy('reviews', { selector, ...mode('DISABLE') }, 'cluster')
  expect(await server.change(own)).toEqual([])
  const callers = new Set<unknown>()
  await eventually('its sidecar takes no TLS any more', async () => {
    const { status, body } = await get('http://reviews/')
    if (status === 200) callers.add((JSON.parse(body) as { caller: unknown }).caller)
    return status === 503
  })
  // What came through came by the connection that there was.
  expect([...callers].filter((each) => each !== caller)).toEqual([])

  const offered = new OfferedCatalog(west.cluster, server.scene.store.settings())
  offered.take(server.scene.changes)
  const told = offered.take([own]).upserts.map((value): ViewChange => ({
    kind: 'catalog',
    cluster: west.cluster,
    service: value.service.key,
    value,
  }))
  expect(await client.change(...told)).toEqual([])
  await eventually('it is called in plaintext', async () => (await get('http://reviews/')).status === 200)
  expect(await getEcho('http://reviews/')).toMatchObject({ app: 'reviews', caller: null })
})

test("a network's gateway leads to no port that takes plaintext", async () => {
  const app = await theatre.startApp('reviews')
  const gateway = `
  gateway-1: {address: ${gatewayAddress}, ports: {tls: 15443}}
proxies: [east-west-gateway/default/gateway-1, `
  const stage = await theatre.start(scene({ http: app.port }).replace(/\nproxies: \[/, gateway))
  const servername = 'outbound_.80_._.reviews.default.svc.cluster.local'
  const knock = async () => exchange(await theatre.dial(gatewayAddress, 15443), 'plain')
  expect(await knock()).toBe('')
  const statistic = /cluster\.outbound_\.80_\._\.reviews.*membership_total/
  expect(await stage.statistics(statistic)).toEqual([expect.stringMatching(/: 1$/)])
  expect(await stage.change(policy('all', mode('DISABLE')))).toEqual([])
  expect(await stage.statistics(statistic)).toEqual([expect.stringMatching(/: 0$/)])
  expect(await talkTls({ host: gatewayAddress, port: 15443, servername }, 'hello')).toBe('refused')
  expect(app.requests).toBe(0)
})
