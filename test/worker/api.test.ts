import { env } from 'cloudflare:workers'
import { afterEach, describe, expect, test, vi } from 'vitest'
import type { AuditEvent } from '#api/schemas/audit.ts'
import type { Mesh } from '#api/schemas/meshes.ts'
import { createTestMesh, makeToken, send, setUpPlane } from './support/test-plane.ts'
import type { IssuedToken } from './support/test-plane.ts'

const count = async (table: string): Promise<number> =>
  (await env.DB.prepare(`SELECT count(*) AS rows FROM ${table}`).first<number>('rows')) ?? 0

afterEach(() => {
  vi.useRealTimers()
})

describe('setting up', () => {
  test('needs the set-up token, and works once', async () => {
    const wrong = await send('POST', '/v1/setup', { body: { setupToken: 'wrong', org: 'acme' } })
    expect([wrong.status, wrong.body.code]).toEqual([401, 'setup_refused'])
    await setUpPlane()
    const again = await send('POST', '/v1/setup', { body: { setupToken: 'atoll_setup_of_the_tests', org: 'other' } })
    expect([again.status, again.body.code]).toEqual([409, 'already_set_up'])
    expect([await count('orgs'), await count('plane')]).toEqual([1, 1])
  })

  test('is shown by the health of the plane, which needs no token', async () => {
    await setUpPlane()
    expect(await send('GET', '/healthz')).toMatchObject({ status: 200, body: { status: 'ok', setUp: true } })
  })
})

describe('every answer', () => {
  test('has security headers and a request id, and allows no other site', async () => {
    const { headers } = await send('GET', '/v1/meshes', { headers: { Origin: 'https://evil.example' } })
    expect(headers.get('X-Content-Type-Options')).toBe('nosniff')
    expect(headers.get('Strict-Transport-Security')).toContain('max-age')
    expect(headers.get('X-Request-Id')).toMatch(/^[0-9a-f-]{36}$/)
    expect(headers.get('Access-Control-Allow-Origin')).toBeNull()
    expect(headers.get('Cache-Control')).toBe('no-store')
  })

  test('that is a refusal is a problem with its code, its status and the request’s id', async () => {
    const token = await setUpPlane()
    const answer = await send('GET', '/v1/nonsense', { token })
    expect(answer.headers.get('Content-Type')).toBe('application/problem+json')
    expect(answer.body).toMatchObject({
      type: 'urn:atoll:problem:not_found',
      status: 404,
      code: 'not_found',
      requestId: answer.headers.get('X-Request-Id'),
    })
  })

  test('to a wrong body names each of its fields', async () => {
    const token = await setUpPlane()
    const { status, body } = await send('POST', '/v1/meshes', { token, body: { name: 'NOT A NAME', nonsense: 1 } })
    expect([status, body.code]).toEqual([400, 'invalid_request'])
    expect(body.problems?.map(({ path }) => path)).toContain('json.name')
  })

  test('to JSON that is none is a refusal, not a failure', async () => {
    const token = await setUpPlane()
    const headers = { 'Content-Type': 'application/json' }
    expect(await send('POST', '/v1/meshes', { token, yaml: '{', headers })).toMatchObject({
      status: 400,
      body: { code: 'invalid_request' },
    })
  })

  test('of a failure tells the log why, and the caller nothing', async () => {
    const token = await setUpPlane()
    const log = vi.spyOn(console, 'error').mockImplementation(() => {})
    const prepare = vi.spyOn(env.DB, 'prepare').mockImplementation(() => {
      throw new Error('the secret of the database')
    })
    const answer = await send('GET', '/v1/meshes', { token })
    prepare.mockRestore()
    expect([answer.status, answer.body.code]).toEqual([500, 'internal'])
    expect(JSON.stringify(answer.body)).not.toContain('secret of the database')
    expect(log.mock.calls[0]?.[0]).toContain(answer.body.requestId)
    log.mockRestore()
  })

  test('is described by the OpenAPI document', async () => {
    const { status, body } = await send<{ openapi: string; paths: Record<string, unknown> }>('GET', '/openapi.json')
    expect(status).toBe(200)
    expect(body.openapi).toBe('3.1.0')
    expect(Object.keys(body.paths)).toContain('/v1/meshes/{mesh}/configuration')
  })
})

describe('tokens', () => {
  const refused: readonly (readonly [string, string | undefined])[] = [
    ['none', undefined],
    ['nonsense', 'nonsense'],
    ['one that is not there', 'atoll_token_0123456789abcdef_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'],
    ['one of another kind', 'atoll_join_0123456789abcdef_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'],
  ]
  test.each(refused)('%s is not enough', async (_name, token) => {
    await setUpPlane()
    const answer = await send('GET', '/v1/whoami', { token })
    expect([answer.status, answer.body.code]).toEqual([401, 'unauthenticated'])
    expect(answer.headers.get('WWW-Authenticate')).toBe('Bearer')
  })

  test('with the wrong secret are not enough', async () => {
    const { secret } = await makeToken({})
    const wrong = `${secret.slice(0, -2)}${secret.endsWith('AA') ? 'BB' : 'AA'}`
    expect((await send('GET', '/v1/whoami', { token: wrong })).status).toBe(401)
  })

  test('are shown once and stored as a hash', async () => {
    const { id, secret } = await makeToken({ name: 'hashed' })
    expect(secret).toMatch(/^atoll_token_[0-9a-f]{16}_/)
    const row = await env.DB.prepare('SELECT * FROM tokens WHERE id = ?').bind(id).first()
    expect(JSON.stringify(row)).not.toContain(secret.slice(-40))
    const token = await setUpPlane()
    expect(JSON.stringify((await send('GET', '/v1/tokens', { token })).body)).not.toContain('secret')
  })

  test('end when they are revoked, and when their time is over', async () => {
    const owner = await setUpPlane()
    const revoked = await makeToken({})
    expect((await send('DELETE', `/v1/tokens/${revoked.id}`, { token: owner })).status).toBe(204)
    expect((await send('GET', '/v1/whoami', { token: revoked.secret })).status).toBe(401)
    expect((await send('DELETE', `/v1/tokens/${revoked.id}`, { token: owner })).status).toBe(404)

    const expiring = await makeToken({ expiresInSeconds: 60 })
    expect((await send('GET', '/v1/whoami', { token: expiring.secret })).status).toBe(200)
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 61_000 })
    expect((await send('GET', '/v1/whoami', { token: expiring.secret })).status).toBe(401)
  })

  test('that alone can manage the org stay', async () => {
    await env.DB.prepare(`INSERT INTO orgs (id, name, created_at) VALUES ('lonely', 'lonely', 0)`).run()
    const { id, secret: token } = await makeToken({})
    await env.DB.prepare(`UPDATE tokens SET org_id = 'lonely' WHERE id = ?`).bind(id).run()
    await send('POST', '/v1/tokens', { token, body: { name: 'reads', role: 'viewer' } })
    await send('POST', '/v1/tokens', { token, body: { name: 'of one mesh', role: 'owner', scopes: { mesh: 'shop' } } })
    expect((await send('DELETE', `/v1/tokens/${id}`, { token })).body.code).toBe('conflict')
    await send('POST', '/v1/tokens', { token, body: { name: 'another', role: 'owner' } })
    expect((await send('DELETE', `/v1/tokens/${id}`, { token })).status).toBe(204)
  })

  test('are listed newest first, in pages', async () => {
    const token = await setUpPlane()
    const made = [await makeToken({ name: 'a' }), await makeToken({ name: 'b' }), await makeToken({ name: 'c' })]
    const ids: string[] = []
    let cursor: string | null = ''
    while (cursor !== null) {
      const query: string = cursor === '' ? '' : `&cursor=${cursor}`
      const { body } = await send<{ items: IssuedToken[]; nextCursor: string | null }>(
        'GET',
        `/v1/tokens?limit=2${query}`,
        { token },
      )
      ids.push(...body.items.map(({ id }) => id))
      cursor = body.nextCursor
    }
    expect(new Set(ids).size).toBe(ids.length)
    expect(ids).toEqual(expect.arrayContaining(made.map(({ id }) => id)))
  })
})

describe('power', () => {
  test('is what credentials of telemetry are shown to', async () => {
    const mesh = await createTestMesh()
    const headers = [{ name: 'authorization', value: 'Bearer let-me-in' }]
    const provider = { name: 'tempo', opentelemetry: { service: 'tempo.example', port: 4318, http: { headers } } }
    const meshConfig = { extensionProviders: [provider] }
    expect((await mesh.send('PATCH', '', { body: { meshConfig } })).status).toBe(200)
    const { secret: token } = await makeToken({ role: 'viewer' })
    const shown = JSON.stringify((await mesh.send('GET', '', { token })).body)
    expect(shown).toContain('[hidden]')
    expect(shown).not.toContain('let-me-in')
    expect(JSON.stringify((await mesh.send('GET', '')).body)).toContain('let-me-in')
  })

  test('of a viewer is to read', async () => {
    const mesh = await createTestMesh()
    const { secret: token } = await makeToken({ role: 'viewer' })
    expect((await mesh.send('GET', '', { token })).status).toBe(200)
    const writes: readonly (readonly [string, string, Record<string, unknown>?])[] = [
      ['PATCH', '', { inboundMtls: 'permissive' }],
      ['DELETE', ''],
      ['POST', '/configuration', {}],
      ['POST', '/revisions/0/rollback'],
      ['DELETE', '/configuration/Sidecar/default/x'],
      ['POST', '/join-tokens', { cluster: 'east', network: 'net-a' }],
      ['DELETE', '/join-tokens/x'],
      ['DELETE', '/clusters/east'],
      ['POST', '/clusters/east/confirm', { hold: 'x' }],
      [
        'POST',
        '/clusters/east/machine-tokens',
        { role: 'sidecar', namespace: 'a', serviceAccount: 'a', workload: 'a' },
      ],
      ['DELETE', '/clusters/east/machine-tokens/x'],
    ]
    for (const [method, path, body] of writes) {
      const answer = await mesh.send(method, path, { token, ...(body && { body }) })
      expect([method, path, answer.body?.code]).toEqual([method, path, 'forbidden'])
    }
    for (const [method, path] of [
      ['POST', '/v1/meshes'],
      ['POST', '/v1/tokens'],
      ['DELETE', '/v1/tokens/x'],
    ] as const) {
      const body = path === '/v1/tokens' ? { name: 'x', role: 'viewer' } : { name: 'x' }
      const answer = await send(method, path, { token, ...(method === 'POST' && { body }) })
      expect([method, path, answer.body?.code]).toEqual([method, path, 'forbidden'])
    }
  })

  test('of a token that is confined to a mesh ends there', async () => {
    const [own, other] = [await createTestMesh(), await createTestMesh()]
    const { secret: token } = await makeToken({ scopes: { mesh: own.name } })
    expect((await own.send('GET', '', { token })).status).toBe(200)
    expect((await other.send('GET', '', { token })).body.code).toBe('not_found')
    expect((await send<{ items: Mesh[] }>('GET', '/v1/meshes', { token })).body.items.map(({ name }) => name)).toEqual([
      own.name,
    ])
    for (const path of ['/v1/tokens', '/v1/meshes'] as const) {
      const body = path === '/v1/tokens' ? { name: 'x', role: 'viewer' } : { name: 'x' }
      expect((await send('POST', path, { token, body })).body.code).toBe('forbidden')
    }
  })

  test('of a token that is confined to a cluster ends there', async () => {
    const mesh = await createTestMesh()
    const { secret: token } = await makeToken({ scopes: { mesh: mesh.name, cluster: 'east' } })
    expect((await mesh.send('GET', '/clusters/east', { token })).body.code).toBe('not_found')
    for (const path of [
      '',
      '/clusters',
      '/clusters/west',
      '/configuration',
      '/trust',
      '/services?cluster=west',
      '/join-tokens',
    ]) {
      expect([path, (await mesh.send('GET', path, { token })).body.code]).toEqual([path, 'forbidden'])
    }
    expect((await send('GET', '/v1/meshes', { token })).body.code).toBe('forbidden')
    expect((await mesh.send('GET', '/services?cluster=east', { token })).status).toBe(200)
    const joinToken = { cluster: 'west', network: 'net-a' }
    expect((await mesh.send('POST', '/join-tokens', { token, body: joinToken })).body.code).toBe('forbidden')
    expect((await mesh.send('POST', '/join-tokens', { token, body: { ...joinToken, cluster: 'east' } })).status).toBe(
      201,
    )
  })

  test('ends at the org: another one’s meshes are not there', async () => {
    const mesh = await createTestMesh()
    await env.DB.prepare(`INSERT INTO orgs (id, name, created_at) VALUES ('other', 'other', 0)`).run()
    const { id, secret: token } = await makeToken({})
    await env.DB.prepare(`UPDATE tokens SET org_id = 'other' WHERE id = ?`).bind(id).run()
    expect((await mesh.send('GET', '', { token })).body.code).toBe('not_found')
    expect((await send<{ items: Mesh[] }>('GET', '/v1/meshes', { token })).body.items).toEqual([])
    expect((await send('DELETE', `/v1/tokens/${id}`, { token: mesh.token })).status).toBe(404)
  })
})

describe('the audit log of the org', () => {
  test('has who made and revoked tokens and deleted meshes, in which request, and outlasts them', async () => {
    const mesh = await createTestMesh()
    const { id, secret } = await makeToken({ name: 'audited' })
    await send('DELETE', `/v1/tokens/${id}`, { token: mesh.token })
    await send('DELETE', `/v1/tokens/${id}`, { token: mesh.token })
    const deleted = await mesh.send('DELETE', '')
    const { body } = await send<{ items: AuditEvent[]; nextCursor: string }>('GET', '/v1/audit?limit=3', {
      token: mesh.token,
    })
    expect(body.items.map(({ action, target }) => [action, target])).toEqual([
      ['mesh.delete', mesh.name],
      ['token.revoke', id],
      ['token.create', id],
    ])
    expect(body.items[0]).toMatchObject({
      actor: { kind: 'token', name: 'owner' },
      requestId: deleted.headers.get('X-Request-Id'),
    })
    expect(JSON.stringify(body)).not.toContain(secret.slice(-40))
    const rest = await send<{ items: AuditEvent[] }>('GET', `/v1/audit?limit=500&cursor=${body.nextCursor}`, {
      token: mesh.token,
    })
    expect(rest.body.items.at(-1)).toMatchObject({ action: 'org.create', target: 'acme', actor: { kind: 'plane' } })
  })

  test('is not for tokens that are confined to a mesh', async () => {
    const mesh = await createTestMesh()
    const { secret: token } = await makeToken({ scopes: { mesh: mesh.name } })
    expect((await send('GET', '/v1/audit', { token })).body.code).toBe('forbidden')
  })
})

describe('an Idempotency-Key', () => {
  const headers = (key: string) => ({ 'Idempotency-Key': key })

  test('makes a repeated write harmless, and answers it as the first time', async () => {
    const token = await setUpPlane()
    const before = await count('tokens')
    const request = { token, body: { name: 'once', role: 'viewer' }, headers: headers('key-one-1') }
    const first = await send<IssuedToken>('POST', '/v1/tokens', request)
    const second = await send<IssuedToken>('POST', '/v1/tokens', request)
    expect(second.status).toBe(201)
    expect(second.body).toEqual(first.body)
    expect(await count('tokens')).toBe(before + 1)

    const kept = await env.DB.prepare(`SELECT answer FROM idempotency WHERE key = 'key-one-1'`).first<string>('answer')
    expect(kept).not.toContain(first.body.secret)
  })

  test('of another request is refused', async () => {
    const token = await setUpPlane()
    await send('POST', '/v1/tokens', { token, body: { name: 'a', role: 'viewer' }, headers: headers('key-two-2') })
    const other = await send('POST', '/v1/tokens', {
      token,
      body: { name: 'b', role: 'viewer' },
      headers: headers('key-two-2'),
    })
    expect([other.status, other.body.code]).toEqual([409, 'idempotency_conflict'])
  })

  test('of eight requests at the same time lets one through', async () => {
    const token = await setUpPlane()
    const before = await count('tokens')
    const request = { token, body: { name: 'eight', role: 'viewer' }, headers: headers('key-three') }
    const answers = await Promise.all(Array.from({ length: 8 }, () => send('POST', '/v1/tokens', request)))
    expect(await count('tokens')).toBe(before + 1)
    expect(answers.every(({ status }) => status === 201 || status === 409)).toBe(true)
  })

  test('is kept for refusals too, and forgotten after a day', async () => {
    const token = await setUpPlane()
    const request = { token, body: { name: 'NO NAME' }, headers: headers('key-four-4') }
    expect((await send('POST', '/v1/meshes', request)).status).toBe(400)
    expect((await send('POST', '/v1/meshes', request)).status).toBe(400)
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 25 * 60 * 60 * 1000 })
    await send('POST', '/v1/meshes', { ...request, headers: headers('key-five-5') })
    const kept = await env.DB.prepare(`SELECT key FROM idempotency WHERE key = 'key-four-4'`).first()
    expect(kept).toBeNull()
  })

  test('of one address without a token leaves room for others', async () => {
    const from = (address: string) =>
      send('POST', '/v1/setup', {
        body: { setupToken: 'wrong', org: 'acme' },
        headers: { ...headers('key-crowd-1'), 'CF-Connecting-IP': address },
      })
    const insert = `INSERT INTO idempotency (caller, key, request_hash, expires_at)
      SELECT '192.0.2.1', 'key-' || value, '', ${Date.now() + 60_000} FROM json_each(?)`
    await env.DB.prepare(insert)
      .bind(JSON.stringify(Array.from({ length: 10_000 }, (_, index) => index)))
      .run()
    expect((await from('192.0.2.1')).body.code).toBe('rate_limited')
    expect((await from('192.0.2.2')).body.code).toBe('setup_refused')
  })

  test('is not counted for whom the client says it is, where nothing proves an address', async () => {
    const header = env.CLIENT_ADDRESS_HEADER
    Object.assign(env, { CLIENT_ADDRESS_HEADER: '' })
    const { id } = await makeToken({ role: 'viewer' })
    const limit = vi.spyOn(env.OPEN_RATE_LIMIT, 'limit')
    await send('POST', '/v1/setup', {
      body: { setupToken: 'wrong', org: 'acme' },
      headers: { ...headers('key-in-the-name-of'), 'CF-Connecting-IP': id },
    })
    Object.assign(env, { CLIENT_ADDRESS_HEADER: header })
    expect(limit).toHaveBeenCalledWith({ key: 'local' })
    limit.mockRestore()
    const kept = await env.DB.prepare('SELECT key FROM idempotency WHERE caller = ?').bind(id).first()
    expect(kept).toBeNull()
  })

  test('of a write that failed lets it be tried again', async () => {
    const token = await setUpPlane()
    const log = vi.spyOn(console, 'error').mockImplementation(() => {})
    const namespace = vi.spyOn(env.MESH, 'get').mockImplementationOnce(() => {
      throw new Error('the object is away')
    })
    const request = { token, body: { name: 'tried-twice' }, headers: headers('key-six-6') }
    const failed = await send('POST', '/v1/meshes', request)
    namespace.mockRestore()
    log.mockRestore()
    expect(failed.status).toBe(500)
    expect((await send('POST', '/v1/meshes', request)).status).toBe(201)
  })
})
