import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Provider from 'oidc-provider'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Child } from '#test/harness/child.ts'
import { ownPrograms } from '#test/harness/programs.ts'
import { freePort, World } from '#test/harness/world.ts'

/** A real OpenID provider, at which everybody has the account that they say, and a real plane that is its client. */
let folder: string
let world: World
let issuer: string
let server: Server
/** Addresses that the provider has not verified. */
const unverified = new Set<string>()
const CLIENT_SECRET = 'the-secret-of-the-client'

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'atoll-sign-in-'))
  world = await World.create(folder)
  issuer = `http://127.0.0.1:${await freePort()}`
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: 'atoll',
        client_secret: CLIENT_SECRET,
        redirect_uris: [`${world.url}/v1/sign-in/callback`],
        token_endpoint_auth_method: 'client_secret_post',
      },
    ],
    claims: { openid: ['sub'], email: ['email', 'email_verified'] },
    findAccount: (_, id) => ({
      accountId: id,
      claims: () => ({
        sub: id,
        email: `${id.replace(/-again$/, '')}@example.com`,
        email_verified: !unverified.has(id),
      }),
    }),
    cookies: { keys: ['keys of this test'] },
  })
  const answer = provider.callback()
  server = createServer((request, response) => void answer(request, response))
  await new Promise<void>((resolve) => server.listen(Number(new URL(issuer).port), '127.0.0.1', resolve))
  await world.startPlane()
  await world.signIn()
  await world.atoll(['org', 'sign-in', 'set', '--issuer', issuer, '--client-id', 'atoll', '--client-secret-stdin'], {
    input: CLIENT_SECRET,
  })
})
afterAll(async () => {
  await world.stop()
  server.close()
  server.closeAllConnections()
  await rm(folder, { recursive: true, force: true })
})

type Jar = Map<string, Map<string, string>>

/** What a browser does: it keeps cookies by host, follows redirects up to `until`, and somebody fills in the provider's forms. */
const browse = async (start: string, account: string, until = 'nowhere', jar: Jar = new Map()) => {
  const visit = async (url: string, body?: URLSearchParams): Promise<{ url: string; status: number; text: string }> => {
    if (url.startsWith(until)) return { url, status: 0, text: '' }
    const { host } = new URL(url)
    const cookies = jar.get(host) ?? new Map<string, string>()
    jar.set(host, cookies)
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const response = await fetch(url, {
      redirect: 'manual',
      headers: { cookie },
      ...(body && { method: 'POST', body }),
    })
    for (const text of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(text) ?? []
      if (value === '') cookies.delete(name)
      else cookies.set(name, value)
    }
    const location = response.headers.get('location')
    if (location !== null) return visit(new URL(location, url).href)
    const text = await response.text()
    const [, action] = /<form[^>]*action="([^"]+)"/.exec(text) ?? []
    if (!url.startsWith(issuer) || action === undefined) return { url, status: response.status, text }
    const [, prompt = ''] = /name="prompt" value="([^"]+)"/.exec(text) ?? []
    return visit(new URL(action, url).href, new URLSearchParams({ prompt, login: account, password: 'any' }))
  }
  return visit(start)
}

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
  const { text } = await browse(url, account)
  return { code: await child.exited(), log: child.log(), text }
}

const asOwner = (...args: readonly string[]) => world.atoll([...args, '--profile', 'default'], { allowFailure: true })
const as = (profile: string, ...args: readonly string[]) =>
  world.atoll([...args, '--profile', profile], { allowFailure: true })

describe('a member', () => {
  it('signs in at the provider, and may do what was given, until that changes or ends', async () => {
    await asOwner('member', 'add', 'Ada@example.com', '--role', 'viewer')
    const { code, text, log } = await signInAs('ada')
    expect({ code, log }).toMatchObject({ code: 0 })
    expect(text).toContain('You are signed in')
    expect((await as('ada', 'whoami')).stdout).toMatch(/sign-in of ada@example\.com[^]*Role +viewer/)
    expect((await as('ada', 'mesh', 'create', 'second')).code).toBe(4)
    await asOwner('member', 'set', 'ada@example.com', '--role', 'admin')
    expect((await as('ada', 'mesh', 'create', 'second')).code).toBe(0)
    expect((await as('ada', 'member', 'add', 'eve@example.com', '--role', 'owner')).code).toBe(4)
    expect((await asOwner('member', 'list')).stdout).toMatch(/ada@example\.com +admin +the org +\d{4}-/)
    expect((await asOwner('audit', '--org')).stdout).toContain('member.sign-in')
    await asOwner('member', 'add', 'fay@example.com', '--role', 'viewer', '--for-mesh', 'second')
    expect((await asOwner('member', 'list')).stdout).toContain('fay@example.com')
    await asOwner('mesh', 'delete', 'second', '--yes')
    expect((await asOwner('member', 'list')).stdout).not.toContain('fay@example.com')
    await asOwner('member', 'remove', 'ada@example.com')
    expect((await as('ada', 'whoami')).code).toBe(4)
  })

  it('is who the provider called so at first, not who has the address now', async () => {
    await asOwner('member', 'add', 'bob@example.com', '--role', 'viewer')
    expect((await signInAs('bob')).code).toBe(0)
    expect((await signInAs('bob-again')).code).toBe(4)
    expect((await signInAs('bob')).code).toBe(0)
  })

  it('has an address that the provider has verified', async () => {
    unverified.add('carol')
    await asOwner('member', 'add', 'carol@example.com', '--role', 'viewer')
    expect((await signInAs('carol')).code).toBe(4)
    unverified.delete('carol')
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
    await asOwner('member', 'add', 'dan@example.com', '--role', 'viewer')
    const { url } = await browse(toBegin(), 'dan', redirectUri)
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
    const { url } = await browse(toBegin(), 'dan', `${world.url}/v1/sign-in/callback`, jar)
    const elsewhere = await fetch(url, { redirect: 'manual' })
    expect([elsewhere.status, await elsewhere.json()]).toMatchObject([401, { code: 'sign_in_refused' }])
    const forged = await browse(url.replace(/state=[^&]*/, 'state=another'), 'dan', redirectUri, jar)
    expect(forged.status).toBe(401)
    const { url: answered } = await browse(url, 'dan', redirectUri, jar)
    expect(new URL(answered).searchParams.has('code')).toBe(true)
    expect(jar.get(new URL(world.url).host)?.has('atoll_sign_in')).toBe(false)
  })

  it('binds a browser by a cookie that scripts and other sites have no part in, and that tells nothing', async () => {
    const response = await fetch(toBegin(), { redirect: 'manual' })
    const [cookie = ''] = response.headers.getSetCookie()
    expect(cookie).toMatch(/^atoll_sign_in=[\w-]+\.[\w-]+; Max-Age=600; Path=\/v1\/sign-in; HttpOnly; SameSite=Lax$/)
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

describe('the provider', () => {
  it('is shown without its secret, which is sealed', async () => {
    const { stdout } = await asOwner('org', 'sign-in', 'show')
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
    const { code, output } = await asOwner('org', 'sign-in', 'set', '--issuer', address, '--client-id', 'atoll')
    expect({ code, output }).toMatchObject({ code: 7, output: expect.stringContaining('not a public') as string })
  })

  it('takes the sign-ins along when it goes', async () => {
    expect((await as('bob', 'whoami')).code).toBe(0)
    await asOwner('org', 'sign-in', 'remove')
    expect((await as('bob', 'whoami')).code).toBe(4)
    const { stdout } = await asOwner('audit', '--org')
    for (const action of ['sign-in.set', 'member.sign-in', 'sign-in.remove']) expect(stdout).toContain(action)
    expect(stdout).not.toContain(CLIENT_SECRET)
  })
})
