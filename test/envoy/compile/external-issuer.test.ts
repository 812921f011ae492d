import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type TLSSocket } from 'node:tls'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { issueLeaf, toWorkloadNames } from '#agent/identity/issue-leaf.ts'
import { meshName } from '#mesh/names.ts'
import type { ExternalIssuer, TrustState } from '#mesh/trust.ts'
import { domain, east, west } from '#test/agent/test-pki.ts'
import { Child, eventually } from '#test/harness/child.ts'
import type { Echo } from '#test/harness/echo-app.ts'
import { IstioCa, type LeafNames } from '#test/harness/istio-ca.ts'
import { cluster, IstioSidecar, socketAddress, type Json } from '#test/harness/istio-sidecar.ts'
import { requestThroughProxy } from '#test/harness/proxy-request.ts'
import { freePort } from '#test/harness/world.ts'
import { signIssuer } from '#worker/ca/issuer.ts'
import { verifyIssuerRequest } from '#worker/ca/verify-request.ts'
import { envoyPath } from '../../../scripts/envoy-path.mjs'
import { ask, clientAddress, get, getEcho, serverAddress, stageNetwork, Theatre } from './theatre.ts'

const istioAddress = `${stageNetwork}.4`
const istioClientId = 'spiffe://td.example/ns/default/sa/istio-client'
const istioServerId = 'spiffe://td.example/ns/default/sa/ratings'
const reviewsId = 'spiffe://td.example/ns/default/sa/default'
const httpAlpn = ['istio-http/1.1', 'istio', 'http/1.1']

let directory: string
let theatre: Theatre
let istio: IstioCa
let issuer: ExternalIssuer
let rootFile: string
const children: Child[] = []

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'atoll-istio-'))
  theatre = await Theatre.open()
  istio = await IstioCa.create(directory)
  const request = await verifyIssuerRequest(await istio.csr())
  if (!request.ok) throw new Error(request.error)
  const identity = { mesh: meshName.parse('demo'), trustDomain: domain, name: 'istio' }
  const { pem } = await signIssuer(request.value, identity, '4a01', theatre.root.signer, Date.now())
  await istio.take(pem)
  issuer = { name: 'istio', clusters: [east], pem }
  rootFile = join(directory, 'root-cert.pem')
  await writeFile(rootFile, theatre.root.pem)
})
afterEach(async () => {
  for (const child of children.splice(0)) await child.stop()
  await theatre.clear()
})
afterAll(() => rm(directory, { recursive: true, force: true }))

/** Atoll's sidecars of a client and of `reviews`; `ratings` has Istio's sidecar, and so does one pod of `mixed`. */
const scene = (port: number, istioPort: number, { externalIn = 'east', protocol = 'http', settings = '' } = {}) => `
about: ''
settings: {${settings}}
externalIn: [${externalIn}]
services:
  - host: reviews
    ports: ['p:80:${protocol}']
    endpoints:
      server-1: {ports: {p: ${port}}, address: ${serverAddress}}
  - host: ratings
    ports: ['p:80:http', 't:81:tcp', 'a:82:auto']
    endpoints:
      istio-1: {ports: {p: ${istioPort}, t: ${istioPort}, a: ${istioPort}}, address: ${istioAddress}, serviceAccount: ratings, issuer: external}
  - host: mixed
    ports: ['p:80:${protocol}']
    endpoints:
      server-1: {ports: {p: ${port}}, address: ${serverAddress}}
      istio-1: {ports: {p: ${istioPort}}, address: ${istioAddress}, serviceAccount: ratings, issuer: external}
workloads:
  client-1: {address: ${clientAddress}}
  server-1: {address: ${serverAddress}}
proxies: [sidecar/default/client-1, sidecar/default/server-1]
`

/** An Envoy as Istio configures it, with a leaf of these names. Its admin interface is waited for. */
const startIstio = async (names: LeafNames, toResources: (sidecar: IstioSidecar) => Json): Promise<void> => {
  const name = `istio-${children.length}-${Date.now()}`
  const leaf = await istio.issue(name, names)
  const sidecar = new IstioSidecar({ leaf, roots: rootFile, trustDomain: domain })
  await startEnvoy(name, toResources(sidecar))
}

const startEnvoy = async (name: string, resources: Json): Promise<void> => {
  const admin = await freePort()
  const bootstrap = { admin: { address: socketAddress('127.0.0.1', admin) }, static_resources: resources }
  await writeFile(join(directory, `${name}.yaml`), stringify(bootstrap))
  const args = ['-c', `${name}.yaml`, '--disable-hot-restart', '--concurrency', '1', '--log-level', 'warning']
  const child = new Child({ name, command: envoyPath(), args, cwd: directory })
  children.push(child)
  await eventually(`${name} is live`, async () => {
    if (!child.running) throw new Error(child.log())
    return (await fetch(`http://127.0.0.1:${admin}/ready`)).status === 200
  })
}

const toServer = (port: number, appPort: number) => (sidecar: IstioSidecar) => ({
  listeners: [
    {
      name: 'inbound',
      address: socketAddress(istioAddress, port),
      listener_filters: [sidecar.listenerFilter('tls_inspector')],
      filter_chains: sidecar.inboundChains('app'),
    },
  ],
  clusters: [cluster('app', '127.0.0.1', appPort)],
})

/** Istio's client of `reviews`, for HTTP on one port and TCP on another. */
const toClient =
  (httpPort: number, tcpPort: number, serverPort: number, serverId: string) => (sidecar: IstioSidecar) => {
    const sni = 'outbound_.80_._.reviews.default.svc.cluster.local'
    const listen = (name: string, port: number, filter: Json) => ({
      name,
      address: socketAddress('127.0.0.1', port),
      filter_chains: [{ filters: [filter] }],
    })
    return {
      listeners: [
        listen('http', httpPort, sidecar.http('outbound', 'reviews-http')),
        listen('tcp', tcpPort, sidecar.tcp('outbound', 'reviews-tcp')),
      ],
      clusters: (['http', 'tcp'] as const).map((kind) =>
        cluster(`reviews-${kind}`, serverAddress, serverPort, {
          transport_socket: sidecar.clientSocket(kind, sni, serverId),
        }),
      ),
    }
  }

const viaIstio = (port: number) => requestThroughProxy({ host: '127.0.0.1', port }, 'http://reviews/')

/** Knocks at a port of Atoll's sidecar; the status line of the answer, or what ended the connection. */
const knock = async (
  port: number,
  { certificate, key }: { readonly certificate: string; readonly key: string },
  alpn: readonly string[],
): Promise<{ readonly said: string; readonly socket: TLSSocket }> => {
  const socket = connect({
    host: serverAddress,
    port,
    cert: certificate,
    key,
    rejectUnauthorized: false,
    ...(alpn.length > 0 && { ALPNProtocols: [...alpn] }),
  })
  const said = await new Promise<string>((resolve) => {
    socket.once('data', (data: Buffer) => resolve(data.toString().split('\r\n')[0] ?? ''))
    socket.once('error', (error) => resolve(error.message))
    socket.once('close', () => resolve('closed'))
    socket.write('GET / HTTP/1.1\r\nhost: reviews\r\n\r\n')
  })
  return { said, socket }
}

const knockOnce = async (...args: Parameters<typeof knock>): Promise<string> => {
  const { said, socket } = await knock(...args)
  socket.destroy()
  return said
}

const istioLeaf = async (names: LeafNames) => {
  const files = await istio.issue(`leaf-${Date.now()}-${Math.random()}`, names)
  return { certificate: await readFile(files.certificate, 'utf8'), key: await readFile(files.key, 'utf8') }
}

/** A leaf that a cluster of the mesh makes, or who has stolen its key. */
const clusterLeaf = async (member: Theatre['east'], spiffeId: string, dnsNames?: readonly string[]) => {
  const names = toWorkloadNames({ namespace: 'default', serviceAccount: 'default' }, member.cluster, domain)
  if ('problem' in names) throw new Error(names.problem)
  const leaf = await issueLeaf(member.intermediate, { ...names, spiffeId, ...(dnsNames && { dnsNames }) }, Date.now())
  return { certificate: leaf.chainPem, key: leaf.privateKeyPem }
}

const trustOf = (
  members: readonly Theatre['east'][],
  epoch: number,
  issuers: readonly ExternalIssuer[],
): TrustState => ({
  roots: [theatre.root.pem],
  intermediates: members.map(({ cluster: name, intermediate }) => ({ cluster: name, pem: intermediate.pem })),
  epoch,
  ...(issuers.length > 0 && { issuers }),
})

test.each(['strict', 'permissive'])(
  'Istio’s client calls Atoll’s sidecar, HTTP, where plaintext is %s',
  async (mode) => {
    const app = await theatre.startApp('reviews')
    await theatre.start(scene(app.port, 1, { settings: `inboundMtls: ${mode}` }), { issuers: [issuer] })
    const [http, tcp] = [await freePort(), await freePort()]
    await startIstio([`URI:${istioClientId}`], toClient(http, tcp, app.port, reviewsId))
    const { body } = await viaIstio(http)
    expect(JSON.parse(body)).toMatchObject({ app: 'reviews', caller: istioClientId })
    // Atoll's own callers come in by their own door, as before.
    expect(await getEcho('http://reviews/')).toMatchObject({ app: 'reviews', caller: reviewsId })
  },
)

test.each(['tcp', 'auto'])('Istio’s client calls Atoll’s sidecar, a port of protocol %s', async (protocol) => {
  const echo = createServer((socket) => socket.pipe(socket))
  const port = await theatre.listen(echo)
  await theatre.start(scene(port, 1, { protocol }), { issuers: [issuer] })
  const [http, tcp] = [await freePort(), await freePort()]
  await startIstio([`URI:${istioClientId}`], toClient(http, tcp, port, reviewsId))
  expect(await ask(await theatre.dial('127.0.0.1', tcp), 'hello')).toBe('hello')
})

test('Atoll’s sidecar calls Istio’s: HTTP, TCP, unknown; and a service that has pods of both', async () => {
  const app = await theatre.startApp('reviews')
  const istioApp = await theatre.startApp('ratings')
  const istioPort = await freePort()
  await theatre.start(scene(app.port, istioPort), { issuers: [issuer] })
  await startIstio([`URI:${istioServerId}`], toServer(istioPort, istioApp.port))
  expect(await getEcho('http://ratings/')).toMatchObject({ app: 'ratings', caller: reviewsId })
  expect(await getEcho('http://ratings:82/')).toMatchObject({ app: 'ratings' })
  const { status, socket } = await theatre.openTunnel('ratings:81')
  expect(status).toBe(200)
  expect(await ask(socket, 'GET / HTTP/1.1\r\nhost: ratings\r\n\r\n')).toMatch(/^HTTP\/1\.1 200/)
  const seen = new Set<string>()
  await eventually('pods of both answer, and nothing fails', async () => {
    const echo: Echo = await getEcho('http://mixed/')
    seen.add(echo.app)
    return seen.size === 2
  })
})

test('who answers for a pod of Istio’s has to be that account, by Istio’s word', async () => {
  const app = await theatre.startApp('reviews')
  const istioApp = await theatre.startApp('ratings')
  const istioPort = await freePort()
  await theatre.start(scene(app.port, istioPort), { issuers: [issuer] })
  await startIstio(['URI:spiffe://td.example/ns/default/sa/other'], toServer(istioPort, istioApp.port))
  expect(await get('http://ratings/')).toMatchObject({ status: 503 })
  await children.pop()?.stop()

  // A stolen cluster's leaf with the very SPIFFE ID that is demanded.
  const stolen = await clusterLeaf(theatre.west, istioServerId, [])
  const leaf = { certificate: join(directory, 'stolen.pem'), key: join(directory, 'stolen-key.pem') }
  await writeFile(leaf.certificate, stolen.certificate)
  await writeFile(leaf.key, stolen.key)
  const sidecar = new IstioSidecar({ leaf, roots: rootFile, trustDomain: domain })
  await startEnvoy('stolen', toServer(istioPort, istioApp.port)(sidecar))
  expect(await get('http://ratings/')).toMatchObject({ status: 503 })
  expect(istioApp.requests).toBe(0)
})

test('a leaf of Istio’s can’t answer for a pod that has moved', async () => {
  const app = await theatre.startApp('reviews')
  const istioApp = await theatre.startApp('stolen')
  const istioPort = await freePort()
  const yaml = scene(app.port, istioPort).replaceAll(', issuer: external', '')
  await theatre.start(yaml, { issuers: [issuer] })
  await startIstio([`URI:${istioServerId}`], toServer(istioPort, istioApp.port))
  expect(await get('http://ratings/')).toMatchObject({ status: 503 })
  expect(istioApp.requests).toBe(0)
})

test('each door knows its own keys, whatever names are in the leaf', async () => {
  const app = await theatre.startApp('reviews')
  await theatre.start(scene(app.port, 1), { issuers: [issuer] })
  const good = await istioLeaf([`URI:${istioClientId}`])
  expect(await knockOnce(app.port, good, httpAlpn)).toBe('HTTP/1.1 200 OK')
  const own = await clusterLeaf(theatre.east, reviewsId)
  expect(await knockOnce(app.port, own, [])).toBe('HTTP/1.1 200 OK')

  const ofCluster = 'DNS:east.clusters.td.example'
  const refused: Record<string, Promise<string>> = {
    'Istio’s leaf at Atoll’s door': knockOnce(app.port, good, []),
    'Istio’s leaf at Atoll’s door, HTTP by ALPN': knockOnce(app.port, good, ['h2', 'http/1.1']),
    'another trust domain': istioLeaf(['URI:spiffe://other.example/ns/default/sa/a']).then((leaf) =>
      knockOnce(app.port, leaf, httpAlpn),
    ),
    'no SPIFFE ID': istioLeaf(['DNS:istiod.istio-system.svc']).then((leaf) => knockOnce(app.port, leaf, httpAlpn)),
    'a SPIFFE ID of no workload': istioLeaf(['URI:spiffe://td.example/agent']).then((leaf) =>
      knockOnce(app.port, leaf, httpAlpn),
    ),
    'a cluster’s DNS name, at Istio’s door': istioLeaf([`URI:${istioClientId}`, ofCluster]).then((leaf) =>
      knockOnce(app.port, leaf, httpAlpn),
    ),
    'a cluster’s DNS name, at Atoll’s door': istioLeaf([`URI:${istioClientId}`, ofCluster]).then((leaf) =>
      knockOnce(app.port, leaf, []),
    ),
    'a stolen cluster’s leaf without its name, at Istio’s door': clusterLeaf(theatre.west, istioClientId, []).then(
      (leaf) => knockOnce(app.port, leaf, httpAlpn),
    ),
    'a stolen cluster’s leaf without its name, at Atoll’s door': clusterLeaf(theatre.west, istioClientId, []).then(
      (leaf) => knockOnce(app.port, leaf, []),
    ),
    'a good leaf of the mesh at Istio’s door': Promise.resolve(knockOnce(app.port, own, httpAlpn)),
  }
  const letIn: string[] = []
  for (const [what, said] of Object.entries(refused)) if ((await said).startsWith('HTTP')) letIn.push(what)
  expect(letIn).toEqual([])
})

test('in a cluster that no issuer names, Istio’s leaves are nobody’s', async () => {
  const app = await theatre.startApp('reviews')
  const elsewhere = { ...issuer, clusters: [west] }
  await theatre.start(scene(app.port, 1, { externalIn: 'west' }), { issuers: [elsewhere] })
  const good = await istioLeaf([`URI:${istioClientId}`])
  for (const alpn of [httpAlpn, [], ['http/1.1']]) expect(await knockOnce(app.port, good, alpn)).not.toMatch(/^HTTP/)
  const stolen = await clusterLeaf(theatre.west, istioClientId, [])
  for (const alpn of [httpAlpn, []]) expect(await knockOnce(app.port, stolen, alpn)).not.toMatch(/^HTTP/)
  expect(await get('http://ratings/')).toMatchObject({ status: 503 })
})

test('when the issuer is removed, its leaves are refused and what they have open is closed', async () => {
  const app = await theatre.startApp('reviews')
  const stage = await theatre.start(scene(app.port, 1), { issuers: [issuer] })
  const good = await istioLeaf([`URI:${istioClientId}`])
  const { said, socket } = await knock(app.port, good, httpAlpn)
  expect(said).toBe('HTTP/1.1 200 OK')
  let isClosed = false
  socket.once('close', () => (isClosed = true))
  expect(await stage.changeTrust(trustOf([theatre.east, theatre.west], 1, []))).toEqual([])
  await eventually('the open connection is closed', () => isClosed)
  expect(await knockOnce(app.port, good, httpAlpn)).not.toMatch(/^HTTP/)
  expect(await getEcho('http://reviews/')).toMatchObject({ caller: reviewsId })
})
