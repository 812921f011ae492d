import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventually } from '#test/harness/child.ts'
import { requestThroughProxy } from '#test/harness/proxy-request.ts'
import { ScriptedApp } from './scripted-app.ts'
import type { Stage } from './stage.ts'
import { proxyPort, Theatre } from './theatre.ts'

/** Loopback that no other test uses. */
const client = '127.0.91.1'

let theatre: Theatre
let stage: Stage
const app = new ScriptedApp('reviews')
const copies = new ScriptedApp('copies')
const failing = new ScriptedApp('failing')

const scene = (ports: { readonly app: number; readonly copies: number; readonly failing: number }) => `
about: ''
services:
  - host: reviews
    ports: [http:80]
    endpoints: {a: {address: 127.0.0.1, ports: {http: ${ports.app}}, tls: none}}
  - host: copies
    ports: [http:80]
    endpoints: {a: {address: 127.0.0.1, ports: {http: ${ports.copies}}, tls: none}}
  - host: both
    ports: [http:80]
    endpoints:
      a: {address: 127.0.0.1, ports: {http: ${ports.app}}, tls: none}
      b: {address: 127.0.0.1, ports: {http: ${ports.failing}}, tls: none}
  - host: far
    ports: [http:80]
    endpoints:
      a: {address: 127.0.0.1, ports: {http: ${ports.app}}, tls: none, locality: r2/z1}
      b: {address: 127.0.0.1, ports: {http: ${ports.failing}}, tls: none, locality: r1/z1}
workloads:
  client-1: {address: ${client}, locality: r1/z1}
config:
  - apiVersion: networking.istio.io/v1
    kind: DestinationRule
    metadata: {name: far, namespace: default}
    spec: {host: far, trafficPolicy: {outlierDetection: {consecutive5xxErrors: 0}}}
  - apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: reviews, namespace: default}
    spec:
      hosts: [reviews]
      http:
        - match: [{uri: {exact: /abort}}]
          fault: {abort: {httpStatus: 555, percentage: {value: 100}}}
          route: &route [{destination: {host: reviews}}]
        - match: [{uri: {exact: /abort/grpc}}]
          fault: {abort: {grpcStatus: RESOURCE_EXHAUSTED, percentage: {value: 100}}}
          route: *route
        - match: [{uri: {exact: /abort/none}}]
          fault: {abort: {httpStatus: 555, percentage: {value: 0}}}
          route: *route
        - match: [{uri: {exact: /abort/unsaid}}]
          fault: {abort: {httpStatus: 555}, delay: {fixedDelay: 1h}}
          route: *route
        - match: [{uri: {exact: /abort/half}}]
          fault: {abort: {httpStatus: 555, percentage: {value: 50}}}
          route: *route
        - match: [{uri: {exact: /abort/some}, headers: {x-user: {exact: jason}}}]
          fault: {abort: {httpStatus: 555, percentage: {value: 100}}}
          route: *route
        - match: [{uri: {exact: /delay}}]
          fault: {delay: {fixedDelay: 5ms, percentage: {value: 100}}}
          route: *route
        - match: [{uri: {exact: /delay/old}}]
          fault: {delay: {fixedDelay: 5ms, percent: 100}, abort: {httpStatus: 556, percentage: {value: 100}}}
          route: *route
        - match: [{uri: {prefix: /cors}}]
          corsPolicy:
            allowOrigins: [{exact: 'https://a.example'}, {prefix: 'https://b.'}, {regex: 'https://c[0-9]\\.example'}]
            allowMethods: [GET, POST]
            allowHeaders: [x-a, x-b]
            exposeHeaders: [x-c]
            maxAge: 24h
            allowCredentials: true
          route: *route
        - match: [{uri: {prefix: /any-cors}}]
          corsPolicy: {allowOrigin: ['*'], unmatchedPreflights: FORWARD}
          route: *route
        - match: [{uri: {prefix: /strict-cors}}]
          corsPolicy: {allowOrigins: [{exact: 'https://a.example'}], unmatchedPreflights: IGNORE}
          route: *route
        - match: [{uri: {exact: /mirror}}]
          mirror: {host: copies}
          route: *route
        - match: [{uri: {exact: /mirror/none}}]
          mirror: {host: copies}
          mirrorPercentage: {value: 0}
          route: *route
        - match: [{uri: {exact: /mirror/several}}]
          mirrors:
            - {destination: {host: copies}}
            - {destination: {host: copies}, percentage: {value: 0}}
            - {destination: {host: copies, port: {number: 80}}, percentage: {value: 100}}
          route: *route
        - match: [{uri: {exact: /mirror/old}}]
          mirror: {host: copies}
          mirrorPercent: 100
          route: *route
        - match: [{uri: {exact: /retry/code}, statPrefix: retried}]
          retries: {attempts: 3, retryOn: '503', backoff: 1ms}
          route: *route
        - match: [{uri: {exact: /retry/mixed}}]
          retries: {attempts: 3, retryOn: 'gateway-error,409', backoff: 1ms}
          route: *route
        - match: [{uri: {exact: /retry/none}}]
          retries: {attempts: 0}
          route: *route
        - match: [{uri: {exact: /retry/slow}}]
          retries: {attempts: 1, perTryTimeout: 50ms, retryOn: 5xx}
          route: *route
        - match: [{uri: {exact: /timeout}}]
          timeout: 50ms
          route: *route
        - match: [{uri: {exact: /retry/timeout}}]
          timeout: 150ms
          retries: {attempts: 100, perTryTimeout: 50ms, retryOn: 5xx, backoff: 1ms}
          route: *route
        - route: *route
  - apiVersion: networking.istio.io/v1
    kind: DestinationRule
    metadata: {name: both, namespace: default}
    spec: {host: both, trafficPolicy: {loadBalancer: {simple: RANDOM}}}
  - apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: both, namespace: default}
    spec:
      hosts: [both]
      http:
        - match: [{uri: {prefix: /same}}]
          retries: {attempts: 1, retryOn: '503', retryIgnorePreviousHosts: false, backoff: 1ms}
          route: [{destination: {host: both}}]
        - retries: {attempts: 1, retryOn: '503', backoff: 1ms}
          route: [{destination: {host: both}}]
  - apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: far, namespace: default}
    spec:
      hosts: [far]
      http:
        - match: [{uri: {prefix: /near}}]
          retries: {attempts: 4, retryOn: '503', backoff: 1ms}
          route: [{destination: {host: far}}]
        - retries: {attempts: 4, retryOn: '503', retryRemoteLocalities: true, backoff: 1ms}
          route: [{destination: {host: far}}]
proxies: [sidecar/default/client-1]
`

beforeAll(async () => {
  theatre = await Theatre.open()
  failing.server.prependListener('request', (request) => (request.headers['x-answers'] = '503'))
  stage = await theatre.start(
    scene({
      app: await theatre.listen(app.server),
      copies: await theatre.listen(copies.server),
      failing: await theatre.listen(failing.server),
    }),
  )
})
afterAll(() => theatre.clear())

type Headers = Readonly<Record<string, string>>

const send = (path: string, headers: Headers = {}, method = 'GET') =>
  requestThroughProxy({ host: client, port: proxyPort }, path.startsWith('/') ? `http://reviews${path}` : path, {
    headers,
    method,
  })

let lastId = 0
/** Sends a request whose tries are answered as told; the status that came of it, and how many tries there were. */
const sendScripted = async (path: string, answers: string, headers: Headers = {}) => {
  const id = `request-${++lastId}`
  const { status } = await send(path, { 'x-id': id, 'x-answers': answers, ...headers })
  return { status, tries: app.triesOf(id) }
}

const sendMany = async (count: number, path: string): Promise<readonly number[]> => {
  const replies = await Promise.all(Array.from({ length: count }, () => send(path)))
  return replies.map(({ status }) => status)
}

describe('a fault', () => {
  test.each<[string, string, Headers, number]>([
    ['aborts all', '/abort', {}, 555],
    ['of 0 % aborts none', '/abort/none', {}, 200],
    ['without a percentage affects none', '/abort/unsaid', {}, 200],
    ['aborts what its match fits', '/abort/some', { 'x-user': 'jason' }, 555],
    ['and nothing else', '/abort/some', { 'x-user': 'other' }, 200],
    ['delays and aborts', '/delay/old', {}, 556],
  ])('%s', async (_, path, headers, status) => {
    const before = app.seenAt(path).length
    expect(await send(path, headers)).toMatchObject({ status })
    expect(app.seenAt(path).length - before).toBe(status === 200 ? 1 : 0)
  })

  test('tells gRPC clients in their own way', async () => {
    const reply = await send('/abort/grpc', { 'content-type': 'application/grpc' }, 'POST')
    expect(reply).toMatchObject({ status: 200, headers: { 'grpc-status': '8' } })
  })

  test('of 50 % aborts some and lets some through', async () => {
    expect(new Set(await sendMany(100, '/abort/half'))).toEqual(new Set([200, 555]))
  })

  test('delays what it is told to', async () => {
    const countDelays = async () => {
      const lines = await stage.statistics(/fault\.delays_injected/)
      return lines.map((line) => Number(line.split(': ')[1])).reduce((sum, count) => sum + count, 0)
    }
    const before = await countDelays()
    expect(await sendMany(3, '/delay')).toEqual([200, 200, 200])
    await send('/abort/unsaid')
    await send('/delay/old')
    expect(await countDelays()).toBe(before + 4)
  })
})

describe('CORS', () => {
  const preflight = (path: string, origin: string) =>
    send(path, { origin, 'access-control-request-method': 'GET' }, 'OPTIONS')

  test.each(['https://a.example', 'https://b.example', 'https://c1.example'])('lets %s ask', async (origin) => {
    const { status, headers } = await preflight('/cors', origin)
    expect({ status, headers }).toMatchObject({
      status: 200,
      headers: {
        'access-control-allow-origin': origin,
        'access-control-allow-methods': 'GET,POST',
        'access-control-allow-headers': 'x-a,x-b',
        'access-control-max-age': '86400',
        'access-control-allow-credentials': 'true',
      },
    })
    expect(headers['x-app']).toBeUndefined()
  })

  test.each([
    ['/cors', 'https://c10.example', 'reviews'],
    ['/any-cors', 'https://c10.example', undefined],
    ['/strict-cors', 'https://c10.example', undefined],
    ['/no-cors', 'https://a.example', 'reviews'],
  ])('a preflight request to %s from %s is answered by %s', async (path, origin, answeredBy) => {
    const { headers } = await preflight(path, origin)
    expect(headers['x-app']).toBe(answeredBy)
    expect(headers['access-control-allow-origin']).toBe(path === '/any-cors' ? origin : undefined)
  })

  test('is told of requests, and stops none', async () => {
    const allowed = await send('/cors', { origin: 'https://a.example' })
    expect(allowed).toMatchObject({
      status: 200,
      headers: { 'access-control-allow-origin': 'https://a.example', 'access-control-expose-headers': 'x-c' },
    })
    const other = await send('/cors', { origin: 'https://d.example' })
    expect(other.status).toBe(200)
    expect(other.headers['access-control-allow-origin']).toBeUndefined()
  })
})

describe('mirrors', () => {
  test.each([
    ['/mirror', 1],
    ['/mirror/several', 2],
    ['/mirror/old', 1],
  ])('requests to %s are copied %i times, and answered once', async (path, count) => {
    expect(await send(path)).toMatchObject({ status: 200, body: 'reviews' })
    await eventually('the copies have come', () => copies.seenAt(path).length >= count)
    expect(copies.seenAt(path).map(({ headers }) => headers.host)).toEqual(
      Array.from({ length: count }, () => 'reviews'),
    )
    expect(app.seenAt(path)).toHaveLength(1)
  })

  test('of 0 % get nothing', async () => {
    await send('/mirror/none')
    // One that is copied comes after it: what was to come of the first has come then.
    await send('/mirror?after')
    await eventually('the copy has come', () => copies.seenAt('/mirror?after').length === 1)
    expect(copies.seenAt('/mirror/none')).toEqual([])
  })
})

describe('retries', () => {
  test.each<[string, string, string, { status: number; tries: number }]>([
    ['on a code', '/retry/code', '503,503,200', { status: 200, tries: 3 }],
    ['on a code, not longer than told', '/retry/code', '503', { status: 503, tries: 4 }],
    ['on no other code', '/retry/code', '500,200', { status: 500, tries: 1 }],
    ['on a named condition among codes', '/retry/mixed', '502,409,200', { status: 200, tries: 3 }],
    ['by default not on codes', '/', '503,200', { status: 503, tries: 1 }],
    ['by default when gRPC says unavailable', '/', 'grpc-14,grpc-14,grpc-0', { status: 200, tries: 3 }],
    ['by default when gRPC says cancelled', '/', 'grpc-1,grpc-0', { status: 200, tries: 2 }],
    ['not when gRPC says something else', '/', 'grpc-5,grpc-0', { status: 200, tries: 1 }],
    ['never with 0 attempts', '/retry/none', 'grpc-14,grpc-0', { status: 200, tries: 1 }],
    ['when a try takes too long', '/retry/slow', 'hang,200', { status: 200, tries: 2 }],
    ['until all takes too long', '/timeout', 'hang', { status: 504, tries: 1 }],
  ])('%s', async (_, path, answers, expected) => {
    const isGrpc = answers.includes('grpc')
    expect(await sendScripted(path, answers, isGrpc ? { 'content-type': 'application/grpc' } : {})).toEqual(expected)
  })

  test('count under the prefix of their match', async () => {
    await sendScripted('/retry/code', '503,200')
    const [counted = ''] = await stage.statistics(/\.route\.retried\.upstream_rq_retry_success/)
    expect(Number(counted.split(': ')[1])).toBeGreaterThan(0)
  })

  test('end with the time for all of them', async () => {
    const { status, tries } = await sendScripted('/retry/timeout', 'hang')
    expect(status).toBe(504)
    expect(tries).toBeGreaterThan(1)
    expect(tries).toBeLessThan(100)
  })

  test('ask another host, unless told not to mind', async () => {
    const countFailures = async (path: string) =>
      (await sendMany(200, `http://both${path}`)).filter((status) => status === 503).length
    // Each host is chosen at random: of 200 requests 50 fail where a host may be tried twice, 2 where six choices in a row have to be the same.
    expect(await countFailures('/')).toBeLessThan(15)
    expect(await countFailures('/same')).toBeGreaterThan(15)
  })

  test('stay in their locality, unless told to leave it', async () => {
    expect(await sendMany(5, 'http://far/near')).toEqual([503, 503, 503, 503, 503])
    expect(await sendMany(5, 'http://far/')).toEqual([200, 200, 200, 200, 200])
  })
})
