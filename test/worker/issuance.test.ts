import { runInDurableObject } from 'cloudflare:test'
import { describe, expect, test, vi } from 'vitest'
import type { AuditEvent } from '#api/schemas/audit.ts'
import type { Trust } from '#api/schemas/trust.ts'
import type { JoinResponse } from '#mesh/join.ts'
import { UPLINK_CAPABILITIES } from '#mesh/uplink.ts'
import { listTrustedIntermediates } from '#worker/mesh/certificates.ts'
import { createJoinToken, joinTestCluster, newJoinRequest, TestAgent } from './support/test-agent.ts'
import { newCsr, newKeys } from './support/test-identity.ts'
import { createTestMesh, send } from './support/test-plane.ts'

const join = (body: unknown) => send<JoinResponse>('POST', '/v1/join', { body })

/** Stops the next signature of the plane until `release`. (A promise of the object must not be awaited here: it is polled.) */
const holdSignature = () => {
  let hasBegun = false
  const held = Promise.withResolvers<void>()
  const sign: SubtleCrypto['sign'] = crypto.subtle.sign.bind(crypto.subtle)
  const spy = vi.spyOn(crypto.subtle, 'sign').mockImplementationOnce(async (...args) => {
    hasBegun = true
    await held.promise
    return sign(...args)
  })
  return {
    begun: () => vi.waitUntil(() => hasBegun, { timeout: 10_000, interval: 5 }),
    release: () => {
      held.resolve()
      spy.mockRestore()
    },
  }
}

describe('while a certificate is being signed', () => {
  // A KMS may take ten seconds, and a queue of certificates as many times that.
  test.each([
    ['to a cluster that joins anew', 401],
    ['to an external issuer of the cluster', 404],
  ] as const)('an eviction does not wait for it, and what is given %s is not trusted', async (_, refused) => {
    const mesh = await createTestMesh()
    await joinTestCluster(mesh, 'east', 'net-a')
    const again = await newJoinRequest(await createJoinToken(mesh, 'east', 'net-a'), await newKeys())
    const csrPem = await newCsr(await newKeys())
    const signature = holdSignature()
    const issuing =
      refused === 401
        ? join(again)
        : mesh.send('POST', '/trust/issuers', { body: { name: 'istio', clusters: ['east'], csrPem } })
    await signature.begun()
    expect((await mesh.send('DELETE', '/clusters/east')).status).toBe(204)
    signature.release()
    expect((await issuing).status).toBe(refused)
    const { intermediates, issuers } = (await mesh.send<Trust>('GET', '/trust')).body
    expect([intermediates, issuers]).toEqual([[], []])
    expect((await mesh.send('GET', '/clusters/east')).status).toBe(404)
  })

  test('to an agent of a cluster that is evicted, it is not trusted either', async () => {
    const mesh = await createTestMesh()
    // Tokens for telemetry are signed, too.
    const capabilities = UPLINK_CAPABILITIES.filter((capability) => capability !== 'telemetry')
    const agent = await TestAgent.connect(await joinTestCluster(mesh, 'east', 'net-a'), { capabilities })
    const csrPem = await newCsr(await newKeys())
    const signature = holdSignature()
    agent.send({ type: 'csr', request: 'renewal', csrPem })
    await signature.begun()
    expect((await mesh.send('DELETE', '/clusters/east')).status).toBe(204)
    signature.release()
    const refusals = async () =>
      (
        await mesh.send<{ items: AuditEvent[] }>('GET', '/audit?action=certificate.issue&cluster=east')
      ).body.items.filter(({ outcome }) => outcome === 'refused')
    await expect.poll(refusals, { timeout: 10_000 }).toHaveLength(1)
    expect((await mesh.send<Trust>('GET', '/trust')).body.intermediates).toEqual([])
  })

  test('that replaces an identity, an agent with the old one gets none any more', async () => {
    const mesh = await createTestMesh()
    const old = await TestAgent.connect(await joinTestCluster(mesh, 'east', 'net-a'))
    const csrPem = await newCsr(await newKeys())
    const request = await newJoinRequest(await createJoinToken(mesh, 'east', 'net-a'), await newKeys())
    const signature = holdSignature()
    const joining = join(request)
    await signature.begun()
    const digest = vi.spyOn(crypto.subtle, 'digest')
    old.send({ type: 'csr', request: 'late', csrPem })
    await vi.waitUntil(() => digest.mock.calls.length > 0, { timeout: 10_000, interval: 5 })
    digest.mockRestore()
    signature.release()
    const { body } = await joining
    await old.ended()
    const trusted = await runInDurableObject(mesh.stub, (_instance, { storage }) =>
      listTrustedIntermediates(storage.sql).map(({ pem }) => pem),
    )
    expect(trusted).toEqual([old.cluster.joined.certificatePem, body.certificatePem])
  })
})

test('sixty are signed in a minute, of all clusters together: who comes later is told when to come again', async () => {
  const mesh = await createTestMesh()
  const agent = await TestAgent.connect(await joinTestCluster(mesh, 'east', 'net-a'))
  const change = (what: string, ...values: readonly number[]) =>
    runInDurableObject(mesh.stub, (_instance, { storage }) => {
      storage.sql.exec(what, ...values)
    })
  await change(
    `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60)
     INSERT INTO certificates (serial, kind, cluster, issued_at, not_before, not_after, state)
     SELECT 'of another ' || i, 'intermediate', 'other', ?, 0, 0, 'pending' FROM n`,
    Date.now(),
  )
  const csrPem = await newCsr(await newKeys())
  agent.send({ type: 'csr', request: 'now', csrPem })
  expect(await agent.next('refused')).toMatchObject({ code: 'rate_limited', request: 'now', retryAfterSeconds: 60 })
  await change('UPDATE certificates SET issued_at = issued_at - 60000')
  agent.send({ type: 'csr', request: 'later', csrPem })
  expect(await agent.next('issued')).toMatchObject({ request: 'later' })
})
