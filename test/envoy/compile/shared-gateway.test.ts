import 'reflect-metadata'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { ExtendedKeyUsage } from '@peculiar/x509'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { issueLeaf, type Leaf } from '#agent/identity/issue-leaf.ts'
import { ok } from '#mesh/result.ts'
import { createIntermediate, east, TestRoot } from '#test/agent/test-pki.ts'
import { eventually } from '#test/harness/child.ts'
import { readScene } from '#test/compile/scene.ts'
import type { Stage } from './stage.ts'
import { getTls, statusOf } from './talk-tls.ts'
import { stageNetwork, Theatre } from './theatre.ts'

/** A gateway on which several people have Gateway objects: what one of them does costs the others nothing. */
const address = `${stageNetwork}.66`
const port = 18443

const garbage = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'

let theatre: Theatre
let certificates: string
let good: Leaf
beforeAll(async () => {
  theatre = await Theatre.open()
  certificates = await mkdtemp(join(tmpdir(), 'atoll-shared-gateway-'))
  const issuer = await createIntermediate(await TestRoot.create(Date.now(), 'outside'), east, {
    permitted: [{ dns: 'example' }],
  })
  const issue = (name: string) =>
    issueLeaf(issuer, { dnsNames: [name], usages: [ExtendedKeyUsage.serverAuth] }, Date.now())
  good = await issue('good.example')
  const other = await issue('other.example')
  const files = {
    'good.pem': good.chainPem,
    'good.key': good.privateKeyPem,
    'other.pem': other.chainPem,
    'other.key': other.privateKeyPem,
    'garbage.pem': garbage,
    'empty.pem': '',
  }
  for (const [name, text] of Object.entries(files)) await writeFile(join(certificates, name), text)
})
afterEach(() => theatre.clear())
afterAll(() => rm(certificates, { recursive: true, force: true }))

const gateway = (name: string, tls: string) =>
  `  - {apiVersion: networking.istio.io/v1, kind: Gateway, metadata: {name: ${name}, namespace: ${name}}, spec: {servers: [{port: {number: ${port}, name: https, protocol: HTTPS}, hosts: [${name}.example], tls: ${tls}}]}}
  - {apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: ${name}, namespace: ${name}}, spec: {hosts: [${name}.example], gateways: [${name}], http: [{directResponse: {status: 200}}]}}
`
const files = (chain: string, key = chain) =>
  `serverCertificate: $certificates/${chain}.pem, privateKey: $certificates/${key}.key`

const scene = (config: string) => `
about: ''
services: []
workloads:
  gateway-1: {address: ${address}}
config:
${config}
proxies: [gateway/default/gateway-1]
`

const start = (config: string): Promise<Stage> => theatre.startFaulty(scene(config), { certificates })

const add = (stage: Stage, config: string): Promise<readonly string[]> => {
  const { changes } = readScene(scene(config), { certificates, standpoint: theatre.east })
  return stage.change(...changes.filter(({ kind }) => kind === 'config'))
}

/** The status of an answer; 'refused' when TLS is. */
const ask = async (name: string): Promise<string> =>
  statusOf(await getTls({ host: address, port, servername: `${name}.example` }))

/** One whose files are broken, and one that is as it should be. */
const twoServers = `  - apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: two, namespace: two}
    spec:
      servers:
        - {port: {number: ${port}, name: torn, protocol: HTTPS}, hosts: [torn.example], tls: {mode: SIMPLE, ${files('torn')}}}
        - {port: {number: ${port}, name: whole, protocol: HTTPS}, hosts: [whole.example], tls: {mode: SIMPLE, ${files('good')}}}
  - {apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: two, namespace: two}, spec: {hosts: [torn.example, whole.example], gateways: [two], http: [{directResponse: {status: 200}}]}}
`

const bad: Readonly<Record<string, string>> = {
  absent: `{mode: SIMPLE, ${files('absent')}}`,
  mismatched: `{mode: SIMPLE, ${files('good', 'other')}}`,
  garbage: `{mode: SIMPLE, ${files('garbage', 'good')}}`,
  empty: `{mode: SIMPLE, ${files('empty', 'good')}}`,
  unverified: `{mode: MUTUAL, ${files('good')}, caCertificates: $certificates/garbage.pem}`,
  rootless: `{mode: MUTUAL, ${files('good')}, caCertificates: $certificates/nowhere.pem}`,
}

test('certificate files that are missing or broken keep nobody else from the port, now or when it changes, and are told', async () => {
  const all = [
    gateway('good', `{mode: SIMPLE, ${files('good')}}`),
    twoServers,
    ...Object.entries(bad).map(([name, tls]) => gateway(name, tls)),
  ]
  const stage = await start(all.join(''))
  const blamed = await eventually('all are to blame', () => {
    const found = new Map(stage.blamed().map(({ object, message }) => [object, message]))
    return found.size === Object.keys(bad).length + 1 && found
  })
  expect([...blamed.keys()].toSorted()).toEqual(
    [...Object.keys(bad), 'two'].map((name) => `Gateway/${name}/${name}`).toSorted(),
  )
  expect(blamed.get('Gateway/two/two')).toContain('torn.key')
  await eventually('what is not to blame is served', async () => (await ask('whole')) === '200')
  expect(await ask('torn')).toBe('refused')
  expect(blamed.get('Gateway/rootless/rootless')).toContain('nowhere.pem')
  expect(blamed.get('Gateway/mismatched/mismatched')).toContain('other.key')
  expect(await ask('good')).toBe('200')
  for (const name of Object.keys(bad)) expect([name, await ask(name)]).toEqual([name, 'refused'])

  await add(stage, gateway('later', `{mode: SIMPLE, ${files('good')}}`))
  await eventually('the new server answers', async () => (await ask('later')) === '200')
  expect(await ask('good')).toBe('200')
})

test('a Secret that Envoy refuses keeps nobody else from the port', async () => {
  const named = (name: string) => gateway(name, `{mode: SIMPLE, credentialName: ${name}}`)
  const stage = await start(named('good') + named('broken'))
  const toSecret = (chainPem: string) => ok({ certificate: { chainPem, keyPem: good.privateKeyPem } })
  await stage.changeCredentials(
    new Map([
      ['default/good', toSecret(good.chainPem)],
      ['default/broken', toSecret(`${good.chainPem}${garbage}`)],
    ]),
  )
  await eventually('the good one answers', async () => (await ask('good')) === '200')
  await add(stage, named('good') + named('broken') + gateway('later', `{mode: SIMPLE, ${files('good')}}`))
  await eventually('the new server answers', async () => (await ask('later')) === '200')
  expect(await ask('good')).toBe('200')
  expect(await ask('broken')).toBe('refused')
})

describe('by SNI', () => {
  const passedPort = 18444
  const otherPort = 18445
  const reached: string[] = []
  let stages: Theatre
  beforeEach(() => void reached.splice(0))
  afterAll(() => stages.clear())
  beforeAll(async () => {
    stages = await Theatre.open()
    const listen = (name: string) =>
      stages.listen(
        createServer((socket) => {
          reached.push(name)
          socket.on('error', () => {}).destroy()
        }),
      )
    const [mine, others, routed] = [await listen('mine'), await listen('others'), await listen('routed')]
    const server = (name: string, number: number, protocol: string, hosts: string, tls: string) =>
      `{port: {number: ${number}, name: ${name}, protocol: ${protocol}}, hosts: [${hosts}]${tls}}`
    const passes = ', tls: {mode: PASSTHROUGH}'
    const passesAll = ', tls: {mode: AUTO_PASSTHROUGH}'
    await stages.start(`
about: ''
services:
  - {host: mine, ports: [tls:443], endpoints: {a: {address: 127.0.0.1, ports: {tls: ${mine}}}}}
  - {host: others, ports: [tls:443], endpoints: {a: {address: 127.0.0.1, ports: {tls: ${others}}}}}
  - {host: routed, ports: [tcp:80], endpoints: {a: {address: 127.0.0.1, ports: {tcp: ${routed}}, tls: none}}}
  - {host: hidden, ports: [tls:443], fields: {exportTo: ['~']}, endpoints: {a: {address: 127.0.0.1, ports: {tls: ${others}}}}}
workloads:
  gateway-1: {address: ${address}}
config:
  - apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: a, namespace: a}
    spec:
      servers:
        - ${server('pass', port, 'TLS', "'*.a.example', a/all.example, ./own.example, b/foreign.example", passes)}
        - ${server('networks', passedPort, 'TLS', 'mine.default.svc.cluster.local', passesAll)}
        - ${server('others', otherPort, 'TLS', "'*.local'", passesAll)}
        - ${server('tcp', 18446, 'TCP', "'*'", '')}
  - apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: b, namespace: b}
    spec: {servers: [${server('pass', port, 'TLS', 'b.a.example', passes)}]}
  - apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: a, namespace: a}
    spec:
      hosts: ['*.example']
      gateways: [a]
      tls:
        - match: [{port: ${port}, sniHosts: ['*.example', b.a.example, x.a.example]}]
          route: [{destination: {host: routed.default.svc.cluster.local}}]
      tcp: [{match: [{port: 18446}], route: [{destination: {host: routed.default.svc.cluster.local}}]}]
  - apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: b, namespace: b}
    spec: {hosts: [b.a.example], gateways: [b], tls: [{match: [{sniHosts: [b.a.example]}], route: [{destination: {host: others.default.svc.cluster.local}}]}]}
proxies: [gateway/default/gateway-1]
`)
  })

  const service = (host: string) => `outbound_.443_._.${host}.default.svc.cluster.local`

  test.each<[string, number, string, string]>([
    ['a TLS route has the hosts of its server', port, 'x.a.example', 'routed'],
    ['a wildcard of a TLS route means those of the server', port, 'y.a.example', 'routed'],
    ['and those of the own namespace', port, 'own.example', 'routed'],
    ['not those for other namespaces', port, 'foreign.example', 'nobody'],
    ['and no others', port, 'elsewhere.example', 'nobody'],
    ['not those that another Gateway names', port, 'b.a.example', 'others'],
    ['AUTO_PASSTHROUGH leads to services of its hosts', passedPort, service('mine'), 'mine'],
    ['not to those of another server', passedPort, service('others'), 'nobody'],
    ['which that leads to', otherPort, service('others'), 'others'],
    ['nor to what the proxy reaches by routes', otherPort, 'outbound|80||routed.default.svc.cluster.local', 'nobody'],
    ['nor to services that are not exported', otherPort, service('hidden'), 'nobody'],
  ])('%s', async (_, toPort, servername, expected) => {
    const socket = connectTls({ host: address, port: toPort, servername, rejectUnauthorized: false })
    await new Promise<void>((resolve) => socket.on('error', () => {}).once('close', () => resolve()))
    expect(reached[0] ?? 'nobody').toBe(expected)
  })
})
