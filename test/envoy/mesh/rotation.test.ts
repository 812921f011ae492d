import 'reflect-metadata'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { X509Certificate } from '@peculiar/x509'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Rotation, Trust } from '#api/schemas/trust.ts'
import { findKeyAlgorithm } from '#mesh/key-algorithm.ts'
import { eventually } from '#test/harness/child.ts'
import { split } from '#test/harness/manifests.ts'
import { OfflineRoot } from '#test/harness/offline-root.ts'
import { TwoClusters } from '#test/harness/two-clusters.ts'
import { StolenCluster, type StolenConnection } from '#test/harness/stolen-cluster.ts'
import { World, type WorldCluster } from '#test/harness/world.ts'
import { Load } from '#test/skew/load.ts'
import { untilAllProxies } from '#test/skew/working-day.ts'

/** The root of a mesh of two clusters is rotated, forward and back, with the real programs and under load throughout. */
let directory: string
let world: World
let mesh: TwoClusters
let load: Load
let offline: OfflineRoot

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'atoll-rotation-'))
  world = await World.create(directory)
  offline = await OfflineRoot.create(directory, `${world.mesh}.atoll.local`)
  await TwoClusters.startPlane(world)
  mesh = await TwoClusters.join(world)
  await untilAllProxies(world)
  // Each request is a handshake of its own: what is open already is not asked for certificates again.
  const anew = '  trafficPolicy: {connectionPool: {http: {maxRequestsPerConnection: 1}}}\n  subsets:'
  const file = join(directory, 'reviews.yaml')
  await writeFile(file, split(50, 50).replace('  subsets:', anew))
  await world.atoll(['apply', '--wait', '-f', file])
  load = new Load(mesh)
}, 120_000)

afterAll(async () => {
  await load?.end()
  await (mesh ?? world)?.stop()
  await rm(directory, { recursive: true, force: true })
})

const trust = (): Promise<Trust> => world.atollJson<Trust>(['trust', 'show'])

const rotation = async (): Promise<Rotation> => {
  const { rotation: found } = await trust()
  if (!found) throw new Error('there is no rotation')
  return found
}

const reach = (step: Rotation['step'], milliseconds = 120_000): Promise<true> =>
  eventually(`the rotation comes to ${step}`, async () => (await rotation()).step === step, milliseconds, 500)

/** As a person does on each machine: its proxy reads the new root by itself. */
const writeBootstraps = async (): Promise<void> => {
  for (const cluster of world.clusters.values())
    await Promise.all([...cluster.proxies.values()].map((proxy) => world.writeBootstrap(cluster, proxy)))
}

const kindOf = (pem: string) => findKeyAlgorithm(new X509Certificate(pem).publicKey.algorithm)

/** For whoever reads the log of the tests. */
const tell = (told: Rotation): void => {
  const lines = told.steps.map(({ step, direction, at }) => `${at} ${direction} ${step}`)
  process.stdout.write(`${lines.join('\n')}\n`)
}

test(
  'the root is rotated to what an offline one has signed, and keys to other kinds: paused and resumed, with an agent stopped for a while',
  { timeout: 300_000 },
  async () => {
    const before = (await trust()).roots.map(({ serial }) => serial)
    const keys = { root: 'ecdsa-p384', intermediate: 'rsa-2048', leaf: 'rsa-2048' }
    await world.atoll(['mesh', 'set', ...Object.entries(keys).flatMap(([of, kind]) => [`--${of}-key`, kind])])
    const csr = join(directory, 'mesh.csr')
    await world.atoll(['trust', 'request', 'create', '--out', csr])
    await world.atoll(['trust', 'rotate', '--chain', await offline.sign(csr, 'mesh-ca')])
    await writeBootstraps()
    await world.atoll(['trust', 'rotation', 'pause'])
    await world.atoll(['trust', 'rotation', 'resume'])
    await reach('reissue-intermediates')
    await mesh.west.agent?.stop()
    await eventually('the agent of west is waited for', async () =>
      (await rotation()).waits.some(({ code, cluster }) => code === 'away' && cluster === 'west'),
    )
    await world.startAgent(mesh.west)
    await reach('done', 200_000)
    const after = await trust()
    expect(after.roots).toHaveLength(1)
    expect(before).not.toContain(after.roots[0]?.serial)
    expect(after.intermediates).toHaveLength(2)
    const kinds = [...after.roots, ...after.intermediates].map(({ pem }) => kindOf(pem))
    expect(kinds).toEqual(['ecdsa-p384', 'rsa-2048', 'rsa-2048'])
    expect((await world.atoll(['trust', 'verify'])).output).toMatch(/root .*sound/)
    for (const { cluster, pem } of after.intermediates) {
      await writeFile(offline.file(`${cluster}.pem`), pem)
      const verify = ['-x509_strict', '-CAfile', 'root.pem', '-untrusted', 'mesh-ca.pem', `${cluster}.pem`]
      expect(await offline.openssl('verify', ...verify)).toBe(`${cluster}.pem: OK`)
    }
    tell(await rotation())
  },
)

test(
  'another, that was brought with its key, is rolled back when leaves are of it already',
  { timeout: 300_000 },
  async () => {
    const before = (await trust()).roots.map(({ serial }) => serial)
    const { chain, key } = await offline.createCa('other-ca')
    await world.atoll(['trust', 'rotate', '--chain', chain, '--key', key])
    await writeBootstraps()
    await reach('reissue-leaves')
    await world.atoll(['trust', 'rotation', 'rollback'])
    await reach('done', 250_000)
    expect((await trust()).roots.map(({ serial }) => serial)).toEqual(before)
    tell(await rotation())
  },
)

test('no request has failed', async () => {
  const { answered, failures } = await load.end()
  process.stdout.write(`requests: ${answered}, failed: ${failures.length}\n`)
  expect(failures).toEqual([])
  expect(answered).toBeGreaterThan(500)
})

const httpPort = 9080
const tcpPort = 9081
const request = 'GET / HTTP/1.1\r\nhost: reviews\r\n\r\n'

/** Lets a workload take TCP as well: for the same application, of whose protocol its proxy knows nothing. */
const serveTcp = async (cluster: WorldCluster, name: string): Promise<void> => {
  const text = await readFile(join(cluster.directory, `${name}.yaml`), 'utf8')
  const [endpoint] = /defaultEndpoint: \S+/.exec(text) ?? []
  const ingress = `  ingress:\n  - port: {number: ${tcpPort}, name: tcp, protocol: TCP}\n    ${endpoint}\n`
  await world.writeRegistry(cluster, `${name}.yaml`, text.replace('  ingress:\n', ingress))
}

/** A connection to each proxy that takes calls. */
const callAll = (thief: StolenCluster, port: number): Promise<StolenConnection[]> =>
  Promise.all([mesh.east, mesh.west].map(({ prefix }) => thief.call(`${prefix}.11`, port)))

/** On how many of four new connections, HTTP and TCP to both proxies, it is answered. */
const countAnswers = async (thief: StolenCluster): Promise<number> => {
  const connections = [...(await callAll(thief, httpPort)), ...(await callAll(thief, tcpPort))]
  const answers = await Promise.all(connections.map((each) => each.ask(request)))
  for (const each of connections) each.end()
  return answers.filter(Boolean).length
}

test('an eviction is with the last proxy in a moment, closes HTTP and TCP of nobody else, and holds without the plane', async () => {
  await serveTcp(mesh.east, 'reviews-v1')
  await serveTcp(mesh.west, 'reviews-v2')
  const { secret } = await world.atollJson<{ secret: string }>(['token', 'create', '--role', 'owner'])
  load = new Load(mesh)
  const runs: Record<'answered' | 'refused' | 'http' | 'tcp', number>[] = []
  let thief: StolenCluster | undefined
  for (const run of [1, 2, 3, 4, 5]) {
    const stolen = await StolenCluster.join(world, `thief-${run}`)
    thief = stolen
    await eventually('all proxies know it', async () => (await countAnswers(stolen)) === 4)
    const [http, tcp] = [await callAll(stolen, httpPort), await callAll(stolen, tcpPort)]
    expect(await Promise.all([...http, ...tcp].map((each) => each.ask(request)))).toEqual([true, true, true, true])
    const begun = Date.now()
    const url = `${world.url}/v1/meshes/${world.mesh}/clusters/${stolen.cluster}`
    const { status } = await fetch(url, { method: 'DELETE', headers: { authorization: `Bearer ${secret}` } })
    const answered = Date.now() - begun
    expect(status).toBe(204)
    await eventually('new connections are refused', async () => (await countAnswers(stolen)) === 0, 30_000, 0)
    const refused = Date.now() - begun
    // Proxies here have ten seconds to drain (--drain-time-s).
    const untilClosed = async (connections: readonly StolenConnection[]): Promise<number> => {
      await eventually('they are closed', () => connections.every(({ closedAt }) => closedAt !== undefined), 60_000, 5)
      return Math.max(...connections.map(({ closedAt = 0 }) => closedAt)) - begun
    }
    runs.push({ answered, refused, http: await untilClosed(http), tcp: await untilClosed(tcp) })
  }
  const lines = runs.map((each) =>
    Object.entries(each)
      .map(([what, took]) => `${what} ${took} ms`)
      .join(', '),
  )
  const { answered, failures } = await load.end()
  process.stdout.write(`requests: ${answered}, failed: ${failures.length}\n`)
  expect(failures).toEqual([])
  process.stdout.write(`evicted:\n${lines.join('\n')}\n`)

  await world.plane?.kill()
  await Promise.all([mesh.east, mesh.west].map(async ({ agent }) => agent?.stop()))
  await Promise.all([mesh.east, mesh.west].map((cluster) => world.startAgent(cluster)))
  await eventually('the clusters go on', async () => (await mesh.requests(10)).failed === 0)
  expect(thief && (await countAnswers(thief))).toBe(0)
}, 300_000)
