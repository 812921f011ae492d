import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer, request, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { configObject, objectKeyOf } from '#mesh/config-object.ts'
import { parseTraceContext, type TraceContext } from '#mesh/telemetry/trace-context.ts'
import { Server, ServerCredentials } from '@grpc/grpc-js'
import type { ViewChange } from '#mesh/view.ts'
import { eventually } from '#test/harness/child.ts'
import { requestThroughProxy } from '#test/harness/proxy-request.ts'
import { traceOperators } from '#xds/build/build-tracing.ts'
import type { Stage } from './stage.ts'
import { TraceCollectors, type ToldSpan } from './trace-collectors.ts'
import { proxyPort, serverAddress, stageNetwork, Theatre } from './theatre.ts'

const gateway = { address: `${stageNetwork}.71`, port: 18090 }
const reviewsAddress = `${stageNetwork}.72`

const trace = '0af7651916cd43dd8448eb211c80319c'
const short = 'a3ce929d0e0e4736'
const [clientSpan, appSpan, strangeSpan] = ['b7ad6b7169203331', '00f067aa0ba902b7', 'c0ffee0000000001'] as const

type Headers = Readonly<Record<string, string>>

/** What an application does with the trace of a request that it has, when it calls another. */
const applications: Readonly<Record<string, (seen: Headers) => Headers>> = {
  copies: (seen) => seen,
  forgets: () => ({}),
  w3c: ({ traceparent = '' }) => ({ traceparent: traceparent.replace(/-[0-9a-f]{16}-/, `-${appSpan}-`) }),
  b3: (seen) => ({
    'x-b3-traceid': seen['x-b3-traceid'] ?? '',
    'x-b3-spanid': appSpan,
    'x-b3-sampled': seen['x-b3-sampled'] ?? '',
  }),
  'b3-single': ({ b3 = '' }) => ({ b3: b3.replace(/-.*/, `-${appSpan}-${b3.split('-')[2]}`) }),
}

const names = ['traceparent', 'tracestate', 'b3', 'x-b3-traceid', 'x-b3-spanid', 'x-b3-sampled', 'x-b3-parentspanid']
const pick = (headers: IncomingHttpHeaders): Headers =>
  Object.fromEntries(names.flatMap((name) => (headers[name] === undefined ? [] : [[name, String(headers[name])]])))

/** What B3's headers say, as one. */
const toB3 = (headers: Headers): string | undefined =>
  headers['b3'] ??
  [
    headers['x-b3-traceid']?.padStart(32, '0'),
    ...['x-b3-spanid', 'x-b3-sampled', 'x-b3-parentspanid'].map((name) => headers[name]),
  ].join('-')

const logged = z.object({
  traceId: z.string(),
  sent: z.string(),
  received: z.string(),
  path: z.string(),
  upstream: z.string().nullable(),
})

let theatre: Theatre
let folder: string
const seen = new Map<string, Headers>()
beforeAll(async () => {
  theatre = await Theatre.open()
  folder = await mkdtemp(join(tmpdir(), 'atoll-tracing-'))
  theatre.onClear(() => rm(folder, { recursive: true, force: true }))
})
afterAll(() => theatre.clear())

/** Of the reviews behind its sidecar, and of what is in front of it behind its own: its path says how it goes on with a trace. */
const startApplications = async () => {
  const reviews = await theatre.listen(
    createServer(({ url = '', headers }, response) => {
      seen.set(`reviews ${url}`, pick(headers))
      response.end()
    }),
  )
  const front = await theatre.listen(
    createServer(({ url = '', headers }, response) => {
      seen.set(`front ${url}`, pick(headers))
      const onward = applications[url.split('/')[1] ?? '']?.(pick(headers)) ?? {}
      void requestThroughProxy({ host: serverAddress, port: proxyPort }, `http://reviews${url}`, {
        headers: onward,
      }).then(
        ({ status }) => response.writeHead(status).end(),
        () => response.writeHead(502).end(),
      )
    }),
  )
  return { front, reviews }
}

const listenGrpc = async (server: Server): Promise<number> => {
  theatre.onClear(() => server.forceShutdown())
  return new Promise((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  )
}

const enter = async (path: string, headers: Headers): Promise<number> => {
  const outgoing = request({
    host: gateway.address,
    port: gateway.port,
    path,
    agent: false,
    headers: { host: 'front.example', ...headers },
  })
  outgoing.end()
  const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage]
  incoming.resume()
  return incoming.statusCode ?? 0
}

/** What the proxies tell of the requests to a path, by what they called. */
const recordsOf = async (path: string, count: number) => {
  const read = async () => {
    const text = await readFile(join(folder, 'log'), 'utf8').catch(() => '')
    return text
      .split('\n')
      .flatMap((line) => (line === '' ? [] : [logged.parse(JSON.parse(line))]))
      .filter((record) => record.path === path)
  }
  const records = await eventually(`${count} records of ${path}`, async () => {
    const found = await read()
    return found.length >= count && found
  })
  return new Map(records.map((record) => [record.upstream ?? '', parseTraceContext(record)]))
}

/** The gateway's, those of the first application's proxy and that of the second one's. */
const inOrder = (records: Awaited<ReturnType<typeof recordsOf>>) =>
  [
    'outbound|80||front.default.svc.cluster.local',
    `inbound|${ports.front}||`,
    'outbound|80||reviews.default.svc.cluster.local',
    `inbound|${ports.reviews}||`,
  ].map((upstream) => records.get(upstream))

let ports: { readonly front: number; readonly reviews: number }
let stage: Stage
const collectors = new TraceCollectors()
const format = { ...traceOperators, path: '%REQ(:PATH)%', upstream: '%UPSTREAM_CLUSTER_RAW%' }
const logs = () => ({
  accessLogFile: join(folder, 'log'),
  accessLogEncoding: 'JSON',
  accessLogFormat: JSON.stringify(format),
})
beforeAll(async () => {
  ports = await startApplications()
  const otlp = await listenGrpc(collectors.createOtlpServer())
  const http = await theatre.listen(collectors.createHttpServer())
  stage = await theatre.start(`
about: ''
settings: {meshConfig: ${JSON.stringify(logs())}}
services:
  - {host: front, ports: [http:80], endpoints: {server-1: {address: ${serverAddress}, ports: {http: ${ports.front}}}}}
  - {host: reviews, ports: [http:80], endpoints: {server-2: {address: ${reviewsAddress}, ports: {http: ${ports.reviews}}}}}
  - {host: otlp.example, namespace: elsewhere, ports: [grpc:4317], fields: {location: mesh-external}, endpoints: {a: {address: 127.0.0.1, tls: none, ports: {grpc: ${otlp}}}}}
  - {host: http.example, namespace: elsewhere, ports: [http:80], fields: {location: mesh-external}, endpoints: {a: {address: 127.0.0.1, tls: none, ports: {http: ${http}}}}}
workloads:
  gateway-1: {address: ${gateway.address}, labels: {istio: ingressgateway, app: ingress}}
  server-1: {address: ${serverAddress}, labels: {app: front}}
  server-2: {address: ${reviewsAddress}, labels: {app: reviews, version: v2}}
config:
  - apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: front, namespace: default}
    spec: {selector: {istio: ingressgateway}, servers: [{port: {number: ${gateway.port}, name: http, protocol: HTTP}, hosts: [front.example]}]}
  - apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: front, namespace: default}
    spec:
      hosts: [front.example]
      gateways: [front]
      http:
        - {match: [{uri: {prefix: /refused}}], fault: {abort: {httpStatus: 418, percentage: {value: 100}}}, route: [{destination: {host: front}}]}
        - {route: [{destination: {host: front}}]}
proxies: [gateway/default/gateway-1, sidecar/default/server-1, sidecar/default/server-2]
`)
})

describe('a trace goes through a gateway and the sidecars of two applications', () => {
  const w3c = (flags: string) => ({ traceparent: `00-${trace}-${clientSpan}-${flags}` })
  const b3 = (sampled: string, id = trace) => ({
    'x-b3-traceid': id,
    'x-b3-spanid': clientSpan,
    'x-b3-sampled': sampled,
  })
  const below = { traceId: trace, parentSpanId: clientSpan }
  test.each<readonly [string, string, Headers, Partial<TraceContext>]>([
    ['of W3C, sampled, with its state', 'copies', { ...w3c('01'), tracestate: 'a=b' }, { ...below, isSampled: true }],
    ['of W3C, not sampled', 'w3c', w3c('00'), { ...below, isSampled: false }],
    ['of B3 in several headers, sampled', 'b3', b3('1'), { ...below, isSampled: true }],
    [
      'of B3 in several headers, not sampled, of 64 bits',
      'copies',
      b3('0', short),
      { ...below, traceId: short.padStart(32, '0'), isSampled: false },
    ],
    ['of B3 in one header', 'b3-single', { b3: `${trace}-${clientSpan}-0` }, { ...below, isSampled: false }],
    [
      'of B3, sampled, where W3C says something else',
      'w3c',
      { ...b3('1'), traceparent: `00-${'f'.repeat(32)}-${strangeSpan}-00` },
      { ...below, isSampled: true },
    ],
    ['that begins here', 'copies', {}, {}],
    [
      'that a client of the gateway begins by its own name',
      'copies',
      { 'x-client-trace-id': 'mine' },
      { isSampled: true },
    ],
    ['that begins where none can be read', 'copies', { traceparent: `00-${trace}-x` }, {}],
  ])('%s, application %s', async (_, application, headers, expected) => {
    const path = `/${application}/${_.replaceAll(' ', '-')}`
    expect(await enter(path, headers)).toBe(200)
    const records = await recordsOf(path, 4)
    const [atGateway, intoFront, outOfFront, intoReviews] = inOrder(records)
    const { traceId, isSampled } = { ...atGateway, ...expected }
    expect(atGateway).toEqual({ traceId, isSampled, spanId: expect.any(String), ...expected })
    expect(intoFront).toEqual({ traceId, isSampled, spanId: expect.any(String), parentSpanId: atGateway?.spanId })
    const caller = application === 'copies' ? intoFront?.spanId : appSpan
    expect(outOfFront).toEqual({ traceId, isSampled, spanId: expect.any(String), parentSpanId: caller })
    expect(intoReviews).toEqual({ traceId, isSampled, spanId: expect.any(String), parentSpanId: outOfFront?.spanId })
    expect(new Set([atGateway, intoFront, outOfFront, intoReviews].map((each) => each?.spanId)).size).toBe(4)

    // Applications were told what the records tell, in W3C's words and in B3's.
    for (const [name, context] of Object.entries({ front: intoFront, reviews: intoReviews })) {
      const told = seen.get(`${name} ${path}`) ?? {}
      const flag = isSampled ? '1' : '0'
      expect(told['traceparent']).toBe(`00-${traceId}-${context?.spanId}-0${flag}`)
      expect(told['tracestate']).toBe(headers['tracestate'])
      expect(toB3(told)).toBe(`${traceId}-${context?.spanId}-${flag}-${context?.parentSpanId}`)
    }
  })

  test('that an application forgets is two', async () => {
    expect(await enter('/forgets', w3c('01'))).toBe(200)
    const records = await recordsOf('/forgets', 4)
    const onward = records.get('outbound|80||reviews.default.svc.cluster.local')
    expect(onward).toEqual({ traceId: expect.any(String), spanId: expect.any(String), isSampled: expect.any(Boolean) })
    expect(onward?.traceId).not.toBe(trace)
  })

  test('to a request that is answered before it goes on', async () => {
    expect(await enter('/refused', w3c('01'))).toBe(418)
    expect([...(await recordsOf('/refused', 1)).values()]).toEqual([{ ...below, isSampled: true }])
  })
})

describe('spans are told to providers', () => {
  const telemetry = (name: string, namespace: string, spec: object): ViewChange => {
    const value = configObject.parse({
      apiVersion: 'telemetry.istio.io/v1',
      kind: 'Telemetry',
      metadata: { name, namespace },
      spec,
    })
    return { kind: 'config', origin: 'mesh', key: objectKeyOf(value), value }
  }
  const service = { service: 'elsewhere/http.example', port: 80 }
  const extensionProviders = [
    { name: 'otlp', opentelemetry: { service: 'otlp.example', port: 4317 } },
    {
      name: 'over-http',
      opentelemetry: { ...service, http: { path: '/v1/traces', headers: [{ name: 'x-key', value: 'Basic%20k' }] } },
    },
    {
      name: 'zipkin',
      zipkin: {
        ...service,
        traceContextOption: 'USE_B3_WITH_W3C_PROPAGATION',
        headers: [{ name: 'x-key', value: '%PROTOCOL%' }],
      },
    },
  ]
  const ofApp = (app: string, provider: string) =>
    telemetry(app, 'default', { selector: { matchLabels: { app } }, tracing: [{ providers: [{ name: provider }] }] })
  const sample = (randomSamplingPercentage: number) =>
    telemetry('all', 'atoll-system', {
      tracing: [
        {
          randomSamplingPercentage,
          customTags: {
            fixed: { literal: { value: 'a' } },
            variable: { environment: { name: 'ATOLL_NOT_THERE', defaultValue: 'b' } },
            given: { header: { name: 'x-tag', defaultValue: 'c' } },
            formatted: { formatter: { value: '%REQ(:METHOD)%' } },
          },
        },
      ],
    })
  let requests = 0
  const told = (traceId: string | undefined) =>
    [...collectors.otlp, ...collectors.otlpOverHttp, ...collectors.zipkin].filter((each) => each.traceId === traceId)

  test('of OpenTelemetry, over gRPC and HTTP, and of Zipkin, and records agree with them', async () => {
    const meshConfig = { ...logs(), extensionProviders, defaultProviders: { tracing: ['otlp'] } }
    await stage.setRuntime({ 'tracing.opentelemetry.min_flush_spans': '1', 'tracing.zipkin.min_flush_spans': '1' })
    expect(await stage.changeSettings({ meshConfig })).toEqual([])
    expect(await stage.change(sample(100), ofApp('front', 'zipkin'), ofApp('reviews', 'over-http'))).toEqual([])

    // A listener is in place a moment after it was acknowledged.
    const spans = await eventually('all proxies tell their spans', async () => {
      const path = `/copies/told-${++requests}`
      expect(await enter(path, { 'x-tag': 'given' })).toBe(200)
      const records = inOrder(await recordsOf(path, 4))
      const all = told(records[0]?.traceId)
      return all.length === 5 && { all, records }
    })
    const [atGateway, intoFront, outOfFront, intoReviews] = spans.records
    const find = (record: TraceContext | undefined) => spans.all.find(({ spanId }) => spanId === record?.spanId)
    const front = 'default/front.default.svc.cluster.local:80/*'
    const reviews = 'default/reviews.default.svc.cluster.local:80/*'
    const entered = spans.all.find(({ parentSpanId }) => parentSpanId === '')
    expect(entered).toMatchObject({ name: front, kind: 'server', service: 'ingress.default' })
    expect(find(atGateway)).toMatchObject({ parentSpanId: entered?.spanId, kind: 'client', service: 'ingress.default' })
    expect(find(intoFront)).toMatchObject({
      parentSpanId: atGateway?.spanId,
      name: front,
      kind: 'server',
      service: 'east',
    })
    expect(find(outOfFront)).toMatchObject({ parentSpanId: intoFront?.spanId, name: reviews, kind: 'client' })
    expect(find(intoReviews)).toMatchObject({
      parentSpanId: outOfFront?.spanId,
      name: reviews,
      kind: 'server',
      service: 'reviews.default',
    })
    const tags = { fixed: 'a', variable: 'b', formatted: 'GET' }
    expect(entered?.tags).toMatchObject({
      ...tags,
      given: 'given',
      'istio.canonical_service': 'ingress',
      'http.method': 'GET',
    })
    expect(find(intoReviews)?.tags).toMatchObject({
      ...tags,
      given: 'c',
      'istio.canonical_service': 'reviews',
      'istio.canonical_revision': 'v2',
      'istio.namespace': 'default',
      'istio.cluster_id': 'east',
      'http.status_code': '200',
    })
    expect(collectors.zipkin.some((each: ToldSpan) => each.spanId === intoFront?.spanId)).toBe(true)
    expect(collectors.headers).toMatchObject({
      otlpOverHttp: { 'x-key': 'Basic%20k', host: 'http.example' },
      zipkin: { 'x-key': '%PROTOCOL%' },
    })
  })

  test('where the caller has decided so, and of nothing else, when none are sampled', async () => {
    expect(await stage.change(sample(0))).toEqual([])
    const unsampled = await eventually('nothing is sampled', async () => {
      const path = `/copies/unsampled-${++requests}`
      expect(await enter(path, {})).toBe(200)
      const records = inOrder(await recordsOf(path, 4))
      return records.every((record) => record?.isSampled === false) && records
    })
    const before = told(unsampled[0]?.traceId)
    const traceId = '5'.repeat(32)
    expect(await enter('/copies/decided', { traceparent: `00-${traceId}-${clientSpan}-01` })).toBe(200)
    await eventually('the spans of the caller that has decided', () => told(traceId).length === 5)
    expect(seen.get('reviews /copies/decided')?.['traceparent']).toMatch(/-01$/)
    expect(before).toEqual([])
    expect(told(unsampled[0]?.traceId)).toEqual([])
  })
})
