import { createServer } from 'node:net'
import { connect as connectTls, createServer as createTlsServer } from 'node:tls'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { issueLeaf, toAgentNames } from '#agent/identity/issue-leaf.ts'
import { domain, east } from '#test/agent/test-pki.ts'
import { clientAddress, exchange, stageNetwork, Theatre } from './theatre.ts'

let theatre: Theatre
const otherBind = `${stageNetwork}.9`

/** Each server says its name and closes. */
const toServices = (ports: Readonly<Record<string, number>>) =>
  Object.entries(ports)
    .map(
      ([name, port]) =>
        `  - {host: ${name}, ports: ['p:1:tcp'], endpoints: {${name}: {address: 127.0.0.1, ports: {p: ${port}}, tls: none}}}`,
    )
    .join('\n')

const to = (host: string, weight = 1) => `{destination: {host: ${host}, port: {number: 1}}, weight: ${weight}}`

const scene = (ports: Readonly<Record<string, number>>) => `
about: ''
services:
${toServices(ports)}
  - {host: '*.shop.example', ports: ['tls:8443'], fields: {location: mesh-external}}
  - {host: plain.example, ports: ['https:8443'], endpoints: {a: {address: 127.0.0.1, ports: {https: ${ports.blue}}, tls: none}}}
  - host: db
    ports: ['a:5432:tcp', 'b:5433:tcp', 'c:5434:tcp']
    endpoints: {a: {address: 127.0.0.1, ports: {a: ${ports.own}, b: ${ports.own}, c: ${ports.own}}, tls: none}}
workloads:
  client-1: {address: ${clientAddress}, labels: {app: client}}
config:
  - apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: default}
    spec:
      hosts: ['*.shop.example']
      tls:
        - match:
            - {sniHosts: [away.shop.example], port: 9443}
            - {sniHosts: [away.shop.example], sourceNamespace: elsewhere}
            - {sniHosts: [away.shop.example], sourceLabels: {app: other}}
            - {sniHosts: [away.shop.example], destinationSubnets: [10.0.0.0/8]}
            - {sniHosts: [Blue.shop.example], port: 8443, sourceNamespace: default, sourceLabels: {app: client}}
          route: [${to('blue')}]
        - {match: [{sniHosts: ['*.shop.example']}], route: [${to('green')}, ${to('blue', 0)}]}
        - {match: [{sniHosts: [blue.shop.example]}], route: [${to('green')}]}
        - {match: [{sniHosts: [late.shop.example]}], route: [${to('blue')}]}
        - {match: [{sniHosts: ['*.both.shop.example']}], route: [${to('green')}, ${to('blue')}]}
  - apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: db, namespace: default}
    spec:
      hosts: [db]
      tcp:
        - {match: [{port: 5432, sourceLabels: {app: other}}], route: [${to('one')}]}
        - {match: [{port: 5433, sourceLabels: {app: client}}], route: [${to('one')}]}
        - {match: [{sourceNamespace: elsewhere}, {gateways: [mesh], port: 9}], route: [${to('one')}]}
        - {match: [{destinationSubnets: [127.0.79.0/24, '::1']}], route: [${to('one')}]}
        - {match: [{destinationSubnets: [127.0.0.0/8], port: 5434}], route: [${to('one')}]}
        - {match: [{destinationSubnets: [${otherBind}]}], route: [${to('two')}]}
  - apiVersion: networking.istio.io/v1
    kind: Sidecar
    metadata: {name: client, namespace: default}
    spec:
      egress:
        - {port: {number: 8443, protocol: TLS, name: tls}, hosts: ['./*.shop.example', './plain.example']}
        - {port: {number: 5432, protocol: TCP, name: a}, hosts: [./db.default.svc.cluster.local]}
        - {port: {number: 5433, protocol: TCP, name: b}, hosts: [./db.default.svc.cluster.local]}
        - {port: {number: 5434, protocol: TCP, name: c}, bind: ${otherBind}, hosts: [./db.default.svc.cluster.local]}
        - {hosts: ['./*']}
proxies: [sidecar/default/client-1]
`

beforeAll(async () => {
  theatre = await Theatre.open()
  const { chainPem, privateKeyPem } = await issueLeaf(theatre.east.intermediate, toAgentNames(east, domain), Date.now())
  const startTls = (name: string) =>
    theatre.listen(createTlsServer({ cert: chainPem, key: privateKeyPem }, (socket) => void socket.end(name)))
  const startTcp = (name: string) =>
    theatre.listen(createServer((socket) => void socket.once('data', () => socket.end(name))))
  await theatre.start(
    scene({
      blue: await startTls('blue'),
      green: await startTls('green'),
      own: await startTcp('own'),
      one: await startTcp('one'),
      two: await startTcp('two'),
    }),
  )
})
afterAll(() => theatre.clear())

/** What the server says that TLS for this host gets to; "" when it is closed. */
const callTls = (servername: string): Promise<string> => {
  const socket = connectTls({ host: clientAddress, port: 8443, servername, rejectUnauthorized: false })
  socket.on('error', () => {}) // closed before any TLS
  return exchange(socket, '')
}

test.each([
  ['blue.shop.example', 'blue', 'the closest host counts, and of equals the first'],
  ['red.shop.example', 'green', 'by wildcard'],
  ['late.shop.example', 'blue', 'by name, after a wildcard'],
  ['a.b.shop.example', 'green', 'by wildcard, of any depth'],
  ['plain.example', 'blue', 'without routes to the service of that name'],
  ['away.shop.example', 'green', 'not by matches for other ports, namespaces and addresses'],
  ['elsewhere.example', '', 'closed: no service'],
  ['shop.example', '', 'closed: the wildcard means what is below'],
])('TLS for %s gets to "%s": %s', async (servername, expected) => {
  expect(await callTls(servername)).toBe(expected)
})

test('TLS is split by weight', async () => {
  const calls = await Promise.all(Array.from({ length: 24 }, () => callTls('a.both.shop.example')))
  expect(new Set(calls)).toEqual(new Set(['blue', 'green']))
})

test.each([
  [clientAddress, 5432, 'own', 'no route takes it'],
  [clientAddress, 5433, 'one', 'by port'],
  [otherBind, 5434, 'two', 'by the address that it was made to: the smallest block counts'],
])('TCP to %s:%i gets to %s: %s', async (host, port, expected) => {
  expect(await exchange(await theatre.dial(host, port), 'hi')).toBe(expected)
})

test('a tunnel through the HTTP proxy takes the same routes', async () => {
  for (const [authority, expected] of [
    ['db:5432', 'own'],
    ['db:5433', 'one'],
  ] as const) {
    const { status, socket } = await theatre.openTunnel(authority)
    expect(status).toBe(200)
    expect(await exchange(socket, 'hi')).toBe(expected)
  }
})
