import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { AccessLog } from '#api/schemas/telemetry.ts'
import { eventually } from '#test/harness/child.ts'
import { EchoApp } from '#test/harness/echo-app.ts'
import { workload } from '#test/harness/manifests.ts'
import { requestThroughProxy } from '#test/harness/proxy-request.ts'
import { World, type WorldCluster, type WorldProxy } from '#test/harness/world.ts'

/** What is foretold of a mesh that runs, from what its proxies have told, and whether it comes true. */
let directory: string
let world: World
let cluster: WorldCluster
let app: EchoApp
let proxies: { readonly frontend: WorldProxy; readonly reviews: WorldProxy; readonly ingress: WorldProxy }
const tcp = createServer((socket) => socket.on('error', () => {}).pipe(socket))

const toFile = async (text: string): Promise<string> => {
  const file = join(directory, 'proposed.yaml')
  await writeFile(file, text)
  return file
}
const apply = async (text: string): Promise<void> => {
  await world.atoll(['apply', '-f', await toFile(text), '--wait'])
}
const toPolicy = (kind: string, name: string, spec: string) => `
apiVersion: security.istio.io/v1
kind: ${kind}
metadata: {name: ${name}, namespace: default}
spec: ${spec}
`
const peers = (mode: string) => toPolicy('PeerAuthentication', 'default', `{mtls: {mode: ${mode}}}`)
const policy = (spec: string) => toPolicy('AuthorizationPolicy', 'p', spec)
const ofReviews = 'selector: {matchLabels: {app: reviews}}'

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'atoll-foretelling-'))
  world = await World.create(directory)
  await world.startPlane()
  await world.signIn('demo.example')
  cluster = await world.join('east', 'net-east')
  app = await EchoApp.start('reviews')
  tcp.listen(0, '127.0.0.1')
  await once(tcp, 'listening')
  const toEntry = (name: string, octet: number) =>
    workload({ name, address: `${cluster.prefix}.${octet}`, serviceAccount: name, labels: { app: name } })
  await world.writeRegistry(
    cluster,
    'mesh.yaml',
    [
      toEntry('frontend', 10),
      toEntry('reviews', 11),
      toEntry('ingress', 12),
      `apiVersion: v1
kind: Service
metadata: {name: reviews, namespace: default}
spec: {selector: {app: reviews}, ports: [{name: http, port: 9080}, {name: tcp, port: 9000}]}
---
apiVersion: v1
kind: Service
metadata: {name: empty, namespace: default}
spec: {selector: {app: nobody}, ports: [{name: http, port: 80}]}
`,
      `apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: reviews, namespace: default}
spec:
  workloadSelector: {labels: {app: reviews}}
  ingress:
  - {port: {number: 9080, name: http, protocol: HTTP}, defaultEndpoint: '127.0.0.1:${app.port}'}
  - {port: {number: 9000, name: tcp, protocol: TCP}, defaultEndpoint: '127.0.0.1:${(tcp.address() as AddressInfo).port}'}
  egress: [{hosts: ['*/*']}]
`,
    ].join('---\n'),
  )
  await world.startAgent(cluster)
  const add = (role: 'sidecar' | 'gateway', name: string, octet: number) =>
    world.addProxy(cluster, { role, serviceAccount: name, workload: name, octet })
  const [frontend, reviews, ingress] = await Promise.all([
    add('sidecar', 'frontend', 10),
    add('sidecar', 'reviews', 11),
    add('gateway', 'ingress', 12),
  ])
  proxies = { frontend, reviews, ingress }
  await world.atoll([
    'apply',
    '-f',
    await toFile(`${peers('PERMISSIVE')}---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: front, namespace: default}
spec: {selector: {app: ingress}, servers: [{port: {number: 8080, name: http, protocol: HTTP}, hosts: ['*']}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: front, namespace: default}
spec: {hosts: ['*'], gateways: [front], http: [{route: [{destination: {host: reviews, port: {number: 9080}}}]}]}
`),
  ])
  for (const proxy of Object.values(proxies)) world.startEnvoy(proxy)
  await eventually('all are called', async () => (await callAll()).every((status) => status === 200))
  await eventually('all of it is told', async () => {
    const paths = await readPaths()
    return ['/by-frontend/1', '/in-plaintext/1', '/by-clients/1', 'tcp'].every((path) => paths.includes(path))
  })
}, 240_000)

afterAll(async () => {
  await world.stop()
  await app.stop()
  tcp.close()
  await rm(directory, { recursive: true, force: true })
})

const url = 'http://reviews.default.svc.cluster.local:9080'
const viaFrontend = async (path: string): Promise<number> =>
  (await requestThroughProxy({ host: proxies.frontend.address, port: 15007 }, `${url}${path}`)).status
const direct = async ({ address }: WorldProxy, port: number, path: string): Promise<number> => {
  const { status } = await requestThroughProxy({ host: address, port }, `http://reviews:9080${path}`, {
    // A new connection each: one that is open is answered while its listener drains.
    headers: { 'user-agent': 'Prometheus/2.53.0 (linux)', connection: 'close' },
  })
  return status
}
const talk = async (): Promise<number> => {
  const socket = connect(9000, proxies.reviews.address)
  socket.write('hello')
  try {
    return String(await once(socket, 'data')) === 'hello' ? 200 : 0
  } finally {
    socket.destroy()
  }
}
const callAll = () =>
  Promise.all([
    viaFrontend('/by-frontend/1'),
    direct(proxies.reviews, 9080, '/in-plaintext/1'),
    direct(proxies.ingress, 8080, '/by-clients/1'),
    talk(),
  ])

const readPaths = async (): Promise<readonly string[]> => {
  const { items } = await world.atollJson<{ items: AccessLog[] }>(['logs', '--limit', '500'])
  return items.map(({ path, request_protocol: protocol }) => (protocol === 'tcp' ? 'tcp' : (path ?? '')))
}

interface Told {
  readonly effects: {
    readonly changed: readonly Readonly<Record<'source' | 'called' | 'request' | 'after', string>>[]
    readonly notKnown: readonly { readonly missing: readonly string[] }[]
  }
}
/** "who > what at whom: verdict", of each kind of calls. */
const foretell = async (args: readonly string[]): Promise<readonly string[]> => {
  const { effects } = await world.atollJson<Told>([...args, '--dry-run'])
  return [
    ...effects.changed.map(({ source, called, request, after }) => `${source} > ${request} at ${called}: ${after}`),
    ...effects.notKnown.map(({ missing }) => `not known: ${missing.join(', ')}`),
  ].toSorted()
}
const foretellOf = async (text: string) => foretell(['apply', '-f', await toFile(text)])

const inPlaintext = [
  'Prometheus/2.53.0 > GET reviews:9080/in-plaintext/* at default/reviews in east: denied',
  'somebody > TCP port 9000 at default/reviews in east: denied',
]
const ingress = 'gateway default/ingress in east'

describe('a dry run', () => {
  test('of STRICT names who calls in plaintext, requests and connections', async () => {
    expect(await foretellOf(peers('STRICT'))).toEqual(inPlaintext)
  })

  test('of what is deleted goes by what is left, here the mesh itself', async () => {
    expect(await foretell(['delete', 'PeerAuthentication', 'default'])).toEqual(inPlaintext)
  })

  test('of policies tells it of sidecars and gateways, by their own ports', async () => {
    const ports = policy(`{action: DENY, rules: [{to: [{operation: {ports: ["8080", "9000"]}}]}]}`)
    expect(await foretellOf(ports)).toEqual([
      `clients > GET reviews:9080/by-clients/* at ${ingress}: denied`,
      inPlaintext[1],
    ])
    const asksHeader = `{when: [{key: 'request.headers[x-role]', values: [a]}], to: [{operation: {ports: ["9080"]}}]}`
    const byGateway = `{from: [{source: {serviceAccounts: [default/ingress]}}]}`
    expect(await foretellOf(policy(`{${ofReviews}, rules: [${byGateway}, ${asksHeader}]}`))).toEqual([
      'not known: header x-role',
      'not known: header x-role',
      inPlaintext[1],
    ])
  })
})

test('it comes true, and atoll authz check says of the mesh as it is what Envoy does', async () => {
  const check = async (...args: readonly string[]) => {
    const { code, stdout } = await world.atoll(['authz', 'check', ...args, '-o', 'json'], { allowFailure: true })
    const { outcome, decidedBy } = JSON.parse(stdout) as { outcome: string; decidedBy: { object: string }[] }
    return [code, outcome, ...decidedBy.map(({ object }) => object)]
  }
  const own = 'AuthorizationPolicy/default/p'
  const rules = `[{to: [{operation: {paths: [/x]}}]}, {to: [{operation: {paths: [/y]}}], when: [{key: source.ip, values: [192.0.2.1]}]}]`
  await apply(`${peers('STRICT')}---${policy(`{${ofReviews}, action: DENY, rules: ${rules}}`)}`)
  await expect(direct(proxies.reviews, 9080, '/in-plaintext/1')).rejects.toThrow(/socket hang up|ECONNRESET/)
  expect([await viaFrontend('/by-frontend/1'), await viaFrontend('/x')]).toEqual([200, 403])
  const checked = await Promise.all([
    check('default/frontend', `${url}/by-frontend/1`),
    check('default/frontend', `${url}/x`),
    check('default/frontend', `${url}/y`),
    check('default/frontend', 'http://empty.default.svc.cluster.local/'),
    check('default/frontend', `${url}/by-frontend/1`, '--no-proxy'),
  ])
  expect(checked).toEqual([
    [0, 'allowed'],
    [11, 'denied', own],
    [10, 'not-known'],
    [9, 'not-asked'],
    [11, 'denied', 'PeerAuthentication/default/default'],
  ])
})
