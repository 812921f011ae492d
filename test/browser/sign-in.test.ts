import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium } from 'playwright-core'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Jar } from '#test/harness/identity-provider.ts'
import { SignInWorld } from '#test/harness/sign-in-world.ts'
import { chromiumPath } from '../../scripts/chromium-path.mjs'
import { askFrom, atProvider, begin, findSession, signIn } from './person.ts'
import { Websites } from './websites.ts'
import type { Site } from './websites.ts'

const CALLBACK = '/v1/sign-in/callback'
const TOKENS = '/v1/tokens'
const json = { 'Content-Type': 'application/json' }
const newToken = { method: 'POST', body: JSON.stringify({ name: 'made in a browser', role: 'viewer' }) }

let scene: SignInWorld
let sites: Websites
let browser: Browser
let plane: string
let context: BrowserContext
let page: Page
let faults: string[]
let owner: string

beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'atoll-browser-'))
  sites = await Websites.serve(folder, () => scene.world.url)
  await rm(folder, { recursive: true })
  plane = sites.url('plane')
  const toLoopback = (url: string) => url.replace(`${plane}/atoll`, scene.world.url).replace(plane, scene.world.url)
  const [started, launched] = await Promise.all([
    SignInWorld.start({ publicUrls: [plane, `${plane}/atoll`], reach: toLoopback }),
    chromium.launch({
      executablePath: chromiumPath(),
      args: [
        '--host-resolver-rules=MAP *.test 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
        `--ignore-certificate-errors-spki-list=${sites.keyHash}`,
      ],
    }),
  ])
  scene = started
  browser = launched
  await scene.setProvider('--plane-url', plane)
  const made = ['token', 'create', '--name', 'browser-tests', '--role', 'owner', '--profile', 'default']
  owner = (await scene.world.atollJson<{ secret: string }>(made)).secret
  await addMember('ada', 'admin')
  await addMember('mallory', 'viewer')
})
afterAll(async () => {
  await browser?.close()
  sites?.close()
  await scene?.stop()
})

/** The browser of a person, with nothing in it. */
const openBrowser = async () => {
  const made = await browser.newContext()
  made.setDefaultTimeout(15_000)
  return made
}

beforeEach(async () => {
  context = await openBrowser()
  page = await context.newPage()
  faults = []
  page.on('pageerror', (error) => faults.push(error.message))
  page.on('console', (message) => {
    const isOurs = message.location().url.startsWith(plane)
    if (message.type() === 'error' && isOurs && !message.text().includes('the server responded with a status of'))
      faults.push(message.text())
  })
})
afterEach(async () => {
  await context.close()
})

const seen = () => page.locator('main').innerText()
const isSignedIn = () => page.getByText('You are signed in.').waitFor()
const isAsked = () => page.getByLabel('Name of your org').waitFor()
const whoami = (where = page) => askFrom(where, `${plane}/v1/whoami`)
/** Without a browser. */
const send = async (headers: Record<string, string>) =>
  (await fetch(`${scene.world.url}/v1/whoami`, { headers: { origin: plane, ...headers } })).status
/** By the API, with an owner's token. */
const asOwner = async <Body>(method: string, path: string, body?: unknown) => {
  const response = await fetch(`${scene.world.url}${path}`, {
    method,
    headers: { ...json, authorization: `Bearer ${owner}` },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  return (response.status === 204 ? undefined : await response.json()) as Body
}
const addMember = (name: string, role: string) =>
  asOwner<{ id: string }>('POST', '/v1/members', { email: `${name}@example.com`, role })
const countTokens = async () => (await asOwner<{ items: unknown[] }>('GET', `${TOKENS}?limit=200`)).items.length
/** A page of another site, in the same browser. */
const openElsewhere = async (site: Site, html = '<!doctype html><title>elsewhere</title>') => {
  sites.page = html
  const elsewhere = await context.newPage()
  await elsewhere.goto(`${sites.url(site)}/`)
  return elsewhere
}
/** What the plane answers when a page is sent there. */
const follow = async (elsewhere: Page, act: string, path: string) => {
  const answer = elsewhere.waitForResponse((response) => response.url().startsWith(`${plane}${path}`))
  await elsewhere.evaluate(act)
  const response = await answer
  return response.status()
}

describe('somebody with a browser', () => {
  it('signs in at the front page, comes back to it, and signs out, here and at the plane', async () => {
    await page.goto(`${plane}/`)
    await isAsked()
    await begin(page)
    const handshake = (await context.cookies(plane)).map(({ name, sameSite, httpOnly, secure }) => [
      name,
      sameSite,
      httpOnly,
      secure,
    ])
    expect(handshake).toEqual([['__Host-atoll_sign_in', 'Lax', true, true]])
    await atProvider(page, 'ada')
    expect(page.url()).toBe(`${plane}/`)
    await isSignedIn()
    expect(await seen()).toMatch(/Who\s+ada@example\.com\s+Org\s+demo\s+Role\s+admin\s+For\s+the org/)
    const cookies = await context.cookies(plane)
    expect(cookies).toEqual([
      expect.objectContaining({
        name: '__Host-atoll_session',
        domain: 'atoll.example.test',
        path: '/',
        httpOnly: true,
        secure: true,
        sameSite: 'Strict',
      }),
    ])
    const session = await findSession(context)
    const value = session?.value ?? ''
    expect(Math.round(((session?.expires ?? 0) - Date.now() / 1000) / 3600)).toBe(12)
    expect(await page.evaluate('document.cookie')).toBe('')
    const cookie = `__Host-atoll_session=${value}`
    expect(await send({ cookie })).toBe(200)
    expect([await send({ authorization: `Bearer ${value}` }), await send({ cookie: cookie.slice(7) })]).toEqual([
      401, 401,
    ])

    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByText('You are signed out.').waitFor()
    await isAsked()
    expect([await findSession(context), await send({ cookie })]).toEqual([undefined, 401])
    expect(faults).toEqual([])
  })

  it('has a session that the API takes from pages of the plane, for what changes something with a header', async () => {
    await signIn(page, plane, 'ada')
    await isSignedIn()
    expect(await whoami()).toBe('200')
    expect(await askFrom(page, TOKENS, { ...newToken, headers: json })).toBe('403 cross_site_request')
    expect(await askFrom(page, TOKENS, { ...newToken, headers: { ...json, 'X-Atoll-Csrf': '1' } })).toBe('201')
    // Also after a reload, and from a link on somebody else's page: the page comes without the cookie, and its script has it.
    await page.reload()
    await isSignedIn()
    const elsewhere = await openElsewhere('foreign', `<a href="${plane}/">the plane</a>`)
    await elsewhere.getByRole('link').click()
    await elsewhere.getByText('You are signed in.').waitFor()
    expect(faults).toEqual([])
  })

  it('has a session that ends at once when it is revoked, and when its member is removed', async () => {
    const { id: member } = await addMember('eve', 'viewer')
    for (const end of [
      (session: string) => asOwner('DELETE', `${TOKENS}/${session}`),
      () => asOwner('DELETE', `/v1/members/${member}`),
    ]) {
      await signIn(page, plane, 'eve')
      await isSignedIn()
      const [, session = ''] = /^atoll_session_([0-9a-f]{16})_/.exec((await findSession(context))?.value ?? '') ?? []
      await end(session)
      expect(await whoami()).toBe('401 unauthenticated')
      await page.reload()
      await isAsked()
    }
  })

  it('is told what went wrong, in words, with the way back', async () => {
    await page.goto(`${plane}/`)
    await begin(page, 'nobody')
    expect(await seen()).toContain('There is no sign-in for an org nobody.')
    await page.getByRole('link', { name: 'To the front page' }).click()
    await begin(page)
    await atProvider(page, 'stranger')
    await page.getByText('You are no member of this org').waitFor()
    expect([page.url(), await findSession(context)]).toEqual([`${plane}/`, undefined])
    await page.goto(`${plane}${CALLBACK}?state=of-another-day&code=x`)
    expect(await seen()).toContain('This is no answer to a sign-in that this browser has begun')
    await page.goto(`${plane}/no/such/page`)
    expect(await seen()).toContain('has no such route.')
    await page.getByRole('link', { name: 'To the front page' }).click()
    await isAsked()
  })

  it('has two tabs: one session in both, and of two sign-ins that began, the later', async () => {
    const other = await context.newPage()
    await page.goto(`${plane}/`)
    await begin(page)
    await other.goto(`${plane}/`)
    await begin(other)
    await atProvider(page, 'ada')
    expect(await seen()).toContain('This is no answer to a sign-in')
    await atProvider(other, 'ada')
    await other.getByText('You are signed in.').waitFor()
    await page.getByRole('link', { name: 'To the front page' }).click()
    await isSignedIn()
    await page.getByRole('button', { name: 'Sign out' }).click()
    await isAsked()
    expect(await whoami(other)).toBe('401 unauthenticated')
    await other.getByRole('button', { name: 'Sign out' }).click()
    await other.getByText('The session had ended already.').waitFor()
    expect(faults).toEqual([])
  })
})

describe.each(['foreign', 'sibling'] as const)(
  'a page of another site (%s), in a browser that is signed in',
  (site) => {
    // To a site that shares nothing, the browser gives no cookie; to a sibling it does, and the plane refuses.
    const refused = site === 'foreign' ? 401 : 403

    beforeEach(async () => {
      await signIn(page, plane, 'ada')
      await isSignedIn()
    })

    it('changes nothing', async () => {
      const before = await countTokens()
      const form = `<form method="post" enctype="text/plain" action="${plane}${TOKENS}"><input name='{"name":"forged","role":"viewer","x":"' value='"}'></form>`
      const posting = await openElsewhere(site, form)
      expect(await follow(posting, 'document.forms[0].submit()', TOKENS)).toBe(refused)
      const asking = await openElsewhere(site)
      const withCookies = { ...newToken, credentials: 'include' as const }
      sites.log.length = 0
      expect(await askFrom(asking, `${plane}${TOKENS}`, { ...withCookies, mode: 'no-cors' })).toMatch(/^TypeError/)
      expect(sites.log.filter(({ method }) => method === 'POST')).toEqual([
        { method: 'POST', path: TOKENS, status: refused, hasSession: site === 'sibling' },
      ])
      const headers = { ...json, 'X-Atoll-Csrf': '1' }
      expect(await askFrom(asking, `${plane}${TOKENS}`, { ...withCookies, headers })).toMatch(/^TypeError/)
      expect(await countTokens()).toBe(before)
      expect(await whoami()).toBe('200')
    })

    it('reads nothing, by scripts, as a script, in a frame or in a window', async () => {
      const elsewhere = await openElsewhere(site, '<!doctype html><iframe></iframe>')
      expect(await whoami(elsewhere)).toMatch(/^TypeError/)
      expect(await askFrom(elsewhere, `${plane}/v1/whoami`, { credentials: 'include' })).toMatch(/^TypeError/)
      const byScript = `new Promise((resolve) => { const script = document.createElement('script'); script.onload = () => resolve('ran'); script.onerror = () => resolve('refused'); script.src = '${plane}/v1/whoami'; document.head.append(script) })`
      expect(await elsewhere.evaluate(byScript)).toBe('refused')
      await elsewhere.evaluate(`document.querySelector('iframe').src = '${plane}/'`)
      await expect.poll(() => elsewhere.frames()[1]?.url()).toBe('chrome-error://chromewebdata/')
      const opened = context.waitForEvent('page')
      await elsewhere.evaluate(`void (window.other = window.open('${plane}/'))`)
      await (await opened).getByText('You are signed in.').waitFor()
      expect(await elsewhere.evaluate('other.closed')).toBe(true)
    })

    it('signs nobody in as somebody else', async () => {
      const starting = await openElsewhere(site, `<a href="${plane}/v1/sign-in/browser?org=demo">a nice page</a>`)
      expect(await follow(starting, 'document.links[0].click()', '/v1/sign-in/browser')).toBe(403)
      // An answer of the provider, to a sign-in that Mallory has begun.
      const jar: Jar = new Map()
      const { url } = await scene.browse(
        scene.toBeginning().replace(scene.world.url, plane),
        'mallory',
        `${plane}${CALLBACK}`,
        jar,
      )
      const handshake = jar.get(new URL(plane).host)?.get('__Host-atoll_sign_in') ?? ''
      expect(handshake).not.toBe('')
      const ending = await openElsewhere(site, `<a href="${url}">a nice page</a>`)
      // Cookies of the whole domain, which a sibling may make.
      const plant = (name: string, value: string) =>
        `document.cookie = '${name}=${value}; domain=example.test; path=/; secure'`
      for (const name of ['__Host-atoll_sign_in', 'atoll_sign_in']) await ending.evaluate(plant(name, handshake))
      expect(await follow(ending, 'document.links[0].click()', CALLBACK)).toBe(401)
      await page.reload()
      await page.getByText('ada@example.com').waitFor()
      // A session of hers that is good: nobody has it by being given it.
      await scene.browse(scene.toBeginning().replace(scene.world.url, plane), 'mallory', `${plane}/`, jar)
      const hers = jar.get(new URL(plane).host)?.get('__Host-atoll_session') ?? ''
      expect(await send({ cookie: `__Host-atoll_session=${hers}` })).toBe(200)
      await page.getByRole('button', { name: 'Sign out' }).click()
      await isAsked()
      const planting = await openElsewhere(site)
      for (const name of ['__Host-atoll_session', 'atoll_session']) await planting.evaluate(plant(name, hers))
      expect(await whoami()).toBe('401 unauthenticated')
    })
  },
)

describe('a plane', () => {
  it('below a path has its page and its sessions there', async () => {
    await scene.setProvider('--plane-url', `${plane}/atoll`)
    await signIn(page, `${plane}/atoll`, 'ada')
    await isSignedIn()
    expect(page.url()).toBe(`${plane}/atoll/`)
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByText('You are signed out.').waitFor()
    expect(faults).toEqual([])
  })

  it('by plain http, on this machine, has a cookie without a prefix, which pages at other ports can’t use', async () => {
    await scene.setProvider()
    await signIn(page, scene.world.url, 'ada')
    await isSignedIn()
    const session = await findSession(context)
    expect(session).toMatchObject({ name: 'atoll_session', httpOnly: true, secure: false, sameSite: 'Strict' })
    // Cookies know no ports, and SameSite neither: whatever serves http on this machine is given it.
    const given: string[] = []
    const neighbour = createServer((request, response) => {
      given.push(request.headers.cookie ?? '')
      response.setHeader('Content-Type', 'text/html').end('<!doctype html><title>a neighbour</title>')
    })
    await new Promise<void>((resolve) => neighbour.listen(0, '127.0.0.1', resolve))
    const elsewhere = await context.newPage()
    await elsewhere.goto(`http://127.0.0.1:${(neighbour.address() as AddressInfo).port}/`)
    neighbour.close()
    expect(given[0]).toContain(`atoll_session=${session?.value}`)
    const before = await countTokens()
    const forged = { ...newToken, credentials: 'include', mode: 'no-cors' } as const
    expect(await askFrom(elsewhere, `${scene.world.url}${TOKENS}`, forged)).toMatch(/^TypeError/)
    expect(await countTokens()).toBe(before)
    expect(await askFrom(elsewhere, `${scene.world.url}/v1/whoami`, { credentials: 'include' })).toMatch(/^TypeError/)
  })
})
