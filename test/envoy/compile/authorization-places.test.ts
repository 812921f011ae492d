import { once } from 'node:events'
import { request, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http'
import { createServer } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { afterEach, beforeAll, expect, test } from 'vitest'
import { issueLeaf, toWorkloadNames } from '#agent/identity/issue-leaf.ts'
import { toClusterDnsName } from '#mesh/identity.ts'
import type { ViewChange } from '#mesh/view.ts'
import type { Call } from '#xds/explain/call.ts'
import { ExplainedScene } from '#test/compile/explain.ts'
import { domain } from '#test/agent/test-pki.ts'
import { makeObject, network1 } from '#test/mesh/records.ts'
import { startAuthorizers } from './authorizers.ts'
import { clientAddress, gatewayAddress, get, serverAddress, stageNetwork, Theatre } from './theatre.ts'
import type { Stage } from './stage.ts'

let theatre: Theatre
beforeAll(async () => {
  theatre = await Theatre.open()
})
afterEach(() => theatre.clear())

const put = (spec: Readonly<Record<string, unknown>> | null): ViewChange => ({
  kind: 'config',
  origin: 'mesh',
  key: 'AuthorizationPolicy/default/p',
  value: spec && makeObject('AuthorizationPolicy', 'p', spec),
})
const apply = async (stage: Stage, spec: Parameters<typeof put>[0]): Promise<void> => {
  expect(await stage.change(put(spec))).toEqual([])
}

const from = (source: object, action = 'ALLOW') => ({ action, rules: [{ from: [{ source }] }] })

/** What a sidecar answers to a cluster in somebody's hands, whose certificates say no more than they have to. */
const callAsThief = async ({ cluster, intermediate }: Theatre['east'], port: number): Promise<number> => {
  const names = toWorkloadNames({ namespace: 'default', serviceAccount: 'web' }, cluster, domain)
  if ('problem' in names) throw new Error(names.problem)
  const least = { ...names, dnsNames: [toClusterDnsName(cluster, domain)] }
  const { chainPem: cert, privateKeyPem: key } = await issueLeaf(intermediate, least, Date.now())
  const tls = { cert, key, rejectUnauthorized: false, ALPNProtocols: ['istio'] }
  const socket = connectTls({ host: serverAddress, port, ...tls })
  socket.write('GET / HTTP/1.1\r\nhost: reviews\r\nconnection: close\r\n\r\n')
  const [data] = (await once(socket, 'data')) as [Buffer]
  socket.destroy()
  return Number(data.toString().split(' ')[1])
}

test('between clusters on two networks the callee judges who calls, by what gets through the gateway', async () => {
  const app = await theatre.startApp('reviews')
  const authorizers = await startAuthorizers(theatre)
  const west = await theatre.start(
    `
about: ''
settings: {meshConfig: {proxyHttpPort: 0, extensionProviders: [{name: authz, envoyExtAuthzGrpc: {service: authz.default.svc.cluster.local, port: 90}}]}}
clusters:
  west: {network: network-2}
services:
  - {host: authz, ports: [grpc:90], endpoints: {authz-1: {cluster: west, network: network-2, address: 127.0.0.1, ports: {grpc: ${authorizers.grpc}}, tls: none}}}
  - host: reviews
    ports: [http:80]
    endpoints: {server-1: {cluster: west, network: network-2, address: ${serverAddress}, ports: {http: ${app.port}}, serviceAccount: western}}
workloads:
  server-1: {address: ${serverAddress}, network: network-2, serviceAccount: western}
  gateway-1: {address: ${gatewayAddress}, network: network-2, ports: {tls: 15443}}
proxies: [sidecar/default/server-1/western, east-west-gateway/default/gateway-1]
`,
    { member: theatre.west },
  )
  await theatre.start(`
about: ''
clusters:
  west: {network: network-2, gateways: [{address: ${gatewayAddress}, port: 15443}]}
services:
  - host: reviews
    ports: [http:80]
    remote: {west: [{ports: [http], serviceAccounts: [western]}]}
workloads:
  client-1: {address: ${clientAddress}, network: ${network1}, serviceAccount: web}
proxies: [sidecar/default/client-1/web]
`)
  const call = async () => (await get('http://reviews/')).status
  expect(await call()).toBe(200)
  for (const [source, status] of [
    [{ principals: ['td.example/ns/default/sa/web'] }, 200],
    [{ principals: ['td.example/ns/default/sa/western'] }, 403],
    [{ namespaces: ['default'] }, 200],
    [{ notNamespaces: ['default'] }, 403],
  ] as const) {
    await apply(west, from(source))
    expect([source, await call()]).toEqual([source, status])
  }
  await apply(west, from({ principals: ['*/sa/web'] }, 'DENY'))
  expect(await call()).toBe(403)
  for (const [allowed, status] of [
    ['east', 200],
    ['west', 403],
  ] as const) {
    const when = [{ key: 'source.cluster', notValues: [allowed] }]
    await apply(west, { action: 'DENY', rules: [{ from: [{ source: { namespaces: ['default'] } }], when }] })
    expect([allowed, await call()]).toEqual([allowed, status])
  }
  for (const [denied, status] of [
    ['west', 200],
    ['east', 403],
  ] as const) {
    await apply(west, { action: 'DENY', rules: [{ when: [{ key: 'source.cluster', values: [denied] }] }] })
    expect([denied, await call(), await callAsThief(theatre.east, app.port)]).toEqual([denied, status, status])
  }
  await apply(west, { action: 'CUSTOM', provider: { name: 'authz' }, rules: [{}] })
  expect(await call()).toBe(200)
  expect(authorizers.takeChecks()).toMatchObject([{ principal: 'spiffe://td.example/ns/default/sa/web' }])
  authorizers.denied = '/sa/web'
  expect(await call()).toBe(401)
})

const gateway = `${stageNetwork}.61`

/** What the evaluator says of a call at a gateway. */
const judge = async (stage: Stage, call: Partial<Call>) => {
  const asked = { host: 'a.example', port: 18080, sourceAddress: clientAddress, ...call }
  const { steps } = await new ExplainedScene(stage.scene).explain(asked)
  return steps.find(({ stage: at }) => at === 'policy')?.judgement?.outcome
}
/** Of a request as it came: a status that is a policy's is what the evaluator says, too. */
const tell = async (stage: Stage, addresses?: string): Promise<number> => {
  const headers = addresses === undefined ? {} : { 'x-forwarded-for': addresses }
  const status = await ask(headers)
  expect([addresses, await judge(stage, { headers })]).toEqual([addresses, status === 403 ? 'denied' : 'allowed'])
  return status
}

const ask = async (headers: OutgoingHttpHeaders = {}): Promise<number> => {
  const outgoing = request({ host: gateway, port: 18080, agent: false, headers: { host: 'a.example', ...headers } })
  outgoing.end()
  const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage]
  incoming.resume()
  return incoming.statusCode ?? 0
}

test('a gateway judges by where its clients are, behind the proxies that it trusts', async () => {
  const app = await theatre.startApp('a')
  const tcp = await theatre.listen(createServer((socket) => socket.pipe(socket)))
  const authorizers = await startAuthorizers(theatre)
  const authorizer = {
    service: 'authz.default.svc.cluster.local',
    port: 81,
    headersToUpstreamOnAllow: ['x-verdict-of'],
  }
  const extensionProviders = [
    { name: 'authz', envoyExtAuthzHttp: authorizer },
    { name: 'authz-routes', envoyExtAuthzHttp: { ...authorizer, clearRouteCache: true } },
  ]
  const stage = await theatre.start(`
about: ''
settings: {meshConfig: {defaultConfig: {gatewayTopology: {numTrustedProxies: 1}}, extensionProviders: ${JSON.stringify(extensionProviders)}}}
services:
  - {host: authz, ports: [http:81], endpoints: {authz-1: {address: 127.0.0.1, ports: {http: ${authorizers.http}}, tls: none}}}
  - {host: a, ports: [http:80], endpoints: {a-1: {address: 127.0.0.1, ports: {http: ${app.port}}, tls: none}}}
  - {host: t, ports: [tcp:90], endpoints: {t-1: {address: 127.0.0.1, ports: {tcp: ${tcp}}, tls: none}}}
  - {host: front, ports: [http:80], endpoints: {gateway-1: {address: ${gateway}, ports: {http: 18080}}}}
workloads:
  gateway-1: {address: ${gateway}, labels: {istio: ingressgateway, gateway.networking.k8s.io/gateway-name: front}}
config:
  - apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: front, namespace: default}
    spec:
      selector: {istio: ingressgateway}
      servers:
        - {port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}
        - {port: {number: 18090, name: tcp, protocol: TCP}, hosts: ['*']}
  - apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: a, namespace: default}
    spec: {hosts: ['*'], gateways: [front], http: [{match: [{headers: {x-verdict-of: {exact: http}}}], directResponse: {status: 418}}, {route: [{destination: {host: a}}]}], tcp: [{match: [{port: 18090}], route: [{destination: {host: t, port: {number: 90}}}]}]}
proxies: [gateway/default/gateway-1]
`)
  const viaProxy = (addresses: string) => tell(stage, addresses)
  expect(await tell(stage)).toBe(200)
  await apply(stage, from({ remoteIpBlocks: ['203.0.113.0/24'] }))
  expect(await viaProxy('203.0.113.7')).toBe(200)
  expect(await viaProxy('203.0.113.7, 198.51.100.1')).toBe(403)
  expect(await tell(stage)).toBe(403)
  await apply(stage, from({ notRemoteIpBlocks: ['203.0.113.0/24'] }))
  expect([await viaProxy('203.0.113.7'), await viaProxy('198.51.100.1')]).toEqual([403, 200])
  await apply(stage, from({ ipBlocks: ['127.0.0.0/8'] }))
  expect(await viaProxy('203.0.113.7')).toBe(200)
  await apply(stage, from({ principals: ['*'] }))
  expect(await tell(stage)).toBe(403)

  const talks = async () => {
    const socket = await theatre.dial(gateway, 18090)
    socket.write('hello')
    const isLetIn = await new Promise<boolean>((resolve) => {
      socket.once('data', () => resolve(true))
      socket.once('close', () => resolve(false))
    })
    expect(await judge(stage, { port: 18090, scheme: 'tcp' })).toBe(isLetIn ? 'allowed' : 'denied')
    return isLetIn
  }
  expect(await talks()).toBe(false)
  await apply(stage, { rules: [{ to: [{ operation: { ports: ['18090'] } }] }] })
  expect([await tell(stage), await talks()]).toEqual([403, true])

  // Whom it may ask of: requests, by which it may choose the route, and no connections.
  const asking = (name: string) => ({ action: 'CUSTOM', provider: { name }, rules: [{}] })
  await apply(stage, asking('authz'))
  expect([await ask(), await talks()]).toEqual([200, false])
  await apply(stage, asking('authz-routes'))
  expect(await ask()).toBe(418)

  const targeting = (name: string) => ({
    action: 'DENY',
    rules: [{}],
    targetRefs: [{ group: 'gateway.networking.k8s.io', kind: 'Gateway', name }],
  })
  await apply(stage, targeting('other'))
  expect(await ask()).toBe(200)
  await apply(stage, targeting('front'))
  expect(await ask()).toBe(403)
})
