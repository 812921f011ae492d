import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Child } from '#test/harness/child.ts'
import type { Jar } from '#test/harness/identity-provider.ts'
import { ownPrograms } from '#test/harness/programs.ts'
import { CLIENT_SECRET, SignInWorld } from '#test/harness/sign-in-world.ts'
import type { World } from '#test/harness/world.ts'

let scene: SignInWorld
let world: World
/** Where browsers reach the plane once it is behind TLS: what stands before it in these tests is `reach`. */
const PUBLIC = 'https://atoll.example.test'
/** The same, beside others' pages. */
const BELOW = `${PUBLIC}/atoll`
const reach = (url: string): string => url.replace(BELOW, world.url).replace(PUBLIC, world.url)

beforeAll(async () => {
  scene = await SignInWorld.start({ publicUrls: [PUBLIC, BELOW], reach })
  ;({ world } = scene)
})
afterAll(() => scene.stop())

/** Signs in as a person would. */
const signInAs = async (account: string) => {
  const args = ['login', '--profile', account, '--url', world.url, '--oidc', '--org', 'demo']
  const child = new Child({
    name: 'atoll login',
    command: process.execPath,
    args: [ownPrograms.atoll, ...args],
    env: world.userEnvironment(),
  })
  const [url] = await child.waitForLine(/http\S+\/begin\?\S+/)
  const { text } = await scene.browse(url, account)
  return { code: await child.exited(), log: child.log(), text }
}

/** What a page of the plane asks, in the browser whose cookie this is. */
const ask = async (
  cookie: string,
  path = '/v1/whoami',
  init: { method?: string; headers?: Record<string, string> } = {},
) => {
  const headers = { cookie, origin: world.url, 'sec-fetch-site': 'same-origin', 'x-atoll-csrf': '1', ...init.headers }
  const response = await fetch(`${world.url}${path}`, { ...init, headers })
  const text = await response.text()
  return { status: response.status, body: (text === '' ? {} : JSON.parse(text)) as Record<string, unknown> }
}

describe('a member', () => {
  it('signs in at the provider, and may do what was given, until that changes or ends', async () => {
    await scene.asOwner('member', 'add', 'Ada@example.com', '--role', 'viewer')
    const { code, text, log } = await signInAs('ada')
    expect({ code, log }).toMatchObject({ code: 0 })
    expect(text).toContain('You are signed in')
    expect((await scene.as('ada', 'whoami')).stdout).toMatch(/sign-in of ada@example\.com[^]*Role +viewer/)
    expect((await scene.as('ada', 'mesh', 'create', 'second')).code).toBe(4)
    await scene.asOwner('member', 'set', 'ada@example.com', '--role', 'admin')
    expect((await scene.as('ada', 'mesh', 'create', 'second')).code).toBe(0)
    expect((await scene.as('ada', 'member', 'add', 'eve@example.com', '--role', 'owner')).code).toBe(4)
    expect((await scene.asOwner('member', 'list')).stdout).toMatch(/ada@example\.com +admin +the org +\d{4}-/)
    expect((await scene.asOwner('audit', '--org')).stdout).toMatch(/member\.sign-in[^]*member\.bind/)
    await scene.asOwner('member', 'add', 'fay@example.com', '--role', 'viewer', '--for-mesh', 'second')
    expect((await scene.asOwner('member', 'list')).stdout).toContain('fay@example.com')
    await scene.asOwner('mesh', 'delete', 'second', '--yes')
    expect((await scene.asOwner('member', 'list')).stdout).not.toContain('fay@example.com')
    await scene.asOwner('member', 'remove', 'ada@example.com')
    expect((await scene.as('ada', 'whoami')).code).toBe(4)
  })

  it('is who the provider called so at first, not who has the address now', async () => {
    await scene.asOwner('member', 'add', 'bob@example.com', '--role', 'viewer')
    expect((await signInAs('bob')).code).toBe(0)
    expect((await signInAs('bob-again')).code).toBe(4)
    expect((await signInAs('bob')).code).toBe(0)
  })

  it('has an address that the provider has verified', async () => {
    scene.unverified.add('carol')
    await scene.asOwner('member', 'add', 'carol@example.com', '--role', 'viewer')
    expect((await signInAs('carol')).code).toBe(4)
    scene.unverified.delete('carol')
    expect((await signInAs('carol')).code).toBe(0)
  })

  it('is not who is unknown to the org', async () => {
    const { code, text, log } = await signInAs('mallory')
    expect(text).toContain('You may not sign in')
    expect({ code, log }).toEqual({ code: 4, log: expect.stringContaining('The sign-in was refused') as string })
  })
})

describe('a sign-in', () => {
  const verifier = 'v'.repeat(43)
  const redirectUri = 'http://127.0.0.1:9/'
  const toBegin = (changes: Readonly<Record<string, string>> = {}) => {
    const codeChallenge = createHash('sha256').update(verifier).digest('base64url')
    const query = { org: 'demo', redirectUri, codeChallenge, state: 's'.repeat(20), ...changes }
    return `${world.url}/v1/sign-in/begin?${new URLSearchParams(query).toString()}`
  }
  const redeem = async (code: string, codeVerifier = verifier) => {
    const response = await fetch(`${world.url}/v1/sign-in/token`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ code, codeVerifier }),
    })
    const body = (await response.json()) as { code?: string; org?: string }
    return [response.status, body.code ?? body.org]
  }

  it('gives a code that is good once, to who began', async () => {
    await scene.asOwner('member', 'add', 'dan@example.com', '--role', 'viewer')
    const { url } = await scene.browse(toBegin(), 'dan', redirectUri)
    const { searchParams } = new URL(url)
    expect(searchParams.get('state')).toBe('s'.repeat(20))
    const code = searchParams.get('code') ?? ''
    expect(await redeem(code, 'w'.repeat(43))).toEqual([401, 'sign_in_refused'])
    expect(await redeem(`${code}x`)).toEqual([401, 'sign_in_refused'])
    expect(await redeem(code)).toEqual([201, 'demo'])
    expect(await redeem(code)).toEqual([401, 'sign_in_refused'])
  })

  it('is of the browser that began it', async () => {
    const jar: Jar = new Map()
    const { url } = await scene.browse(toBegin(), 'dan', `${world.url}/v1/sign-in/callback`, jar)
    const elsewhere = await fetch(url, { redirect: 'manual' })
    expect([elsewhere.status, await elsewhere.json()]).toMatchObject([401, { code: 'sign_in_refused' }])
    const forged = await scene.browse(url.replace(/state=[^&]*/, 'state=another'), 'dan', redirectUri, jar)
    expect(forged.status).toBe(401)
    const { url: answered } = await scene.browse(url, 'dan', redirectUri, jar)
    expect(new URL(answered).searchParams.has('code')).toBe(true)
    expect(jar.get(new URL(world.url).host)?.has('atoll_sign_in')).toBe(false)
  })

  it('binds a browser by a cookie that scripts and other sites have no part in, and that tells nothing', async () => {
    const response = await fetch(toBegin(), { redirect: 'manual' })
    const [cookie = ''] = response.headers.getSetCookie()
    expect(cookie).toMatch(/^atoll_sign_in=[\w.-]+; Max-Age=600; Path=\/; HttpOnly; SameSite=Lax$/)
    expect(response.headers.get('location')).toMatch(/code_challenge_method=S256/)
    expect(response.headers.get('cache-control')).toBe('no-store')
  })

  it.each([
    [{ redirectUri: 'https://evil.example/' }, 400],
    [{ redirectUri: 'http://127.0.0.1:9@evil.example/' }, 400],
    [{ redirectUri: 'http://127.0.0.1.evil.example:9/' }, 400],
    [{ org: 'nobody' }, 404],
  ])('does not begin with %j', async (changes, status) => {
    expect((await fetch(toBegin(changes), { redirect: 'manual' })).status).toBe(status)
  })
})

describe('a sign-in in a browser', () => {
  /** Signs in as a person would who has the console open. */
  const open = async (account: string, jar: Jar = new Map()) => {
    const { url } = await scene.browse(
      scene.toBeginning({ returnTo: '/meshes?tab=a#b' }),
      account,
      `${world.url}/meshes`,
      jar,
    )
    const session = jar.get(new URL(world.url).host)?.get('atoll_session')
    return { url, cookie: session === undefined ? undefined : `atoll_session=${session}` }
  }

  it('ends at the page that asked, with a session that is the member’s, until it is signed out or the member goes', async () => {
    await scene.asOwner('member', 'add', 'gil@example.com', '--role', 'admin')
    const { url, cookie = '' } = await open('gil')
    expect(url).toBe(`${world.url}/meshes?tab=a#b`)
    const { body } = await ask(cookie)
    const { id } = body['token'] as { id: string }
    expect(body).toMatchObject({ org: 'demo', token: { name: 'sign-in of gil@example.com', role: 'admin' } })
    expect((await ask(cookie, '/v1/sessions')).body).toMatchObject({ items: [{ id, kind: 'browser', current: true }] })
    const crossSite = { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }
    const forged = await ask(cookie, `/v1/sessions/${id}`, { method: 'DELETE', headers: crossSite })
    expect(forged).toMatchObject({ status: 403, body: { code: 'cross_site_request' } })
    expect((await ask(cookie, `/v1/sessions/${id}`, { method: 'DELETE' })).status).toBe(204)
    expect(await ask(cookie)).toMatchObject({ status: 401, body: { code: 'unauthenticated' } })
    const again = await open('gil')
    await scene.asOwner('member', 'remove', 'gil@example.com')
    expect(await ask(again.cookie ?? '')).toMatchObject({ status: 401, body: { code: 'unauthenticated' } })
    expect((await scene.asOwner('audit', '--org')).stdout).toContain('session.end')
  })

  it('gives a session that nobody knew before, whatever cookie the browser had', async () => {
    const host = new URL(world.url).host
    const jar: Jar = new Map([[host, new Map([['atoll_session', 'atoll_session_fixed']])]])
    const { cookie: first } = await open('dan', jar)
    const { cookie: second } = await open('dan', jar)
    expect(first).toMatch(/^atoll_session=atoll_session_[0-9a-f]{16}_[\w-]{43}$/)
    expect(second).not.toBe(first)
    expect((await ask(second ?? '')).status).toBe(200)
  })

  it('gives none to who is no member, and says so to the page', async () => {
    const { url, cookie } = await open('mallory')
    expect([url, cookie]).toEqual([`${world.url}/meshes?tab=a&signIn=refused#b`, undefined])
  })

  it('is of the browser that began it, with its state, once', async () => {
    const jar: Jar = new Map()
    const callback = `${world.url}/v1/sign-in/callback`
    const { url } = await scene.browse(scene.toBeginning({}), 'dan', callback, jar)
    const handshake = jar.get(new URL(world.url).host)?.get('atoll_sign_in') ?? ''
    const come = async (cookie: string, to = url) => {
      const response = await fetch(to, { redirect: 'manual', headers: { cookie } })
      return [
        response.status,
        response.headers.get('location'),
        response.headers.getSetCookie().some((text) => text.startsWith('atoll_session=')),
      ]
    }
    const refused = [401, null, false]
    expect(await come('')).toEqual(refused)
    expect(await come(`atoll_sign_in=${handshake.replace(/.{4}$/, 'AAAA')}`)).toEqual(refused)
    expect(await come(`__Host-atoll_sign_in=${handshake}`)).toEqual(refused)
    expect(await come(`atoll_sign_in=${handshake}`, url.replace(/state=[^&]*/, 'state=another'))).toEqual(refused)
    const other: Jar = new Map()
    await scene.browse(scene.toBeginning({}), 'dan', callback, other)
    const theirs = other.get(new URL(world.url).host)?.get('atoll_sign_in') ?? ''
    expect(await come(`atoll_sign_in=${theirs}`)).toEqual(refused)
    expect(await come(`atoll_sign_in=${handshake}`)).toEqual([302, `${world.url}/`, true])
    expect(await come(`atoll_sign_in=${handshake}`)).toEqual([302, `${world.url}/?signIn=refused`, false])
  })

  it.each([
    ['cross-site', 403, false],
    ['same-site', 403, false],
    ['same-origin', 302, true],
    ['none', 302, true],
  ])('begins at a page of the plane, or where the address is typed: %s', async (site, status, isBegun) => {
    const response = await fetch(scene.toBeginning({}), { redirect: 'manual', headers: { 'sec-fetch-site': site } })
    expect([response.status, response.headers.getSetCookie().length > 0]).toEqual([status, isBegun])
  })

  it.each([
    'https://evil.example/',
    '//evil.example',
    '/\\evil.example',
    '/\t/evil.example',
    'evil.example',
    '@evil.example',
    '.evil.example',
    'javascript:alert(1)',
    '/v1/sign-in/browser?org=demo',
    '/é',
  ])('does not lead to %j', async (returnTo) => {
    expect((await fetch(scene.toBeginning({ returnTo }), { redirect: 'manual' })).status).toBe(400)
  })

  it.each(['/.//evil.example', '/%2f/evil.example', '/x/../..//evil.example'])(
    'stays at the plane for %j',
    async (returnTo) => {
      const { url } = await scene.browse(scene.toBeginning({ returnTo }), 'dan', `${world.url}/`, new Map())
      expect(new URL(url).origin).toBe(world.url)
    },
  )

  it('has cookies, behind TLS, that no other host can plant and no other site has sent', async () => {
    await scene.setProvider('--plane-url', PUBLIC)
    const begun = await fetch(scene.toBeginning({}), { redirect: 'manual' })
    const [handshake = ''] = begun.headers.getSetCookie()
    expect(handshake).toMatch(/^__Host-atoll_sign_in=[\w.-]+; Max-Age=600; Path=\/; HttpOnly; Secure; SameSite=Lax$/)
    const jar: Jar = new Map()
    const callback = `${PUBLIC}/v1/sign-in/callback`
    const { url } = await scene.browse(scene.toBeginning({}).replace(world.url, PUBLIC), 'dan', callback, jar)
    const kept = jar.get(new URL(PUBLIC).host)?.get('__Host-atoll_sign_in') ?? ''
    const planted = await fetch(reach(url), { redirect: 'manual', headers: { cookie: `atoll_sign_in=${kept}` } })
    expect(planted.status).toBe(401)
    const ended = await fetch(reach(url), { redirect: 'manual', headers: { cookie: `__Host-atoll_sign_in=${kept}` } })
    expect(ended.headers.get('location')).toBe(`${PUBLIC}/`)
    const cookie = ended.headers.getSetCookie().find((text) => text.includes('atoll_session=')) ?? ''
    expect(cookie).toMatch(/^__Host-atoll_session=\S+; Max-Age=43200; Path=\/; HttpOnly; Secure; SameSite=Strict$/)
    const [session = ''] = cookie.split(';')
    expect((await ask(session, '/v1/whoami', { headers: { origin: PUBLIC } })).status).toBe(200)
    expect((await ask(session)).body['code']).toBe('cross_site_request')
    expect((await ask(session.replace('__Host-', ''), '/v1/whoami', { headers: { origin: PUBLIC } })).status).toBe(401)
    await scene.setProvider()
  })
})

describe('a plane whose URL has a path', () => {
  beforeAll(() => scene.setProvider('--plane-url', `${BELOW}/`))
  afterAll(() => scene.setProvider())

  it.each([
    ['/meshes?tab=a', `${BELOW}/meshes?tab=a`],
    ['/../other', `${BELOW}/`],
    ['/..', `${BELOW}/`],
  ])('brings people back below it: %s', async (returnTo, page) => {
    const start = scene.toBeginning({ returnTo }).replace(world.url, BELOW)
    expect((await scene.browse(start, 'dan', page.replace(/\?.*/, ''), new Map())).url).toBe(page)
  })
})

describe('the provider', () => {
  it('is shown without its secret, which is sealed', async () => {
    const { stdout } = await scene.asOwner('org', 'sign-in', 'show')
    expect(stdout).toContain(`${world.url}/v1/sign-in/callback`)
    expect(stdout).not.toContain(CLIENT_SECRET)
    const files = (await readdir(world.planeData, { recursive: true, withFileTypes: true })).filter(({ name }) =>
      name.includes('sqlite'),
    )
    expect(files.length).toBeGreaterThan(0)
    for (const { parentPath, name } of files)
      expect((await readFile(join(parentPath, name))).includes(CLIENT_SECRET)).toBe(false)
  })

  it.each([
    'http://10.0.0.1',
    'https://10.0.0.1',
    'https://[fd00::1]',
    'https://metadata.google.internal',
    'http://issuer.example.org',
  ])('is not at %s', async (address) => {
    const { code, output } = await scene.asOwner('org', 'sign-in', 'set', '--issuer', address, '--client-id', 'atoll')
    expect({ code, output }).toMatchObject({ code: 7, output: expect.stringContaining('not a public') as string })
  })

  it('takes the sign-ins along when it goes', async () => {
    expect((await scene.as('bob', 'whoami')).code).toBe(0)
    await scene.asOwner('org', 'sign-in', 'remove')
    expect((await scene.as('bob', 'whoami')).code).toBe(4)
    const { stdout } = await scene.asOwner('audit', '--org')
    for (const action of ['sign-in.set', 'member.sign-in', 'sign-in.remove']) expect(stdout).toContain(action)
    expect(stdout).not.toContain(CLIENT_SECRET)
  })
})
