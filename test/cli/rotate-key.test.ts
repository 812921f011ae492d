import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { KeyEncryption } from '#api/schemas/key-encryption.ts'
import { eventually } from '#test/harness/child.ts'
import { World } from '#test/harness/world.ts'

/** docs/runbooks/rotate-the-key-encryption-key.md, on one machine: each test goes on from the one before. */
let folder: string
let world: World
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'atoll-key-'))
  world = await World.create(folder)
  await world.startPlane()
  await world.signIn()
})
afterAll(async () => {
  await world.stop()
  await rm(folder, { recursive: true, force: true })
})

const secretsFile = () => join(world.planeData, 'secrets.json')
const rotate = (...args: string[]) =>
  world.atoll(['plane', 'rotate-key', '--data', world.planeData, ...args], { allowFailure: true })
const status = () => world.atollJson<KeyEncryption>(['plane', 'status'])
const restart = async (between: () => Promise<unknown>) => {
  await world.plane?.stop()
  await between()
  await world.startPlane()
}
let first: KeyEncryption

it('is told, and not replaced under a plane that runs', async () => {
  first = await status()
  expect(first).toMatchObject({ previous: null, keys: 1, pending: 0, signIn: { keys: 0 } })
  const secrets = await readFile(secretsFile(), 'utf8')
  expect(await rotate()).toMatchObject({ code: 6, output: expect.stringContaining('is being served') as string })
  expect(await readFile(secretsFile(), 'utf8')).toBe(secrets)
})

it('is replaced, and everything is sealed with the new one by and by', async () => {
  await restart(async () => {
    expect((await rotate()).code).toBe(0)
    expect(await rotate()).toMatchObject({ code: 6, output: expect.stringContaining('is still there') as string })
  })
  const sealed = await eventually('all is sealed anew', async () => {
    const now = await status()
    return now.pending === 0 && now
  })
  expect(sealed).toMatchObject({ previous: first.current, keys: 1 })
  expect(sealed.current).not.toBe(first.current)
  expect((await world.atoll(['plane', 'status'])).stdout).toContain(
    'The previous key is not needed by this org any more',
  )
})

it('is all that is needed then: without the old one the plane still signs', async () => {
  await restart(async () => {
    expect((await rotate('--forget-previous')).code).toBe(0)
    expect((await rotate('--forget-previous')).code).toBe(5)
  })
  expect(await status()).toMatchObject({ previous: null, pending: 0 })
  await world.join('east', 'net-east')
  const cluster = world.clusters.get('east')
  if (!cluster) throw new Error('there is no cluster')
  await world.startAgent(cluster)
  expect((await world.atoll(['trust', 'verify'])).stdout).toContain('east')
})

it('that is another one signs nothing, says so, and is put right by the one that was', async () => {
  const right = await readFile(secretsFile(), 'utf8')
  const wrong = { ...(JSON.parse(right) as object), keyEncryptionKey: Buffer.alloc(32, 7).toString('base64') }
  await restart(() => writeFile(secretsFile(), JSON.stringify(wrong)))
  expect(await status()).toMatchObject({ keys: 1, pending: 1 })
  await restart(() => writeFile(secretsFile(), right))
  expect(await status()).toMatchObject({ keys: 1, pending: 0 })
})
