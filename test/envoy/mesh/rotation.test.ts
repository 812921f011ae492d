import 'reflect-metadata'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { X509Certificate } from '@peculiar/x509'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Rotation, Trust } from '#api/schemas/trust.ts'
import { findKeyAlgorithm } from '#mesh/key-algorithm.ts'
import { eventually } from '#test/harness/child.ts'
import { split } from '#test/harness/manifests.ts'
import { TwoClusters } from '#test/harness/two-clusters.ts'
import { World } from '#test/harness/world.ts'
import { Load } from '#test/skew/load.ts'
import { untilAllProxies } from '#test/skew/working-day.ts'

/** The root of a mesh of two clusters is rotated, forward and back, with the real programs and under load throughout. */
let directory: string
let world: World
let mesh: TwoClusters
let load: Load

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'atoll-rotation-'))
  world = await World.create(directory)
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
  'the root is rotated, to keys of other kinds: paused and resumed, with an agent stopped for a while',
  { timeout: 300_000 },
  async () => {
    const before = (await trust()).roots.map(({ serial }) => serial)
    const keys = { root: 'ecdsa-p384', intermediate: 'rsa-2048', leaf: 'rsa-2048' }
    await world.atoll(['mesh', 'set', ...Object.entries(keys).flatMap(([of, kind]) => [`--${of}-key`, kind])])
    await world.atoll(['trust', 'rotate'])
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
    tell(await rotation())
  },
)

test('another is rolled back when leaves are of the new root already', { timeout: 300_000 }, async () => {
  const before = (await trust()).roots.map(({ serial }) => serial)
  await world.atoll(['trust', 'rotate'])
  await writeBootstraps()
  await reach('reissue-leaves')
  await world.atoll(['trust', 'rotation', 'rollback'])
  await reach('done', 250_000)
  expect((await trust()).roots.map(({ serial }) => serial)).toEqual(before)
  tell(await rotation())
})

test('no request has failed', async () => {
  const { answered, failures } = await load.end()
  process.stdout.write(`requests: ${answered}, failed: ${failures.length}\n`)
  expect(failures).toEqual([])
  expect(answered).toBeGreaterThan(500)
})
