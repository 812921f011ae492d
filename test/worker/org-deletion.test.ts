import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'
import type { AuditEvent } from '#api/schemas/audit.ts'
import type { Whoami } from '#api/schemas/tokens.ts'
import { deleteOrg } from '#worker/delete-org.ts'
import { send, SETUP_TOKEN } from './support/test-plane.ts'

interface SetUp {
  readonly token: { readonly secret: string }
}

let orgs = 0
/** The one org of this file's plane, with something of everything. The test before has to have deleted its own. */
const setUpOrg = async () => {
  const name = `org-${(orgs += 1)}`
  const headers = { 'Idempotency-Key': 'the-same-every-time' }
  const made = await send<SetUp>('POST', '/v1/setup', { body: { setupToken: SETUP_TOKEN, org: name }, headers })
  expect(made.status).toBe(201)
  const token = made.body.token.secret
  const id = (await env.DB.prepare('SELECT id FROM orgs WHERE name = ?').bind(name).first<string>('id')) ?? ''
  for (const role of ['viewer', 'telemetry', 'owner'])
    await send('POST', '/v1/tokens', {
      token,
      body: { name: role, role },
      headers: { 'Idempotency-Key': `made-${role}` },
    })
  for (const bucket of [env.TELEMETRY, env.EXPORTS])
    for (const key of ['m/east/logs/2026-11-29/1.parquet', 'm/2026-11-29.json']) await bucket.put(`${id}/${key}`, 'x')
  return {
    id,
    name,
    token,
    remove: (query = `?name=${name}`) => send('DELETE', `/v1/org${query}`, { token }),
    isThere: async () => (await send<Whoami>('GET', '/v1/whoami', { token })).body.org === name,
  }
}

/** How many rows the directory has, and objects the buckets. */
const countAll = async (): Promise<Record<string, number>> => {
  const counts: [string, number][] = []
  for (const table of ['idempotency', 'meshes', 'org_audit', 'orgs', 'plane', 'tokens'])
    counts.push([table, (await env.DB.prepare(`SELECT count(*) AS rows FROM ${table}`).first<number>('rows')) ?? 0])
  for (const [name, bucket] of [
    ['telemetry', env.TELEMETRY],
    ['exports', env.EXPORTS],
  ] as const)
    counts.push([name, (await bucket.list()).objects.length])
  return Object.fromEntries(counts.filter(([, count]) => count > 0))
}

/** A bucket that does something else where it is told to. */
const withBucket = (instead: Partial<Record<'list' | 'delete', () => unknown>>): Cloudflare.Env => ({
  ...env,
  TELEMETRY: {
    list: (options: R2ListOptions) => env.TELEMETRY.list(options),
    delete: (keys: string[]) => env.TELEMETRY.delete(keys),
    ...instead,
  } as unknown as R2Bucket,
})

describe('an org', () => {
  test('is deleted with all that is its own, and the plane can be set up again', async () => {
    const org = await setUpOrg()
    expect(await countAll()).toMatchObject({ orgs: 1, tokens: 4, idempotency: 4, telemetry: 2, exports: 2 })
    expect((await org.remove()).status).toBe(204)
    expect(await countAll()).toEqual({})
    expect((await send('GET', '/v1/whoami', { token: org.token })).body.code).toBe('unauthenticated')
    expect((await send<{ setUp: boolean }>('GET', '/healthz')).body.setUp).toBe(false)

    const next = await setUpOrg()
    const { body } = await send<{ items: AuditEvent[] }>('GET', '/v1/audit', { token: next.token })
    expect(body.items.at(-1)).toMatchObject({ action: 'org.create', target: next.name })
    expect(body.items).toHaveLength(4)
    await next.remove()
  })

  test('is deleted by its name, by an owner of all of it, once it has no meshes', async () => {
    const org = await setUpOrg()
    const tokenOf = async (body: Record<string, unknown>) =>
      (await send<{ secret: string }>('POST', '/v1/tokens', { token: org.token, body: { name: 'a', ...body } })).body
        .secret
    const before = await countAll()
    for (const query of ['', '?name=', '?name=another', `?name=${org.name.toUpperCase()}`])
      expect.soft((await org.remove(query)).body.code, query).toBe('invalid_request')
    expect(await countAll()).toEqual(before)
    for (const name of ['shop', 'bank'])
      expect((await send('POST', '/v1/meshes', { token: org.token, body: { name } })).status).toBe(201)
    for (const body of [{ role: 'viewer' }, { role: 'telemetry' }, { role: 'owner', scopes: { mesh: 'shop' } }]) {
      const token = await tokenOf(body)
      expect.soft((await send('DELETE', `/v1/org?name=${org.name}`, { token })).status, body.role).toBe(403)
    }
    expect(await org.remove()).toMatchObject({
      status: 409,
      body: { code: 'conflict', detail: expect.stringContaining('bank, shop') as string },
    })
    expect(await countAll()).toMatchObject({ meshes: 2, telemetry: 2, tokens: 7 })
    for (const name of ['shop', 'bank']) await send('DELETE', `/v1/meshes/${name}`, { token: org.token })
    expect((await org.remove()).status).toBe(204)
    expect(await countAll()).toEqual({})
  })

  test('whose deletion was cut off is there until it is asked for again, and gone then', async () => {
    const org = await setUpOrg()
    const cutOff = () => Promise.reject(new Error('cut off'))
    const attempt = (parts: Cloudflare.Env) => deleteOrg(parts, org.id).catch(String)
    expect(await attempt(withBucket({ list: cutOff }))).toContain('cut off')
    expect(await attempt(withBucket({ delete: cutOff }))).toContain('cut off')
    expect(await countAll()).toMatchObject({ telemetry: 2, tokens: 4 })
    const db = { prepare: (sql: string) => env.DB.prepare(sql), batch: cutOff } as unknown as D1Database
    expect(await attempt({ ...env, DB: db })).toContain('cut off')
    expect(await countAll()).toMatchObject({ orgs: 1, org_audit: 4, tokens: 4 })
    expect(await org.isThere()).toBe(true)
    expect((await org.remove()).status).toBe(204)
    expect(await countAll()).toEqual({})
  })

  test('that has more than one request can delete says so', async () => {
    const org = await setUpOrg()
    const endless = withBucket({ list: async () => ({ objects: [{ key: `${org.id}/again` }] }) })
    await expect(deleteOrg(endless, org.id)).rejects.toMatchObject({ code: 'unavailable' })
    expect(await org.isThere()).toBe(true)
    await org.remove()
  })

  test('that gets a mesh meanwhile stays', async () => {
    const org = await setUpOrg()
    const list = async (options: R2ListOptions) => {
      await send('POST', '/v1/meshes', { token: org.token, body: { name: 'late' } })
      return env.TELEMETRY.list(options)
    }
    const parts = withBucket({ list: list as () => unknown })
    await expect(deleteOrg(parts, org.id)).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('late') as string,
    })
    expect(await org.isThere()).toBe(true)
    await send('DELETE', '/v1/meshes/late', { token: org.token })
    await org.remove()
  })

  test('takes nothing of another one', async () => {
    const org = await setUpOrg()
    await env.DB.batch(
      [
        `INSERT INTO orgs (id, name, created_at) VALUES ('other', 'other', 0)`,
        `INSERT INTO tokens (id, org_id, name, role, secret_hash, created_at, expires_at) VALUES ('t', 'other', 't', 'owner', '', 0, 1)`,
        `INSERT INTO org_audit (org_id, at, actor, action, target, request_id) VALUES ('other', 0, '{}', 'a', 'b', 'c')`,
        `INSERT INTO idempotency (caller, key, request_hash, expires_at) VALUES ('t', 'k', '', ${Date.now() * 2})`,
      ].map((statement) => env.DB.prepare(statement)),
    )
    await env.TELEMETRY.put('other/m/east/logs/1.parquet', 'x')
    // Whose name begins as the other's id does.
    await env.TELEMETRY.put(`${org.id}x/m/east/logs/1.parquet`, 'x')
    expect((await org.remove()).status).toBe(204)
    // The set-up's own answer is of an address, and is forgotten in a day.
    expect(await countAll()).toEqual({ idempotency: 2, org_audit: 1, orgs: 1, plane: 1, telemetry: 2, tokens: 1 })
    expect((await send('POST', '/v1/setup', { body: { setupToken: SETUP_TOKEN, org: 'a' } })).body.code).toBe(
      'already_set_up',
    )
  })
})
