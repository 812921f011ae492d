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
    metadata: {name: another-cluster, namespace: default}
    spec: {workloadSelector: {labels: {app: client, topology.istio.io/cluster: west}}, egress: [{hosts: ['~/*']}]}
  - apiVersion: networking.istio.io/v1
    kind: Sidecar
    metadata: {name: client, namespace: default}
    spec:
      workloadSelector: {labels: {app: client, topology.istio.io/network: network-1}}
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

const [plain, routed, byOther, excluded, alias, whole] = [3128, 3129, 3130, 3131, 3132, 3133]

/** VirtualServices of another namespace send all to where nothing is but "routed". */
const takingScene = (ports: { readonly plain: Ports; readonly routed: Ports }) => `
about: ''
services:
  - {host: reviews, ports: [http:9080], endpoints: {a: {address: 127.0.0.1, ports: {http: ${ports.plain.http}}, tls: none}}}
  - {host: details, namespace: prod, ports: [http:9080], endpoints: {a: {address: 127.0.0.1, ports: {http: ${ports.plain.http}}, tls: none}}}
  - {host: same, ports: [], fields: {aliasOf: details.prod.svc.cluster.local, resolution: dns, location: mesh-external}}
  - host: db
    ports: [one:5432:tcp, two:5433:tcp, three:8443:tls, four:8444:tls]
    endpoints:
      a: {address: 127.0.0.1, ports: {one: ${ports.plain.tcp}, two: ${ports.plain.tcp}, three: ${ports.plain.tls}, four: ${ports.plain.tls}}, tls: none}
  - host: routed
    namespace: routes
    ports: [http:9080, tcp:5432, tls:8443]
    endpoints: {a: {address: 127.0.0.1, ports: {http: ${ports.routed.http}, tcp: ${ports.routed.tcp}, tls: ${ports.routed.tls}}, tls: none}}
workloads:
  client-1: {address: ${clientAddress}}
config:
  - apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: all, namespace: routes}
    spec:
      hosts: [reviews.default.svc.cluster.local, db.default.svc.cluster.local, other.example]
      http: [{route: [{destination: {host: routed, port: {number: 9080}}}]}]
      tls:
        - match: [{sniHosts: [db.default.svc.cluster.local]}]
          route: [{destination: {host: routed, port: {number: 8443}}}]
      tcp: [{route: [{destination: {host: routed, port: {number: 5432}}}]}]
  - apiVersion: networking.istio.io/v1
    kind: Sidecar
    metadata: {name: default, namespace: atoll-system}
    spec:
      outboundTrafficPolicy: {mode: REGISTRY_ONLY}
      egress:
        - {port: {number: ${plain}, protocol: HTTP_PROXY, name: a}, hosts: [./*]}
        - {port: {number: ${routed}, protocol: HTTP_PROXY, name: b}, hosts: [./*, routes/*.default.svc.cluster.local]}
        - {port: {number: ${byOther}, protocol: HTTP_PROXY, name: c}, hosts: [./*, routes/other.example]}
        - {port: {number: ${excluded}, protocol: HTTP_PROXY, name: d}, hosts: [./*, routes/*, ~routes/*]}
        - {port: {number: ${alias}, protocol: HTTP_PROXY, name: e}, hosts: [./same.default.svc.cluster.local]}
        - {port: {number: ${whole}, protocol: HTTP_PROXY, name: f}, hosts: [./same.default.svc.cluster.local, prod/*]}
        - {port: {number: 5432, protocol: TCP, name: one}, hosts: [./db.default.svc.cluster.local]}
        - {port: {number: 5433, protocol: TCP, name: two}, hosts: [./db.default.svc.cluster.local, routes/*.default.svc.cluster.local]}
        - {port: {number: 8443, protocol: TLS, name: three}, hosts: [./db.default.svc.cluster.local]}
        - {port: {number: 8444, protocol: TLS, name: four}, hosts: [./db.default.svc.cluster.local, routes/*.default.svc.cluster.local]}
proxies: [sidecar/default/client-1]
`

interface Ports {
  readonly http: number
  readonly tcp: number
  readonly tls: number
}

test("a VirtualService counts where a Sidecar takes its namespace and a host of it, '.' being the workload's; an alias with what it stands for", async () => {
  const { chainPem, privateKeyPem } = await issueLeaf(theatre.east.intermediate, toAgentNames(east, domain), Date.now())
  const start = async (name: string): Promise<Ports> => ({
    http: (await theatre.startApp(name)).port,
    tcp: await theatre.listen(createServer((socket) => socket.on('data', () => socket.write(name)))),
    tls: await theatre.listen(
      createTlsServer({ cert: chainPem, key: privateKeyPem }, (socket) => socket.end(name).on('error', () => {})),
    ),
  })
  await theatre.start(takingScene({ plain: await start('plain'), routed: await start('routed') }))

  const answerBy = async (port: number, host: string) => {
    const { status, body } = await requestThroughProxy({ host: clientAddress, port }, `http://${host}:9080/`)
    return status === 200 ? (JSON.parse(body) as Echo).app : status
  }
  expect({
    plain: await answerBy(plain, 'reviews'),
    routed: await answerBy(routed, 'reviews'),
    byOther: await answerBy(byOther, 'reviews'),
    excluded: await answerBy(excluded, 'reviews'),
    alias: await answerBy(alias, 'same'),
    whole: await answerBy(whole, 'same'),
  }).toEqual({ plain: 'plain', routed: 'routed', byOther: 'routed', excluded: 'plain', alias: 502, whole: 'plain' })
  expect(await ask(await theatre.dial(clientAddress, 5432), 'hello')).toBe('plain')
  expect(await ask(await theatre.dial(clientAddress, 5433), 'hello')).toBe('routed')
  for (const [port, expected] of [
    [8443, 'plain'],
    [8444, 'routed'],
  ] as const) {
    const socket = connectTls({
      host: clientAddress,
      port,
      servername: 'db.default.svc.cluster.local',
      rejectUnauthorized: false,
    })
    const [data] = (await once(socket, 'data')) as [Buffer]
    expect(data.toString()).toBe(expected)
    socket.destroy()
  }
})
