import { createServer } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { clusterName } from '#mesh/names.ts'
import { tellsNodes, type Service } from '#mesh/service.ts'
import type { Echo } from '#test/harness/echo-app.ts'
import { requestThroughProxy } from '#test/harness/proxy-request.ts'
import type { Stage } from './stage.ts'
import { ask, clientAddress, get, getEcho, proxyPort, serverAddress, stageNetwork, Theatre } from './theatre.ts'

/** A client on another node. */
const otherAddress = `${stageNetwork}.61`
/** Of an application without a sidecar. */
const nearAddress = '127.0.0.1'

let theatre: Theatre
let stage: Stage
beforeAll(async () => {
  theatre = await Theatre.open()
  const web = await theatre.startApp('web')
  const outside = await theatre.startApp('outside')
  const tcp = await theatre.listen(createServer((socket) => socket.pipe(socket)))
  stage = await theatre.start(scene({ web: web.port, outside: outside.port, tcp }))
  outsidePort = outside.port
})
afterAll(() => theatre.clear())

let outsidePort: number
const alias = (aliasOf: string) => `{aliasOf: ${aliasOf}, resolution: dns, location: mesh-external}`

const scene = (ports: { readonly web: number; readonly outside: number; readonly tcp: number }) => `
about: ''
clusters:
  north: {network: network-1}
  west: {network: network-2, gateways: [{address: 127.0.0.1, port: 9}]}
settings: {meshConfig: {outboundTrafficPolicy: {mode: REGISTRY_ONLY}}}
services:
  - host: web
    ports: [http:80, tcp:9000]
    endpoints: {server-1: {address: ${serverAddress}, ports: {http: ${ports.web}, tcp: ${ports.tcp}}}}
  - {host: same, ports: [], fields: ${alias('web.default.svc.cluster.local')}}
  - {host: again, namespace: other, ports: [http:81], fields: ${alias('same.default.svc.cluster.local')}}
  - {host: outside, ports: ['http:${ports.outside}'], fields: ${alias('localhost')}}
  - host: local
    ports: [http:80]
    fields: {isNodeLocal: true}
    endpoints:
      near: {address: ${nearAddress}, node: node-1, ports: {http: ${ports.outside}}, tls: none}
      server-1: {address: ${serverAddress}, node: node-2, ports: {http: ${ports.web}}}
      far: {cluster: north, address: ${serverAddress}, node: node-1, ports: {http: 9}}
    remote: {west: [{weight: 1}]}
  - host: absent
    ports: [http:80]
    fields: {isNodeLocal: true}
    endpoints: {server-1: {address: ${serverAddress}, node: node-2, ports: {http: ${ports.web}}}}
  - host: preferred
    ports: [http:80]
    fields: {trafficDistribution: PreferSameNode}
    endpoints:
      near: {address: ${nearAddress}, node: node-1, ports: {http: ${ports.outside}}, tls: none}
      server-1: {address: ${serverAddress}, node: node-2, ports: {http: ${ports.web}}}
  - {host: hidden, namespace: other, ports: [http:80], fields: {exportTo: ['.']}}
  - {host: shown, namespace: other, ports: [http:80], fields: ${alias('hidden.other.svc.cluster.local')}}
workloads:
  client-1: {address: ${clientAddress}, node: node-1}
  client-2: {address: ${otherAddress}, node: node-2}
  server-1: {address: ${serverAddress}}
config:
  - apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: web, namespace: default}
    spec:
      hosts: [web]
      http:
        - {match: [{uri: {prefix: /fixed}}], directResponse: {status: 418}}
        - route: [{destination: {host: again.other.svc.cluster.local, port: {number: 80}}}]
proxies: [sidecar/default/client-1, sidecar/default/client-2, sidecar/default/server-1]
`

const caller = 'spiffe://td.example/ns/default/sa/default'

describe('a Service of type ExternalName', () => {
  test.each([
    ['is another name of a service of the mesh, and of its ports', 'http://same/'],
    ['by its full name', 'http://same.default.svc.cluster.local:80/'],
    ['also of another alias, in another namespace', 'http://again.other/'],
    ['may be where a route leads', 'http://web/'],
  ])('%s', async (_, url) => {
    expect(await getEcho(url)).toMatchObject({ app: 'web', caller })
  })

  test('has the routes of the service', async () => {
    expect(await get('http://same/fixed')).toMatchObject({ status: 418 })
    expect(await get('http://again.other/fixed')).toMatchObject({ status: 418 })
  })

  test('is reached by TCP too', async () => {
    const { status, socket } = await theatre.openTunnel('same:9000')
    expect(status).toBe(200)
    expect(await ask(socket, 'hello')).toBe('hello')
  })

  test('is resolved where it is of no service, in plaintext and without a mesh that allows any', async () => {
    expect(await getEcho(`http://outside:${outsidePort}/`)).toMatchObject({ app: 'outside', caller: null })
    expect(await get('http://localhost/')).toMatchObject({ status: 502 })
  })

  test('opens no way to a service that clients may not call', async () => {
    expect((await get('http://shown.other/')).status).toBe(503)
  })
})

describe('a Service that tells nodes apart', () => {
  test.each([
    [clientAddress, 'http://local/', 'outside'],
    [clientAddress, 'http://preferred/', 'outside'],
    [otherAddress, 'http://local/', 'web'],
    [otherAddress, 'http://preferred/', 'web'],
    [otherAddress, 'http://absent/', 'web'],
  ])("to %s leads %s to its node's endpoint", async (host, url, app) => {
    for (let count = 0; count < 8; count++) {
      const { body } = await requestThroughProxy({ host, port: proxyPort }, url)
      expect((JSON.parse(body) as Echo).app).toBe(app)
    }
  })

  test('leads nowhere from a node that has none of its endpoints, when it is local', async () => {
    expect(await get('http://absent/')).toMatchObject({ status: 503 })
  })

  test('tells them apart, or no more, from when it says so', async () => {
    const { store } = stage.scene
    const [key] = store.servicesByHostname('absent.default.svc.cluster.local')
    const service = key && store.service(key)
    if (!service) throw new Error('no service')
    const endpoints = store.endpoints(key)
    const { isNodeLocal: _, ...everywhere } = service
    const say = (told: Service) =>
      stage.change({ kind: 'catalog', cluster: store.localCluster, service: key, value: { service: told, endpoints } })
    expect(await say(everywhere)).toEqual([])
    expect(await get('http://absent/')).toMatchObject({ status: 200 })
    expect(await say(service)).toEqual([])
    expect(await get('http://absent/')).toMatchObject({ status: 503 })
  })

  test('takes what is told apart with it when it is the last that goes, and nothing else', async () => {
    const { store } = stage.scene
    const told = store
      .serviceKeys()
      .flatMap((key) => store.service(key) ?? [])
      .filter(tellsNodes)
    expect(told).toHaveLength(3)
    const clusters = [store.localCluster, clusterName.parse('north'), clusterName.parse('west')]
    const removals = told.flatMap(({ key }) =>
      clusters.flatMap((cluster) =>
        (['catalog', 'summary'] as const).map((kind) => ({ kind, cluster, service: key, value: null })),
      ),
    )
    expect(await stage.change(...removals)).toEqual([])
    expect(store.tellsNodes()).toBe(false)
    expect(await getEcho('http://same/')).toMatchObject({ app: 'web', caller })
    expect((await get('http://absent/')).status).toBe(502)
  })
})
