import { runInDurableObject } from 'cloudflare:test'
import { describe, expect, test, vi } from 'vitest'
import type { Trust } from '#api/schemas/trust.ts'
import type { JoinResponse } from '#mesh/join.ts'
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
  test('an eviction waits for it, and takes it out of the trust with the others', async () => {
    const mesh = await createTestMesh()
    await joinTestCluster(mesh, 'east', 'net-a')
    const again = await newJoinRequest(await createJoinToken(mesh, 'east', 'net-a'), await newKeys())
    const signature = holdSignature()
    const joining = join(again)
    await signature.begun()
    const evicting = mesh.send('DELETE', '/clusters/east')
    // What comes to the object later is answered later: the eviction has begun.
    await mesh.send('GET', '/trust')
    signature.release()
    expect([(await joining).status, (await evicting).status]).toEqual([201, 204])
    expect((await mesh.send<Trust>('GET', '/trust')).body.intermediates).toEqual([])
    expect((await mesh.send('GET', '/clusters/east')).status).toBe(404)
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
