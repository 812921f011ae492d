import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'
import type { AuditEvent } from '#api/schemas/audit.ts'
import type { KeyEncryption } from '#api/schemas/key-encryption.ts'
import { deriveOrgKek, openKey, toKekId } from '#worker/ca/sealed-key.ts'
import { findProvider, storeProvider } from '#worker/directory/sign-in.ts'
import { fromBase64, toBase64, toUtf8 } from '#worker/encode-bytes.ts'
import { planeInitiator } from '#worker/mesh/audit.ts'
import type { MeshContext } from '#worker/mesh/context.ts'
import { readMeshRow } from '#worker/mesh/mesh-row.ts'
import { countSealed, resealKeys } from '#worker/mesh/reseal-keys.ts'
import { commitRoot, prepareRoot } from '#worker/mesh/trust.ts'
import { openClientSecret, resealClientSecret, sealClientSecret } from '#worker/sign-in/client-secret.ts'
import { createJoinToken, newJoinRequest } from './support/test-agent.ts'
import { newKeys } from './support/test-identity.ts'
import { createTestMesh, send } from './support/test-plane.ts'
import type { TestMesh } from './support/test-plane.ts'

const A = env.ATOLL_KEK
const B = btoa('b'.repeat(32))
const C = btoa('c'.repeat(32))

const inStorage = <T>(mesh: TestMesh, body: (context: MeshContext, orgId: string) => Promise<T>): Promise<T> =>
  runInDurableObject(mesh.stub, (_instance, { storage }) => {
    const context: MeshContext = {
      sql: storage.sql,
      transaction: (run) => storage.transactionSync(run),
      now: Date.now,
      random: (bytes) => crypto.getRandomValues(new Uint8Array(bytes)),
    }
    return body(context, readMeshRow(storage.sql).orgId)
  })

const reseal = (mesh: TestMesh, secret: string | undefined, previous?: string) =>
  inStorage(mesh, async (context, orgId) => resealKeys(context, await deriveOrgKek(secret, orgId, previous)))

interface SealedRoot extends Record<string, SqlStorageValue> {
  keyId: string
  sealedKey: string
}
const readSealed = ({ sql }: MeshContext): SealedRoot[] =>
  sql
    .exec<SealedRoot>('SELECT key_id AS keyId, sealed_key AS sealedKey FROM roots ORDER BY created_at, key_id')
    .toArray()

/** Whether each key opens with this secret and no other. */
const opensWith = (mesh: TestMesh, secret: string | undefined) =>
  inStorage(mesh, async (context, orgId) => {
    const { meshId } = readMeshRow(context.sql)
    const kek = await deriveOrgKek(secret, orgId)
    const attempts = readSealed(context).map(({ keyId, sealedKey }) =>
      openKey(kek, { orgId, meshId, keyId }, sealedKey).then(
        () => true,
        () => false,
      ),
    )
    return Promise.all(attempts)
  })

const addRoot = (mesh: TestMesh) =>
  inStorage(mesh, async (context, orgId) => {
    const { meshId, settings } = readMeshRow(context.sql)
    const { meshName: name, trustDomain } = settings
    const root = await prepareRoot(
      { orgId, meshId, name, trustDomain },
      await deriveOrgKek(A, orgId),
      context,
      'ecdsa-p256',
    )
    context.transaction(() => commitRoot(context, root, false, planeInitiator))
  })

/** Puts the keys back to how the first versions sealed them, as those did it. */
const sealAsBefore = (mesh: TestMesh) =>
  inStorage(mesh, async (context, orgId) => {
    const { meshId } = readMeshRow(context.sql)
    const kek = await deriveOrgKek(A, orgId)
    for (const { keyId, sealedKey } of readSealed(context)) {
      const [, id = '', iv = '', sealed = ''] = sealedKey.split('.')
      const toData = (...version: string[]) => toUtf8([...version, orgId, meshId, keyId].join('\n'))
      const algorithm = { name: 'AES-GCM', iv: fromBase64(iv) ?? new Uint8Array() }
      const pkcs8 = await crypto.subtle.decrypt(
        { ...algorithm, additionalData: toData('v2', id) },
        kek.current.key,
        fromBase64(sealed) ?? new Uint8Array(),
      )
      const again = await crypto.subtle.encrypt({ ...algorithm, additionalData: toData('v1') }, kek.current.key, pkcs8)
      const text = ['v1', iv, toBase64(new Uint8Array(again))].join('.')
      context.sql.exec('UPDATE roots SET sealed_key = ? WHERE key_id = ?', text, keyId)
    }
  })

const join = async (mesh: TestMesh, cluster: string) => {
  const request = await newJoinRequest(await createJoinToken(mesh, cluster, 'net'), await newKeys())
  return send('POST', '/v1/join', { body: request })
}

describe('the key-encryption key', () => {
  test('is replaced key by key; what an older version sealed opens meanwhile, and the old key is not needed after that', async () => {
    const mesh = await createTestMesh()
    await addRoot(mesh)
    await sealAsBefore(mesh)
    expect(await opensWith(mesh, A)).toEqual([true, true])
    await reseal(mesh, B, A)
    expect(await opensWith(mesh, B)).toEqual([true, true])
    expect(await opensWith(mesh, A)).toEqual([false, false])
    const { body } = await mesh.send<{ items: AuditEvent[] }>('GET', '/audit?action=key.')
    expect(body.items.map(({ action, detail }) => [action, detail['with']])).toEqual([
      ['key.reseal', await toKekId(B)],
      ['key.reseal', await toKekId(B)],
    ])
  })

  test('may be half replaced when the object stops: every key is sealed with one of the two, and the rest follows', async () => {
    const mesh = await createTestMesh()
    await addRoot(mesh)
    await inStorage(mesh, async (context, orgId) => {
      let transactions = 0
      const crashing: MeshContext = {
        ...context,
        transaction: (body) => {
          transactions += 1
          if (transactions > 1) throw new Error('the object has crashed')
          return context.transaction(body)
        },
      }
      await expect(resealKeys(crashing, await deriveOrgKek(B, orgId, A))).rejects.toThrow('crashed')
      expect(countSealed(context.sql, await toKekId(B))).toEqual({ keys: 2, pending: 1 })
    })
    await evictDurableObject(mesh.stub)
    expect((await opensWith(mesh, B)).filter(Boolean)).toHaveLength(1)
    expect((await opensWith(mesh, A)).filter(Boolean)).toHaveLength(1)
    await reseal(mesh, B, A)
    expect(await opensWith(mesh, B)).toEqual([true, true])
  })

  test('that is the wrong one, or missing, opens nothing and destroys nothing, and is told', async () => {
    const mesh = await createTestMesh()
    const before = await inStorage(mesh, async (context) => readSealed(context))
    for (const secret of [C, undefined, 'short']) await expect(reseal(mesh, secret)).rejects.toThrow('ATOLL_KEK')
    await expect(reseal(mesh, B, C)).rejects.toThrow(`is sealed with ${await toKekId(A)}`)
    expect(await inStorage(mesh, async (context) => readSealed(context))).toEqual(before)

    // The plane has only A.
    await reseal(mesh, B, A)
    const refused = await join(mesh, 'east')
    expect(refused).toMatchObject({ status: 503, body: { code: 'unavailable' } })
    expect(refused.body.detail).toContain(`sealed with ${await toKekId(B)}`)
    await reseal(mesh, A, B)
    expect((await join(mesh, 'west')).status).toBe(201)
  })

  test('is taken by the object itself, on its alarm, and the API tells how many keys wait', async () => {
    const mesh = await createTestMesh()
    await sealAsBefore(mesh)
    const read = async () => (await send<KeyEncryption>('GET', '/v1/key-encryption', { token: mesh.token })).body
    const before = await read()
    expect(before).toMatchObject({ current: await toKekId(A), previous: null })
    expect(before.meshes).toContainEqual({ mesh: mesh.name, keys: 1, pending: 1 })
    expect(before.pending).toBeGreaterThanOrEqual(1)
    await evictDurableObject(mesh.stub)
    await read()
    expect(await runDurableObjectAlarm(mesh.stub)).toBe(true)
    expect((await read()).meshes).toContainEqual({ mesh: mesh.name, keys: 1, pending: 0 })
    expect((await join(mesh, 'east')).status).toBe(201)
  })

  test('reaches the client secret of an identity provider, which is bound to its org and client', async () => {
    const { token } = await createTestMesh()
    const orgId = await createTestMesh().then((mesh) => inStorage(mesh, async (_context, id) => id))
    const name = { orgId, issuer: 'https://issuer.example.org', clientId: 'atoll' }
    const store = async (clientSecret: string) => {
      const provider = {
        ...name,
        clientSecret,
        planeUrl: 'https://plane.example.org',
        allowsDevice: false,
        createdAt: 0,
      }
      const facts = { action: 'sign-in.set', target: name.issuer }
      await storeProvider(env.DB, provider, { at: Date.now(), by: planeInitiator, facts })
      return provider
    }
    const stored = async () => (await findProvider(env.DB, orgId))?.clientSecret ?? ''
    const provider = await store(await sealClientSecret({ ATOLL_KEK: B }, name, 'hunter2'))
    await resealClientSecret({ ATOLL_KEK: C, ATOLL_KEK_PREVIOUS: B, DB: env.DB }, provider)
    expect(await openClientSecret({ ATOLL_KEK: C }, name, await stored())).toBe('hunter2')
    await expect(openClientSecret({ ATOLL_KEK: B }, name, await stored())).rejects.toThrow('ATOLL_KEK')
    const { items } = (await send<{ items: AuditEvent[] }>('GET', '/v1/audit?limit=1', { token })).body
    expect(items).toMatchObject([{ action: 'key.reseal', detail: { with: await toKekId(C) } }])
    for (const other of [{ orgId: 'other' }, { issuer: 'https://other.example.org' }, { clientId: 'other' }])
      await expect(openClientSecret({ ATOLL_KEK: C }, { ...name, ...other }, await stored())).rejects.toThrow('decrypt')

    // The plane has A alone: it can't, and says so; then it has both.
    const read = async () => (await send<KeyEncryption>('GET', '/v1/key-encryption', { token })).body.signIn
    expect(await read()).toEqual({ keys: 1, pending: 1 })
    await resealClientSecret({ ATOLL_KEK: A, ATOLL_KEK_PREVIOUS: C, DB: env.DB }, await store(await stored()))
    expect(await read()).toEqual({ keys: 1, pending: 0 })
    expect(await openClientSecret(env, name, await stored())).toBe('hunter2')
  })
})
