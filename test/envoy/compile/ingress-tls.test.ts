import 'reflect-metadata'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer as createTlsServer, type ConnectionOptions } from 'node:tls'
import { ExtendedKeyUsage } from '@peculiar/x509'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually } from '#test/harness/child.ts'
import { issueLeaf, toWorkloadNames, type Leaf } from '#agent/identity/issue-leaf.ts'
import { parseCredential, secretObject } from '#agent/credentials/parse-credential.ts'
import { createIntermediate, domain, east, TestRoot, type TestIntermediate } from '#test/agent/test-pki.ts'
import type { Echo } from '#test/harness/echo-app.ts'
import { getTls, statusOf, talkTls } from './talk-tls.ts'
import { ask, stageNetwork, Theatre } from './theatre.ts'

const gateway = `${stageNetwork}.62`
const westernGateway = `${stageNetwork}.63`
const westernServer = `${stageNetwork}.64`

const credentialGateway = `${stageNetwork}.65`

let theatre: Theatre
let certificates: string
let issuer: TestIntermediate
let ofMesh: Leaf
const leaves = new Map<string, Leaf>()

const issue = async (name: string): Promise<Leaf> => {
  const names = { dnsNames: [name], usages: [ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth] }
  const leaf = await issueLeaf(issuer, names, Date.now())
  leaves.set(name, leaf)
  await writeFile(join(certificates, `${name}.pem`), leaf.chainPem)
  await writeFile(join(certificates, `${name}.key`), leaf.privateKeyPem)
  return leaf
}

const server = (name: string, host: string, tls: string, protocol = 'HTTPS', port = 443) =>
  `        - {port: {number: ${port}, name: ${name}, protocol: ${protocol}}, hosts: ['${host}'], tls: ${tls}}\n`
const files = (name: string) => `serverCertificate: $certificates/${name}.pem, privateKey: $certificates/${name}.key`
const route = (name: string, spec: string) =>
  `  - {apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: ${name}, namespace: default}, spec: {gateways: [front], ${spec}}}\n`
const http = (name: string, host: string, service: string) =>
  route(name, `hosts: [${host}], http: [{route: [{destination: {host: ${service}}}]}]`)

beforeAll(async () => {
  theatre = await Theatre.open()
  certificates = await mkdtemp(join(tmpdir(), 'atoll-ingress-'))
  const root = await TestRoot.create(Date.now(), 'outside')
  issuer = await createIntermediate(root, east, { permitted: [{ dns: 'example' }] })
  await writeFile(join(certificates, 'ca.pem'), root.pem)
  for (const name of ['a.example', 'b.example', 'client.example', 'stranger.example', 'inside.example'])
    await issue(name)
  const names = toWorkloadNames({ namespace: 'default', serviceAccount: 'caller' }, east, domain)
  if ('problem' in names) throw new Error(names.problem)
  ofMesh = await issueLeaf(theatre.east.intermediate, names, Date.now())

  const app = await theatre.startApp('app')
  const echo = await theatre.listen(createServer((socket) => socket.on('error', () => {}).pipe(socket)))
  const inside = leaves.get('inside.example')
  const passed = await theatre.listen(
    createTlsServer({ cert: inside?.chainPem ?? '', key: inside?.privateKeyPem ?? '' }, (socket) =>
      socket.on('error', () => {}).end('passed'),
    ),
  )
  const remote = await theatre.startApp('remote')
  await theatre.start(
    `
about: ''
settings: {proxyHttpPort: 0}
services:
  - host: remote
    ports: [http:80]
    endpoints: {server-1: {cluster: west, network: network-2, address: ${westernServer}, ports: {http: ${remote.port}}, serviceAccount: western}}
workloads:
  server-1: {address: ${westernServer}, network: network-2, serviceAccount: western}
  gateway-1: {address: ${westernGateway}, network: network-2, labels: {istio: eastwestgateway}}
config:
  - apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: cross-network, namespace: default}
    spec: {selector: {istio: eastwestgateway}, servers: [{port: {number: 15443, name: tls, protocol: TLS}, hosts: ['*.local'], tls: {mode: AUTO_PASSTHROUGH}}]}
proxies: [sidecar/default/server-1/western, gateway/default/gateway-1]
`,
    { member: theatre.west },
  )
  await theatre.start(
    `
about: ''
settings: {meshConfig: {tlsDefaults: {minProtocolVersion: TLSV1_3}, trustDomainAliases: [old.example]}}
clusters:
  west: {network: network-2, gateways: [{address: ${westernGateway}, port: 15443}]}
services:
  - {host: app, ports: [http:80], endpoints: {a: {address: 127.0.0.1, ports: {http: ${app.port}}, tls: none}}}
  - {host: echo, ports: [tcp:80], endpoints: {a: {address: 127.0.0.1, ports: {tcp: ${echo}}, tls: none}}}
  - {host: passed, ports: [tls:443], endpoints: {a: {address: 127.0.0.1, ports: {tls: ${passed}}, tls: none}}}
  - {host: remote, ports: [http:80], remote: {west: [{weight: 1, serviceAccounts: [western]}]}}
  - {host: front, ports: [https:443], endpoints: {gateway-1: {address: ${gateway}, ports: {https: 18443}}}}
workloads:
  gateway-1: {address: ${gateway}, labels: {istio: ingressgateway}, serviceAccount: ingress}
config:
  - apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: front, namespace: default}
    spec:
      selector: {istio: ingressgateway}
      servers:
${[
  server('a', 'a.example', `{mode: SIMPLE, ${files('a.example')}}`),
  server(
    'b',
    '*.b.example',
    `{mode: SIMPLE, ${files('b.example')}, maxProtocolVersion: TLSV1_2, cipherSuites: [ECDHE-ECDSA-AES256-GCM-SHA384]}`,
  ),
  server('new', 'new.example', `{mode: SIMPLE, ${files('a.example')}, minProtocolVersion: TLSV1_3}`),
  server('old', 'old.example', `{mode: SIMPLE, ${files('a.example')}, minProtocolVersion: TLSV1_2}`),
  server('mutual', 'mutual.example', `{mode: MUTUAL, ${files('a.example')}, caCertificates: $certificates/ca.pem}`),
  server(
    'named',
    'named.example',
    `{mode: MUTUAL, ${files('a.example')}, caCertificates: $certificates/ca.pem, subjectAltNames: [client.example]}`,
  ),
  server(
    'optional',
    'optional.example',
    `{mode: OPTIONAL_MUTUAL, ${files('a.example')}, caCertificates: $certificates/ca.pem}`,
  ),
  server('mesh', 'mesh.example', '{mode: ISTIO_MUTUAL}'),
  server(
    'account',
    'account.example',
    '{mode: ISTIO_MUTUAL, subjectAltNames: [spiffe://td.example/ns/default/sa/other]}',
  ),
  server(
    'alias',
    'alias.example',
    '{mode: ISTIO_MUTUAL, subjectAltNames: [spiffe://old.example/ns/default/sa/caller]}',
  ),
  server('pass', 'inside.example', '{mode: PASSTHROUGH}', 'TLS'),
  server('stream', 'stream.example', `{mode: SIMPLE, ${files('a.example')}}`, 'TLS'),
  server('foreign', 'foreign.example', '{mode: SIMPLE, credentialName: other/secret}'),
].join('')}        - {port: {number: 18444, name: plain, protocol: TCP}, hosts: ['*']}
${[
  ...['a', 'x.b', 'new', 'old', 'mutual', 'named', 'optional', 'mesh', 'account', 'alias', 'foreign'].map((name) =>
    http(name.replace('.', '-'), `${name}.example`, 'app'),
  ),
  route(
    'remote',
    `hosts: [a.example], http: [{match: [{uri: {prefix: /remote}}], route: [{destination: {host: remote}}]}]`,
  ),
  route(
    'pass',
    `hosts: [inside.example], tls: [{match: [{sniHosts: [inside.example]}], route: [{destination: {host: passed}}]}]`,
  ),
  route(
    'tcp',
    `hosts: ['*.example'], tcp: [{match: [{port: 443}, {port: 18444}], route: [{destination: {host: echo}}]}]`,
  ),
].join('')}
proxies: [gateway/default/gateway-1/ingress]
`,
    { certificates },
  )
})
afterAll(async () => {
  await theatre.clear()
  await rm(certificates, { recursive: true, force: true })
})

const talk = (servername: string, text: string, options: ConnectionOptions = {}) =>
  talkTls({ host: gateway, port: 18443, ...options, servername }, text)
const get = (servername: string, options: ConnectionOptions = {}, path = '/') =>
  getTls({ host: gateway, port: 18443, ...options, servername }, path)
const withLeaf = (leaf: Leaf | undefined): ConnectionOptions => ({ cert: leaf?.chainPem, key: leaf?.privateKeyPem })
const byName = (name: string): ConnectionOptions => withLeaf(leaves.get(name))

test.each<[string, string, () => ConnectionOptions, string]>([
  ['SIMPLE', 'a.example', () => ({}), '200'],
  ['a name that no server has', 'nobody.example', () => ({}), 'refused'],
  ['MUTUAL without a certificate', 'mutual.example', () => ({}), 'refused'],
  ['MUTUAL with one of the authority', 'mutual.example', () => byName('client.example'), '200'],
  ['MUTUAL with one of another authority', 'mutual.example', () => withLeaf(ofMesh), 'refused'],
  ['MUTUAL with the name that is wanted', 'named.example', () => byName('client.example'), '200'],
  ['MUTUAL with another name', 'named.example', () => byName('stranger.example'), 'refused'],
  ['OPTIONAL_MUTUAL without a certificate', 'optional.example', () => ({}), '200'],
  ['OPTIONAL_MUTUAL with one of another authority', 'optional.example', () => withLeaf(ofMesh), 'refused'],
  ['ISTIO_MUTUAL without a certificate', 'mesh.example', () => ({}), 'refused'],
  ['ISTIO_MUTUAL with one of the mesh', 'mesh.example', () => withLeaf(ofMesh), '200'],
  ['ISTIO_MUTUAL with an account that is not wanted', 'account.example', () => withLeaf(ofMesh), 'refused'],
  [
    "ISTIO_MUTUAL with an account that is wanted by an alias of the mesh's trust domain",
    'alias.example',
    () => withLeaf(ofMesh),
    '200',
  ],
  ["a version that is too old for the mesh's defaults", 'a.example', () => ({ maxVersion: 'TLSv1.2' }), 'refused'],
  [
    "a version that the server takes, whatever the mesh's defaults",
    'old.example',
    () => ({ maxVersion: 'TLSv1.2' }),
    '200',
  ],
  ['a version that is too old', 'new.example', () => ({ maxVersion: 'TLSv1.2' }), 'refused'],
  ['a version that is new enough', 'new.example', () => ({}), '200'],
  ['a version that is too new', 'x.b.example', () => ({ minVersion: 'TLSv1.3' }), 'refused'],
  ['a cipher suite that is not wanted', 'x.b.example', () => ({ ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256' }), 'refused'],
  ['a credential of another namespace', 'foreign.example', () => ({}), 'refused'],
])('%s', async (_, host, options, expected) => {
  expect(statusOf(await get(host, options()))).toBe(expected)
})

test('several certificates by SNI, with the versions and cipher suites of each', async () => {
  expect(await get('a.example')).toMatchObject({ shown: 'DNS:a.example', version: 'TLSv1.3' })
  expect(await get('x.b.example')).toMatchObject({
    shown: 'DNS:b.example',
    version: 'TLSv1.2',
    cipher: 'ECDHE-ECDSA-AES256-GCM-SHA384',
  })
})

test('says who the client proved to be', async () => {
  const seen = await get('mutual.example', byName('client.example'))
  if (typeof seen === 'string') throw new Error(seen)
  const { headers } = JSON.parse(seen.text.slice(seen.text.indexOf('\r\n{'), seen.text.lastIndexOf('}') + 1)) as Echo
  expect(headers['x-forwarded-client-cert']).toContain('DNS=client.example')
  expect(headers['x-forwarded-client-cert']).toContain('Cert="')
  expect(headers['x-forwarded-proto']).toBe('https')
})

test('passes TLS on by SNI, and streams with and without TLS', async () => {
  expect(await talk('inside.example', '')).toMatchObject({ shown: 'DNS:inside.example', text: 'passed' })
  expect(await talk('stream.example', 'hello')).toMatchObject({ shown: 'DNS:a.example', text: 'hello' })
  expect(await ask(await theatre.dial(gateway, 18444), 'plain')).toBe('plain')
})

test('a request is served by a cluster on another network, whose gateway passes mesh mTLS on', async () => {
  const seen = await get('a.example', {}, '/remote')
  expect(statusOf(seen)).toBe('200')
  expect(seen).toMatchObject({ text: expect.stringContaining('"app":"remote"') as string })
  expect(seen).toMatchObject({
    text: expect.stringContaining('"caller":"spiffe://td.example/ns/default/sa/ingress"') as string,
  })
})

const toSecret = (values: Readonly<Record<string, string | undefined>>) =>
  parseCredential(secretObject.parse({ kind: 'Secret', metadata: { name: 'any' }, stringData: values }))

test('credentials of the gateway: a server whose Secret is missing answers nobody and keeps nobody else from it, and Secrets are followed', async () => {
  const app = await theatre.startApp('credentials')
  const stage = await theatre.start(
    `
about: ''
services:
  - {host: app, ports: [http:80], endpoints: {a: {address: 127.0.0.1, ports: {http: ${app.port}}, tls: none}}}
workloads:
  gateway-1: {address: ${credentialGateway}}
config:
  - apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: front, namespace: default}
    spec:
      servers:
${[
  server('a', 'a.example', '{mode: SIMPLE, credentialName: first}', 'HTTPS', 18443),
  server('b', 'b.example', '{mode: MUTUAL, credentialName: second}', 'HTTPS', 18443),
  server('file', 'file.example', `{mode: SIMPLE, ${files('a.example')}}`, 'HTTPS', 18443),
].join('')}
${['a', 'b', 'file'].map((name) => http(name, `${name}.example`, 'app')).join('')}
proxies: [gateway/default/gateway-1]
`,
    { certificates },
  )
  const at = (options: ConnectionOptions = {}) => ({ host: credentialGateway, ...options })
  const [a, b, ca] = [
    leaves.get('a.example'),
    leaves.get('b.example'),
    await readFile(join(certificates, 'ca.pem'), 'utf8'),
  ]
  expect(statusOf(await get('file.example', at()))).toBe('200')
  expect(statusOf(await get('a.example', at()))).toBe('refused')

  const first = toSecret({ 'tls.crt': a?.chainPem, 'tls.key': a?.privateKeyPem })
  const second = toSecret({ cert: b?.chainPem, key: b?.privateKeyPem })
  const authorities = toSecret({ cacert: ca })
  const changes = [
    ['default/first', first],
    ['default/second', second],
    ['default/second-cacert', authorities],
  ] as const
  expect(await stage.changeCredentials(new Map(changes))).toEqual([])
  // Envoy says that it has a secret before its listener goes by it.
  const untilShown = (name: string) =>
    eventually(`the certificate of ${name} is shown`, async () => {
      const answer = await get('a.example', at())
      return typeof answer === 'object' && answer.shown === `DNS:${name}`
    })
  await untilShown('a.example')
  await eventually(
    'the client with a certificate is let in',
    async () => statusOf(await get('b.example', at(byName('client.example')))) === '200',
  )
  expect(statusOf(await get('b.example', at()))).toBe('refused')

  await stage.changeCredentials(new Map([['default/first', second]]))
  await untilShown('b.example')
  await stage.changeCredentials(new Map([['default/first', toSecret({ cert: a?.chainPem, key: b?.privateKeyPem })]]))
  expect(stage.credentialProblems()).toEqual([
    {
      object: 'Gateway/default/front',
      message: 'server a: Secret default/first is of no use: its key is not that of its certificate',
    },
  ])
  expect(await get('a.example', at())).toMatchObject({ shown: 'DNS:b.example' })

  await stage.changeCredentials(new Map([['default/first', null]]))
  expect(stage.credentialProblems()).toHaveLength(1)
  expect(await get('a.example', at())).toMatchObject({ shown: 'DNS:b.example' })
})
