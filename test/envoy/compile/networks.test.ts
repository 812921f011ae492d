import { once } from 'node:events'
import { connect as connectTls } from 'node:tls'
import { afterEach, beforeAll, expect, test } from 'vitest'
import { network1 } from '#test/mesh/records.ts'
import { clientAddress, exchange, gatewayAddress, get, getEcho, serverAddress, Theatre } from './theatre.ts'

let theatre: Theatre
beforeAll(async () => {
  theatre = await Theatre.open()
})
afterEach(() => theatre.clear())

const gatewayPort = 15443

/** `reviews` of cluster west: an endpoint with a sidecar, one without, and the gateway. */
const westernScene = (port: number, plainPort: number) => `
about: ''
settings: {meshConfig: {proxyHttpPort: 0}}
clusters:
  west: {network: network-2}
services:
  - host: reviews
    ports: [http:80]
    endpoints:
      server-1: {cluster: west, network: network-2, address: ${serverAddress}, ports: {http: ${port}}, serviceAccount: western, labels: {version: v1}}
      plain-1: {cluster: west, network: network-2, address: 127.0.0.1, ports: {http: ${plainPort}}, tls: none, labels: {version: v2}}
  - host: private
    ports: [http:80]
    fields: {exportTo: ['~']}
    endpoints:
      server-1: {cluster: west, network: network-2, address: ${serverAddress}, ports: {http: ${port}}, serviceAccount: western}
  - host: vm.example
    ports: [http:80]
    endpoints:
      server-1: {cluster: west, network: network-2, address: ${serverAddress}, ports: {http: ${port}}, serviceAccount: western}
  - host: mutual.example
    ports: [http:80]
    endpoints:
      server-1: {cluster: west, network: network-2, address: ${serverAddress}, ports: {http: ${port}}, serviceAccount: western}
  - host: machine.example
    ports: [http:80]
    endpoints:
      server-1: {cluster: west, network: network-2, address: ${serverAddress}, ports: {http: ${port}}, serviceAccount: western}
workloads:
  server-1: {address: ${serverAddress}, network: network-2, serviceAccount: western}
  gateway-1: {address: ${gatewayAddress}, network: network-2, ports: {tls: ${gatewayPort}}}
config: [${[subsets, ...ofMesh('western', port, 'network-2')].join(', ')}]
proxies: [sidecar/default/server-1/western, east-west-gateway/default/gateway-1]
`
const subsets = `{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: reviews, namespace: default},
  spec: {host: reviews, subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}},
    {name: west, labels: {topology.istio.io/cluster: west, version: v1}}, {name: east, labels: {topology.istio.io/cluster: east}}]}}`

/** A machine that the mesh says of a network, in all clusters. */
const ofMesh = (account: string, port: number, network: string) => [
  `{apiVersion: networking.istio.io/v1, kind: WorkloadEntry, metadata: {name: beyond, namespace: default},
  spec: {address: ${serverAddress}, ports: {http: ${port}}, network: ${network}, serviceAccount: ${account}, labels: {app: beyond}}}`,
  `{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: beyond, namespace: default},
  spec: {hosts: [beyond.example], location: MESH_INTERNAL, resolution: STATIC, ports: [{number: 80, name: http, protocol: HTTP}],
    workloadSelector: {labels: {app: beyond}}}}`,
]

/** A host that is nothing but west's network, and one that is this network's, which has no gateways for its own. */
const byNetwork = (
  account: string,
) => `{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: vm, namespace: default},
  spec: {hosts: [vm.example], location: MESH_INTERNAL, resolution: STATIC, ports: [{number: 80, name: http, protocol: HTTP}],
    endpoints: [{network: network-2, serviceAccount: ${account}}, {network: network-1, serviceAccount: ${account}}]}}`

/** Machines of the mesh: one at a port of this one, others where nobody is or that are not reached from here, and west's network. */
const byMachines = (account: string, port: number) => [
  ...Object.entries({
    near: `{address: 127.0.0.1, ports: {http: ${port}}, labels: {app: near, version: v1}}`,
    silent: '{address: 127.0.0.1, ports: {http: 1}, labels: {app: near, version: v2}}',
    elsewhere: '{address: 127.0.0.1, ports: {http: 1}, network: network-2, labels: {app: near, version: v1}}',
    behind: `{network: network-2, serviceAccount: ${account}, labels: {app: far}}`,
  }).map(
    ([name, spec]) =>
      `{apiVersion: networking.istio.io/v1, kind: WorkloadEntry, metadata: {name: ${name}, namespace: default}, spec: ${spec}}`,
  ),
  ...Object.entries({ 'near.example': 'near', 'machine.example': 'far' }).map(
    ([
      host,
      app,
    ]) => `{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: ${app}, namespace: default},
  spec: {hosts: [${host}], location: MESH_INTERNAL, resolution: STATIC, ports: [{number: 80, name: http, protocol: HTTP}],
    workloadSelector: {labels: {app: ${app}}}}}`,
  ),
  `{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: near, namespace: default},
  spec: {host: near.example, subsets: [{name: v1, labels: {version: v1}}]}}`,
  `{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: near, namespace: default},
  spec: {hosts: [near.example], http: [{route: [{destination: {host: near.example, subset: v1}}]}]}}`,
]

/** Hosts that are west's network: of no rule's, and of rules for mesh mTLS, none and others' TLS. */
const external = ['bare', 'mutual'].map(
  (name) => `{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: ${name}, namespace: default},
  spec: {hosts: [${name}.example], resolution: STATIC, ports: [{number: 80, name: http, protocol: HTTP}],
    endpoints: [{network: network-2, serviceAccount: western}]}}`,
)
const rules = Object.entries({ 'mutual.example': 'ISTIO_MUTUAL', open: 'DISABLE', foreign: 'SIMPLE' }).map(
  ([
    host,
    mode,
  ]) => `{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: of-${host}, namespace: default},
  spec: {host: ${host}, trafficPolicy: {tls: {mode: ${mode}}}}}`,
)

/** The same seen from cluster east. */
const easternScene = (account: string, machinePort = 1) => `
about: ''
clusters:
  west: {network: network-2, gateways: [{address: ${gatewayAddress}, port: ${gatewayPort}}]}
services:
  - host: reviews
    ports: [http:80]
    remote: {west: [{labels: {version: v1}, weight: 1, serviceAccounts: [${account}]}]}
  - host: private
    ports: [http:80]
    remote: {west: [{weight: 1, serviceAccounts: [western]}]}
  - host: open
    ports: [http:80]
    remote: {west: [{weight: 1, serviceAccounts: [western]}]}
  - host: foreign
    ports: [http:80]
    remote: {west: [{weight: 1, serviceAccounts: [western]}]}
workloads:
  client-1: {address: ${clientAddress}, locality: eu/a}
config: [${[subsets, byNetwork(account), ...byMachines(account, machinePort), ...ofMesh(account, 1, 'network-2'), ...external, ...rules].join(', ')},
  {apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: reviews, namespace: default},
    spec: {hosts: [reviews], http: [
      {match: [{uri: {prefix: /v1}}], route: [{destination: {host: reviews, subset: v1}}]},
      {match: [{uri: {prefix: /v2}}], route: [{destination: {host: reviews, subset: v2}}]},
      {match: [{uri: {prefix: /west}}], route: [{destination: {host: reviews, subset: west}}]},
      {match: [{uri: {prefix: /east}}], route: [{destination: {host: reviews, subset: east}}]},
      {match: [{uri: {prefix: /source}, sourceLabels: {topology.istio.io/cluster: west}}], directResponse: {status: 400}},
      {match: [{uri: {prefix: /source}, sourceLabels: {topology.istio.io/cluster: east, topology.istio.io/network: network-1, topology.kubernetes.io/region: eu}}],
        directResponse: {status: 299}},
      {route: [{destination: {host: reviews}}]}]}}]
proxies: [sidecar/default/client-1]
`

const startWest = async () => {
  const app = await theatre.startApp('reviews')
  const plain = await theatre.startApp('plain')
  await theatre.start(westernScene(app.port, plain.port), { member: theatre.west })
  return { app, plain }
}

test('a request crosses networks through the gateway, end to end over mTLS, by subset too', async () => {
  await startWest()
  await theatre.start(easternScene('western'))
  const caller = 'spiffe://td.example/ns/default/sa/default'
  expect(await getEcho('http://reviews/')).toMatchObject({ app: 'reviews', caller })
  expect(await getEcho('http://reviews/v1')).toMatchObject({ app: 'reviews', caller })
  expect(await get('http://reviews/v2')).toMatchObject({ status: 503 })
})

test('clusters, networks and localities are labels of what is there, for subsets and sourceLabels', async () => {
  await startWest()
  await theatre.start(easternScene('western'))
  expect(await getEcho('http://reviews/west')).toMatchObject({ app: 'reviews' })
  expect(await get('http://reviews/east')).toMatchObject({ status: 503 })
  expect(await get('http://reviews/source')).toMatchObject({ status: 299 })
})

test('an endpoint with a network and no address is what is behind the gateways there', async () => {
  await startWest()
  await theatre.start(easternScene('western'))
  const caller = 'spiffe://td.example/ns/default/sa/default'
  for (let visit = 0; visit < 5; visit += 1)
    expect(await getEcho('http://vm.example/')).toMatchObject({ app: 'reviews', caller })
})

test('WorkloadEntries of the mesh are endpoints of its ServiceEntries that select them: by network, account and labels', async () => {
  await startWest()
  const machine = await theatre.startApp('machine')
  await theatre.start(easternScene('western', machine.port))
  for (let visit = 0; visit < 5; visit += 1)
    expect(await getEcho('http://near.example/')).toMatchObject({ app: 'machine' })
  expect(await getEcho('http://machine.example/')).toMatchObject({
    app: 'reviews',
    caller: 'spiffe://td.example/ns/default/sa/default',
  })
})

test('an address that the mesh tells on another network is behind the gateways there', async () => {
  await startWest()
  await theatre.start(easternScene('western'))
  for (let visit = 0; visit < 5; visit += 1)
    expect(await getEcho('http://beyond.example/')).toMatchObject({
      app: 'reviews',
      caller: 'spiffe://td.example/ns/default/sa/default',
    })
})

test.each([
  ['of a cluster on its network is believed', 'network-1', 200],
  ['of a cluster on another network is not believed', 'network-2', 503],
])('a machine that the mesh tells, with a proxy %s', async (_what, networkOfWest, status) => {
  const app = await theatre.startApp('machine')
  const toScene = (workload: string, proxy: string) => `
about: ''
clusters: {west: {network: ${networkOfWest}}}
services:
  - host: reviews
    ports: [http:80]
    endpoints: {server-1: {cluster: west, address: ${serverAddress}, ports: {http: ${app.port}}, serviceAccount: western}}
workloads: {${workload}}
config: [${ofMesh('western', app.port, 'network-1').join(', ')}]
proxies: [sidecar/default/${proxy}]
`
  const server = toScene(`server-1: {address: ${serverAddress}, serviceAccount: western}`, 'server-1/western')
  await theatre.start(server, { member: { ...theatre.west, network: network1 } })
  await theatre.start(toScene(`client-1: {address: ${clientAddress}}`, 'client-1'))
  expect(await get('http://beyond.example/')).toMatchObject({ status })
  expect(app.requests).toBe(status === 200 ? 1 : 0)
})

test('nothing but mesh mTLS goes to the gateways of other networks', async () => {
  await startWest()
  await theatre.start(easternScene('western'))
  expect(await getEcho('http://mutual.example/')).toMatchObject({ app: 'reviews' })
  for (const host of ['bare.example', 'open', 'foreign'])
    expect(await get(`http://${host}/`)).toMatchObject({ status: 503, body: 'no healthy upstream' })
})

test('the client believes the account that the other cluster said, and no other', async () => {
  const { app } = await startWest()
  await theatre.start(easternScene('somebody'))
  expect(await get('http://reviews/')).toMatchObject({ status: 503 })
  expect(await get('http://vm.example/')).toMatchObject({ status: 503 })
  expect(await get('http://machine.example/')).toMatchObject({ status: 503 })
  expect(await get('http://beyond.example/')).toMatchObject({ status: 503 })
  expect(app.requests).toBe(0)
})

test('the gateway offers only what may be known outside of its cluster', async () => {
  const { app, plain } = await startWest()
  await theatre.start(easternScene('western'))
  expect(await get('http://private/')).toMatchObject({ status: 503 })
  expect(app.requests + plain.requests).toBe(0)
})

test('the gateway closes plaintext, and TLS for what it does not know', async () => {
  const { plain } = await startWest()
  const socket = await theatre.dial(gatewayAddress, gatewayPort)
  expect(await exchange(socket, 'GET / HTTP/1.1\r\nhost: reviews\r\n\r\n')).toBe('')
  for (const servername of ['unknown.example', 'outbound_.80_.v2_.reviews.default.svc.cluster.local', '']) {
    const tls = connectTls({ host: gatewayAddress, port: gatewayPort, servername, rejectUnauthorized: false })
    const [error] = (await once(tls, 'error')) as [Error]
    expect(error.message).toMatch(/disconnected|ECONNRESET/)
  }
  expect(plain.requests).toBe(0)
})
