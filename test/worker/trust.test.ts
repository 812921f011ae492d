import { runInDurableObject } from 'cloudflare:test'
import {
  BasicConstraintsExtension,
  Extension,
  SubjectAlternativeNameExtension,
  X509Certificate,
  X509ChainBuilder,
} from '@peculiar/x509'
import { describe, expect, test } from 'vitest'
import type { AuditEvent } from '#api/schemas/audit.ts'
import type { IssuedCertificate } from '#api/schemas/trust.ts'
import type { JoinResponse } from '#mesh/join.ts'
import type { MeshContext } from '#worker/mesh/context.ts'
import { joinCluster } from '#worker/mesh/join.ts'
import { listRoots } from '#worker/mesh/roots.ts'
import { deriveOrgKek, openKey } from '#worker/ca/sealed-key.ts'
import { readMeshRow } from '#worker/mesh/mesh-row.ts'
import { createJoinToken, joinTestCluster, newJoinRequest, TestAgent } from './support/test-agent.ts'
import { newCsr, newKeys, sign } from './support/test-identity.ts'
import { createTestMesh, send } from './support/test-plane.ts'
import type { TestMesh } from './support/test-plane.ts'

const DAY_MS = 24 * 60 * 60 * 1000
const KEK = 'dGVzdHMgaGF2ZSBubyBzZWNyZXRzIHRvIGtlZXAgISE='
const kekOf = (sql: SqlStorage) => deriveOrgKek(KEK, readMeshRow(sql).orgId)

const join = (body: unknown) => send<JoinResponse & { code?: string }>('POST', '/v1/join', { body })

/** A context over a mesh's own SQLite, with another clock. */
const withContext = <T>(mesh: TestMesh, now: () => number, body: (context: MeshContext) => Promise<T>): Promise<T> =>
  runInDurableObject(mesh.stub, (_instance, { storage }) =>
    body({
      sql: storage.sql,
      transaction: (write) => storage.transactionSync(write),
      now,
      random: (bytes) => crypto.getRandomValues(new Uint8Array(bytes)),
    }),
  )

describe('joining', () => {
  test('gives an intermediate of ninety days that is bound to its cluster', async () => {
    const mesh = await createTestMesh()
    const { joined } = await joinTestCluster(mesh, 'east', 'net-a')
    const [root] = joined.rootsPem.map((pem) => new X509Certificate(pem))
    const intermediate = new X509Certificate(joined.certificatePem)

    expect(await intermediate.verify({ publicKey: root?.publicKey ?? new ArrayBuffer() })).toBe(true)
    expect(intermediate.getExtension(BasicConstraintsExtension)).toMatchObject({
      ca: true,
      pathLength: 0,
      critical: true,
    })
    const lifetimeDays = (intermediate.notAfter.getTime() - intermediate.notBefore.getTime()) / DAY_MS
    expect(lifetimeDays).toBeGreaterThan(90)
    expect(lifetimeDays).toBeLessThan(90.1)
    expect(intermediate.getExtension('2.5.29.30')?.critical).toBe(true)
    expect(joined).toMatchObject({
      mesh: mesh.name,
      meshId: mesh.id,
      cluster: 'east',
      network: 'net-a',
      trustDomain: `${mesh.name}.atoll.internal`,
    })
  })

  test('asked again for the same answers the same, once and at the same time', async () => {
    const mesh = await createTestMesh()
    const request = await newJoinRequest(await createJoinToken(mesh, 'east', 'net-a'), await newKeys())
    const answers = await Promise.all([join(request), join(request), join(request)])
    expect(answers.map(({ status }) => status)).toEqual([201, 201, 201])
    expect(new Set(answers.map(({ body }) => body.certificatePem)).size).toBe(1)
    const { body } = await mesh.send<{ items: unknown[] }>('GET', '/trust/certificates?cluster=east')
    expect(body.items).toHaveLength(1)
  })

  const refusals: readonly (readonly [string, (mesh: TestMesh) => Promise<unknown>])[] = [
    ['a token that is none', async () => newJoinRequest('nonsense', await newKeys())],
    [
      'a token with another secret',
      async (mesh) => {
        const token = await createJoinToken(mesh, 'east', 'net-a')
        return newJoinRequest(`${token.slice(0, -3)}${token.endsWith('AAA') ? 'BBB' : 'AAA'}`, await newKeys())
      },
    ],
    [
      'a token of another mesh, moved to this one',
      async (mesh) => {
        const other = await createTestMesh()
        const token = await createJoinToken(other, 'east', 'net-a')
        return newJoinRequest(token.replace(other.id, mesh.id), await newKeys())
      },
    ],
    [
      'a token that was revoked',
      async (mesh) => {
        const token = await createJoinToken(mesh, 'east', 'net-a')
        await mesh.send('DELETE', `/join-tokens/${token.split('_')[2]}`)
        return newJoinRequest(token, await newKeys())
      },
    ],
    [
      'a token that was used with another key',
      async (mesh) => {
        const token = await createJoinToken(mesh, 'east', 'net-a')
        await join(await newJoinRequest(token, await newKeys()))
        return newJoinRequest(token, await newKeys())
      },
    ],
    [
      'a token that was used for another certificate request',
      async (mesh) => {
        const token = await createJoinToken(mesh, 'east', 'net-a')
        const identity = await newKeys()
        await join(await newJoinRequest(token, identity))
        return newJoinRequest(token, identity)
      },
    ],
    [
      'a proof of another key',
      async (mesh) => {
        const request = await newJoinRequest(await createJoinToken(mesh, 'east', 'net-a'), await newKeys())
        return { ...request, proof: await sign(await newKeys(), 'anything') }
      },
    ],
    [
      'a proof that was made for another join',
      async (mesh) => {
        const identity = await newKeys()
        const first = await newJoinRequest(await createJoinToken(mesh, 'east', 'net-a'), identity)
        const second = await newJoinRequest(await createJoinToken(mesh, 'west', 'net-a'), identity, first.csrPem)
        return { ...second, proof: first.proof }
      },
    ],
    [
      'an identity key that is not P-256',
      async (mesh) => ({
        ...(await newJoinRequest(await createJoinToken(mesh, 'east', 'net-a'), await newKeys())),
        identityKeyPem: '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n',
      }),
    ],
  ]
  test.each(refusals)('is refused with %s, and nothing is said about why', async (_name, toRequest) => {
    const mesh = await createTestMesh()
    const { status, body } = await join(await toRequest(mesh))
    expect([status, body.code]).toEqual([401, 'join_refused'])
    expect(body).toMatchObject({ detail: 'the join token is unknown, used, expired or of another mesh' })
  })

  test('is refused when the token has run out', async () => {
    const mesh = await createTestMesh()
    const request = await newJoinRequest(await createJoinToken(mesh, 'east', 'net-a'), await newKeys())
    const tomorrow = Date.now() + DAY_MS
    const outcome = await withContext(
      mesh,
      () => tomorrow,
      async (context) => joinCluster(context, await kekOf(context.sql), request, { requestId: null }),
    )
    expect(outcome).toMatchObject({ ok: false, error: { code: 'join_refused' } })
    const { body } = await mesh.send<{ items: AuditEvent[] }>('GET', '/audit?action=cluster.join')
    expect(body.items[0]).toMatchObject({ outcome: 'refused', detail: { reason: 'expired' } })
  })

  test('that stops between serial and signature is finished by asking again', async () => {
    const mesh = await createTestMesh()
    const request = await newJoinRequest(await createJoinToken(mesh, 'east', 'net-a'), await newKeys())
    await withContext(mesh, Date.now, async (context) => {
      let transactions = 0
      const crashing: MeshContext = {
        ...context,
        transaction: (body) => {
          transactions += 1
          if (transactions > 1) throw new Error('the object has crashed')
          return context.transaction(body)
        },
      }
      await expect(joinCluster(crashing, await kekOf(context.sql), request, { requestId: null })).rejects.toThrow(
        'crashed',
      )
    })
    const other = await join({ ...request, ...(await newJoinRequest(request.token, await newKeys())) })
    expect(other.body.code).toBe('join_refused')

    expect((await join(request)).status).toBe(201)
    const states = await runInDurableObject(mesh.stub, (_instance, { storage }) =>
      storage.sql
        .exec<{ state: string }>(`SELECT state FROM certificates WHERE cluster = 'east' ORDER BY number`)
        .toArray()
        .map(({ state }) => state),
    )
    expect(states).toEqual(['pending', 'current'])
  })

  test('anew with another token gives the cluster another identity, and ends what the old one had open', async () => {
    const mesh = await createTestMesh()
    const first = await joinTestCluster(mesh, 'east', 'net-a')
    const old = await TestAgent.connect(first)
    const second = await joinTestCluster(mesh, 'east', 'net-b')
    expect(await old.next('refused')).toMatchObject({ code: 'replaced' })

    const impostor = await TestAgent.dial(first)
    await impostor.hello()
    expect(await impostor.next('refused')).toMatchObject({ code: 'bad_signature' })
    const agent = await TestAgent.connect(second, { position: old.position })
    expect(await agent.next('welcome')).toMatchObject({ sync: 'snapshot' })
  })
})

describe('a certificate request', () => {
  const bound = 'mesh.atoll.internal'
  const cases: readonly (readonly [string, () => Promise<string>])[] = [
    [
      'that is not one',
      () => Promise.resolve('-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----'),
    ],
    ['with another curve', async () => newCsr(await newKeys('P-521'))],
    ['for another cluster’s name', async () => newCsr(await newKeys(), { name: 'CN=west' })],
    ['for an organisation', async () => newCsr(await newKeys(), { name: 'O=acme' })],
    [
      'for another cluster’s DNS name',
      async () =>
        newCsr(await newKeys(), {
          extensions: [new SubjectAlternativeNameExtension([{ type: 'dns', value: `west.clusters.${bound}` }])],
        }),
    ],
    [
      'for another trust domain',
      async () =>
        newCsr(await newKeys(), {
          extensions: [new SubjectAlternativeNameExtension([{ type: 'url', value: 'spiffe://other.example' }])],
        }),
    ],
    [
      'for CA power',
      async () => newCsr(await newKeys(), { extensions: [new BasicConstraintsExtension(true, 3, true)] }),
    ],
    [
      'for wider name constraints',
      async () =>
        newCsr(await newKeys(), { extensions: [new Extension('2.5.29.30', true, new Uint8Array([0x30, 0x00]))] }),
    ],
    [
      'whose signature is of another key',
      async () => {
        const text = await newCsr(await newKeys())
        const lines = text.split('\n')
        const body = lines.slice(1, -1).join('')
        const flipped = `${body.slice(0, -12)}${body.at(-12) === 'A' ? 'B' : 'A'}${body.slice(-11)}`
        return `${lines[0]}\n${flipped}\n${lines.at(-1)}`
      },
    ],
  ]
  test.each(cases)('%s is refused, at joining and at renewal', async (_name, toCsr) => {
    const mesh = await createTestMesh()
    const csrPem = await toCsr()
    const token = await createJoinToken(mesh, 'east', 'net-a')
    const refused = await join(await newJoinRequest(token, await newKeys(), csrPem))
    expect([refused.status, refused.body.code]).toEqual([422, 'csr_refused'])

    const agent = await TestAgent.connect(await joinTestCluster(mesh, 'east', 'net-a'))
    agent.send({ type: 'csr', request: 'r1', csrPem })
    expect(await agent.next('refused')).toMatchObject({ code: 'csr_refused', request: 'r1' })
    const audit = await mesh.send<{ items: AuditEvent[] }>('GET', '/audit?action=certificate.issue&cluster=east')
    expect(audit.body.items.map(({ actor, outcome }) => [actor.kind, outcome])).toEqual([
      ['agent', 'refused'],
      ['agent', 'done'],
      ['agent', 'refused'],
    ])
  })

  test('that is refused at joining may come ten times in an hour with one token, and is then not looked at', async () => {
    const mesh = await createTestMesh()
    const token = await createJoinToken(mesh, 'east', 'net-a')
    const keys = await newKeys()
    const bad = await newJoinRequest(token, keys, await newCsr(await newKeys('P-521')))
    for (let index = 0; index < 10; index += 1) expect((await join(bad)).status).toBe(422)
    const good = await newJoinRequest(token, keys)
    for (const request of [bad, good, { ...good, proof: bad.proof }])
      expect((await join(request)).body.code).toBe('rate_limited')
    const audit = await mesh.send<{ items: AuditEvent[] }>('GET', '/audit?cluster=east')
    expect(audit.body.items.filter(({ outcome }) => outcome === 'refused')).toHaveLength(10)

    expect((await join(await newJoinRequest(await createJoinToken(mesh, 'west', 'net-a'), keys))).status).toBe(201)
    await runInDurableObject(mesh.stub, (_instance, { storage }) => {
      storage.sql.exec('UPDATE join_tokens SET refusals_since = refusals_since - 3600000')
    })
    expect((await join(good)).status).toBe(201)
  })

  test('that is refused counts as one of those that a cluster may send in an hour', async () => {
    const mesh = await createTestMesh()
    const agent = await TestAgent.connect(await joinTestCluster(mesh, 'east', 'net-a'))
    const csrPem = await newCsr(await newKeys('P-521'))
    for (let index = 0; index < 20; index += 1) agent.send({ type: 'csr', request: `r${index}`, csrPem })
    await agent.next('refused', ({ request }) => request === 'r19')
    const audit = await mesh.send<{ items: AuditEvent[] }>('GET', '/audit?action=certificate.issue&cluster=east')
    // With the one that it joined by they are ten.
    expect(audit.body.items.filter(({ outcome }) => outcome === 'refused')).toHaveLength(9)
    expect(await agent.next('refused', ({ request }) => request === 'r9')).toMatchObject({ code: 'rate_limited' })
  })
})

describe('renewal', () => {
  test('over the uplink: the new intermediate is trusted beside the old one until that one’s leaves have run out', async () => {
    const mesh = await createTestMesh()
    const east = await joinTestCluster(mesh, 'east', 'net-a')
    const agent = await TestAgent.connect(east)
    agent.send({ type: 'csr', request: 'r1', csrPem: await newCsr(await newKeys()) })
    const issued = await agent.next('issued')

    expect(issued.certificatePem).not.toBe(east.joined.certificatePem)
    const trusts = (pems: readonly string[]) => {
      const trust = agent.state.get('trust')
      return (
        trust?.kind === 'trust' &&
        JSON.stringify(trust.value.intermediates.map(({ pem }) => pem)) === JSON.stringify(pems)
      )
    }
    await agent.until(() => trusts([east.joined.certificatePem, issued.certificatePem]))
    const { body } = await mesh.send<{ items: IssuedCertificate[] }>('GET', '/trust/certificates?cluster=east')
    expect(body.items.map(({ state }) => state)).toEqual(['current', 'superseded'])
  })

  test('asked again is answered as before; asked too often is refused', async () => {
    const mesh = await createTestMesh()
    const agent = await TestAgent.connect(await joinTestCluster(mesh, 'east', 'net-a'))
    const csrPem = await newCsr(await newKeys())
    agent.send({ type: 'csr', request: 'first', csrPem })
    agent.send({ type: 'csr', request: 'again', csrPem })
    const [first, again] = await Promise.all([
      agent.next('issued', ({ request }) => request === 'first'),
      agent.next('issued', ({ request }) => request === 'again'),
    ])
    expect(again.certificatePem).toBe(first.certificatePem)
    for (let index = 0; index < 12; index += 1) {
      agent.send({ type: 'csr', request: `more-${index}`, csrPem: await newCsr(await newKeys()) })
    }
    expect(await agent.next('refused')).toMatchObject({ code: 'rate_limited' })
  })

  test('an intermediate never outlives the root that signed it', async () => {
    const mesh = await createTestMesh()
    const token = await createJoinToken(mesh, 'east', 'net-a')
    await withContext(mesh, Date.now, async (context) => {
      const [root] = listRoots(context.sql)
      const late = (root?.notAfter ?? 0) - 10 * DAY_MS
      context.sql.exec('UPDATE join_tokens SET expires_at = ?', late + DAY_MS)
      const request = await newJoinRequest(token, await newKeys())
      const outcome = await joinCluster({ ...context, now: () => late }, await kekOf(context.sql), request, {
        requestId: null,
      })
      if (!outcome.ok) throw new Error(outcome.error.detail)
      const certificate = new X509Certificate(outcome.value.response.certificatePem)
      expect(Math.floor(certificate.notAfter.getTime() / 1000)).toBe(Math.floor((root?.notAfter ?? 0) / 1000))
    })
  })
})

describe('the root’s key', () => {
  test('is stored sealed, and opens for its own org, mesh and key only', async () => {
    const mesh = await createTestMesh()
    await withContext(mesh, Date.now, async ({ sql }) => {
      const { orgId, meshId } = readMeshRow(sql)
      const [root] = listRoots(sql)
      if (!root) throw new Error('no root')
      const name = { orgId, meshId, keyId: root.keyId }
      const kek = await kekOf(sql)
      expect(root.sealedKey).not.toContain('PRIVATE')
      expect((await openKey(kek, name, root.sealedKey)).extractable).toBe(false)
      await expect(openKey(kek, { ...name, keyId: 'other' }, root.sealedKey)).rejects.toThrow(/decrypt/i)
      await expect(openKey(kek, { ...name, meshId: 'other' }, root.sealedKey)).rejects.toThrow(/decrypt/i)
      await expect(openKey(await deriveOrgKek(KEK, 'other'), name, root.sealedKey)).rejects.toThrow(/decrypt/i)
      await expect(deriveOrgKek('dG9vIHNob3J0', orgId)).rejects.toThrow('ATOLL_KEK')
    })
  })
})

test('the chain of an intermediate ends in the mesh’s root and in no other mesh’s', async () => {
  const [mesh, other] = [await createTestMesh(), await createTestMesh()]
  const { joined } = await joinTestCluster(mesh, 'east', 'net-a')
  const { joined: foreign } = await joinTestCluster(other, 'east', 'net-a')
  const roots = [...joined.rootsPem, ...foreign.rootsPem].map((pem) => new X509Certificate(pem))
  const chain = await new X509ChainBuilder({ certificates: roots }).build(new X509Certificate(joined.certificatePem))
  expect(chain.map((certificate) => certificate.toString('pem'))).toEqual([joined.certificatePem, joined.rootsPem[0]])
})
