import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { toLogsMethod } from '#agent/telemetry/records/logs-method.ts'
import { readLogExport } from '#agent/telemetry/records/read-log-export.ts'
import type { ViewChange } from '#mesh/view.ts'
import { eventually } from '#test/harness/child.ts'
import { requestThroughProxy } from '#test/harness/proxy-request.ts'
import { makeObject } from '#test/mesh/records.ts'
import { LogServer } from './log-server.ts'
import type { Stage } from './stage.ts'
import { ask, clientAddress, get, proxyPort, serverAddress, stageNetwork, Theatre } from './theatre.ts'

const gateway = { host: `${stageNetwork}.73`, port: 18091, tlsPort: 18092 }
const quietAddress = `${stageNetwork}.74`
const lateAddress = `${stageNetwork}.75`

let theatre: Theatre
let stage: Stage
let folder: string
let server: LogServer
let ports: { readonly http: number; readonly tcp: number }
/** What proxies have told the agent: "<workload> <record>". */
const records: string[] = []

const telemetry = (name: string, app: string, accessLogging: readonly object[]): ViewChange => ({
  kind: 'config',
  origin: 'mesh',
  key: `Telemetry/default/${name}`,
  value: makeObject('Telemetry', name, { selector: { matchLabels: { app } }, accessLogging }),
})

beforeAll(async () => {
  theatre = await Theatre.open()
  folder = await mkdtemp(join(tmpdir(), 'atoll-logs-'))
  server = await LogServer.start()
  theatre.onClear(() => server.stop())
  theatre.onClear(() => rm(folder, { recursive: true, force: true }))
  const app = await theatre.startApp('reviews')
  const echo = createServer((socket) => socket.on('error', () => {}).pipe(socket))
  ports = { http: app.port, tcp: await theatre.listen(echo) }
  const text = '%REQ(:PATH)% %RESPONSE_CODE% %RESPONSE_FLAGS% %UPSTREAM_CLUSTER_RAW%'
  const labels =
    '{path: "%REQ_WITHOUT_QUERY(:PATH)%", code: "%RESPONSE_CODE%", in: {none: "%REQ(X-NONE)%", to: "%UPSTREAM_CLUSTER_RAW%"}}'
  stage = await theatre.start(
    `
about: ''
settings:
  meshConfig:
    extensionProviders:
      - {name: text, envoyFileAccessLog: {path: ${folder}/text, logFormat: {text: '${text}'}}}
      - {name: edge, envoyFileAccessLog: {path: ${folder}/edge, logFormat: {text: '${text}'}}}
      - {name: quiet, envoyFileAccessLog: {path: ${folder}/quiet, logFormat: {text: '${text}'}}}
      - {name: nowhere, envoyFileAccessLog: {path: ${folder}/nowhere/log, logFormat: {text: '${text}'}}}
      - {name: json, envoyFileAccessLog: {path: ${folder}/json, omitEmptyValues: true, logFormat: {labels: ${labels}}}}
      - {name: otlp, envoyOtelAls: {service: logs.example, port: 4317, logFormat: {text: 'told of %REQ(:PATH)%', labels: {code: '%RESPONSE_CODE%', more: {method: '%REQ(:METHOD)%'}}}}}
      - {name: http, envoyHttpAls: {service: obs/als.example, port: 9001, additionalRequestHeadersToLog: [x-user]}}
      - {name: tcp, envoyTcpAls: {service: als.example, port: 9001, logName: connections}}
services:
  - host: reviews
    ports: [http:80, tcp:81]
    endpoints: {server-1: {address: ${serverAddress}, ports: {http: ${ports.http}, tcp: ${ports.tcp}}}}
  - {host: als.example, namespace: obs, ports: [grpc:9001], fields: {location: mesh-external}, endpoints: {a: {address: 127.0.0.1, ports: {grpc: ${server.port}}, tls: none}}}
  - {host: logs.example, ports: [grpc:4317], fields: {location: mesh-external}, endpoints: {a: {address: 127.0.0.1, ports: {grpc: ${server.port}}, tls: none}}}
workloads:
  client-1: {address: ${clientAddress}, labels: {app: client}}
  quiet-1: {address: ${quietAddress}, labels: {app: quiet}}
  late-1: {address: ${lateAddress}, labels: {app: quiet}}
  server-1: {address: ${serverAddress}, labels: {app: reviews}}
  gateway-1: {address: ${gateway.host}, labels: {istio: ingressgateway, app: edge}}
config:
  - apiVersion: networking.istio.io/v1
    kind: Sidecar
    metadata: {name: default, namespace: default}
    spec: {egress: [{port: {number: 81, protocol: TCP, name: tcp}, hosts: [./reviews.default.svc.cluster.local]}, {hosts: [./reviews.default.svc.cluster.local]}]}
  - apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: front, namespace: default}
    spec: {selector: {istio: ingressgateway}, servers: [{port: {number: ${gateway.port}, name: http, protocol: HTTP}, hosts: [front.example]}, {port: {number: ${gateway.tlsPort}, name: tls, protocol: TLS}, tls: {mode: PASSTHROUGH}, hosts: [front.example]}]}
  - apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: front, namespace: default}
    spec: {hosts: [front.example], gateways: [front], http: [{route: [{destination: {host: reviews, port: {number: 80}}}]}], tls: [{match: [{sniHosts: [front.example]}], route: [{destination: {host: reviews, port: {number: 81}}}]}]}
  - apiVersion: telemetry.istio.io/v1
    kind: Telemetry
    metadata: {name: reviews, namespace: default}
    spec:
      selector: {matchLabels: {app: reviews}}
      accessLogging:
        - {match: {mode: SERVER}, providers: [{name: text}]}
        - {match: {mode: SERVER}, providers: [{name: json}], filter: {expression: 'request.url_path.lowerAscii().startsWith("/bad") && string(response.code) == "200"'}}
  - apiVersion: telemetry.istio.io/v1
    kind: Telemetry
    metadata: {name: client, namespace: default}
    spec:
      selector: {matchLabels: {app: client}}
      accessLogging:
        - {match: {mode: CLIENT}, providers: [{name: otlp}, {name: http}, {name: tcp}]}
        - {providers: [{name: atoll}], filter: {expression: 'request.url_path.startsWith("/bad")'}}
  - apiVersion: telemetry.istio.io/v1
    kind: Telemetry
    metadata: {name: edge, namespace: default}
    spec: {selector: {matchLabels: {app: edge}}, accessLogging: [{match: {mode: CLIENT}, providers: [{name: edge}]}]}
  - apiVersion: telemetry.istio.io/v1
    kind: Telemetry
    metadata: {name: quiet, namespace: default}
    spec: {selector: {matchLabels: {app: quiet}}, accessLogging: [{providers: [{name: quiet}]}, {disabled: true}]}
proxies: [sidecar/default/client-1, sidecar/default/quiet-1, sidecar/default/server-1, gateway/default/gateway-1]
`,
    {
      methods: [
        toLogsMethod(({ proxy }, bytes) => {
          for (const { body } of readLogExport(bytes)) records.push(`${proxy.workload} ${body}`)
        }),
      ],
    },
  )
})
afterAll(() => theatre.clear())

const read = (name: string) => readFile(join(folder, name), 'utf8').catch(() => '')
const linesOf = async (name: string, part: string): Promise<readonly string[]> =>
  (await read(name)).split('\n').filter((line) => line.includes(part))

/** The first that is told with this in it. */
const untilTold = (told: () => readonly string[] | Promise<readonly string[]>, part: string): Promise<string> =>
  eventually(`${part} is told`, async () => (await told()).find((text) => text.includes(part)))
const untilLine = (name: string, part: string) => untilTold(() => linesOf(name, part), part)

const callGateway = (path: string) => requestThroughProxy(gateway, `http://front.example${path}`)
const callQuietly = (path: string) =>
  requestThroughProxy({ host: quietAddress, port: proxyPort }, `http://reviews${path}`)

describe('access logs by Telemetry', () => {
  test('are lines of text, of the side that is called alone', async () => {
    await get('http://reviews/text?a=b')
    expect(await untilLine('text', '/text')).toBe(`/text?a=b 200 - inbound|${ports.http}||`)
    expect(await linesOf('text', 'outbound')).toEqual([])
  })

  test('are objects of JSON without what is not known, of what a filter takes', async () => {
    for (const path of ['/good', '/BAD/json?a=b', '/good/too']) await get(`http://reviews${path}`)
    expect(JSON.parse(await untilLine('json', '/json'))).toEqual({
      path: '/BAD/json',
      code: 200,
      in: { to: `inbound|${ports.http}||` },
    })
    await untilLine('text', '/good/too')
    await get('http://reviews/bad/after')
    await untilLine('json', '/bad/after')
    expect(await linesOf('json', 'good')).toEqual([])
  })

  test('are of connections that no filter chain takes', async () => {
    const socket = connectTls({ host: gateway.host, port: gateway.tlsPort, servername: 'other.example' })
    socket.on('error', () => {}) // it is closed
    expect(await untilLine('edge', 'NR')).toBe('- 0 NR -')
  })

  test('are of what a gateway passes on', async () => {
    expect((await callGateway('/entered')).status).toBe(200)
    expect(await untilLine('edge', '/entered')).toBe('/entered 200 - outbound|80||reviews.default.svc.cluster.local')
  })

  test('are told to a server of OTLP that the Sidecar object leaves out', async () => {
    await get('http://reviews/otlp')
    const told = await untilTold(() => server.otlp, '/otlp')
    expect(told).toContain('"body":{"stringValue":"told of /otlp"}')
    expect(told).toContain('{"key":"code","value":{"stringValue":"200"}}')
    expect(told).toContain('{"key":"method","value":{"stringValue":"GET"}}')
  })

  test('are told to a server of Envoy’s protocol: of HTTP with headers, and of TCP', async () => {
    await get('http://reviews/als', { 'x-user': 'ann' })
    const socket = await theatre.dial(clientAddress, 81)
    expect(await ask(socket, 'hello')).toBe('hello')
    socket.destroy()
    const http = await untilTold(() => server.streams, '/als')
    expect(http).toContain('"x-user":"ann"')
    // A stream says its name once.
    await untilTold(() => server.streams, '"logName":"http_envoy_accesslog"')
    const tcp = await untilTold(() => server.streams, '"logName":"connections"')
    expect(tcp).toContain('"upstreamCluster":"outbound|81||reviews.default.svc.cluster.local"')
    expect(tcp).toContain('"receivedBytes":"5"')
    expect(server.streams.filter((message) => message.includes('connections') && message.includes('/als'))).toEqual([])
  })

  test('of the mesh itself are of what a filter takes, where the provider atoll has one', async () => {
    for (const path of ['/good/own', '/bad/own']) await get(`http://reviews${path}`)
    await untilTold(() => records.filter((record) => record.startsWith('client-1')), '/bad/own')
    await untilTold(() => records.filter((record) => record.startsWith('server-1')), '/good/own')
    expect(records.filter((record) => record.startsWith('client-1') && record.includes('/good'))).toEqual([])
  })

  test('that are disabled are told to nobody, the mesh among them, until they are not', async () => {
    expect((await callQuietly('/silent')).status).toBe(200)
    await untilTold(() => records.filter((record) => record.startsWith('server-1')), '/silent')
    expect(await stage.change(telemetry('quiet', 'quiet', [{ providers: [{ name: 'quiet' }] }]))).toEqual([])
    await eventually('the quiet one tells', async () => {
      await callQuietly('/loud')
      return (await linesOf('quiet', '/loud')).length > 0
    })
    await untilTold(() => records.filter((record) => record.startsWith('quiet-1')), '/loud')
    expect(await linesOf('quiet', '/silent')).toEqual([])
    expect(records.filter((record) => record.startsWith('quiet-1') && record.includes('/silent'))).toEqual([])
  })

  test('to a file that can not be opened are left out alone: the proxy listens, and the object that names it is told', async () => {
    const named = [{ providers: [{ name: 'quiet' }, { name: 'nowhere' }] }]
    expect((await stage.change(telemetry('quiet', 'quiet', named))).join()).toContain('/nowhere/log')
    const blamed = await eventually('somebody is blamed', () => {
      const found = stage.blamed()
      return found.length > 0 && found
    })
    expect(new Set(blamed.map(({ object }) => object))).toEqual(new Set(['Telemetry/default/quiet']))
    expect(blamed[0]?.message).toContain('/nowhere/log')
    expect((await callQuietly('/left')).status).toBe(200)
    await untilLine('quiet', '/left')

    await stage.add({ role: 'sidecar', namespace: 'default', serviceAccount: 'default', workload: 'late-1' })
    const callLately = () => requestThroughProxy({ host: lateAddress, port: proxyPort }, 'http://reviews/late')
    await eventually('a new one listens, too', () =>
      callLately().then(
        ({ status }) => status === 200,
        () => false,
      ),
    )
    await untilLine('quiet', '/late')

    expect(await stage.change(telemetry('quiet', 'quiet', []))).toEqual([])
    expect(stage.blamed()).toEqual([])
  })
})
