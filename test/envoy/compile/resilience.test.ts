import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTcpServer, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventually } from '#test/harness/child.ts'
import { ask, clientAddress, exchange, get, Theatre } from './theatre.ts'
import type { Stage } from './stage.ts'

let theatre: Theatre
beforeAll(async () => {
  theatre = await Theatre.open()
})
afterAll(() => theatre.clear())

/** Answers "/<status>" so if it is one that fails, and holds what asks for "/held" until it is told to let go. */
class Application {
  readonly #fails: boolean
  readonly held: ServerResponse[] = []
  requests = 0

  constructor(fails: boolean) {
    this.#fails = fails
  }

  readonly answer = (request: IncomingMessage, response: ServerResponse): void => {
    this.requests++
    response.setHeader('x-connection', String(request.socket.remotePort))
    const [path = ''] = (request.url ?? '').slice(1).split('?')
    const isRetry = Number(request.headers['x-envoy-attempt-count'] ?? 1) > 1
    if (path === 'held' || (path === 'held-again' && isRetry)) this.held.push(response)
    else response.writeHead(path === 'held-again' ? 503 : this.#fails ? Number(path) || 200 : 200).end()
  }

  letGo(): void {
    for (const response of this.held.splice(0)) response.end()
  }
}

const pool = (settings: string) => `{connectionPool: ${settings}}`
/** By default Envoy ejects 10 % of the endpoints at most: none of two. */
const outliers = (settings: string) =>
  `{loadBalancer: {simple: ROUND_ROBIN}, outlierDetection: {maxEjectionPercent: 100, ${settings}}}`
const policies: Readonly<Record<string, string>> = {
  consecutive: outliers('consecutive5xxErrors: 2'),
  'by-default': outliers(''),
  gateway: outliers('consecutive5xxErrors: 0, consecutiveGatewayErrors: 2'),
  'gateway-only': outliers('consecutive5xxErrors: 0, consecutiveGatewayErrors: 2'),
  codes: outliers('consecutive5xxErrors: 2, outlierDetectionHttpErrorCodes: [429, 418]'),
  'other-codes': outliers('consecutive5xxErrors: 2, outlierDetectionHttpErrorCodes: [429]'),
  panicking: outliers('consecutive5xxErrors: 2, minHealthPercent: 60'),
  few: '{loadBalancer: {simple: ROUND_ROBIN}, outlierDetection: {consecutive5xxErrors: 1}}',
  undetected: '{loadBalancer: {simple: ROUND_ROBIN}}',
  requests: pool('{http: {http2MaxRequests: 1}}'),
  pending: pool('{tcp: {maxConnections: 1}, http: {http1MaxPendingRequests: 1}}'),
  retries: pool('{http: {maxRetries: 1}}'),
  budget: '{retryBudget: {percent: 0, minRetryConcurrency: 1}}',
  once: pool('{http: {maxRequestsPerConnection: 1}}'),
  kept: pool('{tcp: {tcpKeepalive: {probes: 3, time: 60s, interval: 10s}}}'),
  idle: pool('{http: {idleTimeout: 50ms}}'),
  'idle-tcp': pool('{tcp: {idleTimeout: 50ms}}'),
  pinged: pool(
    '{http: {http2KeepAlive: {interval: 10s, timeout: 1s}, maxConcurrentStreams: 2, useClientProtocol: true}}',
  ),
}

const first = new Application(true)
const second = new Application(false)
let stage: Stage

const listenHttp = async (application: Application): Promise<number> =>
  theatre.listen(createServer((request, response) => application.answer(request, response)))

/** What a raw server was sent first. */
const received: Buffer[] = []

beforeAll(async () => {
  const [one, two] = [await listenHttp(first), await listenHttp(second)]
  const tcp = await theatre.listen(
    createTcpServer((socket) => {
      socket.on('error', () => {}).pipe(socket)
    }),
  )
  const told = await theatre.listen(
    createTcpServer((socket) =>
      socket
        .on('error', () => {})
        .once('data', (data) => {
          received.push(data)
          socket.end('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n')
        }),
    ),
  )
  const proxy = createServer()
  proxy.on('connect', (request: IncomingMessage, socket: Socket) => {
    socket.on('error', () => {})
    socket.write(`HTTP/1.1 200 OK\r\n\r\n${request.url}:`)
    socket.pipe(socket)
  })
  const proxyPort = await theatre.listen(proxy)
  const rule = (host: string, policy: string) =>
    `{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: ${host}, namespace: default}, spec: {host: ${host}, trafficPolicy: ${policy}}}`
  const retried = (host: string) =>
    `{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: ${host}, namespace: default},
      spec: {hosts: [${host}], http: [{route: [{destination: {host: ${host}}}], retries: {attempts: 1, retryOn: 5xx}}]}}`
  const at = (port: number) => `address: 127.0.0.1, tls: none, ports: {p: ${port}}`
  const alone = ['requests', 'pending', 'retries', 'budget', 'once', 'kept', 'idle', 'idle-tcp', 'pinged']
  const http = Object.keys(policies).map((host) => {
    const other = alone.includes(host) ? '' : `, two: {${at(two)}}`
    return `{host: ${host}, ports: [p:80:http], endpoints: {one: {${at(one)}}${other}}}`
  })
  const rules = Object.entries(policies).map(([host, policy]) => rule(host, policy))
  stage = await theatre.start(`
about: ''
services:
  ${http.map((each) => `- ${each}`).join('\n  ')}
  - {host: gone, ports: [p:80:http], endpoints: {one: {${at(1)}}}}
  - {host: limited, ports: [p:81:tcp], endpoints: {one: {${at(tcp)}}}}
  - {host: quiet, ports: [p:82:tcp], endpoints: {one: {${at(tcp)}}}}
  - {host: brief, ports: [p:83:tcp], endpoints: {one: {${at(tcp)}}}}
  - {host: tunnelled, ports: [p:84:tcp], endpoints: {one: {${at(proxyPort)}}}}
  - {host: told-1, ports: [p:80:http], endpoints: {one: {${at(told)}}}}
  - {host: told-2, ports: [p:80:http], endpoints: {one: {${at(told)}}}}
workloads: {client-1: {address: ${clientAddress}}}
config:
  ${rules.map((each) => `- ${each}`).join('\n  ')}
  - ${retried('retries')}
  - ${retried('budget')}
  - ${rule('gone', '{outlierDetection: {maxEjectionPercent: 100, splitExternalLocalOriginErrors: true, consecutiveLocalOriginFailures: 1}}')}
  - ${rule('limited', '{connectionPool: {tcp: {maxConnections: 1}}}')}
  - ${rule('quiet', '{connectionPool: {tcp: {idleTimeout: 50ms}}}')}
  - ${rule('brief', '{connectionPool: {tcp: {maxConnectionDuration: 50ms}}}')}
  - ${rule('tunnelled', '{tunnel: {protocol: CONNECT, targetHost: target.example, targetPort: 443}}')}
  - ${rule('told-1', '{proxyProtocol: {version: V1}}')}
  - ${rule('told-2', '{proxyProtocol: {version: V2}}')}
  - apiVersion: networking.istio.io/v1
    kind: Sidecar
    metadata: {name: default, namespace: default}
    spec:
      egress:
        - {port: {number: 81, protocol: TCP, name: a}, hosts: [./limited.default.svc.cluster.local]}
        - {port: {number: 82, protocol: TCP, name: b}, hosts: [./quiet.default.svc.cluster.local]}
        - {port: {number: 83, protocol: TCP, name: c}, hosts: [./brief.default.svc.cluster.local]}
        - {port: {number: 84, protocol: TCP, name: d}, hosts: [./tunnelled.default.svc.cluster.local]}
        - {hosts: ['./*']}
proxies: [sidecar/default/client-1]
`)
})

/** The value of a statistic of a host's upstream; 0 when it has none of that name. */
const statistic = async (host: string, name: string): Promise<number> => {
  const [line = ''] = await stage.statistics(
    new RegExp(`^cluster\\.outbound\\|\\d+\\|\\|${host}\\.default\\.svc\\.cluster\\.local[;.]+${name}:`),
  )
  return Number(line.split(': ')[1] ?? 0)
}

describe('outlier detection', () => {
  /** How many applications answer a host. */
  const countAnswering = async (host: string): Promise<number> => {
    const before = [first.requests, second.requests]
    for (let index = 0; index < 6; index++) await get(`http://${host}/200`)
    return [first.requests, second.requests].filter((now, index) => now > (before[index] ?? 0)).length
  }

  test.each<[string, string, number, number]>([
    ['consecutive', '500', 2, 1],
    ['by-default', '500', 5, 1],
    ['gateway', '503', 2, 1],
    ['gateway-only', '500', 6, 2],
    ['codes', '429', 2, 1],
    ['other-codes', '500', 4, 2],
    ['panicking', '500', 2, 2],
    ['few', '500', 6, 2],
    ['undetected', '500', 6, 2],
  ])('by the rule "%s", after answers of %s, %i times, as many are left as %i', async (host, path, times, left) => {
    for (let index = 0; index < times * 2; index++) await get(`http://${host}/${path}`)
    const isEjected = left === 1 || host === 'panicking'
    await eventually(
      'it is settled',
      async () => (await statistic(host, 'outlier_detection.ejections_active')) === (isEjected ? 1 : 0) && [true],
    )
    await eventually('as many are left', async () => (await countAnswering(host)) === left && [true])
    expect(await countAnswering(host)).toBe(left)
  })

  test('failures that no answer came of are counted apart', async () => {
    expect(await get('http://gone/')).toMatchObject({ status: 503 })
    expect(await statistic('gone', 'outlier_detection.ejections_enforced_consecutive_local_origin_failure')).toBe(1)
    expect(await statistic('gone', 'outlier_detection.ejections_enforced_consecutive_5xx')).toBe(0)
  })
})

describe('circuit breaking', () => {
  const isHeld = (count: number) =>
    eventually(`${count} requests are held`, () => first.held.length === count && [true])

  test('of requests', async () => {
    const one = get('http://requests/held')
    await isHeld(1)
    expect(await get('http://requests/200')).toMatchObject({ status: 503, headers: { 'x-envoy-overloaded': 'true' } })
    first.letGo()
    expect(await one).toMatchObject({ status: 200 })
  })

  test('of requests that wait for a connection', async () => {
    const one = get('http://pending/held')
    await isHeld(1)
    const waiting = get('http://pending/200')
    await eventually(
      'one waits',
      async () => (await statistic('pending', 'upstream_rq_pending_active')) === 1 && [true],
    )
    expect(await get('http://pending/200')).toMatchObject({ status: 503, headers: { 'x-envoy-overloaded': 'true' } })
    first.letGo()
    expect([await one, await waiting]).toMatchObject([{ status: 200 }, { status: 200 }])
    expect(await statistic('pending', 'upstream_cx_total')).toBe(1)
  })

  test.each(['retries', 'budget'])('of %s', async (host) => {
    const one = get(`http://${host}/held-again`)
    await isHeld(1)
    expect(await get(`http://${host}/held-again`)).toMatchObject({ status: 503 })
    first.letGo()
    expect(await one).toMatchObject({ status: 200 })
    expect(await statistic(host, 'upstream_rq_retry_overflow')).toBe(1)
  })

  test('of connections', async () => {
    const one = await theatre.dial(clientAddress, 81)
    expect(await ask(one, 'hello')).toBe('hello')
    expect(await exchange(await theatre.dial(clientAddress, 81), 'hello')).toBe('')
    expect(await statistic('limited', 'upstream_cx_overflow')).toBe(1)
    one.destroy()
  })
})

describe('connections', () => {
  const toConnection = async (url: string) => (await get(url)).headers['x-connection']

  test('are kept, unless they are for so many requests', async () => {
    expect(await toConnection('http://kept/')).toBe(await toConnection('http://kept/'))
    expect(await toConnection('http://once/')).not.toBe(await toConnection('http://once/'))
    expect(await get('http://pinged/')).toMatchObject({ status: 200 })
  })

  test.each(['idle', 'idle-tcp'])('of HTTP that are idle end (%s)', async (host) => {
    expect(await get(`http://${host}/`)).toMatchObject({ status: 200 })
    await eventually('the connection ends', async () => (await statistic(host, 'upstream_cx_active')) === 0 && [true])
    expect(await statistic(host, 'upstream_cx_idle_timeout')).toBe(1)
  })

  test.each([
    ['are idle', 82],
    ['are old', 83],
  ])('of TCP that %s end', async (_, port) => {
    const socket = await theatre.dial(clientAddress, port)
    const ended = once(socket, 'close')
    expect(await ask(socket, 'hello')).toBe('hello')
    await ended
  })

  test('of TCP go through a tunnel', async () => {
    const socket = await theatre.dial(clientAddress, 84)
    let text = ''
    socket.on('data', (data) => (text += String(data)))
    socket.write('hello')
    await eventually('all came back', () => text.length >= 24 && [true])
    expect(text).toBe('target.example:443:hello')
  })

  test.each([
    ['told-1', /^PROXY TCP4 127\.0\.0\.1 127\.0\.\d+\.1 \d+ 15007\r\n/],
    ['told-2', /^\r\n\r\n\0\r\nQUIT\n/],
  ])('tell where they come from (%s)', async (host, expected) => {
    received.length = 0
    expect(await get(`http://${host}/`)).toMatchObject({ status: 200 })
    expect(received[0]?.toString('latin1')).toMatch(expected)
  })
})
