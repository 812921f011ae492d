import type { AddressInfo } from 'node:net'
import { createServer } from 'node:https'
import { connect, type TLSSocket } from 'node:tls'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import 'reflect-metadata'
import { ExtendedKeyUsage } from '@peculiar/x509'
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest'
import { issueLeaf, toWorkloadNames, type LeafIssuer, type LeafNames } from '#agent/identity/issue-leaf.ts'
import { toClusterDnsName } from '#mesh/identity.ts'
import type { KeyAlgorithm } from '#mesh/key-algorithm.ts'
import { createIntermediate, domain, east, TestRoot, west, type TestIntermediate } from '#test/agent/test-pki.ts'
import { eventually, run } from '#test/harness/child.ts'
import { freePort } from '#test/harness/world.ts'
import { TestAgent, TestEnvoy } from './envoy-fixture.ts'
import {
  cluster,
  endpoints,
  fullRouteConfiguration,
  listener,
  routeConfiguration,
  virtualHost,
} from './envoy-resources.ts'
import { statusOf } from './status-of.ts'

let root: TestRoot
let agent: TestAgent
let envoy: TestEnvoy
let eastIntermediate: TestIntermediate
let port: number

/** West's proxy, which serves mTLS to callers of west and east. */
beforeEach(async () => {
  root = await TestRoot.create(Date.now())
  eastIntermediate = await createIntermediate(root, east)
  agent = await TestAgent.start(root, west)
  await agent.trust(0, agent, { cluster: east, intermediate: eastIntermediate })
  port = await freePort()
  agent.compile(1, listener(port, 'r', { mtls: true }), routeConfiguration('r'), virtualHost('r', 'w.test', 200))
  envoy = await TestEnvoy.start(agent, root, 'w')
  await envoy.untilLive()
})
afterEach(async () => {
  await envoy.stop()
  await agent.stop()
})

const goodNames = (cluster: typeof east): LeafNames => {
  const names = toWorkloadNames({ namespace: 'default', serviceAccount: 'client' }, cluster, domain)
  if ('problem' in names) throw new Error(names.problem)
  return names
}

const call = async (issuer: LeafIssuer, names: LeafNames): Promise<TLSSocket> => {
  const leaf = await issueLeaf(issuer, names, Date.now())
  return connect({ host: '127.0.0.1', port, cert: leaf.chainPem, key: leaf.privateKeyPem, rejectUnauthorized: false })
}

/** The status line of the answer, or what ended the connection. */
const ask = (socket: TLSSocket): Promise<string> =>
  new Promise((resolve) => {
    socket.once('data', (data: Buffer) => resolve(data.toString().split('\r\n')[0] ?? ''))
    socket.once('error', (error) => resolve(error.message))
    socket.once('close', () => resolve('closed'))
    socket.write('GET / HTTP/1.1\r\nhost: w.test\r\n\r\n')
  })

const askOnce = async (issuer: LeafIssuer, names: LeafNames): Promise<string> => {
  const socket = await call(issuer, names)
  const answer = await ask(socket)
  socket.destroy()
  return answer
}

test('callers of clusters of the mesh are served', async () => {
  expect(await askOnce(agent.intermediate, goodNames(west))).toBe('HTTP/1.1 200 OK')
  expect(await askOnce(eastIntermediate, goodNames(east))).toBe('HTTP/1.1 200 OK')
})

test.each([-10, 10])('a leaf of an agent whose clock is off by %i minutes is served', async (minutes) => {
  const leaf = await issueLeaf(eastIntermediate, goodNames(east), Date.now() + minutes * 60_000)
  const socket = connect({
    host: '127.0.0.1',
    port,
    cert: leaf.chainPem,
    key: leaf.privateKeyPem,
    rejectUnauthorized: false,
  })
  expect(await ask(socket)).toBe('HTTP/1.1 200 OK')
  socket.destroy()
})

test.each<[KeyAlgorithm, KeyAlgorithm, KeyAlgorithm]>([
  ['ecdsa-p384', 'ecdsa-p384', 'ecdsa-p384'],
  ['rsa-4096', 'rsa-2048', 'rsa-2048'],
  ['rsa-3072', 'ecdsa-p256', 'ecdsa-p256'],
  ['ecdsa-p384', 'rsa-4096', 'ecdsa-p256'],
])('with a root of %s, an intermediate of %s and leaves of %s too', async (ofRoot, key, ofLeaf) => {
  const other = await TestRoot.create(Date.now(), 'other', ofRoot)
  const intermediate = await createIntermediate(other, east, { key })
  await agent.trustRoots([root, other], agent, { cluster: east, intermediate })
  await agent.useLeaves(ofLeaf)
  const answer = async () => {
    const leaf = await issueLeaf(intermediate, goodNames(east), Date.now(), ofLeaf)
    const socket = connect({
      host: '127.0.0.1',
      port,
      cert: leaf.chainPem,
      key: leaf.privateKeyPem,
      // One that speaks nothing else: the newest TLS has no suites of a kind of key.
      ...(ofLeaf.startsWith('rsa') && { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-RSA-AES128-GCM-SHA256' }),
      rejectUnauthorized: false,
    })
    const status = await ask(socket)
    const { modulus } = socket.getPeerCertificate()
    socket.destroy()
    return { status, isRsa: modulus !== undefined }
  }
  const wanted = { status: 'HTTP/1.1 200 OK', isRsa: ofLeaf.startsWith('rsa') }
  await eventually('the proxy presents such a leaf and knows such a one', async () => {
    const got = await answer()
    return got.status === wanted.status && got.isRsa === wanted.isRsa
  })
  expect(await askOnce(eastIntermediate, goodNames(east))).not.toMatch(/^HTTP/)
})

test.each<[string, () => LeafNames]>([
  ["another cluster's name", () => goodNames(west)],
  ['another trust domain', () => ({ ...goodNames(east), spiffeId: 'spiffe://other.example/ns/default/sa/client' })],
  ['no DNS name', () => ({ ...goodNames(east), dnsNames: [] })],
  [
    'a DNS name of no cluster of the mesh',
    () => ({ ...goodNames(east), dnsNames: [`x.${toClusterDnsName(east, domain)}`] }),
  ],
  ['no right to be a client', () => ({ ...goodNames(east), usages: [ExtendedKeyUsage.serverAuth] })],
])('a leaf from east with %s is refused', async (_, names) => {
  expect(await askOnce(eastIntermediate, names())).not.toMatch(/^HTTP/)
})

test('a leaf of another root is refused', async () => {
  const otherRoot = await TestRoot.create(Date.now(), 'other')
  expect(await askOnce(await createIntermediate(otherRoot, east), goodNames(east))).not.toMatch(/^HTTP/)
})

test('eviction refuses the cluster’s leaves, and the new epoch closes its connections', async () => {
  const open = await call(eastIntermediate, goodNames(east))
  expect(await ask(open)).toBe('HTTP/1.1 200 OK')
  let isClosed = false
  open.once('close', () => (isClosed = true))
  await agent.trust(1, agent)
  agent.compile(2, listener(port, 'r', { mtls: true, epoch: 1 }))
  await eventually(
    'new connections are refused',
    async () => !(await askOnce(eastIntermediate, goodNames(east))).startsWith('HTTP'),
  )
  expect(await askOnce(agent.intermediate, goodNames(west))).toBe('HTTP/1.1 200 OK')
  await eventually('the open connection is closed', () => isClosed)
})

test('when nobody is trusted, nobody is served', async () => {
  await agent.trust(1)
  await eventually(
    'connections are refused',
    async () => !(await askOnce(agent.intermediate, goodNames(west))).startsWith('HTTP'),
  )
  expect(await askOnce(eastIntermediate, goodNames(east))).not.toMatch(/^HTTP/)
})

test('when nobody is trusted, nobody is believed to be a server', async () => {
  const names = goodNames(west)
  const leaf = await issueLeaf(agent.intermediate, names, Date.now())
  // Of any client: what fails is what the proxy thinks of the server.
  const server = createServer({ cert: leaf.chainPem, key: leaf.privateKeyPem }, (_request, response) => {
    response.setHeader('connection', 'close')
    response.end('here')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  const { port: serverPort } = server.address() as AddressInfo
  const plainPort = await freePort()
  agent.compile(
    2,
    cluster('server', String(names.spiffeId)),
    endpoints('server', serverPort),
    listener(plainPort, 'p'),
    fullRouteConfiguration('p', 'p.test', 'server'),
  )
  const untilStatus = (status: number) =>
    eventually(
      `the proxy answers ${status}`,
      async () => (await statusOf(plainPort, 'p.test').catch(() => 0)) === status,
    )
  await untilStatus(200)
  const { nacks } = agent.server.statistics()
  await agent.trust(1)
  await untilStatus(503)
  expect(agent.server.statistics().nacks).toBe(nacks)
})

test('openssl agrees with the chain that a proxy presents', async () => {
  const socket = await call(agent.intermediate, goodNames(west))
  await ask(socket)
  const presented = socket.getPeerCertificate(true)
  socket.destroy()
  const toPem = (der: Buffer): string =>
    `-----BEGIN CERTIFICATE-----\n${der.toString('base64').replaceAll(/(.{64})/g, '$1\n')}\n-----END CERTIFICATE-----\n`
  const files = {
    'root.crt': root.pem,
    'intermediate.crt': toPem(presented.issuerCertificate.raw),
    'leaf.crt': toPem(presented.raw),
  }
  for (const [name, content] of Object.entries(files)) await writeFile(join(envoy.directory, name), content)
  const verify = await run({
    name: 'openssl',
    command: 'openssl',
    args: [
      'verify',
      '-x509_strict',
      '-CAfile',
      'root.crt',
      '-untrusted',
      'intermediate.crt',
      '-purpose',
      'sslserver',
      '-verify_hostname',
      `w.default.${toClusterDnsName(west, domain)}`,
      'leaf.crt',
    ],
    cwd: envoy.directory,
  })
  expect(verify.output).toBe('leaf.crt: OK')
})
