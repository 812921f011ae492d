import 'reflect-metadata'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { connect as tlsConnect, createServer as createTlsServer } from 'node:tls'
import { ExtendedKeyUsage } from '@peculiar/x509'
import { afterEach, beforeAll, expect, test } from 'vitest'
import { issueLeaf } from '#agent/identity/issue-leaf.ts'
import type { ProxyGrant } from '#agent/proxy-auth/proxy-authenticator.ts'
import { toLogsMethod } from '#agent/telemetry/records/logs-method.ts'
import { readLogExport } from '#agent/telemetry/records/read-log-export.ts'
import { toSpiffeId } from '#mesh/identity.ts'
import { splitAccessRecord } from '#mesh/telemetry/access-record.ts'
import { toPartyFields, toRequestFields } from '#mesh/telemetry/to-access-log-record.ts'
import { unknownParty } from '#mesh/telemetry/party.ts'
import { createIntermediate, domain, east as clusterOfEast } from '#test/agent/test-pki.ts'
import { eventually } from '#test/harness/child.ts'
import { toProxyName } from '#xds/proxy.ts'
import { toOriginatingScene } from './outside-server.ts'
import { ask, clientAddress, exchange, gatewayAddress, get, proxyPort, serverAddress, Theatre } from './theatre.ts'

let theatre: Theatre
beforeAll(async () => {
  theatre = await Theatre.open()
})
afterEach(() => theatre.clear())

type Fields = Record<string, unknown>

/** What proxies have told an agent, as records; what is none is among `refused`. */
class Told {
  readonly records: Fields[] = []
  readonly refused: string[] = []
  readonly methods = [toLogsMethod((grant, bytes) => this.#take(grant, bytes))]

  /** The first that has these values. */
  find(values: Fields): Promise<Fields> {
    return eventually(
      `a record with ${JSON.stringify(values)}`,
      () => {
        const matches = (record: Fields) => Object.entries(values).every(([name, value]) => record[name] === value)
        const found = this.records.find(matches)
        if (!found) throw new Error(JSON.stringify([this.records, this.refused], null, 1))
        return found
      },
      10_000,
    )
  }

  #take({ proxy }: ProxyGrant, bytes: Buffer): void {
    const principal = toSpiffeId(domain, proxy)
    const own = { ...unknownParty, workload: proxy.workload, principal }
    const teller = { own, cluster: 'here', proxy: toProxyName(proxy) }
    for (const { time, body } of readLogExport(bytes)) {
      const texts = splitAccessRecord(body)
      if (!texts) this.refused.push(body)
      else
        this.records.push({
          ...toPartyFields(texts, teller),
          ...toRequestFields(texts),
          time: Number(Buffer.from(time).readBigUInt64LE()),
        })
    }
  }
}

test('every request and connection is told of, with both sides, also through the gateway of another network', async () => {
  const west = new Told()
  const east = new Told()
  const app = await theatre.startApp('reviews')
  const echo = await theatre.listen(createServer((socket) => socket.on('error', () => {}).pipe(socket)))
  await theatre.start(
    `
about: ''
clusters:
  west: {network: network-2}
services:
  - host: reviews
    ports: [http:80, tcp:81]
    endpoints:
      server-1: {cluster: west, network: network-2, address: ${serverAddress}, ports: {http: ${app.port}, tcp: ${echo}}}
workloads:
  server-1: {address: ${serverAddress}, network: network-2, controller: reviews-v2, labels: {app: reviews, version: v2}}
  gateway-1: {address: ${gatewayAddress}, network: network-2, ports: {tls: 15443}}
proxies: [sidecar/default/server-1, east-west-gateway/default/gateway-1]
`,
    { member: theatre.west, methods: west.methods },
  )
  await theatre.start(
    `
about: ''
clusters:
  west: {network: network-2, gateways: [{address: ${gatewayAddress}, port: 15443}]}
services:
  - host: reviews
    ports: [http:80, tcp:81]
    remote: {west: [{weight: 1, ports: [http, tcp], serviceAccounts: [default]}]}
  - host: nobody
    ports: [http:80]
workloads:
  client-1: {address: ${clientAddress}, controller: front, labels: {app: front}}
config:
  - apiVersion: networking.istio.io/v1
    kind: Sidecar
    metadata: {name: default, namespace: default}
    spec: {egress: [{port: {number: 81, protocol: TCP, name: tcp}, hosts: [./*]}, {hosts: [./*]}]}
  - apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: nobody, namespace: default}
    spec:
      hosts: [nobody]
      http:
        - {name: moved, match: [{uri: {prefix: /old}}], redirect: {uri: /new}}
        - {name: missing, route: [{destination: {host: nobody, subset: none}}]}
proxies: [sidecar/default/client-1]
`,
    { methods: east.methods },
  )
  const before = Date.now() * 1e6
  const parent = '00f067aa0ba902b7'
  const trace = '0af7651916cd43dd8448eb211c80319c'
  await get('http://reviews/a?b=c', {
    'user-agent': 'tester/1',
    'x-request-id': 'r1',
    'x-envoy-original-path': '/forged',
    traceparent: `00-${trace}-${parent}-01`,
  })
  const socket = await theatre.dial(clientAddress, 81)
  expect(await ask(socket, 'hello')).toBe('hello')
  socket.end()

  const caller = { source_workload: 'front', source_app: 'front', source_cluster: 'east' }
  const called = {
    destination_workload: 'reviews-v2',
    destination_app: 'reviews',
    destination_version: 'v2',
    destination_cluster: 'west',
    destination_principal: expect.stringMatching(/^spiffe:/),
  }
  const service = {
    destination_service: 'reviews.default.svc.cluster.local',
    destination_service_name: 'reviews',
    destination_service_namespace: 'default',
    destination_port: 80,
  }
  const request = {
    request_protocol: 'http',
    request_id: 'r1',
    method: 'GET',
    authority: 'reviews',
    path: '/a?b=c',
    user_agent: 'tester/1',
    http_version: expect.stringMatching(/^HTTP\//),
    response_code: 200,
    response_flags: '',
    response_details: 'via_upstream',
    attempts: 1,
    trace_id: trace,
    duration_us: expect.any(Number),
    request_bytes: 0,
    response_bytes: expect.any(Number),
  }
  const fromClient = await east.find({ reporter: 'source', path: '/a?b=c' })
  expect(fromClient).toMatchObject({
    ...called,
    ...service,
    ...request,
    proxy: 'sidecar/default/client-1',
    parent_span_id: parent,
    sampled: 1,
    gateway_hops: 1,
    upstream_host: `${gatewayAddress}:15443`,
    source_workload: 'client-1',
  })
  expect(fromClient['time']).toBeGreaterThan(before)
  expect(fromClient['duration_us']).toBeGreaterThan(0)
  expect(fromClient['connection_security_policy']).toBeUndefined()
  const fromServer = await west.find({ reporter: 'destination', path: '/a?b=c' })
  expect(fromServer).toMatchObject({
    ...caller,
    ...service,
    ...request,
    proxy: 'sidecar/default/server-1',
    parent_span_id: fromClient['span_id'],
    gateway_hops: 0,
    connection_security_policy: 'mutual_tls',
    destination_workload: 'server-1',
    source_principal: expect.stringMatching(/^spiffe:/),
  })

  const tcp = { request_protocol: 'tcp', destination_service_name: 'reviews', destination_port: 81 }
  const ended = { request_bytes: 5, response_bytes: 5, response_flags: '' }
  expect(await east.find({ ...tcp, reporter: 'source' })).toMatchObject({ ...called, ...ended, gateway_hops: 1 })
  expect(await west.find({ ...tcp, reporter: 'destination' })).toMatchObject({ ...caller, ...ended })
  expect(await west.find({ proxy: 'east-west-gateway/default/gateway-1', destination_port: 81 })).toMatchObject({
    reporter: 'source',
    request_protocol: 'tcp',
    destination_service_name: 'reviews',
    server_name: expect.stringContaining('reviews.default.svc.cluster.local'),
  })

  // What is answered without an upstream is of a service all the same.
  await get('http://nobody/old')
  await get('http://nobody/')
  const nobody = { destination_service: 'nobody.default.svc.cluster.local', destination_port: 80 }
  expect(await east.find({ ...nobody, route: 'moved' })).toMatchObject({ response_code: 301, path: '/old' })
  expect(await east.find({ ...nobody, response_flags: 'NC' })).toMatchObject({ response_code: 503 })

  // Nobody without a certificate gets as far as a request, or to the application.
  await exchange(await theatre.dial(serverAddress, app.port), 'GET / HTTP/1.0\r\n\r\n')
  const refused = { reporter: 'destination', request_protocol: 'tcp', connection_security_policy: 'none' }
  const failure = { transport_failure: expect.stringContaining('HTTP_REQUEST') }
  expect(await west.find(refused)).toMatchObject({ ...failure, proxy: 'sidecar/default/server-1' })
  await exchange(await theatre.dial(serverAddress, echo), 'GET / HTTP/1.0\r\n\r\n')

  // Bytes that would shift values: Envoy answers 400 to them in HTTP, and lets SNI have none.
  const head = 'Host: reviews\r\nConnection: close\r\n\r\n'
  for (const line of ['GET http://reviews/\x1fx HTTP/1.1', 'GET http://reviews/x HTTP/1.1\r\nUser-Agent: a\x1fb'])
    await exchange(await theatre.dial(clientAddress, proxyPort), `${line}\r\n${head}`)
  const odd = await theatre.dial(clientAddress, proxyPort)
  const closed = once(odd.resume(), 'close')
  odd.write(Buffer.from(`GET http://reviews/odd HTTP/1.1\r\nUser-Agent: \xff\xfe\r\n${head}`, 'latin1'))
  await closed
  const named = tlsConnect({ host: gatewayAddress, port: 15443, servername: 'outbound_.81_._.a\x1fb' })
  await new Promise((resolve) => named.on('error', () => {}).once('close', resolve))
  await get('http://reviews/last', { 'user-agent': 'x'.repeat(300) })
  expect(await east.find({ path: '/last' })).toMatchObject({ user_agent: 'x'.repeat(256) })
  expect(await east.find({ path: '/odd' })).toMatchObject({ user_agent: '\uFFFD\uFFFD', response_code: 200 })
  expect(await east.find({ response_code: 400 })).toMatchObject({ response_details: 'http1.invalid_characters' })
  expect(await west.find({ proxy: 'east-west-gateway/default/gateway-1', attempts: 0 })).toMatchObject({
    server_name: 'invalid:outbound_.81_._.a_b',
  })
  const failed = west.records.filter((record) => record['transport_failure'] !== undefined)
  expect(failed).toHaveLength(2)
  expect([...east.refused, ...west.refused]).toEqual([])
})

test('what a server says of itself that nobody has verified as one of the mesh is not believed', async () => {
  const told = new Told()
  const issuer = await createIntermediate(theatre.root, clusterOfEast, { permitted: [] })
  const forged = {
    dnsNames: ['pay.pay.west.clusters.' + domain],
    spiffeId: `spiffe://${domain}/ns/pay/sa/pay`,
    units: ['workload:payments-v1'],
    usages: [ExtendedKeyUsage.serverAuth],
  }
  const { chainPem, privateKeyPem } = await issueLeaf(issuer, forged, Date.now())
  const answer = 'HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n'
  const server = createTlsServer({ cert: chainPem, key: privateKeyPem }, (socket) =>
    socket.on('error', () => {}).once('data', () => socket.end(answer)),
  )
  const port = await theatre.listen(server)
  await theatre.start(toOriginatingScene(port, '{mode: SIMPLE, insecureSkipVerify: true}'), { methods: told.methods })
  expect(await get('http://outside.example/')).toMatchObject({ status: 200 })
  const record = await told.find({ authority: 'outside.example', response_code: 200 })
  expect(Object.keys(record).filter((name) => /^destination_(workload|principal|cluster|app)/.test(name))).toEqual([])
  expect(record).not.toHaveProperty('source_principal')
})

test('plaintext to a port that takes it is told once, and as no failure', async () => {
  const told = new Told()
  const app = await theatre.startApp('reviews')
  await theatre.start(
    `
about: ''
settings: {inboundMtls: permissive}
services:
  - host: reviews
    ports: [http:80]
    endpoints: {server-1: {address: ${serverAddress}, ports: {http: ${app.port}}}}
workloads:
  server-1: {address: ${serverAddress}}
proxies: [sidecar/default/server-1]
`,
    { methods: told.methods },
  )
  const call = async (path: string) =>
    exchange(
      await theatre.dial(serverAddress, app.port),
      `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`,
    )
  expect(await call('/first')).toContain('200 OK')
  expect(await call('/last')).toContain('200 OK')
  await told.find({ path: '/last', response_code: 200 })
  expect(told.records.map(({ path, transport_failure }) => [path, transport_failure])).toEqual([
    ['/first', undefined],
    ['/last', undefined],
  ])
})

test('what a policy turned away is told with the rule that did, and what dry runs would have done, and what AUDIT marks', async () => {
  const told = new Told()
  const app = await theatre.startApp('reviews')
  const echo = await theatre.listen(createServer((socket) => socket.pipe(socket)))
  await theatre.start(
    `
about: ''
services:
  - host: reviews
    ports: [http:80, tcp:81]
    endpoints: {server-1: {address: ${serverAddress}, ports: {http: ${app.port}, tcp: ${echo}}}}
workloads:
  client-1: {address: ${clientAddress}}
  server-1: {address: ${serverAddress}}
config:
  - apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {name: closed, namespace: default}
    spec: {action: DENY, rules: [{to: [{operation: {paths: [/x]}}]}, {to: [{operation: {ports: ['${echo}']}}]}]}
  - apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {name: open, namespace: default}
    spec: {rules: [{to: [{operation: {paths: [/a, /b, /x]}}]}]}
  - apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {name: trial, namespace: default, annotations: {istio.io/dry-run: "true"}}
    spec: {action: DENY, rules: [{to: [{operation: {paths: [/x, /none]}}]}, {to: [{operation: {paths: [/b], ports: ['${app.port}']}}]}]}
  - apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {name: trial-open, namespace: default, annotations: {istio.io/dry-run: "true"}}
    spec: {rules: [{to: [{operation: {paths: [/b]}}]}]}
  - apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {name: marked, namespace: default}
    spec: {action: AUDIT, rules: [{to: [{operation: {paths: [/a, /x]}}]}, {to: [{operation: {ports: ['${echo}']}}]}]}
proxies: [sidecar/default/client-1, sidecar/default/server-1]
`,
    { methods: told.methods },
  )
  const { socket } = await theatre.openTunnel('reviews:81')
  expect(await exchange(socket, 'hello')).toBe('')
  const server = { reporter: 'destination' }
  for (const [path, status, verdict, trial, audit] of [
    [
      '/x',
      403,
      'denied:ns[default]-policy[closed]-rule[0]',
      'denied:ns[default]-policy[trial]-rule[0]',
      'ns[default]-policy[marked]-rule[0]',
    ],
    ['/other', 403, 'denied:none', 'denied:none', undefined],
    ['/a', 200, undefined, 'denied:none', 'ns[default]-policy[marked]-rule[0]'],
    ['/b', 200, undefined, 'denied:ns[default]-policy[trial]-rule[1]', undefined],
  ] as const) {
    expect((await get(`http://reviews${path}`)).status).toBe(status)
    const { policy_verdict, policy_trial, policy_audit } = await told.find({ ...server, path, response_code: status })
    expect({ policy_verdict, policy_trial, policy_audit }).toEqual({
      policy_verdict: verdict,
      policy_trial: trial,
      policy_audit: audit,
    })
  }
  const connection = await told.find({
    ...server,
    request_protocol: 'tcp',
    policy_verdict: 'denied:ns[default]-policy[closed]-rule[0]',
  })
  expect(connection).toMatchObject({
    policy_audit: 'ns[default]-policy[marked]-rule[0]',
    // What is asked of requests is no reason not to match a connection.
    policy_trial: 'denied:ns[default]-policy[trial]-rule[0]',
    source_principal: `spiffe://${domain}/ns/default/sa/default`,
  })
})
