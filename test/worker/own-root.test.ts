import 'reflect-metadata'
import { runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { X509Certificate } from '@peculiar/x509'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import type { AuditEvent } from '#api/schemas/audit.ts'
import type { RootRequest, Rotation, Trust } from '#api/schemas/trust.ts'
import { OwnCa } from '#test/harness/own-ca.ts'
import { deriveOrgKek, toKekId } from '#worker/ca/sealed-key.ts'
import { readMeshRow } from '#worker/mesh/mesh-row.ts'
import { countSealed, resealKeys } from '#worker/mesh/reseal-keys.ts'
import { FollowingAgent } from './support/following-agent.ts'
import { joinTestCluster } from './support/test-agent.ts'
import { createTestMesh } from './support/test-plane.ts'
import type { TestMesh } from './support/test-plane.ts'

const rotate = (mesh: TestMesh, root: Record<string, unknown>) =>
  mesh.send<Rotation & { code?: string; detail?: string }>('POST', '/trust/rotation', { body: { root } })

const trustOf = async (mesh: TestMesh): Promise<Trust> => (await mesh.send<Trust>('GET', '/trust')).body

/** The time that nothing may be waited for is over, again and again, until the rotation is done. */
const finish = async (mesh: TestMesh): Promise<void> => {
  await vi.waitUntil(
    async () => {
      if ((await trustOf(mesh)).rotation?.step === 'done') return true
      await runInDurableObject(mesh.stub, (_instance, { storage }) => {
        storage.sql.exec('UPDATE rotations SET met_since = met_since - 60000')
      })
      await runDurableObjectAlarm(mesh.stub)
      return false
    },
    { timeout: 30_000, interval: 20 },
  )
}

const createFollowed = async () => {
  const mesh = await createTestMesh()
  const cluster = await joinTestCluster(mesh, 'east', 'net-east')
  const agent = await FollowingAgent.connect(cluster)
  onTestFinished(() => agent.stop())
  return { mesh, agent }
}

const expectToRule = async (mesh: TestMesh, ca: X509Certificate, origin: string): Promise<void> => {
  const { roots, intermediates } = await trustOf(mesh)
  expect(roots.map(({ pem }) => new X509Certificate(pem).subject)).toEqual([ca.subject])
  expect(roots[0]).toMatchObject({ signing: true, origin })
  // The plane begins no rotation from it by itself.
  expect(roots[0]).not.toHaveProperty('rotatesAt')
  for (const { pem, notAfter } of intermediates) {
    const certificate = new X509Certificate(pem)
    expect(await certificate.verify({ publicKey: ca, signatureOnly: true })).toBe(true)
    expect(Date.parse(notAfter)).toBeLessThanOrEqual(ca.notAfter.getTime())
  }
}

describe('a root that somebody brings', { timeout: 60_000 }, () => {
  test('with its key takes the place of the one before by a rotation as any other', async () => {
    const { mesh } = await createFollowed()
    const acme = await OwnCa.create()
    const ca = await OwnCa.create(acme, { algorithm: 'ecdsa-p384' })
    const begun = await rotate(mesh, { chainPem: ca.chainPem, privateKeyPem: await ca.keyPem() })
    expect([begun.status, begun.body.step]).toEqual([200, 'trust-both'])
    await finish(mesh)
    await expectToRule(mesh, ca.certificate, 'uploaded')
    expect((await trustOf(mesh)).roots[0]?.above).toEqual([acme.certificate.toString('pem')])
    // With less than two years to its end, which is when the plane would begin by itself.
    await runInDurableObject(mesh.stub, (_instance, { storage }) => {
      storage.sql.exec('UPDATE roots SET not_after = ?', Date.now() + 60 * 24 * 60 * 60 * 1000)
    })
    await runDurableObjectAlarm(mesh.stub)
    expect((await trustOf(mesh)).roots).toHaveLength(1)
  })

  test('for a key of the plane: a request, which an offline root signs; and the way back', async () => {
    const { mesh } = await createFollowed()
    const [before] = (await trustOf(mesh)).roots
    expect((await mesh.send('GET', '/trust/root-request')).status).toBe(404)
    const { body: request } = await mesh.send<RootRequest>('POST', '/trust/root-request')
    expect((await mesh.send<RootRequest>('POST', '/trust/root-request')).body).toEqual(request)
    expect((await trustOf(mesh)).rootRequest).toEqual(request)
    const acme = await OwnCa.create()
    const signed = await acme.sign(request.csrPem)
    expect((await rotate(mesh, { chainPem: `${signed}\n${acme.chainPem}` })).status).toBe(200)
    expect((await mesh.send('GET', '/trust/root-request')).status).toBe(404)
    expect((await mesh.send('POST', '/trust/rotation/rollback')).status).toBe(200)
    await finish(mesh)
    expect((await trustOf(mesh)).roots.map(({ serial }) => serial)).toEqual([before?.serial])

    const again = await mesh.send<RootRequest>('POST', '/trust/root-request')
    const chainPem = `${await acme.sign(again.body.csrPem)}\n${acme.chainPem}`
    expect((await rotate(mesh, { chainPem })).status).toBe(200)
    await finish(mesh)
    await expectToRule(mesh, new X509Certificate(chainPem), 'requested')
    const { body } = await mesh.send<{ items: AuditEvent[] }>('GET', '/audit?action=root')
    expect(JSON.stringify(body)).not.toContain('PRIVATE KEY')
  })

  test('is refused with the reason when it can not be one, and nothing is changed', async () => {
    const mesh = await createTestMesh()
    const [before] = (await trustOf(mesh)).roots
    const [ca, other] = [await OwnCa.create(), await OwnCa.create()]
    const refused = async (root: Record<string, unknown>, reason: RegExp) => {
      const { status, body } = await rotate(mesh, root)
      expect([status, body.code]).toEqual([422, 'root_refused'])
      expect(body.detail).toMatch(reason)
    }
    await refused({ chainPem: ca.chainPem }, /no request for a root is waiting/)
    await refused({ chainPem: ca.chainPem, privateKeyPem: await other.keyPem() }, /private key is not that/)
    const narrow = await OwnCa.create(undefined, { permitted: [{ uniformResourceIdentifier: 'other.example' }] })
    await refused({ chainPem: narrow.chainPem, privateKeyPem: await narrow.keyPem() }, /trust domain/)
    await mesh.send('POST', '/trust/root-request')
    await refused({ chainPem: ca.chainPem }, /another key than the request/)
    const same = await OwnCa.create(undefined, { name: new X509Certificate(before?.pem ?? '').subject })
    await refused({ chainPem: same.chainPem, privateKeyPem: await same.keyPem() }, /has a root of the subject/)
    const { roots, rotation } = await trustOf(mesh)
    expect([roots.map(({ serial }) => serial), rotation]).toEqual([[before?.serial], null])
    const { body } = await mesh.send<{ items: AuditEvent[] }>('GET', '/audit?action=root.create')
    expect(body.items.filter(({ outcome }) => outcome === 'refused')).toHaveLength(5)
  })

  test('waits for the rotation that is under way; a request can be dropped, and its key with it', async () => {
    const mesh = await createTestMesh()
    const ca = await OwnCa.create()
    const body = { chainPem: ca.chainPem, privateKeyPem: await ca.keyPem() }
    expect((await mesh.send('POST', '/trust/rotation', { body: {} })).status).toBe(200)
    expect((await rotate(mesh, body)).body).toMatchObject({ code: 'conflict' })
    const { body: request } = await mesh.send<RootRequest>('POST', '/trust/root-request')
    expect((await mesh.send('DELETE', '/trust/root-request')).status).toBe(204)
    expect((await mesh.send('DELETE', '/trust/root-request')).status).toBe(404)
    expect((await mesh.send<RootRequest>('POST', '/trust/root-request')).body.csrPem).not.toBe(request.csrPem)
  })

  test('has its key sealed, also while it waits', async () => {
    const mesh = await createTestMesh()
    await mesh.send('POST', '/trust/root-request')
    await runInDurableObject(mesh.stub, async (_instance, { storage }) => {
      const { orgId } = readMeshRow(storage.sql)
      const [other] = [btoa('x'.repeat(32))]
      const context = {
        sql: storage.sql,
        transaction: <T>(body: () => T) => storage.transactionSync(body),
        now: () => Date.now(),
        random: (bytes: number) => crypto.getRandomValues(new Uint8Array(bytes)),
      }
      expect(countSealed(storage.sql, await toKekId(other))).toEqual({ keys: 2, pending: 2 })
      await resealKeys(context, await deriveOrgKek(other, orgId, env.ATOLL_KEK))
      expect(countSealed(storage.sql, await toKekId(other))).toEqual({ keys: 2, pending: 0 })
    })
  })
})
