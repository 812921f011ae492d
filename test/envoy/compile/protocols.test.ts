import { once } from 'node:events'
import { createServer as createHttp2Server } from 'node:http2'
import { createServer } from 'node:net'
import { Client, credentials, Server, ServerCredentials, type handleBidiStreamingCall } from '@grpc/grpc-js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { clientAddress, get, getEcho, serverAddress, Theatre } from './theatre.ts'

let theatre: Theatre

interface Ports {
  readonly http: number
  readonly h2c: number
  readonly grpc: number
  readonly greeter: number
  readonly near: number
  readonly far: number
}

const there = '{address: 127.0.0.1, tls: none'
const toServices = ({ near, far }: Ports) =>
  ['near', 'node', 'anywhere']
    .map((host) => {
      const fields = {
        near: '{trafficDistribution: PreferSameZone}',
        node: '{trafficDistribution: PreferSameNode}',
        anywhere: '{}',
      }[host]
      return `
  - host: ${host}
    ports: [http:80]
    fields: ${fields}
    endpoints:
      a: ${there}, locality: eu/a, ports: {http: ${near}}}
      b: ${there}, locality: eu/b, ports: {http: ${far}}}`
    })
    .join('')

const scene = (ports: Ports) => `
about: ''
services:
  - host: zoo
    ports: ['h:80:http', 'other:81:http', 'h2:82:http2', 'grpc:83', 'web:84:grpc-web', 'greeter:85:tcp', 'any:86:auto']
    endpoints:
      server-1:
        address: ${serverAddress}
        ports: {h: 9000, other: 9000, h2: 9002, grpc: 9003, web: 9004, greeter: 9005, any: 9006}${toServices(ports)}
workloads:
  client-1: {address: ${clientAddress}, locality: eu/a, labels: {app: client}}
  server-1: {address: ${serverAddress}}
config:
  - apiVersion: networking.istio.io/v1
    kind: Sidecar
    metadata: {name: client, namespace: default}
    spec:
      workloadSelector: {labels: {app: client}}
      egress:
        - {port: {number: 83, protocol: GRPC, name: grpc}, hosts: [./zoo.default.svc.cluster.local]}
        - {port: {number: 85, protocol: TCP, name: tcp}, hosts: [./zoo.default.svc.cluster.local]}
        - {hosts: ['./*']}
  - apiVersion: networking.istio.io/v1
    kind: Sidecar
    metadata: {name: server, namespace: default}
    spec:
      ingress:
        - {port: {number: 9000, protocol: HTTP, name: http}, defaultEndpoint: '127.0.0.1:${ports.http}'}
        - {port: {number: 9002, protocol: HTTP2, name: h2}, defaultEndpoint: '127.0.0.1:${ports.h2c}'}
        - {port: {number: 9003, protocol: GRPC, name: grpc}, defaultEndpoint: '127.0.0.1:${ports.grpc}'}
        - {port: {number: 9004, protocol: GRPC-WEB, name: web}, defaultEndpoint: '127.0.0.1:${ports.h2c}'}
        - {port: {number: 9005, protocol: TCP, name: tcp}, defaultEndpoint: '127.0.0.1:${ports.greeter}'}
        - {port: {number: 9006, name: any}, defaultEndpoint: '127.0.0.1:${ports.http}'}
proxies: [sidecar/default/client-1, sidecar/default/server-1]
`

const toText = (bytes: Buffer) => bytes.toString()
const toBytes = (text: string) => Buffer.from(text)

/** Of Echo service: what it is sent in capitals, one by one. */
const method = (name: string, isStream: boolean) => ({
  path: `/test.Echo/${name}`,
  requestStream: isStream,
  responseStream: isStream,
  requestSerialize: toBytes,
  requestDeserialize: toText,
  responseSerialize: toBytes,
  responseDeserialize: toText,
})
const methods = { once: method('Once', false), often: method('Often', true) }

const startGrpc = async (): Promise<number> => {
  const server = new Server()
  const often: handleBidiStreamingCall<string, string> = (call) => {
    call.on('data', (text: string) => call.write(text.toUpperCase()))
    call.on('end', () => call.end())
  }
  server.addService(methods, {
    once: (call: { request: string }, reply: (error: null, text: string) => void) =>
      reply(null, call.request.toUpperCase()),
    often,
  })
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  )
  theatre.onClear(() => server.forceShutdown())
  return port
}

beforeAll(async () => {
  theatre = await Theatre.open()
  const h2c = createHttp2Server((request, response) => {
    response.setHeader('content-type', request.headers['content-type'] ?? 'text/plain')
    response.end(`HTTP/${request.httpVersion}`)
  })
  await theatre.start(
    scene({
      http: (await theatre.startApp('zoo')).port,
      h2c: await theatre.listen(h2c),
      grpc: await startGrpc(),
      greeter: await theatre.listen(createServer((socket) => void socket.write('welcome'))),
      near: (await theatre.startApp('near')).port,
      far: (await theatre.startApp('far')).port,
    }),
  )
})
afterAll(() => theatre.clear())

test.each([80, 81, 86])('HTTP/1.1 gets to port %i, over mTLS', async (port) => {
  expect(await getEcho(`http://zoo:${port}/`)).toMatchObject({
    app: 'zoo',
    caller: 'spiffe://td.example/ns/default/sa/default',
  })
})

test('HTTP/1.1 becomes HTTP/2 where the port is HTTP/2', async () => {
  expect(await get('http://zoo:82/')).toMatchObject({ status: 200, body: 'HTTP/2.0' })
})

test('gRPC-Web is passed on as it is, over HTTP/2', async () => {
  const headers = { 'content-type': 'application/grpc-web+proto' }
  expect(await get('http://zoo:84/', headers)).toMatchObject({ status: 200, body: 'HTTP/2.0', headers })
})

describe('gRPC', () => {
  const dial = () => {
    const client = new Client(`${clientAddress}:83`, credentials.createInsecure(), {
      'grpc.default_authority': 'zoo:83',
    })
    theatre.onClear(() => client.close())
    return client
  }

  test('gets an answer', async () => {
    const { path, requestSerialize, responseDeserialize } = methods.once
    const answer = await new Promise((resolve, reject) =>
      dial().makeUnaryRequest(path, requestSerialize, responseDeserialize, 'hello', (error, text) =>
        error ? reject(error) : resolve(text),
      ),
    )
    expect(answer).toBe('HELLO')
  })

  test('streams both ways at once', async () => {
    const { path, requestSerialize, responseDeserialize } = methods.often
    const call = dial().makeBidiStreamRequest(path, requestSerialize, responseDeserialize)
    for (const text of ['one', 'two', 'three']) {
      call.write(text)
      expect(await once(call, 'data')).toEqual([text.toUpperCase()])
    }
    call.end()
    call.resume()
    expect(await once(call, 'status')).toMatchObject([{ code: 0 }])
  })
})

test('the server of a TCP port may speak first', async () => {
  const socket = await theatre.dial(clientAddress, 85)
  expect(String((await once(socket, 'data'))[0])).toBe('welcome')
})

test.each([
  ['near', ['near']],
  ['node', ['near']],
  ['anywhere', ['far', 'near']],
])('clients of %s go to %j, as its Service distributes traffic', async (host, expected) => {
  const apps = new Set<string>()
  for (let index = 0; index < 16; index++) apps.add((await getEcho(`http://${host}/`)).app)
  expect([...apps].toSorted()).toEqual(expected)
})
