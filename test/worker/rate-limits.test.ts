import { env } from 'cloudflare:workers'
import { afterEach, describe, expect, test, vi } from 'vitest'
import type { AuditEvent } from '#api/schemas/audit.ts'
import {
  countFailedAttempt,
  MAX_GUESSED,
  reportFailedAttempts,
  toWaitSeconds,
} from '#worker/directory/failed-attempts.ts'
import { createJoinToken, newJoinRequest } from './support/test-agent.ts'
import { newKeys } from './support/test-identity.ts'
import { createTestMesh, makeToken, send, setUpPlane } from './support/test-plane.ts'

afterEach(() => {
  vi.restoreAllMocks()
})

const withOtherSecret = (text: string): string => text.replace(/.{43}$/, 'A'.repeat(43))
const refusalsOf = async (target: string): Promise<AuditEvent[]> => {
  const token = await setUpPlane()
  const { body } = await send<{ items: AuditEvent[] }>('GET', '/v1/audit?limit=500', { token })
  return body.items.filter((event) => event.action === 'token.refuse' && event.target === target)
}

describe('too many requests', () => {
  for (const [limiter, name, path] of [
    ['OPEN_RATE_LIMIT', 'address', '/v1/join'],
    ['API_RATE_LIMIT', 'token', '/v1/whoami'],
    ['ORG_RATE_LIMIT', 'org', '/v1/whoami'],
  ] as const) {
    test(`of one ${name} are refused, with its name and the time to wait`, async () => {
      const token = await setUpPlane()
      vi.spyOn(env[limiter], 'limit').mockResolvedValue({ success: false })
      const answer = await send(path === '/v1/join' ? 'POST' : 'GET', path, {
        token,
        ...(path === '/v1/join' && { body: {} }),
      })
      expect(answer.body).toMatchObject({ status: 429, code: 'rate_limited', limit: name })
      expect(answer.headers.get('Retry-After')).toBe('60')
      expect(answer.headers.get('RateLimit')).toBe(`"${name}";r=0;t=60`)
    })
  }

  test('are told beforehand what is too many', async () => {
    const token = await setUpPlane()
    const { headers } = await send('GET', '/v1/whoami', { token })
    expect(headers.get('RateLimit-Policy')).toBe('"token";q=1200;w=60, "org";q=6000;w=60')
  })
})

describe('what an org uses of its limits', () => {
  interface Usage {
    readonly quotas: readonly { name: string; mesh?: string; limit: number; used: number }[]
    readonly requests: readonly { name: string; used: number }[]
  }
  const readUsage = async () => (await send<Usage>('GET', '/v1/usage', { token: await setUpPlane() })).body

  test('is counted, by mesh where it is one’s, and requests by token and org', async () => {
    const before = await readUsage()
    const mesh = await createTestMesh()
    await makeToken({ role: 'viewer' })
    const after = await readUsage()
    const used = (usage: Usage, name: string) => usage.quotas.find((quota) => quota.name === name)?.used ?? 0
    for (const name of ['meshes', 'tokens']) expect(used(after, name)).toBe(used(before, name) + 1)
    expect(after.quotas).toContainEqual({ name: 'clusters', mesh: mesh.name, limit: 250, used: 0 })
    for (const [index, { name, used: requests }] of after.requests.entries()) {
      expect(name).toBe(['token', 'org'][index])
      expect(requests).toBeGreaterThan(2)
    }
  })

  test('is a quota that is told apart from a rate, by code, status and name', async () => {
    const token = await setUpPlane()
    const { total } = (await env.DB.prepare('SELECT count(*) AS total FROM tokens').first<{ total: number }>()) ?? {
      total: 0,
    }
    await env.DB.prepare(
      `INSERT INTO tokens (id, org_id, name, role, secret_hash, created_at, expires_at)
       SELECT 'filling-' || value, (SELECT id FROM orgs LIMIT 1), 'x', 'viewer', '', 0, 0 FROM json_each(?)`,
    )
      .bind(JSON.stringify(Array.from({ length: 1_000 - total }, (_, index) => index)))
      .run()
    const { status, body, headers } = await send('POST', '/v1/tokens', { token, body: { name: 'x', role: 'viewer' } })
    await env.DB.prepare(`DELETE FROM tokens WHERE id LIKE 'filling-%'`).run()
    expect([status, body.code, body.limit, headers.get('Retry-After')]).toEqual([422, 'limit_reached', 'tokens', null])
  })
})

describe('a token with another secret', () => {
  const attempt = (token: string, address: string) =>
    send('GET', '/v1/whoami', { token, headers: { 'CF-Connecting-IP': address } })

  test('is refused with longer and longer waits, seen in the audit log, and keeps nobody out who has the right one', async () => {
    const { id, secret } = await makeToken({ name: 'guessed at' })
    const wrong = withOtherSecret(secret)
    const waits: (string | null)[] = []
    for (let time = 0; time < 8; time += 1) {
      const { status, headers, body } = await attempt(wrong, '192.0.2.1')
      waits.push(headers.get('Retry-After'))
      expect([status, body.code, body.limit]).toEqual(
        time < 5 ? [401, 'unauthenticated', undefined] : [429, 'rate_limited', 'failed-attempts'],
      )
    }
    expect(waits.slice(5)).toEqual(['2', '4', '8'])
    expect((await attempt(wrong, '192.0.2.2')).status).toBe(401)
    for (const address of ['192.0.2.1', '192.0.2.2', '192.0.2.3'])
      expect((await attempt(secret, address)).status).toBe(200)

    expect((await refusalsOf(id)).map(({ detail, client }) => [detail['attempts'], client?.address])).toEqual([
      [1, '192.0.2.2'],
      [1, '192.0.2.1'],
    ])
    const orgId =
      (await env.DB.prepare('SELECT org_id FROM tokens WHERE id = ?').bind(id).first<string>('org_id')) ?? ''
    const later = Date.now() + 11 * 60 * 1000
    await Promise.all([reportFailedAttempts(env.DB, orgId, later), reportFailedAttempts(env.DB, orgId, later)])
    const [latest, ...others] = await refusalsOf(id)
    expect(others).toHaveLength(2)
    expect(latest).toMatchObject({
      outcome: 'refused',
      actor: { kind: 'plane' },
      detail: { attempts: 7, address: '192.0.2.1', reason: 'wrong secret' },
    })
  })

  test('that is of nobody, or has expired, is nobody’s event', async () => {
    const token = `atoll_token_${'0'.repeat(16)}_${'A'.repeat(43)}`
    expect((await attempt(token, '192.0.2.9')).body.code).toBe('unauthenticated')
    expect(await refusalsOf('0'.repeat(16))).toEqual([])
  })

  test('waits five minutes at most', () => {
    expect([1, 5, 6, 7, 13, 14, 1_000].map(toWaitSeconds)).toEqual([0, 0, 2, 4, 256, 300, 300])
  })

  test('from very many addresses takes as much room, and as many events, as from a few', async () => {
    const orgId = 'an-org'
    const hour = 60 * 60 * 1000
    for (let minute = 0; minute < 120; minute += 1)
      await countFailedAttempt(
        env.DB,
        { orgId, tokenId: 'a', address: `address-${minute}` },
        hour * 1_000 + minute * 60_000,
      )
    const count = async (table: string) =>
      env.DB.prepare(`SELECT count(*) AS n FROM ${table} WHERE org_id = ?`).bind(orgId).first<number>('n')
    expect(await count('failed_attempts')).toBe(MAX_GUESSED + 1)
    // Each place once, and what is counted together once an hour.
    expect(await count('org_audit')).toBe(MAX_GUESSED + 2)
    await countFailedAttempt(env.DB, { orgId, tokenId: 'a', address: 'a-week-later' }, hour * 1_200)
    expect(await count('failed_attempts')).toBe(1)
  })
})

test('a join token with another secret is told to wait longer and longer, is in the audit log of its mesh, and keeps nobody out', async () => {
  const mesh = await createTestMesh()
  const token = await createJoinToken(mesh, 'east', 'net-a')
  const wrong = await newJoinRequest(withOtherSecret(token), await newKeys())
  const waits: (string | null)[] = []
  for (let time = 0; time < 15; time += 1) {
    const { status, body, headers } = await send('POST', '/v1/join', { body: wrong })
    waits.push(headers.get('Retry-After'))
    expect([status, body.code, body.limit]).toEqual(
      time < 5 ? [401, 'join_refused', undefined] : [429, 'rate_limited', 'failed-attempts'],
    )
  }
  expect(waits.slice(5)).toEqual(['2', '4', '8', '16', '32', '64', '128', '256', '300', '300'])
  const { body } = await mesh.send<{ items: AuditEvent[] }>('GET', '/audit?action=join-token.refuse')
  expect(body.items).toMatchObject([
    { outcome: 'refused', cluster: 'east', detail: { attempts: 1, reason: 'wrong secret' } },
  ])
  const right = await newJoinRequest(token, await newKeys())
  expect((await send('POST', '/v1/join', { body: right })).status).toBe(201)
})
