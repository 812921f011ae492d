import { runInDurableObject } from 'cloudflare:test'
import { BasicConstraintsExtension, X509Certificate } from '@peculiar/x509'
import { describe, expect, test } from 'vitest'
import type { AuditEvent } from '#api/schemas/audit.ts'
import type { ExternalIssuer, IssuedCertificate, Trust } from '#api/schemas/trust.ts'
import { trustState } from '#mesh/trust.ts'
import { joinTestCluster, TestAgent } from './support/test-agent.ts'
import { newCsr, newKeys } from './support/test-identity.ts'
import { createTestMesh, makeToken } from './support/test-plane.ts'
import type { TestMesh } from './support/test-plane.ts'

const DAY_MS = 24 * 60 * 60 * 1000

const add = async (mesh: TestMesh, body: Record<string, unknown> = {}, token = mesh.token) => {
  const csrPem = await newCsr(await newKeys(), { name: 'O=Istio, CN=Intermediate CA' })
  const json = { name: 'istio', clusters: ['east'], csrPem, ...body }
  return mesh.send<ExternalIssuer & { code?: string }>('POST', '/trust/issuers', { body: json, token })
}

const meshWithEast = async () => {
  const mesh = await createTestMesh({ trustDomain: 'cluster.local' })
  return { mesh, east: await joinTestCluster(mesh, 'east', 'net-a') }
}

describe('an external issuer', () => {
  test('is a CA for leaves alone, for a year at most, with a serial of the register', async () => {
    const { mesh } = await meshWithEast()
    const { status, body } = await add(mesh)
    expect(status).toBe(201)
    const { body: trust } = await mesh.send<Trust>('GET', '/trust')
    const [root] = trust.roots.map(({ pem }) => new X509Certificate(pem))
    const certificate = new X509Certificate(body.pem)
    expect(await certificate.verify({ publicKey: root?.publicKey ?? new ArrayBuffer() })).toBe(true)
    expect(certificate.getExtension(BasicConstraintsExtension)).toMatchObject({
      ca: true,
      pathLength: 0,
      critical: true,
    })
    expect(certificate.getExtension('2.5.29.30')?.critical).toBe(true)
    expect(certificate.notAfter.getTime() - certificate.notBefore.getTime()).toBeLessThanOrEqual(365 * DAY_MS)
    expect(certificate.subject).toContain('istio')
    expect(certificate.subject).not.toContain('Intermediate CA')
    expect(trust.issuers).toEqual([body])
    const { body: issued } = await mesh.send<{ items: IssuedCertificate[] }>('GET', '/trust/certificates')
    expect(issued.items[0]).toMatchObject({ kind: 'issuer', serial: body.serial, cluster: null, state: 'current' })
    const { body: audit } = await mesh.send<{ items: AuditEvent[] }>('GET', '/audit?action=issuer.add')
    expect(audit.items).toMatchObject([{ target: 'istio', outcome: 'done', detail: { serial: body.serial } }])
  })

  test('is told to the agents, and that it is removed, with a higher epoch', async () => {
    const { mesh, east } = await meshWithEast()
    const agent = await TestAgent.connect(east)
    const trustIn = (state: ReadonlyMap<string, unknown>) => {
      const item = state.get('trust') as { value: unknown } | undefined
      return item && trustState.parse(item.value)
    }
    await agent.until((state) => trustIn(state) !== undefined && trustIn(state)?.issuers === undefined)
    const { body } = await add(mesh)
    await agent.until((state) => trustIn(state)?.issuers?.[0]?.pem === body.pem)
    expect((await mesh.send('DELETE', '/trust/issuers/istio')).status).toBe(204)
    await agent.until((state) => trustIn(state)?.issuers === undefined && trustIn(state)?.epoch === 1)
    const { body: issued } = await mesh.send<{ items: IssuedCertificate[] }>('GET', '/trust/certificates')
    expect(issued.items[0]).toMatchObject({ kind: 'issuer', state: 'evicted' })
    expect((await mesh.send('DELETE', '/trust/issuers/istio')).status).toBe(404)
    expect((await add(mesh)).status).toBe(201)
  })

  test('leaves with the last cluster that it names', async () => {
    const { mesh } = await meshWithEast()
    await joinTestCluster(mesh, 'west', 'net-b')
    await add(mesh)
    await add(mesh, { name: 'both', clusters: ['west', 'east', 'west'] })
    await mesh.send('DELETE', '/clusters/east')
    const { body } = await mesh.send<Trust>('GET', '/trust')
    expect(body.issuers).toMatchObject([{ name: 'both', clusters: ['west'] }])
  })

  const refusals: readonly (readonly [string, () => Promise<Record<string, unknown>>, number, string])[] = [
    ['for a cluster that is not in the mesh', async () => ({ clusters: ['east', 'west'] }), 404, 'not_found'],
    ['for no cluster', async () => ({ clusters: [] }), 400, 'invalid_request'],
    ['whose name is no label', async () => ({ name: 'Istio CA' }), 400, 'invalid_request'],
    ['that is no request', async () => ({ csrPem: 'nonsense' }), 422, 'csr_refused'],
    ['with another curve', async () => ({ csrPem: await newCsr(await newKeys('P-521')) }), 422, 'csr_refused'],
    [
      'that asks for a longer path',
      async () => ({
        csrPem: await newCsr(await newKeys(), { extensions: [new BasicConstraintsExtension(true, 3, true)] }),
      }),
      422,
      'csr_refused',
    ],
  ]
  test.each(refusals)('%s is refused', async (_name, toBody, status, code) => {
    const { mesh } = await meshWithEast()
    const answer = await add(mesh, await toBody())
    expect([answer.status, answer.body.code]).toEqual([status, code])
    expect((await mesh.send<Trust>('GET', '/trust')).body.issuers).toEqual([])
  })

  test('is refused when what the mesh trusts leaves no room for it: no serial is taken, and nothing goes for it', async () => {
    const { mesh } = await meshWithEast()
    const inObject = <T>(body: (sql: SqlStorage) => T) =>
      runInDurableObject(mesh.stub, (_object, { storage }) => body(storage.sql))
    const countCertificates = () =>
      inObject((sql) => sql.exec<{ count: number }>('SELECT count(*) AS count FROM certificates').one().count)
    await inObject((sql) => {
      sql.exec(`UPDATE certificates SET pem = pem || hex(zeroblob(260500)) WHERE cluster = 'east'`)
    })
    const before = await countCertificates()
    expect(await add(mesh)).toMatchObject({ status: 422, body: { code: 'limit_reached' } })
    expect(await countCertificates()).toBe(before)
  })

  test('is refused when the name is taken, when there are too many, and to whom may not', async () => {
    const { mesh } = await meshWithEast()
    const viewer = await makeToken({ role: 'viewer' })
    expect((await add(mesh, {}, viewer.secret)).body.code).toBe('forbidden')
    const ofEast = await makeToken({ scopes: { mesh: mesh.name, cluster: 'east' } })
    expect((await add(mesh, {}, ofEast.secret)).body.code).toBe('forbidden')
    for (let number = 1; number <= 8; number += 1) expect((await add(mesh, { name: `i-${number}` })).status).toBe(201)
    expect((await add(mesh, { name: 'i-1' })).body.code).toBe('already_exists')
    expect((await add(mesh, { name: 'i-9' })).body.code).toBe('limit_reached')
  })
})
