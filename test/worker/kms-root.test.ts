import 'reflect-metadata'
import { runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { X509Certificate } from '@peculiar/x509'
import { expect, test, vi } from 'vitest'
import type { Trust } from '#api/schemas/trust.ts'
import { toKeyParameters } from '#mesh/key-algorithm.ts'
import { OwnCa } from '#test/harness/own-ca.ts'
import { readKms } from '#worker/ca/kms/kms.ts'
import type { Kms } from '#worker/ca/kms/kms.ts'
import { deriveOrgKek, toKekId } from '#worker/ca/sealed-key.ts'
import { planeInitiator } from '#worker/mesh/audit.ts'
import type { MeshContext } from '#worker/mesh/context.ts'
import { readMeshRow } from '#worker/mesh/mesh-row.ts'
import { countSealed } from '#worker/mesh/reseal-keys.ts'
import { listRoots } from '#worker/mesh/roots.ts'
import { startRotation } from '#worker/mesh/rotation/judge-trust.ts'
import { openSigner } from '#worker/mesh/trust.ts'
import { createJoinToken, newJoinRequest } from './support/test-agent.ts'
import { newKeys } from './support/test-identity.ts'
import { createTestMesh, send } from './support/test-plane.ts'
import type { TestMesh } from './support/test-plane.ts'

const NAME = 'arn:aws:kms:eu-central-1:123456789012:key/mesh'
const parameters = toKeyParameters('ecdsa-p384')

/** A KMS with one key: the mock behind the interface that AWS' is behind, too (test/agent/trust/aws-kms.test.ts). */
const toKms = (keys: OwnCa['keys']): Kms => ({
  findKey: async () => ({
    algorithm: 'ecdsa-p384',
    spki: new Uint8Array((await crypto.subtle.exportKey('spki', keys.publicKey)) as ArrayBuffer),
  }),
  sign: (_name, _algorithm, toBeSigned) => crypto.subtle.sign(parameters, keys.privateKey, toBeSigned),
})

const inStorage = <T>(
  mesh: TestMesh,
  kms: Kms,
  body: (context: MeshContext, orgId: string) => Promise<T>,
): Promise<T> =>
  runInDurableObject(mesh.stub, (_instance, { storage }) => {
    const context: MeshContext = {
      sql: storage.sql,
      transaction: (run) => storage.transactionSync(run),
      now: Date.now,
      random: (bytes) => crypto.getRandomValues(new Uint8Array(bytes)),
      kms: () => ({ kms, keyFor: (meshId) => (meshId === mesh.id ? NAME : undefined) }),
    }
    return body(context, readMeshRow(storage.sql).orgId)
  })

const rotate = (mesh: TestMesh, kms: Kms, chainPem?: string) =>
  inStorage(mesh, kms, async (context, orgId) => {
    const own = chainPem === undefined ? undefined : { chainPem }
    const wish = { reason: 'asked', graceDays: 7, own } as const
    return startRotation(context, await deriveOrgKek(env.ATOLL_KEK, orgId), wish, planeInitiator)
  })

test('a root whose key is in a KMS is made by it, and signs by it; nothing of it is here', async () => {
  const mesh = await createTestMesh()
  const { keys } = await OwnCa.create(undefined, { algorithm: 'ecdsa-p384' })
  const kms = toKms(keys)
  expect(await rotate(mesh, kms)).toMatchObject({ ok: true })
  const { roots } = (await mesh.send<Trust>('GET', '/trust')).body
  const made = roots.find(({ key }) => key === 'kms')
  expect(roots.map(({ key }) => key)).toEqual(['plane', 'kms'])
  const certificate = new X509Certificate(made?.pem ?? '')
  expect(await certificate.verify({ signatureOnly: true })).toBe(true)
  await inStorage(mesh, kms, async (context, orgId) => {
    const row = listRoots(context.sql).find(({ kmsKey }) => kmsKey === NAME)
    if (!row) throw new Error('there is no such root')
    expect(row.sealedKey).toBe('')
    expect(countSealed(context.sql, await toKekId(env.ATOLL_KEK))).toEqual({ keys: 1, pending: 0 })
    const kek = await deriveOrgKek(env.ATOLL_KEK, orgId)
    const bytes = new Uint8Array(new TextEncoder().encode('an intermediate')).buffer
    const signature = await (await openSigner(context, kek, row)).sign(bytes)
    expect(await crypto.subtle.verify(parameters, keys.publicKey, signature, bytes)).toBe(true)
    // Without it, or with a key that is another now, nothing is signed.
    await expect(openSigner({ ...context, kms: () => undefined }, kek, row)).rejects.toThrow('is not set up')
    const other = toKms((await OwnCa.create(undefined, { algorithm: 'ecdsa-p384' })).keys)
    const wrong = { ...context, kms: () => ({ kms: other, keyFor: () => NAME }) }
    await expect(openSigner(wrong, kek, row).then((signer) => signer.sign(bytes))).rejects.toThrow('with another key')
  })
})

test('a CA that somebody brings may have its key there', async () => {
  const mesh = await createTestMesh()
  const ca = await OwnCa.create(await OwnCa.create(), { algorithm: 'ecdsa-p384' })
  expect(await rotate(mesh, toKms(ca.keys), ca.chainPem)).toMatchObject({ ok: true })
  const { roots } = (await mesh.send<Trust>('GET', '/trust')).body
  expect(roots.at(-1)).toMatchObject({ key: 'kms', origin: 'uploaded' })
})

test('what the operator says of it is checked, and not repeated', () => {
  expect(readKms(undefined)).toBeUndefined()
  const settings = { provider: 'aws', accessKeyId: 'a', secretAccessKey: 'hunter2', keys: { m: NAME } }
  const found = readKms(JSON.stringify(settings))
  expect([found?.keyFor('m'), found?.keyFor('toString')]).toEqual([NAME, undefined])
  for (const secret of ['hunter2', JSON.stringify({ ...settings, keys: 7 })]) {
    expect(() => readKms(secret)).toThrow(/ATOLL_KMS/)
    expect(() => readKms(secret)).not.toThrow(/hunter2/)
  }
})

test('that it fails is told to tenants without its names, and the log has all of it', async () => {
  const log = vi.spyOn(console, 'error').mockImplementation(() => {})
  const mesh = await createTestMesh()
  const request = await newJoinRequest(await createJoinToken(mesh, 'east', 'net-a'), await newKeys())
  await runInDurableObject(mesh.stub, (_instance, { storage }) => {
    storage.sql.exec('UPDATE roots SET kms_key = ?', NAME)
  })
  const answer = await send('POST', '/v1/join', { body: request })
  expect([answer.status, answer.body.code]).toEqual([503, 'unavailable'])
  expect(answer.body.detail).toContain('the KMS that keeps the key of the root')
  expect(JSON.stringify(answer.body)).not.toMatch(/arn:|ATOLL_KMS|123456789012/)
  const logged = log.mock.calls.map(([line]) => String(line)).find((line) => line.includes(NAME))
  expect(logged).toContain(answer.body.requestId)
  log.mockRestore()
})

test('what the audit tells of such a root names no key of the operator', async () => {
  const mesh = await createTestMesh()
  const { keys } = await OwnCa.create(undefined, { algorithm: 'ecdsa-p384' })
  await rotate(mesh, toKms(keys))
  const { body } = await mesh.send<{ items: { action: string; detail: unknown }[] }>('GET', '/audit')
  expect(body.items.filter(({ action }) => action === 'root.create').map(({ detail }) => detail)).toContainEqual(
    expect.objectContaining({ key: 'kms' }),
  )
  expect(JSON.stringify(body)).not.toContain('arn:')
})
