import { createServer } from 'node:net'
import { createServer as createTlsServer, connect as connectTls } from 'node:tls'
import { once } from 'node:events'
import { afterEach, beforeAll, expect, test } from 'vitest'
import { issueLeaf, toAgentNames } from '#agent/identity/issue-leaf.ts'
import { domain, east } from '#test/agent/test-pki.ts'
import type { Echo } from '#test/harness/echo-app.ts'
import { requestThroughProxy } from '#test/harness/proxy-request.ts'
import { ask, clientAddress, get, serverAddress, Theatre } from './theatre.ts'

let theatre: Theatre
beforeAll(async () => {
  theatre = await Theatre.open()
})
afterEach(() => theatre.clear())

/** The client's Sidecar opens a port for each protocol; the server's leads port 9000 to where its application is. */
const scene = (ports: { readonly http: number; readonly tcp: number; readonly tls: number }) => `
about: ''
settings: {inboundMtls: permissive}
services:
  - host: reviews
    ports: [http:9080, auto:7000]
    endpoints: {server-1: {address: ${serverAddress}, ports: {http: 9000, auto: 9001}}}
  - {host: elsewhere, ports: [http:9080], endpoints: {a: {address: 127.0.0.1, ports: {http: ${ports.http}}, tls: none}}}
  - {host: db, ports: [tcp:5432], endpoints: {server-1: {address: ${serverAddress}, ports: {tcp: 9002}}}}
  - {host: secure.example, ports: [tls:8443], endpoints: {server-1: {address: ${serverAddress}, ports: {tls: 9003}}}}
workloads:
  client-1: {address: ${clientAddress}, labels: {app: client}}
  server-1: {address: ${serverAddress}}
config:
  - apiVersion: networking.istio.io/v1
    kind: Sidecar
    metadata: {name: client, namespace: default}
    spec:
      workloadSelector: {labels: {app: client}}
      egress:
        - {port: {number: 9080, protocol: HTTP, name: http}, hosts: [./reviews.default.svc.cluster.local]}
        - {port: {number: 7000, name: any}, hosts: [./reviews.default.svc.cluster.local]}
        - {port: {number: 5432, protocol: TCP, name: tcp}, hosts: [./db.default.svc.cluster.local]}
        - {port: {number: 8443, protocol: TLS, name: tls}, hosts: [./secure.example]}
  - apiVersion: networking.istio.io/v1
    kind: Sidecar
    metadata: {name: others, namespace: default}
    spec:
      ingress:
        - {port: {number: 9000, protocol: HTTP, name: http}, defaultEndpoint: '127.0.0.1:${ports.http}'}
        - {port: {number: 9001, name: any}, defaultEndpoint: '127.0.0.1:${ports.http}'}
        - {port: {number: 9002, protocol: TCP, name: tcp}, defaultEndpoint: '127.0.0.1:${ports.tcp}'}
        - {port: {number: 9003, protocol: TLS, name: tls}, defaultEndpoint: '127.0.0.1:${ports.tls}'}
      egress: [{hosts: ['./*']}]
proxies: [sidecar/default/client-1, sidecar/default/server-1]
`

test('each listener of a Sidecar leads to its hosts, and its ingress to where the application is', async () => {
  const app = await theatre.startApp('reviews')
  const tcp = await theatre.listen(createServer((socket) => socket.pipe(socket)))
  const { chainPem, privateKeyPem } = await issueLeaf(theatre.east.intermediate, toAgentNames(east, domain), Date.now())
  const tls = await theatre.listen(
    createTlsServer({ cert: chainPem, key: privateKeyPem }, (socket) => socket.end('secret').on('error', () => {})),
  )
  await theatre.start(scene({ http: app.port, tcp, tls }))

  const listenerAt = (port: number) => ({ host: clientAddress, port })
  const caller = 'spiffe://td.example/ns/default/sa/default'
  for (const port of [9080, 7000]) {
    const { body } = await requestThroughProxy(listenerAt(port), 'http://reviews/x')
    expect(JSON.parse(body) as Echo).toMatchObject({ app: 'reviews', path: '/x', caller })
  }
  expect(await requestThroughProxy(listenerAt(9080), 'http://elsewhere/')).toMatchObject({
    status: 502,
  })
  expect(await get('http://elsewhere:9080/')).toMatchObject({ status: 503 })
  expect(await ask(await theatre.dial(clientAddress, 5432), 'hello')).toBe('hello')
  expect(await ask(await theatre.dial(clientAddress, 7000), 'GET /raw HTTP/1.1\r\nhost: reviews\r\n\r\n')).toContain(
    '/raw',
  )

  // The application's own TLS: inside of mTLS from the sidecar, and plain to a permissive listener.
  for (const [host, port] of [
    [clientAddress, 8443],
    [serverAddress, 9003],
  ] as const) {
    const socket = connectTls({ host, port, servername: 'secure.example', rejectUnauthorized: false })
    const [data] = (await once(socket, 'data')) as [Buffer]
    expect(data.toString()).toBe('secret')
    socket.destroy()
  }
})
