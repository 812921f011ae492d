import { evictDurableObject, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'
import { AUDIT_GENESIS } from '#api/audit-chain.ts'
import type { AuditEvent } from '#api/schemas/audit.ts'
import type { ChainFinding } from '#cli/audit/verify-chain.ts'
import { MAX_ORG_AUDIT_EVENTS } from '#worker/directory/org-audit.ts'
import { deriveEventSigner } from '#worker/audit/event-signer.ts'
import { planeInitiator, pruneAudit, readAuditChain, writeAudit } from '#worker/mesh/audit.ts'
import type { MeshContext } from '#worker/mesh/context.ts'
import { migrate } from '#worker/mesh/migrate.ts'
import { migrations } from '#worker/mesh/migrations.ts'
import { createBusyMesh, inStorage, verifyLog, verifyMesh } from './support/test-audit.ts'
import { createTestMesh, makeToken, send, setUpPlane } from './support/test-plane.ts'

const tampering: readonly { name: string; sql: string[]; found: ChainFinding[] }[] = [
  { name: 'nothing', sql: [], found: [] },
  {
    name: 'a changed event',
    sql: [`UPDATE audit SET actor_name = 'somebody else' WHERE number = 5`],
    found: [{ kind: 'changed', sequence: 5 }],
  },
  {
    name: 'a changed detail',
    sql: [`UPDATE audit SET detail = json_set(detail, '$.network', 'other') WHERE number = 5`],
    found: [{ kind: 'changed', sequence: 5 }],
  },
  {
    name: 'a changed time',
    sql: ['UPDATE audit SET at = at - 1 WHERE number = 5'],
    found: [{ kind: 'changed', sequence: 5 }],
  },
  {
    name: 'a removed event',
    sql: ['DELETE FROM audit WHERE number = 5'],
    found: [{ kind: 'missing', from: 5, to: 5 }],
  },
  {
    name: 'removed events at the beginning',
    sql: ['DELETE FROM audit WHERE number <= 3'],
    found: [{ kind: 'missing', from: 1, to: 3 }],
  },
  {
    name: 'a tail that is cut off',
    sql: ['DELETE FROM audit WHERE number > 8'],
    found: [{ kind: 'missing', from: 9, to: 11 }],
  },
  {
    name: 'a removed event, with the others moved up',
    sql: ['DELETE FROM audit WHERE number = 5', 'UPDATE audit SET number = number - 1 WHERE number > 5'],
    found: [
      { kind: 'replaced', sequence: 4 },
      ...[5, 6, 7, 8, 9, 10].map((sequence) => ({ kind: 'changed', sequence }) as const),
      { kind: 'missing', from: 11, to: 11 },
    ],
  },
  {
    name: 'two that changed places',
    sql: [
      'UPDATE audit SET number = 1000 WHERE number = 5',
      'UPDATE audit SET number = 5 WHERE number = 6',
      'UPDATE audit SET number = 6 WHERE number = 1000',
    ],
    found: [
      { kind: 'replaced', sequence: 4 },
      { kind: 'changed', sequence: 5 },
      { kind: 'replaced', sequence: 5 },
      { kind: 'changed', sequence: 6 },
      { kind: 'replaced', sequence: 6 },
    ],
  },
  {
    name: 'one that was put in at the end',
    sql: [
      `INSERT INTO audit (number, at, actor_kind, actor_id, actor_name, action, target, outcome, detail, changes, previous_hash, hash)
       SELECT 12, at, actor_kind, actor_id, actor_name, action, target, outcome, detail, changes, hash, hash FROM audit WHERE number = 11`,
    ],
    found: [
      { kind: 'changed', sequence: 12 },
      { kind: 'unsigned', sequence: 12 },
      { kind: 'behind-head', sequence: 12 },
    ],
  },
]

describe('the audit log of a mesh', () => {
  for (const { name, sql, found } of tampering) {
    test(`that has ${name} is told to be so, and where`, async () => {
      const mesh = await createBusyMesh()
      await inStorage(mesh, (context) => sql.forEach((statement) => context.sql.exec(statement)))
      const { findings, events } = await verifyMesh(mesh)
      expect(findings).toEqual(found)
      expect(events).toBeGreaterThan(7)
    })
  }

  test('that was rewritten as a whole is found out by a head that was kept', async () => {
    const mesh = await createBusyMesh()
    const { head } = await verifyMesh(mesh)
    await mesh.send('POST', '/join-tokens', { body: { cluster: 'later', network: 'net' } })
    expect((await verifyMesh(mesh, head ?? undefined)).findings).toEqual([])
    await inStorage(mesh, (context) => {
      context.sql.exec(`DELETE FROM audit_chain`)
      context.sql.exec(
        `UPDATE audit SET actor_name = 'somebody else', hash = NULL, previous_hash = NULL, signature = NULL`,
      )
      readAuditChain(context)
    })
    // Without signatures it is as if it had been written before there were any.
    expect(await verifyMesh(mesh)).toMatchObject({ findings: [], signed: 0, firstSigned: null })
    expect((await verifyMesh(mesh, head ?? undefined)).findings).toEqual([{ kind: 'kept-head-differs', sequence: 11 }])
    expect((await verifyMesh(mesh, { sequence: null, hash: head?.hash ?? '' })).findings).toHaveLength(1)
  })

  test('forgets its oldest events, and the rest still verifies', async () => {
    const mesh = await createBusyMesh()
    const early = (await verifyMesh(mesh)).head
    const first = { sequence: 2, hash: AUDIT_GENESIS }
    await inStorage(mesh, (context) => context.transaction(() => pruneAudit(context.sql, 6)))
    const verdict = await verifyMesh(mesh, early ?? undefined)
    expect(verdict).toMatchObject({ findings: [], events: 5, first: 7 })
    expect((await verifyMesh(mesh, first)).findings).toEqual([{ kind: 'kept-head-forgotten', sequence: 2 }])
    await inStorage(mesh, (context) => context.sql.exec('DELETE FROM audit WHERE number = 7'))
    expect((await verifyMesh(mesh)).findings).toEqual([{ kind: 'missing', from: 7, to: 7 }])
  })

  test('goes on with its chain after the object slept, and when many write at once', async () => {
    const mesh = await createBusyMesh()
    await evictDurableObject(mesh.stub)
    await Promise.all(
      Array.from({ length: 10 }, (_, index) =>
        mesh.send('POST', '/join-tokens', { body: { cluster: `at-once-${index}`, network: 'net' } }),
      ),
    )
    await evictDurableObject(mesh.stub)
    expect(await verifyMesh(mesh)).toMatchObject({ findings: [], events: 21, head: { sequence: 21 } })
  })

  test('has no event of a write that did not happen', async () => {
    const mesh = await createTestMesh()
    await inStorage(mesh, (context) => {
      expect(() =>
        context.transaction(() => {
          writeAudit(context, planeInitiator, { action: 'never.was', target: 'it' })
          throw new Error('the object has crashed')
        }),
      ).toThrow('crashed')
    })
    await mesh.send('POST', '/join-tokens', { body: { cluster: 'east', network: 'net' } })
    const verdict = await verifyMesh(mesh)
    expect(verdict).toMatchObject({ findings: [], events: 3 })
  })

  test('of an older version is chained when the object wakes, once, and says from where on', async () => {
    const mesh = await createTestMesh()
    await inStorage(mesh, (context) => {
      context.sql.exec('DELETE FROM audit')
      context.sql.exec('DELETE FROM audit_chain')
      // The first of what was there are forgotten already.
      for (let number = 101; number <= 120; number += 1)
        context.sql.exec(
          `INSERT INTO audit (number, at, actor_kind, actor_id, actor_name, action, target, outcome, detail)
           VALUES (?, ?, 'token', 'id', 'name', 'old.write', 'it', 'done', '{}')`,
          number,
          number,
        )
    })
    for (let time = 0; time < 2; time += 1) {
      await evictDurableObject(mesh.stub)
      expect((await verifyMesh(mesh)).findings).toEqual([])
    }
    const verdict = await verifyMesh(mesh)
    expect(verdict).toMatchObject({ findings: [], events: 21, first: 101, head: { sequence: 121 } })
    const { body } = await mesh.send<{ items: AuditEvent[] }>('GET', '/audit?limit=2')
    expect(body.items).toMatchObject([
      { action: 'audit.chain', detail: { eventsBefore: 20, lastHash: body.items[1]?.hash } },
      { action: 'old.write' },
    ])
    await inStorage(mesh, (context) => context.sql.exec('UPDATE audit SET at = 7 WHERE number = 110'))
    expect((await verifyMesh(mesh)).findings).toEqual([{ kind: 'changed', sequence: 110 }])
  })

  test('is the same after each step of the schema', async () => {
    const isolated = env.MESH.get(env.MESH.idFromName('audit-of-an-older-one'))
    const beforeChain = migrations.findIndex((text) => text.includes('CREATE TABLE audit_chain'))
    await runInDurableObject(isolated, async (_instance, { storage }) => {
      const { sql } = storage
      await storage.deleteAll()
      migrate(storage, migrations.slice(0, beforeChain))
      sql.exec(
        `INSERT INTO audit (at, actor_kind, actor_id, actor_name, action, target, cluster, outcome, detail, request_id)
         VALUES (1, 'agent', 'east', 'replica', 'cluster.join', 'east', 'east', 'done', '{"network":"net"}', 'r')`,
      )
      migrate(storage, migrations)
      const context: MeshContext = {
        sql,
        transaction: (body) => storage.transactionSync(body),
        now: () => 2,
        random: () => new Uint8Array(),
      }
      expect(readAuditChain(context)).toMatchObject({ anchor: { sequence: 0 }, head: { sequence: 2 } })
      expect(sql.exec('SELECT hash, detail FROM audit ORDER BY number').toArray()).toMatchObject([
        { hash: expect.stringMatching(/^v1\.[0-9a-f]{64}$/) as string },
        { detail: expect.stringContaining('"eventsBefore":1') as string },
      ])
    })
  })

  test('says from where, and what it was before and after', async () => {
    const mesh = await createTestMesh()
    const headers = { 'CF-Connecting-IP': '192.0.2.7', 'User-Agent': `atoll/1 ${'x'.repeat(200)}` }
    const yaml = (timeout: string) => `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec: {hosts: [reviews.example.org], http: [{timeout: ${timeout}, route: [{destination: {host: reviews.example.org}}]}]}
`
    await mesh.send('POST', '/configuration', { yaml: yaml('1s'), headers })
    await mesh.send('POST', '/configuration', { yaml: yaml('2s'), headers })
    await mesh.send('PATCH', '', {
      headers,
      body: {
        inboundMtls: 'permissive',
        meshConfig: {
          extensionProviders: [
            {
              name: 'logs',
              opentelemetry: {
                service: 'collector.example.org',
                port: 4317,
                http: { path: '/v1/logs', headers: [{ name: 'authorization', value: 'Bearer hunter2' }] },
              },
            },
          ],
        },
      },
    })
    const { body } = await mesh.send<{ items: AuditEvent[] }>('GET', '/audit')
    const [settings, second, first] = body.items
    expect(first?.client).toEqual({ address: '192.0.2.7', userAgent: `atoll/1 ${'x'.repeat(112)}` })
    expect(first?.changes).toMatchObject([{ before: null, after: second?.changes?.[0]?.before }])
    expect(second?.changes).toHaveLength(1)
    expect(settings?.action).toBe('mesh.update')
    expect(settings?.changes).toMatchObject([
      { what: 'inboundMtls', before: 'strict', after: 'permissive' },
      { what: 'meshConfig.extensionProviders', before: null, after: expect.stringContaining('[hidden]') as string },
    ])
    expect(JSON.stringify(body)).not.toContain('hunter2')
  })

  test('lists 50 changes of a write, and has a digest of all', async () => {
    const mesh = await createTestMesh()
    const signer = await deriveEventSigner('ATOLL_KEK', env.ATOLL_KEK)
    await inStorage(mesh, (context) =>
      context.transaction(() =>
        writeAudit({ ...context, signer: () => signer }, planeInitiator, {
          action: 'configuration.apply',
          target: 'x'.repeat(10_000),
          detail: { reason: 'y'.repeat(10_000) },
          changes: Array.from({ length: 2_000 }, (_, index) => ({
            what: `${index}${'z'.repeat(1_000)}`,
            before: null,
            after: 'w'.repeat(1_000),
          })),
        }),
      ),
    )
    const { body } = await mesh.send<{ items: AuditEvent[] }>('GET', '/audit?limit=1')
    expect(body.items[0]?.changes).toHaveLength(50)
    expect(body.items[0]?.detail).toMatchObject({ unlisted: 1_950, changesDigest: expect.any(String) as string })
    expect(JSON.stringify(body.items[0]).length).toBeLessThan(32 * 1024)
    expect((await verifyMesh(mesh)).findings).toEqual([])
  })
})

describe('the audit log of an org', () => {
  const orgIdOf = async (token: string) => {
    const { body } = await send<{ org: string }>('GET', '/v1/whoami', { token })
    return (await env.DB.prepare('SELECT id FROM orgs WHERE name = ?').bind(body.org).first<string>('id')) ?? ''
  }

  test('is one chain, also when many write at once', async () => {
    const token = await setUpPlane()
    const made = await Promise.all(Array.from({ length: 8 }, (_, index) => makeToken({ name: `at-once-${index}` })))
    await Promise.all(made.map(({ id }) => send('DELETE', `/v1/tokens/${id}`, { token })))
    const { findings, events } = await verifyLog('/v1/audit', token)
    expect(findings).toEqual([])
    expect(events).toBeGreaterThanOrEqual(17)
    const { body } = await send<{ items: AuditEvent[] }>('GET', '/v1/audit?limit=100', { token })
    expect(body.items.find(({ target }) => target === made[0]?.id)).toMatchObject({
      action: 'token.revoke',
      detail: { name: 'at-once-0', role: 'owner', expiresAt: expect.any(String) as string },
    })
  })

  test('says what a member could do before, and can do now', async () => {
    const token = await setUpPlane()
    const body = { email: 'changing@example.com', role: 'admin' }
    const { id } = (await send<{ id: string }>('POST', '/v1/members', { token, body })).body
    const now = { role: 'viewer', scopes: { mesh: 'shop', namespace: 'team' } }
    await send('PATCH', `/v1/members/${id}`, { token, body: now })
    const { items } = (await send<{ items: AuditEvent[] }>('GET', '/v1/audit?limit=1', { token })).body
    expect(items).toMatchObject([
      {
        action: 'member.update',
        changes: [
          { what: 'role', before: 'admin', after: 'viewer' },
          { what: 'mesh', before: null, after: 'shop' },
          { what: 'namespace', before: null, after: 'team' },
        ],
      },
    ])
  })

  test('takes up what an older version writes beside it, and says so', async () => {
    const token = await setUpPlane()
    const orgId = await orgIdOf(token)
    await makeToken({ name: 'before' })
    for (let index = 0; index < 3; index += 1)
      await env.DB.prepare(
        `INSERT INTO org_audit (org_id, at, actor, action, target, request_id)
         VALUES (?, ?, '{"kind":"token","id":"i","name":"n"}', 'token.create', 'old', 'r')`,
      )
        .bind(orgId, index)
        .run()
    const [verdict] = await Promise.all([verifyLog('/v1/audit', token), verifyLog('/v1/audit', token)])
    expect(verdict.findings).toEqual([])
    const { body } = await send<{ items: AuditEvent[] }>('GET', '/v1/audit?limit=4', { token })
    expect(body.items.map(({ action, target }) => [action, target])).toEqual([
      ['audit.chain', 'audit'],
      ['token.create', 'old'],
      ['token.create', 'old'],
      ['token.create', 'old'],
    ])
    expect(body.items[0]?.detail['eventsBefore']).toBe(3)
  })

  test('tells of a mesh that is gone where its own log ended', async () => {
    const mesh = await createTestMesh()
    const { head } = await verifyMesh(mesh)
    await mesh.send('DELETE', '')
    const { body } = await send<{ items: AuditEvent[] }>('GET', '/v1/audit?limit=1', { token: mesh.token })
    expect(body.items[0]).toMatchObject({
      action: 'mesh.delete',
      target: mesh.name,
      detail: { meshId: mesh.id, auditEvents: head?.sequence, auditHash: head?.hash },
    })
  })

  test('that was tampered with is told to be so, and where', async () => {
    const token = await setUpPlane()
    for (let index = 0; index < 6; index += 1) await makeToken({ name: `t-${index}` })
    const orgId = await orgIdOf(token)
    const run = (sql: string) => env.DB.prepare(sql).bind(orgId).run()
    await run(`UPDATE org_audit SET target = 'another' WHERE sequence = 3 AND org_id = ?`)
    expect((await verifyLog('/v1/audit', token)).findings).toEqual([{ kind: 'changed', sequence: 3 }])
    await run('DELETE FROM org_audit WHERE sequence = 3 AND org_id = ?')
    expect((await verifyLog('/v1/audit', token)).findings).toEqual([{ kind: 'missing', from: 3, to: 3 }])
    await run('DELETE FROM org_audit WHERE sequence < 3 AND org_id = ?')
    expect((await verifyLog('/v1/audit', token)).findings).toEqual([{ kind: 'missing', from: 1, to: 3 }])
  })

  test('of the most events is chained, and forgets its oldest', async () => {
    const token = await setUpPlane()
    const orgId = await orgIdOf(token)
    await env.DB.prepare(
      `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?2)
       INSERT INTO org_audit (org_id, at, actor, action, target, request_id)
       SELECT ?1, i, '{"kind":"token","id":"i","name":"n"}', 'token.create', 'old', 'r' FROM n`,
    )
      .bind(orgId, MAX_ORG_AUDIT_EVENTS)
      .run()
    await makeToken({ name: 'one more' })
    const verdict = await verifyLog('/v1/audit', token, undefined, undefined, 500)
    expect(verdict).toMatchObject({ findings: [], events: MAX_ORG_AUDIT_EVENTS })
    expect(verdict.first).toBeGreaterThan(1)
    // Should what becomes the anchor be missing, it is verifying that fails and not writing.
    await env.DB.prepare('DELETE FROM org_audit WHERE sequence <= ?')
      .bind((verdict.first ?? 0) + 3)
      .run()
    await makeToken({ name: 'and another' })
    expect((await verifyLog('/v1/audit', token, undefined, undefined, 500)).findings).toMatchObject([
      { kind: 'missing' },
    ])
  })
})
