import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { east } from '#test/agent/test-pki.ts'
import { eventually } from '#test/harness/child.ts'
import { makeEndpoint, makeService } from '#test/mesh/records.ts'
import { CapturedPods, clientAddress, serverAddress, vip } from './captured-pods.ts'
import { puppetPorts } from './errand.ts'
import { outside } from './pod-network.ts'

const caller = 'spiffe://td.example/ns/default/sa/caller'
/** No beginning of HTTP. */
const hello = 'hello\r\n'
/** What an application's TCP client sees when its connection is taken and then closed. */
const closed = ''

let pods: CapturedPods

describe('strict mTLS, any destination', () => {
  const greeter = '{destination: {host: db, port: {number: 9001}}}'
  const config = `
  - apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: block, namespace: default}
    spec: {hosts: [block], tcp: [{match: [{destinationSubnets: [10.97.1.0/24]}], route: [${greeter}]}]}
  - apiVersion: networking.istio.io/v1
    kind: ServiceEntry
    metadata: {name: outside, namespace: default}
    spec: {hosts: [outside.example], addresses: [${outside.address}], ports: [{number: ${puppetPorts.echo}, name: tcp, protocol: TCP}], resolution: NONE}
`
  beforeAll(async () => {
    pods = await CapturedPods.start({ config })
  })
  afterAll(() => pods.stop())

  test('a service is called by its name, and sees who calls', async () => {
    const headers = { host: 'web', 'x-forwarded-client-cert': 'URI=spiffe://forged' }
    expect(await pods.client.getEcho(`http://${vip.web}/path`, headers)).toMatchObject({
      app: 'server',
      path: '/path',
      caller,
    })
  })

  test('or by its virtual address', async () => {
    expect(await pods.client.getEcho(`http://${vip.web}/`)).toMatchObject({ app: 'server', caller })
  })

  test('the host decides among the services of a port, not the address', async () => {
    const seen = await pods.client.getEcho(`http://${vip.client}/`, { host: 'web.default.svc.cluster.local' })
    expect(seen).toMatchObject({ app: 'server' })
  })

  test('HTTP/2 comes with its trailers', async () => {
    const url = `http://${vip.web}:81`
    const answer = await pods.client.send({ kind: 'http2', url, authority: 'web:81', path: '/pkg.Service/Method' })
    expect(answer).toMatchObject({ status: 200, trailer: '0' })
    expect(JSON.parse(answer.body)).toMatchObject({
      path: '/pkg.Service/Method',
      caller: expect.stringContaining(caller),
    })
  })

  test('TCP goes by the virtual address, also on a port that others have for HTTP', async () => {
    expect(await pods.client.ask(vip.db, 80, hello)).toBe(hello)
  })

  test('or by a block of addresses, of which routes may have a part', async () => {
    expect(await pods.client.ask('10.97.2.1', 9002, hello)).toBe(hello)
    expect(await pods.client.ask('10.97.1.1', 9002, '')).toBe('server speaks first')
  })

  test('with resolution NONE it goes where the client went', async () => {
    expect(await pods.client.ask(outside.address, puppetPorts.echo, hello)).toBe(hello)
    const [requests] = await pods.stage.statistics(
      /^cluster\.outbound\|\d+\|\|outside\.example\.upstream_cx_total: [1-9]/,
    )
    expect(requests).toBeDefined()
  })

  test('a TCP server may speak first', async () => {
    expect(await pods.client.ask(vip.db, 9001, '')).toBe('server speaks first')
  })

  test('what a port speaks is found out where nobody says it', async () => {
    expect(await pods.client.getEcho(`http://${vip.any}/`, { host: 'any' })).toMatchObject({ app: 'server', caller })
    expect(await pods.client.ask(vip.any, 9000, hello)).toBe(hello)
    expect(await pods.client.ask(vip.any, 9001, '')).toBe('server speaks first')
  })

  test('a client that connects in advance is waited for', async () => {
    const say = await pods.client.open(vip.web, 80)
    await eventually('the proxy looks no more for what is spoken', async () => {
      const timeouts = await pods.stage.statistics(/0\.0\.0\.0_80\.downstream_pre_cx_timeout: [1-9]/)
      return timeouts.length > 0
    })
    expect(await say('GET /late HTTP/1.1\r\nhost: web\r\n\r\n')).toMatch(/^HTTP\/1\.1 200 OK/)
  })

  test('a service that comes closes no connections to the others of its port', async () => {
    const say = await pods.client.open(vip.any, 9000)
    expect(await say(hello)).toBe(hello)
    const late = makeService({
      hostname: 'late.default.svc.cluster.local',
      addresses: ['10.96.0.5'],
      ports: [{ name: 'echo', number: 9000, protocol: 'auto' }],
    })
    const endpoints = [makeEndpoint('server', { address: serverAddress, ports: { echo: 9000 } })]
    const value = { service: late, endpoints }
    expect(await pods.stage.change({ kind: 'catalog', cluster: east, service: late.key, value })).toEqual([])
    await eventually(
      'the new service is reached',
      async () => (await pods.client.ask('10.96.0.5', 9000, hello)) === hello,
    )
    await eventually('the old listener is gone', async () => {
      const draining = await pods.stage.statistics(/^listener_manager\.total_(listeners|filter_chains)_draining: [1-9]/)
      return draining.length === 0
    })
    expect(await say(hello)).toBe(hello)
  })

  test('an endpoint of a headless service is called where it is', async () => {
    expect(await pods.client.ask(serverAddress, 9000, hello)).toBe(hello)
    for (const name of [
      'server-0.stateful.default.svc.cluster.local',
      'server-0.stateful.default',
      'server-0.stateful',
    ]) {
      const headers = { host: `${name}:${puppetPorts.http}` }
      const seen = await pods.client.getEcho(`http://${serverAddress}:${puppetPorts.http}/`, headers)
      expect(seen).toMatchObject({ app: 'server', caller })
    }
  })

  test('a pod that calls its own service gets there through its proxy', async () => {
    expect(await pods.client.getEcho(`http://${vip.client}/`, { host: 'client' })).toMatchObject({
      app: 'client',
      caller,
    })
  })

  test('what the mesh does not know is reached where it is', async () => {
    const { address, other } = outside
    const { http, echo } = puppetPorts
    expect(await pods.client.getEcho(`http://${other}:${http}/`, { host: 'unknown.example' })).toMatchObject({
      app: 'outside',
      caller: null,
    })
    expect(await pods.client.ask(address, echo, hello)).toBe(hello)
    expect(await pods.client.ask(address, puppetPorts.greeter, '')).toBe('outside speaks first')
  })

  test('plaintext is refused, on ports with and without a name', async () => {
    const { http, http2 } = puppetPorts
    expect(await pods.outside.ask(serverAddress, http, 'GET / HTTP/1.1\r\nhost: x\r\n\r\n')).toBe(closed)
    expect(await pods.outside.ask(clientAddress, http2, 'GET / HTTP/1.1\r\nhost: x\r\n\r\n')).toBe(closed)
  })

  test('the capture ports themselves lead nowhere', async () => {
    for (const port of [15_001, 15_006]) {
      for (const host of [clientAddress, serverAddress, '127.0.0.1'])
        expect(await pods.client.ask(host, port, hello), `${host}:${port}`).toBe(closed)
      expect(await pods.outside.ask(serverAddress, port, hello), `${port} from outside`).toBe(closed)
    }
  })

  test('the proxy says that it is ready until it is told that it ends', async () => {
    const url = `http://${serverAddress}:15021`
    expect(await pods.outside.get(`${url}/healthz/ready`)).toMatchObject({ status: 200 })
    expect(await pods.outside.get(`${url}/app-health/web/readyz`)).toMatchObject({ status: 404 })
    await pods.stage.failHealth()
    expect(await pods.outside.get(`${url}/healthz/ready`)).toMatchObject({ status: 503 })
  })
})

describe('permissive, known destinations only', () => {
  const config = `
  - apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: web, namespace: default}
    spec: {hosts: [web], http: [{match: [{uri: {prefix: /known}}], route: [{destination: {host: web}}]}]}
  - apiVersion: networking.istio.io/v1
    kind: Sidecar
    metadata: {name: default, namespace: default}
    spec:
      egress:
        - {hosts: [./web.default.svc.cluster.local, ./stateful.default.svc.cluster.local]}
`
  beforeAll(async () => {
    pods = await CapturedPods.start({
      settings: { inboundMtls: 'permissive', meshConfig: { outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' } } },
      config,
    })
  })
  afterAll(() => pods.stop())

  test('the mesh goes on with mTLS, by the routes that there are', async () => {
    const url = `http://${vip.web}`
    expect(await pods.client.getEcho(`${url}/known`, { host: 'web' })).toMatchObject({ app: 'server', caller })
    expect(await pods.client.get(`${url}/unknown`, { host: 'web' })).toMatchObject({ status: 404 })
  })

  test('plaintext is taken as well, from nobody in particular', async () => {
    const { http, http2, greeter, echo } = puppetPorts
    const seen = await pods.outside.getEcho(`http://${serverAddress}:${http}/`, {
      'x-forwarded-client-cert': 'URI=spiffe://forged',
    })
    expect(seen).toMatchObject({ app: 'server', caller: null })
    expect(await pods.outside.ask(serverAddress, echo, hello)).toBe(hello)
    expect(await pods.outside.ask(serverAddress, greeter, '')).toBe('server speaks first')
    const url = `http://${clientAddress}:${http2}`
    const unnamed = await pods.outside.send({ kind: 'http2', url, authority: 'x', path: '/' })
    expect(unnamed).toMatchObject({ status: 200 })
  })

  test('what is not among the hosts of the Sidecar is unknown', async () => {
    expect(await pods.client.get(`http://${vip.web}/`, { host: 'any' })).toMatchObject({ status: 502 })
    expect(await pods.client.ask(vip.db, 80, hello)).toBe(closed)
  })

  test('unknown hosts get 502, unknown addresses are closed', async () => {
    expect(await pods.client.get(`http://${outside.other}/`, { host: 'unknown.example' })).toMatchObject({
      status: 502,
    })
    expect(await pods.client.ask(outside.address, puppetPorts.greeter, '')).toBe(closed)
  })
})
