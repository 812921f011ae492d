import { env } from 'cloudflare:workers'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import type { Session } from '#api/schemas/sessions.ts'
import type { Whoami } from '#api/schemas/tokens.ts'
import { meshName } from '#mesh/names.ts'
import { MAX_SESSIONS } from '#worker/directory/sign-in.ts'
import { hasSamePower } from '#worker/middleware/authenticate.ts'
import { randomBytes } from '#worker/random-bytes.ts'
import { newId } from '#worker/secret-token.ts'
import { sealValue } from '#worker/sign-in/seal-text.ts'
import { createTestMesh, makeToken, send, setUpPlane } from './support/test-plane.ts'
import { addMember, CONSOLE, fromConsole, signInBrowser, signInByCode } from './support/test-session.ts'
import { makeRivalToken, RIVAL } from './support/two-tenants.ts'

const setTimes = (id: string, times: { readonly expires?: number; readonly idle?: number }) =>
  env.DB.prepare(
    'UPDATE tokens SET expires_at = coalesce(?, expires_at), idle_expires_at = coalesce(?, idle_expires_at) WHERE id = ?',
  )
    .bind(times.expires ?? null, times.idle ?? null, id)
    .run()
const readIdle = (id: string) =>
  env.DB.prepare('SELECT idle_expires_at AS idle FROM tokens WHERE id = ?').bind(id).first<number>('idle')
const listSessions = async (cookie: string) =>
  (await send<{ items: Session[] }>('GET', '/v1/sessions', fromConsole(cookie))).body.items
const whoami = (cookie: string) => send<Whoami & { code?: string }>('GET', '/v1/whoami', fromConsole(cookie))
const verdict = async (answer: Promise<{ status: number; body: { code?: string } | undefined }>) => {
  const { status, body } = await answer
  return body?.code ?? status
}

let ada: string
beforeAll(async () => {
  await createTestMesh({ name: 'shop' })
  ada = await addMember('admin')
})

describe('a session of a browser', () => {
  test('is its member, with no more and no less power than a token of the same role and scopes', async () => {
    const routes = [
      ['GET', '/v1/meshes'],
      ['GET', '/v1/meshes/shop/clusters'],
      ['GET', '/v1/meshes/other/clusters'],
      ['GET', '/v1/members'],
      ['GET', '/v1/audit'],
      ['GET', '/v1/meshes/shop/trust/rotation'],
      ['POST', '/v1/meshes/shop/trust/rotation/pause'],
      ['DELETE', '/v1/meshes/shop/join-tokens/0123456789abcdef'],
      ['DELETE', '/v1/meshes/shop/configuration/Sidecar/team/x'],
      ['DELETE', '/v1/sign-in'],
    ] as const
    const powers = [
      ['owner', {}],
      ['admin', {}],
      ['editor', { mesh: 'shop' }],
      ['editor', { mesh: 'shop', namespace: 'team' }],
      ['viewer', { mesh: 'shop', cluster: 'east' }],
      ['viewer', {}],
    ] as const
    for (const [role, scopes] of powers) {
      const { secret } = await makeToken({ role, scopes })
      const { cookie } = await signInBrowser(await addMember(role, scopes as Parameters<typeof addMember>[1]))
      expect((await whoami(cookie)).body.token).toMatchObject({ role, scopes })
      for (const [method, path] of routes) {
        const byToken = await verdict(send(method, path, { token: secret }))
        expect([role, path, await verdict(send(method, path, fromConsole(cookie)))]).toEqual([role, path, byToken])
      }
    }
  })

  test('is in the audit log by its name, and counted as a token is', async () => {
    const { id, cookie } = await signInBrowser(ada)
    const made = await send<{ id: string }>('POST', '/v1/tokens', {
      ...fromConsole(cookie),
      body: { name: 'made in a browser', role: 'viewer' },
    }).catch(() => undefined)
    expect(made?.status).toBe(201)
    const { body } = await send<{ items: unknown[] }>('GET', '/v1/audit', fromConsole(cookie))
    expect(body.items[0]).toMatchObject({ action: 'token.create', actor: { kind: 'token', id } })
    const limit = vi.spyOn(env.API_RATE_LIMIT, 'limit').mockResolvedValue({ success: false })
    expect(await verdict(whoami(cookie))).toBe('rate_limited')
    expect(limit).toHaveBeenCalledWith({ key: id })
    vi.restoreAllMocks()
  })

  test('ends an hour after its last use, and in any case when it is twelve hours old', async () => {
    const { id, cookie } = await signInBrowser(ada)
    const now = Date.now()
    await setTimes(id, { idle: now + 60_000 })
    expect((await whoami(cookie)).status).toBe(200)
    expect(await readIdle(id)).toBeGreaterThan(now + 59 * 60_000)
    await setTimes(id, { idle: now + 60_000, expires: now + 5 * 60_000 })
    expect((await whoami(cookie)).status).toBe(200)
    expect(await readIdle(id)).toBe(now + 5 * 60_000)
    await setTimes(id, { idle: now - 1 })
    expect(await verdict(whoami(cookie))).toBe('unauthenticated')
    expect(await readIdle(id)).toBe(now - 1)
    await setTimes(id, { idle: now + 60_000, expires: now - 1 })
    expect(await verdict(whoami(cookie))).toBe('unauthenticated')
  })

  test('is written once a minute, however often it is used', async () => {
    const { id, cookie } = await signInBrowser(ada)
    const before = await readIdle(id)
    await whoami(cookie)
    expect(await readIdle(id)).toBe(before)
  })

  test('is listed to its member, who ends it: its cookie, sent again, is nobody’s', async () => {
    const bob = await addMember('viewer')
    const [first, second] = [await signInBrowser(bob), await signInBrowser(bob)]
    const other = await signInBrowser(ada)
    const listed = await listSessions(second.cookie)
    expect(listed.map(({ id, kind, current }) => ({ id, kind, current }))).toEqual(
      expect.arrayContaining([
        { id: second.id, kind: 'browser', current: true },
        { id: first.id, kind: 'browser', current: false },
      ]),
    )
    expect([listed.length, listed[0]?.client?.userAgent]).toEqual([2, 'a browser'])
    const end = (id: string, cookie: string) => send('DELETE', `/v1/sessions/${id}`, fromConsole(cookie))
    expect(await verdict(end(other.id, second.cookie))).toBe('not_found')
    expect((await end(first.id, second.cookie)).headers.get('Set-Cookie')).toBeNull()
    expect(await verdict(whoami(first.cookie))).toBe('unauthenticated')
    const { status, headers } = await end(second.id, second.cookie)
    expect([status, headers.get('Set-Cookie')]).toEqual([
      204,
      '__Host-atoll_session=; Max-Age=0; Path=/; HttpOnly; Secure; SameSite=Strict',
    ])
    expect(await verdict(whoami(second.cookie))).toBe('unauthenticated')
    expect(await verdict(whoami(other.cookie))).toBe(200)
    expect(await send('GET', '/v1/sessions', { token: await setUpPlane() })).toMatchObject({ body: { items: [] } })
  })

  test('goes with its member, and with one browser too many', async () => {
    const eve = await addMember('viewer')
    const first = await signInBrowser(eve)
    for (let more = 0; more < MAX_SESSIONS; more += 1) await signInBrowser(eve)
    expect(await verdict(whoami(first.cookie))).toBe('unauthenticated')
    const last = await signInBrowser(eve)
    expect(await listSessions(last.cookie)).toHaveLength(MAX_SESSIONS)
    await send('DELETE', `/v1/members/${eve}`, { token: await setUpPlane() })
    expect(await verdict(whoami(last.cookie))).toBe('unauthenticated')
  })
})

describe('the code of a sign-in', () => {
  test('is good once, also for two who redeem it at the same time', async () => {
    const redeem = await signInByCode(await addMember('viewer'))
    const answers = await Promise.all([redeem(), redeem(), redeem()])
    expect(answers.map(({ body }) => body.code ?? 'redeemed').toSorted()).toEqual([
      'redeemed',
      'sign_in_refused',
      'sign_in_refused',
    ])
  })

  test('gives what its member may do when it is redeemed', async () => {
    const bob = await addMember('admin')
    const redeem = await signInByCode(bob)
    const [changed, { body }] = await Promise.all([
      send('PATCH', `/v1/members/${bob}`, { token: await setUpPlane(), body: { role: 'viewer' } }),
      redeem(),
    ])
    expect(changed.status).toBe(200)
    const { role } = (await send<Whoami>('GET', '/v1/whoami', { token: body.token?.secret })).body.token
    expect(role).toBe('viewer')
  })

  test('gives nothing to who is removed meanwhile, nor to whom a provider has vouched for that the org has no more', async () => {
    const bob = await addMember('viewer')
    const removed = await signInByCode(bob)
    const [, { body }] = await Promise.all([
      send('DELETE', `/v1/members/${bob}`, { token: await setUpPlane() }),
      removed(),
    ])
    const token = body.token?.secret ?? 'none'
    expect(await verdict(send('GET', '/v1/whoami', { token }))).toBe('unauthenticated')
    const eve = await signInByCode(await addMember('owner'))
    await env.DB.prepare(
      `INSERT INTO sign_in_providers (org_id, issuer, client_id, plane_url, created_at) SELECT id, 'https://x.example', 'x', 'https://y', 0 FROM orgs LIMIT 1`,
    ).run()
    expect((await send('DELETE', '/v1/sign-in', { token: await setUpPlane() })).status).toBe(204)
    expect(await verdict(eve())).toBe('sign_in_refused')
  })

  test('of a provider that the org has given up meanwhile is not shown to the one that it has now', async () => {
    const orgId = await env.DB.prepare('SELECT org_id AS id FROM members WHERE id = ?').bind(ada).first<string>('id')
    await env.DB.prepare(
      `INSERT OR REPLACE INTO sign_in_providers (org_id, issuer, client_id, plane_url, created_at) VALUES (?, 'https://new.example', 'x', 'http://localhost', 0)`,
    )
      .bind(orgId)
      .run()
    const asked = vi.spyOn(globalThis, 'fetch')
    const kept = { orgId, issuer: 'https://old.example', state: 's', nonce: 'n', verifier: 'v' }
    const client = { returnTo: '/', tokenId: newId(randomBytes) }
    const cookie = await sealValue(env.ATOLL_KEK, 'handshake', { ...kept, expiresAtMs: Date.now() + 60_000, client })
    const answer = send('GET', '/v1/sign-in/callback?state=s&code=c', {
      headers: { Cookie: `atoll_sign_in=${cookie}` },
    })
    expect([await verdict(answer), asked.mock.calls]).toEqual(['sign_in_refused', []])
    asked.mockRestore()
    await env.DB.prepare('DELETE FROM sign_in_providers').run()
  })

  test('takes no room from the tokens of the org, nor from other members', async () => {
    const bob = await addMember('viewer')
    const count = async () =>
      (
        await send<{ quotas: { name: string; used: number }[] }>('GET', '/v1/usage', { token: await setUpPlane() })
      ).body.quotas.find(({ name }) => name === 'tokens')?.used
    const before = await count()
    const browser = await signInBrowser(bob)
    for (let more = 0; more <= MAX_SESSIONS; more += 1) expect((await (await signInByCode(bob))()).status).toBe(201)
    expect(await listSessions(browser.cookie)).toHaveLength(MAX_SESSIONS + 1)
    expect(await count()).toBe(before)
  })
})

test('what goes on for long ends when the power does with which it began', async () => {
  const bob = await addMember('viewer', { mesh: meshName.parse('shop') })
  const { token } = (await whoami((await signInBrowser(bob)).cookie)).body
  const change = (power: object) => send('PATCH', `/v1/members/${bob}`, { token: owner, body: power })
  const owner = await setUpPlane()
  expect(await hasSamePower(env.DB, token)).toBe(true)
  await change({ role: 'viewer', scopes: { mesh: 'shop', namespace: 'team' } })
  expect(await hasSamePower(env.DB, token)).toBe(false)
  await change({ role: 'viewer', scopes: { mesh: 'shop' } })
  expect(await hasSamePower(env.DB, token)).toBe(true)
  await send('DELETE', `/v1/members/${bob}`, { token: owner })
  expect(await hasSamePower(env.DB, token)).toBe(false)
})

test('of two owners who revoke each other one is there still', async () => {
  const [first, second] = [await makeRivalToken('owner', null), await makeRivalToken('owner', null)]
  const idOf = (token: string) => token.split('_')[2] ?? ''
  const answers = await Promise.all([
    verdict(send('DELETE', `/v1/tokens/${idOf(first)}`, { token: second })),
    verdict(send('DELETE', `/v1/tokens/${idOf(second)}`, { token: first })),
  ])
  expect(answers).toEqual(expect.arrayContaining([204, 'conflict']))
})

describe('a request with the cookie of a session', () => {
  const write = (cookie: string, headers: Record<string, string | undefined> = {}) =>
    verdict(send('DELETE', '/v1/meshes/shop/join-tokens/0123456789abcdef', fromConsole(cookie, headers)))
  const read = (cookie: string, headers: Record<string, string | undefined> = {}) =>
    verdict(send('GET', '/v1/whoami', fromConsole(cookie, headers)))

  test.each([
    ['of the console', {}, 'not_found', 200],
    [
      'of another site',
      { 'Sec-Fetch-Site': 'cross-site', Origin: 'https://evil.example' },
      'cross_site_request',
      'cross_site_request',
    ],
    [
      'of another site, whose browser tells no site',
      { 'Sec-Fetch-Site': undefined, Origin: 'https://evil.example' },
      'cross_site_request',
      'cross_site_request',
    ],
    [
      'of a sibling domain',
      { 'Sec-Fetch-Site': 'same-site', Origin: 'https://evil.console.test' },
      'cross_site_request',
      'cross_site_request',
    ],
    [
      'of another port',
      { 'Sec-Fetch-Site': 'same-site', Origin: `${CONSOLE}:8443` },
      'cross_site_request',
      'cross_site_request',
    ],
    [
      'of the same name without TLS',
      { 'Sec-Fetch-Site': undefined, Origin: 'http://console.test' },
      'cross_site_request',
      'cross_site_request',
    ],
    [
      'of a sandboxed frame',
      { 'Sec-Fetch-Site': undefined, Origin: 'null' },
      'cross_site_request',
      'cross_site_request',
    ],
    ['of a form, which has no header of its own', { 'X-Atoll-Csrf': undefined }, 'cross_site_request', 200],
    ['of who knows where', { Origin: undefined, 'Sec-Fetch-Site': undefined }, 'cross_site_request', 200],
    ['of a browser that tells the origin alone', { 'Sec-Fetch-Site': undefined }, 'not_found', 200],
    ['typed into a browser', { 'Sec-Fetch-Site': 'none', Origin: undefined }, 'cross_site_request', 200],
  ] as const)('%s', async (_, headers, written, seen) => {
    const { cookie } = await signInBrowser(ada)
    expect([await write(cookie, headers), await read(cookie, headers)]).toEqual([written, seen])
  })

  test('that was tampered with is refused, and tells in the audit log', async () => {
    const { id, cookie } = await signInBrowser(ada)
    const another = await signInBrowser(ada)
    for (const wrong of [
      cookie.replace(/.{4}$/, 'AAAA'),
      cookie.replace(id, another.id),
      cookie.replace(id, '0'.repeat(16)),
      cookie.replace('atoll_session_', 'atoll_token_'),
      '__Host-atoll_session=',
      '__Host-atoll_session=fixed-by-somebody',
    ])
      expect([wrong, await read(wrong)]).toEqual([wrong, 'unauthenticated'])
    const { body } = await send<{ items: unknown[] }>('GET', '/v1/audit', { token: await setUpPlane() })
    expect(body.items).toContainEqual(expect.objectContaining({ action: 'token.refuse', target: id }))
    expect(await read(cookie)).toBe(200)
  })

  test('and a bearer token has two of them: neither is taken', async () => {
    const { cookie } = await signInBrowser(ada)
    const headers = { Authorization: `Bearer ${await setUpPlane()}` }
    expect([await read(cookie, headers), await write(cookie, headers)]).toEqual(['invalid_request', 'invalid_request'])
    expect(await read('__Host-atoll_session=anything', headers)).toBe('invalid_request')
    expect(await read(cookie, { Authorization: 'Basic eDp5' })).toBe('invalid_request')
  })

  test('is none whose secret is sent as a bearer token, nor the other way round', async () => {
    const { text } = await signInBrowser(ada)
    for (const token of [text, text.replace('atoll_session_', 'atoll_token_')])
      expect(await verdict(send('GET', '/v1/whoami', { token }))).toBe('unauthenticated')
    const owner = await setUpPlane()
    for (const token of [owner, owner.replace('atoll_token_', 'atoll_session_')])
      expect(await read(`__Host-atoll_session=${token}`)).toBe('unauthenticated')
  })

  test('that anybody could have planted is taken by no plane with TLS, and from this machine by one without', async () => {
    const { text } = await signInBrowser(ada)
    expect(await read(`atoll_session=${text}`)).toBe('unauthenticated')
    const origin = 'http://127.0.0.1:8787'
    const local = await signInBrowser(ada, origin)
    expect(await read(`__Host-atoll_session=${local.text}`, { Origin: origin })).toBe('unauthenticated')
    expect(await write(local.cookie, { Origin: origin })).toBe('not_found')
    expect(await write(local.cookie)).toBe('cross_site_request')
  })

  test('is of its own org alone', async () => {
    const rival = await makeRivalToken('owner')
    const body = { email: 'rival@example.com', role: 'owner' }
    const { id: memberId } = (await send<{ id: string }>('POST', '/v1/members', { token: rival, body })).body
    const theirs = await signInBrowser(memberId)
    const ours = await signInBrowser(ada)
    expect((await whoami(theirs.cookie)).body.org).toBe(RIVAL)
    expect(await verdict(send('GET', '/v1/meshes/shop', fromConsole(theirs.cookie)))).toBe('not_found')
    expect(await verdict(send('DELETE', `/v1/sessions/${ours.id}`, fromConsole(theirs.cookie)))).toBe('not_found')
    expect(await read(ours.cookie.replace(ours.id, theirs.id))).toBe('unauthenticated')
    expect(await read(ours.cookie)).toBe(200)
  })

  test('is not answered with what another session was, under the same Idempotency-Key', async () => {
    const [one, two] = [await signInBrowser(ada), await signInBrowser(ada)]
    const make = (cookie: string) =>
      send<{ secret?: string }>('POST', '/v1/tokens', {
        ...fromConsole(cookie, { 'Idempotency-Key': 'the-same-for-both' }),
        body: { name: 'x', role: 'viewer' },
      })
    const first = await make(one.cookie)
    expect(await make(one.cookie)).toMatchObject({ status: 201, body: { secret: first.body.secret } })
    const other = await make(two.cookie)
    expect([other.status, other.body.secret === first.body.secret]).toEqual([201, false])
  })
})
