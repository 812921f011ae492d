import { createServer, type ServerResponse } from 'node:http'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually } from '#test/harness/child.ts'
import { clientAddress, get, getEcho, serverAddress, Theatre } from './theatre.ts'

let theatre: Theatre

const scene = (ports: { readonly slow: number; readonly proxy: number }) => `
about: ''
services:
  - host: slow
    ports: ['a:80:http', 'b:81:http']
    endpoints: {server-1: {address: ${serverAddress}, ports: {a: 9000, b: 9001}}}
  - {host: egress.example, ports: ['http:3128'], endpoints: {p: {address: 127.0.0.1, ports: {http: ${ports.proxy}}, tls: none}}}
  - {host: elsewhere, namespace: prod, ports: [http:80], endpoints: {p: {address: 127.0.0.1, ports: {http: 1}, tls: none}}}
workloads:
  client-1: {address: ${clientAddress}, labels: {app: client}}
  server-1: {address: ${serverAddress}, labels: {app: server}}
config:
  - apiVersion: networking.istio.io/v1
    kind: Sidecar
    metadata: {name: client, namespace: default}
    spec:
      workloadSelector: {labels: {app: client}}
      egress: [{hosts: ['./*']}]
      outboundTrafficPolicy: {mode: ALLOW_ANY, egressProxy: {host: egress.example, port: {number: 3128}}}
  - apiVersion: networking.istio.io/v1
    kind: Sidecar
    metadata: {name: server, namespace: default}
    spec:
      workloadSelector: {labels: {app: server}}
      inboundConnectionPool: {tcp: {maxConnections: 2}, http: {http1MaxPendingRequests: 1}}
      ingress:
        - port: {number: 9000, protocol: HTTP, name: a}
          defaultEndpoint: '127.0.0.1:${ports.slow}'
          connectionPool: {tcp: {maxConnections: 1}, http: {http1MaxPendingRequests: 1}}
        - {port: {number: 9001, protocol: HTTP, name: b}, captureMode: IPTABLES, defaultEndpoint: '127.0.0.1:${ports.slow}'}
proxies: [sidecar/default/client-1, sidecar/default/server-1]
`

/** Requests that the application has not answered. */
const waiting: ServerResponse[] = []

beforeAll(async () => {
  theatre = await Theatre.open()
  const slow = await theatre.listen(createServer((_, response) => void waiting.push(response)))
  const proxy = await theatre.startApp('egress proxy')
  await theatre.start(scene({ slow, proxy: proxy.port }))
})
afterAll(() => theatre.clear())

test.each([
  ['of its port', 80, 1],
  ['of all ports', 81, 2],
])('a sidecar lets as many requests to its application as the pool %s has', async (_, port, connections) => {
  const open = Promise.all(
    Array.from({ length: connections }, async (__, index) => {
      await eventually('the one before is there', () => waiting.length === index)
      return get(`http://slow:${port}/`)
    }),
  )
  await eventually('all connections are in use', () => waiting.length === connections)

  const statuses: number[] = []
  const others = Array.from({ length: 4 }, async () => {
    statuses.push((await get(`http://slow:${port}/`)).status)
  })
  await eventually('one waits for a connection, the others are turned away', () => statuses.length === 3)
  expect(statuses).toEqual([503, 503, 503])
  for (const response of waiting.splice(0)) response.end()
  await eventually('the one that waited is there', () => waiting.length === 1)
  for (const response of waiting.splice(0)) response.end()
  await Promise.all(others)
  expect((await open).map(({ status }) => status)).toEqual(Array<number>(connections).fill(200))
  expect(statuses).toEqual([503, 503, 503, 200])
})

test.each(['unknown.example', 'elsewhere.prod'])('the egress proxy is sent what is for %s', async (host) => {
  expect(await getEcho(`http://${host}/a`)).toMatchObject({ app: 'egress proxy', path: '/a', headers: { host } })
})
