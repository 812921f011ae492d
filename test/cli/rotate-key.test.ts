import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { KeyEncryption } from '#api/schemas/key-encryption.ts'
import type { Trust } from '#api/schemas/trust.ts'
import { AwsKmsServer, toKmsArn } from '#test/harness/aws-kms.ts'
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
interface Verified {
  readonly whole: boolean
  readonly events: number
  readonly signed: number
  readonly key: string | null
}
const verifyAudit = (...args: string[]) => world.atollJson<Verified>(['audit', 'verify', ...args])
let firstAudit: Verified

it('is told, and not replaced under a plane that runs', async () => {
  first = await status()
  expect(first).toMatchObject({ previous: null, keys: 1, pending: 0, signIn: { keys: 0 } })
  firstAudit = await verifyAudit()
  expect(firstAudit).toMatchObject({ whole: true, signed: firstAudit.events })
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

it('that was before is vouched for by the one that signs the audit log now', async () => {
  const now = await verifyAudit()
  expect(now).toMatchObject({ whole: true, signed: now.events })
  expect(now.key).not.toBe(firstAudit.key)
  expect(await verifyAudit('--key', now.key ?? '')).toMatchObject({ whole: true })
  const { code, output } = await world.atoll(['audit', 'verify', '--key', firstAudit.key ?? ''], { allowFailure: true })
  expect(code).toBe(1)
  expect(output).toContain("is signed with a key that is not the plane's")
})

it('that is another one signs nothing, says so, and is put right by the one that was', async () => {
  const right = await readFile(secretsFile(), 'utf8')
  const wrong = { ...(JSON.parse(right) as object), keyEncryptionKey: Buffer.alloc(32, 7).toString('base64') }
  await restart(() => writeFile(secretsFile(), JSON.stringify(wrong)))
  expect(await status()).toMatchObject({ keys: 1, pending: 1 })
  await restart(() => writeFile(secretsFile(), right))
  expect(await status()).toMatchObject({ keys: 1, pending: 0 })
})

it('of a root may be in a KMS, which the plane is told of by a file', async () => {
  const kms = await AwsKmsServer.start(folder)
  try {
    const { id } = await world.atollJson<{ id: string }>(['mesh', 'show'])
    const file = join(folder, 'kms.json')
    const credentials = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'hunter2' }
    const settings = { provider: 'aws', ...credentials, endpoint: kms.endpoint, keys: { [id]: toKmsArn('p256') } }
    world.kms = file
    await restart(() => writeFile(file, JSON.stringify(settings)))
    await world.atoll(['trust', 'rotate'])
    const { roots } = await world.atollJson<Trust>(['trust', 'show'])
    expect(roots.at(-1)?.key).toBe('kms')
    expect(kms.asked.map(({ target }) => target)).toContain('TrentService.Sign')
  } finally {
    kms.stop()
  }
})

it('of a KMS is refused at the start when the file is not what it has to be, and is not repeated', async () => {
  const file = join(folder, 'wrong-kms.json')
  await writeFile(file, JSON.stringify({ provider: 'aws', accessKeyId: 'a', secretAccessKey: 'hunter2', keys: 7 }))
  const args = ['plane', 'serve', '--data', join(folder, 'never'), '--kms', file]
  const { code, output } = await world.atoll(args, { allowFailure: true })
  expect(code).toBe(2)
  expect(output).toMatch(/wrong-kms\.json.*keys/)
  expect(output).not.toContain('hunter2')
})
