import { createServer as createHttp2Server, type ServerHttp2Stream } from 'node:http2'
import { connect as connectHttp2 } from 'node:http2'
import { createServer } from 'node:net'
import { afterEach, beforeAll, expect, test } from 'vitest'
import type { ClusterMeter } from '#agent/telemetry/metrics/cluster-meter.ts'
import { toSpiffeId } from '#mesh/identity.ts'
import { domain } from '#test/agent/test-pki.ts'
import { eventually } from '#test/harness/child.ts'
import { createMeter } from './create-meter.ts'
import { ScriptedApp } from './scripted-app.ts'
import { ask, clientAddress, gatewayAddress, get, proxyPort, serverAddress, Theatre } from './theatre.ts'

let theatre: Theatre
beforeAll(async () => {
  theatre = await Theatre.open()
})
afterEach(() => theatre.clear())

/** Prometheus' text as "<name>{<wanted labels>}" → value. */
const read = (meter: ClusterMeter, wanted: readonly string[]): Map<string, number> => {
  const samples = new Map<string, number>()
  for (const line of [...meter.toText()].join('').split('\n')) {
    const [, name = '', labels = '', value = ''] = /^(\w+)\{(.*)\} (\S+)$/.exec(line) ?? []
    const all = new Map(
      [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, key = '', text = '']) => [key, text]),
    )
    const key = `${name}{${wanted.flatMap((label) => all.get(label) ?? []).join(' ')}}`
    samples.set(key, (samples.get(key) ?? 0) + Number(value))
  }
  return samples
}

const eventuallyCounted = async (
  meter: ClusterMeter,
  labels: readonly string[],
  expected: Readonly<Record<string, number>>,
) => {
  let found = new Map<string, number>()
  const isThere = () => {
    found = read(meter, labels)
    return Object.keys(expected).every((key) => (found.get(key) ?? 0) >= (expected[key] ?? 0))
  }
  await eventually(`${Object.keys(expected).join(', ')} are counted`, isThere, 10_000).catch(() => {})
  expect(Object.fromEntries(Object.keys(expected).map((key) => [key, found.get(key)]))).toEqual(expected)
}

test('each call is counted with both its sides, at both, of HTTP, gRPC and TCP, also through the gateway of another network', async () => {
  const app = new ScriptedApp('reviews')
  const http = await theatre.listen(app.server)
  const grpc = await theatre.listen(grpcEcho())
  const tcp = await theatre.listen(createServer((socket) => socket.on('error', () => {}).pipe(socket)))
  const west = createMeter(theatre)
  const east = createMeter(theatre)
  const western = await theatre.start(
    `
about: ''
clusters:
  west: {network: network-2}
services:
  - host: reviews
    ports: [http:80, tcp:81, grpc:82]
    endpoints:
      server-1: {cluster: west, network: network-2, address: ${serverAddress}, ports: {http: ${http}, tcp: ${tcp}, grpc: ${grpc}}}
workloads:
  server-1: {address: ${serverAddress}, network: network-2, controller: reviews-v2, labels: {app: reviews, version: v2}}
  gateway-1: {address: ${gatewayAddress}, network: network-2, ports: {tls: 15443}, controller: eastwest}
proxies: [sidecar/default/server-1, east-west-gateway/default/gateway-1]
`,
    { member: theatre.west, methods: west.methods },
  )
  west.attach(western)
  const eastern = await theatre.start(
    `
about: ''
clusters:
  west: {network: network-2, gateways: [{address: ${gatewayAddress}, port: 15443}]}
services:
  - host: reviews
    ports: [http:80, tcp:81, grpc:82]
    remote: {west: [{weight: 1, ports: [http, tcp, grpc], serviceAccounts: [default]}]}
  - host: nowhere
    ports: [http:80, tcp:83]
workloads:
  client-1: {address: ${clientAddress}, controller: front, labels: {app: front}}
config:
  - apiVersion: networking.istio.io/v1
    kind: Sidecar
    metadata: {name: default, namespace: default}
    spec: {egress: [{port: {number: 81, protocol: TCP, name: tcp}, hosts: [./*]}, {port: {number: 82, protocol: GRPC, name: grpc}, hosts: [./*]}, {port: {number: 83, protocol: TCP, name: none}, hosts: [./*]}, {hosts: [./*]}]}
proxies: [sidecar/default/client-1]
`,
    { methods: east.methods },
  )
  east.attach(eastern)
  await eventually('each proxy is known before it has counted anything', () =>
    [west, east].every(({ meter }, index) => meter.statistics().processes === 2 - index),
  )
  for (const answers of ['200', '200', '404']) await get('http://reviews/', { 'x-answers': answers })
  expect((await get('http://nowhere/')).status).toBe(503)
  await callGrpc(clientAddress, 82, 'reviews:82', 3)
  const socket = await theatre.dial(clientAddress, 81)
  expect(await ask(socket, 'hello')).toBe('hello')

  const parties = ['reporter', 'source_workload', 'source_cluster', 'destination_workload', 'destination_cluster']
  const between = (reporter: string) => `${reporter} front east reviews-v2 west`
  // A connection counts when it begins.
  for (const [{ meter }, reporter] of [
    [east, 'source'],
    [west, 'destination'],
  ] as const)
    await eventuallyCounted(meter, parties, { [`istio_tcp_connections_opened_total{${between(reporter)}}`]: 1 })
  expect(read(east.meter, parties).get(`istio_tcp_connections_closed_total{${between('source')}}`)).toBe(undefined)
  socket.end()

  for (const [{ meter }, reporter] of [
    [east, 'source'],
    [west, 'destination'],
  ] as const) {
    await eventuallyCounted(meter, [...parties, 'request_protocol'], {
      [`istio_requests_total{${between(reporter)} http}`]: 3,
      [`istio_requests_total{${between(reporter)} grpc}`]: 1,
      [`istio_request_messages_total{${between(reporter)} grpc}`]: 3,
      [`istio_response_messages_total{${between(reporter)} grpc}`]: 4,
      [`istio_tcp_connections_opened_total{${between(reporter)} tcp}`]: 1,
      [`istio_tcp_connections_closed_total{${between(reporter)} tcp}`]: 1,
      [`istio_tcp_sent_bytes_total{${between(reporter)} tcp}`]: 5,
      [`istio_tcp_received_bytes_total{${between(reporter)} tcp}`]: 5,
      [`istio_request_duration_milliseconds_count{${between(reporter)} http}`]: 3,
      [`istio_request_bytes_count{${between(reporter)} http}`]: 3,
    })
  }
  const account = toSpiffeId(domain, { namespace: 'default', serviceAccount: 'default' })
  const called = [
    'destination_service',
    'destination_service_name',
    'destination_service_namespace',
    'response_code',
    'response_flags',
    'connection_security_policy',
  ]
  await eventuallyCounted(east.meter, called, {
    'istio_requests_total{reviews.default.svc.cluster.local reviews default 200 - unknown}': 3,
    'istio_requests_total{reviews.default.svc.cluster.local reviews default 404 - unknown}': 1,
    'istio_requests_total{nowhere.default.svc.cluster.local nowhere default 503 UH unknown}': 1,
  })
  await eventuallyCounted(west.meter, called, {
    'istio_requests_total{reviews.default.svc.cluster.local reviews default 200 - mutual_tls}': 3,
  })
  await eventuallyCounted(west.meter, ['source_principal', 'destination_principal', 'grpc_response_status'], {
    [`istio_requests_total{${account} ${account} 0}`]: 1,
    [`istio_response_messages_total{${account} ${account} 0}`]: 4,
  })
  // What the gateway passes on is counted at both ends of it.
  expect([...read(west.meter, ['reporter']).keys()].filter((key) => key.includes('{source}'))).toEqual([])
})

test('Telemetry objects add labels, take labels away and switch metrics off', async () => {
  const app = new ScriptedApp('reviews')
  const port = await theatre.listen(app.server)
  const grpc = await theatre.listen(grpcEcho())
  const { meter, methods, attach } = createMeter(theatre)
  const stage = await theatre.start(
    `
about: ''
services:
  - host: reviews
    ports: [http:80, grpc:82]
    endpoints: {server-1: {address: 127.0.0.1, tls: none, ports: {http: ${port}, grpc: ${grpc}}}}
workloads:
  client-1: {address: ${clientAddress}}
config:
  - apiVersion: telemetry.istio.io/v1
    kind: Telemetry
    metadata: {name: default, namespace: default}
    spec:
      metrics:
        - providers: [{name: prometheus}]
          overrides:
            - match: {mode: CLIENT}
              tagOverrides:
                request_host: {value: request.host}
                destination-port: {value: string(destination.port)}
                response_flags: {operation: REMOVE}
                response_code: {value: "response.code >= 500 ? '5xx' : 'other'"}
            - match: {metric: REQUEST_SIZE}
              disabled: true
            - match: {metric: GRPC_RESPONSE_MESSAGES}
              disabled: true
      accessLogging:
        - disabled: true
proxies: [sidecar/default/client-1]
`,
    { methods },
  )
  attach(stage)
  for (const answer of ['200', '404', '503']) await get('http://reviews/', { 'x-answers': answer, 'x-id': answer })
  await eventuallyCounted(meter, ['request_host', 'response_flags', 'response_code', 'destination_service_name'], {
    'istio_requests_total{reviews other reviews}': 2,
    'istio_requests_total{reviews 5xx reviews}': 1,
    'istio_response_bytes_count{reviews other reviews}': 2,
  })
  await callGrpc(clientAddress, proxyPort, 'reviews:82', 3)
  await eventuallyCounted(meter, ['request_host', 'response_flags', 'response_code', 'grpc_response_status'], {
    'istio_request_messages_total{reviews:82 other 0}': 3,
  })
  expect(read(meter, ['destination_port', 'response_flags']).get(`istio_requests_total{${proxyPort}}`)).toBe(4)
  const names = [...read(meter, ['reporter']).keys()]
  expect(names.filter((name) => /istio_(request_bytes|response_messages)/.test(name))).toEqual([])
})

/** Says the messages of a call back, as gRPC, after one of its own. */
const grpcEcho = () => {
  const server = createHttp2Server()
  server.on('stream', (stream: ServerHttp2Stream) => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
    stream.write(Buffer.alloc(5))
    stream.pipe(stream)
  })
  return server
}

const callGrpc = async (host: string, port: number, authority: string, messages: number): Promise<void> => {
  const session = connectHttp2(`http://${host}:${port}`)
  theatre.onClear(() => session.destroy())
  const stream = session.request({
    ':method': 'POST',
    ':path': '/shop.Reviews/List',
    ':authority': authority,
    'content-type': 'application/grpc',
    te: 'trailers',
  })
  for (let index = 0; index < messages; index++) stream.write(Buffer.from([0, 0, 0, 0, 2, 8, index]))
  stream.end()
  stream.resume()
  await new Promise((resolve, reject) => stream.on('close', resolve).on('error', reject))
  session.close()
}
