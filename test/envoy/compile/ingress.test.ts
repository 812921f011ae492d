import { once } from 'node:events'
import { request, type OutgoingHttpHeaders } from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventually } from '#test/harness/child.ts'
import type { Echo, EchoApp } from '#test/harness/echo-app.ts'
import type { Stage } from './stage.ts'
import { stageNetwork, Theatre } from './theatre.ts'

const gateway = `${stageNetwork}.61`

let theatre: Theatre
beforeAll(async () => {
  theatre = await Theatre.open()
})
afterAll(() => theatre.clear())

const object = (kind: string, name: string, spec: string, namespace = 'default') =>
  `  - {apiVersion: networking.istio.io/v1, kind: ${kind}, metadata: {name: ${name}, namespace: ${namespace}}, spec: ${spec}}\n`
const routes = (...rules: string[]) => rules.join(', ')
const to = (service: string) =>
  `route: [{destination: {host: ${service}.default.svc.cluster.local, port: {number: 80}}}]`

interface Reply {
  readonly status: number
  readonly location: string | undefined
  readonly echo: Echo | undefined
}

const ask = async (port: number, host: string, path = '/', headers: OutgoingHttpHeaders = {}): Promise<Reply> => {
  const outgoing = request({ host: gateway, port, path, agent: false, headers: { host, ...headers } })
  outgoing.end()
  const [incoming] = (await once(outgoing, 'response')) as [import('node:http').IncomingMessage]
  let body = ''
  incoming.setEncoding('utf8')
  for await (const text of incoming) body += text
  return {
    status: incoming.statusCode ?? 0,
    location: incoming.headers.location,
    echo: body.startsWith('{') ? (JSON.parse(body) as Echo) : undefined,
  }
}

describe('plaintext HTTP', () => {
  let stage: Stage
  const apps: EchoApp[] = []
  beforeAll(async () => {
    for (const name of ['a', 'b', 'c']) apps.push(await theatre.startApp(name))
    stage = await theatre.start(`
about: ''
services:
${apps.map(({ app, port }) => `  - {host: ${app}, ports: [http:80], endpoints: {${app}-1: {address: 127.0.0.1, ports: {http: ${port}}, tls: none}}}`).join('\n')}
  - {host: front, ports: [http:80], endpoints: {gateway-1: {address: ${gateway}, ports: {http: 18080}}}}
workloads:
  gateway-1: {address: ${gateway}, labels: {istio: ingressgateway, tier: front}}
config:
${[
  object(
    'Gateway',
    'front',
    `{selector: {istio: ingressgateway}, servers: [
      {port: {number: 80, name: http, protocol: HTTP}, hosts: [a.example.org, b.example.org, '*.wild.example', './own.example', shop/theirs.example, '*/all.example']},
      {port: {number: 18081, name: redirect, protocol: HTTP}, hosts: [a.example.org, redirected.example], tls: {httpsRedirect: true}}]}`,
  ),
  object(
    'Gateway',
    'second',
    `{selector: {tier: front}, servers: [
      {port: {number: 80, name: http, protocol: HTTP2}, hosts: [second.example]},
      {port: {number: 18082, name: everything, protocol: HTTP}, hosts: ['*']}]}`,
    'shop',
  ),
  object(
    'Gateway',
    'elsewhere',
    `{selector: {istio: other}, servers: [{port: {number: 18083, name: http, protocol: HTTP}, hosts: ['*']}]}`,
  ),
  object(
    'Gateway',
    'z-conflict',
    `{selector: {istio: ingressgateway}, servers: [{port: {number: 18082, name: tcp, protocol: TCP}, hosts: ['*']}]}`,
    'zoo',
  ),
  object(
    'VirtualService',
    'a',
    `{hosts: [a.example.org], gateways: [front], http: [${routes(
      `{match: [{uri: {prefix: /b}}], ${to('b')}}`,
      `{match: [{uri: {prefix: /second}, gateways: [shop/second]}], ${to('c')}}`,
      `{match: [{uri: {prefix: /first}, gateways: [front]}], ${to('c')}}`,
      `{match: [{uri: {prefix: /port}, port: 80}], ${to('c')}}`,
      `{match: [{uri: {prefix: /port}}], ${to('b')}}`,
      `{${to('a')}}`,
    )}]}`,
  ),
  object(
    'VirtualService',
    'a-more',
    `{hosts: [a.example.org], gateways: [default/front], http: [${routes(
      `{match: [{uri: {prefix: /merged}}], ${to('c')}}`,
      `{${to('b')}}`,
    )}]}`,
  ),
  object('VirtualService', 'wild', `{hosts: ['*.wild.example'], gateways: [front], http: [{${to('a')}}]}`),
  object('VirtualService', 'closer', `{hosts: [close.wild.example], gateways: [front], http: [{${to('b')}}]}`),
  object(
    'VirtualService',
    'own',
    `{hosts: [own.example, theirs.example, all.example, b.example.org, foreign.example], gateways: [front], http: [{${to('a')}}]}`,
  ),
  object(
    'VirtualService',
    'theirs',
    `{hosts: [own.example, theirs.example], gateways: [default/front], http: [{${to('b')}}]}`,
    'shop',
  ),
  object('VirtualService', 'mesh', `{hosts: [second.example], http: [{${to('c')}}]}`),
  object(
    'VirtualService',
    'hidden',
    `{hosts: [b.example.org], exportTo: [.], gateways: [default/front], http: [{match: [{uri: {prefix: /hidden}}], ${to('c')}}]}`,
    'shop',
  ),
  object(
    'VirtualService',
    'both',
    `{hosts: ['*'], gateways: [shop/second], http: [${routes(
      `{match: [{gateways: [mesh]}], ${to('a')}}`,
      `{match: [{gateways: [second]}], ${to('c')}}`,
      `{match: [{gateways: [shop/second], headers: {x-user: {exact: jason}}}], ${to('b')}}`,
      `{${to('a')}}`,
    )}]}`,
  ),
].join('')}
proxies: [gateway/default/gateway-1]
`)
  })

  test.each([
    ['a host of a VirtualService', 18080, 'a.example.org', '/', 'a'],
    ['a port with the host does not matter', 18080, 'a.example.org:80', '/', 'a'],
    ['routes in their order', 18080, 'a.example.org', '/b/c', 'b'],
    [
      'a VirtualService that is younger, behind the first but before what takes everything',
      18080,
      'a.example.org',
      '/merged',
      'c',
    ],
    ['a match for another gateway', 18080, 'a.example.org', '/second', 'a'],
    ['a match for this gateway', 18080, 'a.example.org', '/first', 'c'],
    ['a match by the port of the server', 18080, 'a.example.org', '/port', 'c'],
    ['a wildcard', 18080, 'x.wild.example', '/', 'a'],
    ['the closer host', 18080, 'close.wild.example', '/', 'b'],
    ['a host for the own namespace', 18080, 'own.example', '/', 'a'],
    ['a host for another namespace', 18080, 'theirs.example', '/', 'b'],
    ['a host for all namespaces', 18080, 'all.example', '/', 'a'],
    ['a host that no server has', 18080, 'foreign.example', '/', 404],
    ['a host that nobody routes', 18080, 'c.example.org', '/', 404],
    ['a VirtualService for the mesh alone', 18080, 'second.example', '/', 'a'],
    ['a VirtualService that is not exported', 18080, 'b.example.org', '/hidden', 'a'],
    ['any host, by another Gateway', 18082, 'whatever', '/', 'a'],
  ] as const)('%s', async (_, port, host, path, expected) => {
    const { status, echo } = await ask(port, host, path)
    expect(echo?.app ?? status).toBe(expected)
  })

  test('a match of gateways beside another', async () => {
    const { echo } = await ask(18082, 'whatever', '/', { 'x-user': 'jason' })
    expect(echo?.app).toBe('b')
  })

  test.each([
    ['a.example.org', 'https://a.example.org/x?y'],
    ['redirected.example', 'https://redirected.example/x?y'],
  ])('plaintext for %s is redirected to https', async (host, location) => {
    expect(await ask(18081, host, '/x?y')).toMatchObject({ status: 301, location })
  })

  test('says where a request comes from, and believes nobody else about it', async () => {
    const { echo } = await ask(18080, 'a.example.org', '/', {
      'x-forwarded-for': '192.0.2.1',
      'x-forwarded-proto': 'https',
      'x-forwarded-client-cert': 'URI=spiffe://td.example/ns/default/sa/admin',
    })
    expect(echo).toMatchObject({ caller: null, headers: { 'x-forwarded-proto': 'http' } })
    expect(echo?.headers['x-forwarded-for']).toMatch(/^192\.0\.2\.1, ?(?!192\.0\.2\.1$)[\d.]+$/)
    expect(echo?.headers['x-request-id']).toBeDefined()
  })

  test('believes as many proxies before it as the mesh says', async () => {
    const clientOf = async () =>
      (await ask(18080, 'a.example.org', '/', { 'x-forwarded-for': '192.0.2.1' })).echo?.headers[
        'x-envoy-external-address'
      ]
    expect(await clientOf()).not.toBe('192.0.2.1')
    const meshConfig = { defaultConfig: { gatewayTopology: { numTrustedProxies: 1 } } }
    expect(await stage.changeSettings({ meshConfig })).toEqual([])
    await eventually('the proxy before the gateway is believed', async () => (await clientOf()) === '192.0.2.1')
  })

  test('follows its objects', async () => {
    const key = 'VirtualService/default/a'
    const value = stage.scene.store.virtualService(key)
    expect(await stage.change({ kind: 'config', origin: 'mesh', key, value: null })).toEqual([])
    expect((await ask(18080, 'a.example.org')).echo?.app).toBe('b')
    expect(value).toBeDefined()
  })
})
