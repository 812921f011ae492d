import type { RouteHandler } from '@hono/zod-openapi'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import * as oauth from 'oauth4webapi'
import { z } from 'zod'
import { AtollError } from '#api/atoll-error.ts'
import {
  beginDeviceSignIn,
  beginSession,
  beginSignIn,
  endSignIn,
  getSignIn,
  redeemDeviceSignIn,
  redeemSignIn,
  removeSignIn,
  setSignIn,
} from '#api/routes/sign-in.ts'
import type { pendingSignIn } from '#api/schemas/members.ts'
import type { App, AppContext, AppEnv } from '../app-env.ts'
import { toChanges } from '../audit/to-changes.ts'
import { findIdentified, findMember } from '../directory/members.ts'
import type { IdentifiedMember } from '../directory/members.ts'
import { IDLE_MS } from '../directory/sessions.ts'
import * as directory from '../directory/sign-in.ts'
import type { StoredProvider } from '../directory/sign-in.ts'
import { toBase64Url, toUtf8 } from '../encode-bytes.ts'
import { planeInitiator } from '../mesh/audit.ts'
import { requireOwnBeginning, toCookieName, toSessionCookie } from '../middleware/credential.ts'
import { openOrg, toOrgEvent, toOrigin } from '../open-mesh.ts'
import { found } from '../problems.ts'
import { randomBytes } from '../random-bytes.ts'
import { newId, newTokenOf } from '../secret-token.ts'
import { ProviderClient } from '../sign-in/provider-client.ts'
import { isLoopback } from '../sign-in/public-host.ts'
import { openClientSecret, sealClientSecret } from '../sign-in/client-secret.ts'
import { openValue, sealValue } from '../sign-in/seal-text.ts'

const HANDSHAKE_SECONDS = 10 * 60
const CODE_MS = 60_000
/** How long a person is signed in. */
const TOKEN_MS = 12 * 60 * 60 * 1000
const COOKIE = 'atoll_sign_in'

/** What the cookie holds while the browser is at the provider. Sealed: nobody else makes one, and nobody reads the verifier. */
const handshake = z.object({
  orgId: z.string(),
  /** At which the sign-in began: another one is not shown its code. */
  issuer: z.string(),
  state: z.string(),
  nonce: z.string(),
  verifier: z.string(),
  expiresAtMs: z.int(),
  /** Who waits: a command line, or the browser itself, at a page of the plane. The id of the session to be is what makes that good for once. */
  client: z.union([
    z.object({ redirectUri: z.string(), codeChallenge: z.string(), state: z.string() }),
    z.object({ returnTo: z.string(), tokenId: z.string() }),
  ]),
})
type Handshake = z.infer<typeof handshake>
/** What the code for who waits holds. The id of the token to be is what makes it good for once. */
const code = z.object({
  orgId: z.string(),
  memberId: z.string(),
  subject: z.string(),
  tokenId: z.string(),
  codeChallenge: z.string(),
  expiresAtMs: z.int(),
})

/** What who waits for somebody at another device asks with. */
const deviceCode = z.object({ orgId: z.string(), tokenId: z.string(), code: z.string(), expiresAtMs: z.int() })

const allowsLoopback = (c: AppContext): boolean => c.env.SIGN_IN_ISSUERS === 'loopback'

const toRedirectUri = (planeUrl: string): string => `${planeUrl.replace(/\/+$/, '')}${endSignIn.path}`

const openClient = async (c: AppContext, provider: StoredProvider): Promise<ProviderClient> => {
  const { issuer, clientId, clientSecret, planeUrl } = provider
  const settings = {
    issuer,
    clientId,
    clientSecret: clientSecret === null ? undefined : await openClientSecret(c.env, provider, clientSecret),
    redirectUri: toRedirectUri(planeUrl),
  }
  return ProviderClient.discover(settings, allowsLoopback(c))
}

const toShown = ({ issuer, clientId, clientSecret, planeUrl, allowsDevice }: StoredProvider) => ({
  issuer,
  clientId,
  redirectUri: toRedirectUri(planeUrl),
  confidential: clientSecret !== null,
  allowsDevice,
})

/** What an event tells of a provider. A client secret is sealed anew each time: that there is one is all that can be said. */
const toDetail = (provider: StoredProvider | undefined): Readonly<Record<string, string | boolean>> => {
  if (!provider) return {}
  const { issuer, clientId, planeUrl, allowsDevice, clientSecret } = provider
  return { issuer, clientId, planeUrl, allowDevice: allowsDevice, confidential: clientSecret !== null }
}

const showProvider: RouteHandler<typeof getSignIn, AppEnv> = async (c) =>
  c.json(toShown(found(await directory.findProvider(c.env.DB, openOrg(c)), 'identity provider')), 200)

const setProvider: RouteHandler<typeof setSignIn, AppEnv> = async (c) => {
  const orgId = openOrg(c)
  const { issuer, clientId, clientSecret, planeUrl, allowDevice } = c.req.valid('json')
  const plane = new URL(planeUrl)
  if (plane.protocol !== 'https:' && !isLoopback(plane))
    throw new AtollError('invalid_request', 'planeUrl: over the network the plane is reached by https alone')
  const name = { orgId, issuer, clientId }
  const sealed = clientSecret === undefined ? null : await sealClientSecret(c.env, name, clientSecret)
  const provider = {
    ...name,
    clientSecret: sealed,
    planeUrl: `${plane.origin}${plane.pathname}`,
    allowsDevice: allowDevice,
    createdAt: Date.now(),
  }
  const client = await openClient(c, provider)
  if (allowDevice && !client.offersDevice)
    throw new AtollError('invalid_request', `allowDevice: ${issuer} has no device_authorization_endpoint`)
  const event = toOrgEvent(c, {
    action: 'sign-in.set',
    target: issuer,
    detail: toDetail(provider),
    changes: toChanges(toDetail(await directory.findProvider(c.env.DB, orgId)), toDetail(provider)),
  })
  await directory.storeProvider(c.env.DB, provider, event)
  return c.json(toShown(provider), 200)
}

const endProvider: RouteHandler<typeof removeSignIn, AppEnv> = async (c) => {
  const orgId = openOrg(c)
  const { issuer } = found(await directory.findProvider(c.env.DB, orgId), 'identity provider')
  await directory.deleteProvider(c.env.DB, orgId, toOrgEvent(c, { action: 'sign-in.remove', target: issuer }))
  return c.body(null, 204)
}

const begin: RouteHandler<typeof beginSignIn, AppEnv> = (c) => {
  const { org, redirectUri, codeChallenge, state } = c.req.valid('query')
  return sendToProvider(c, org, { redirectUri, codeChallenge, state })
}

const beginInBrowser: RouteHandler<typeof beginSession, AppEnv> = (c) => {
  requireOwnBeginning(c)
  const { org, returnTo } = c.req.valid('query')
  return sendToProvider(c, org, { returnTo, tokenId: newId(randomBytes) })
}

const sendToProvider = async (c: AppContext, org: string, waiting: Handshake['client']) => {
  const provider = found(await directory.findProviderByOrgName(c.env.DB, org), `sign-in for an org ${org}`)
  const client = await openClient(c, provider)
  const secrets = {
    state: oauth.generateRandomState(),
    nonce: oauth.generateRandomNonce(),
    verifier: oauth.generateRandomCodeVerifier(),
  }
  const kept: Handshake = {
    orgId: provider.orgId,
    issuer: provider.issuer,
    ...secrets,
    expiresAtMs: Date.now() + HANDSHAKE_SECONDS * 1000,
    client: waiting,
  }
  setCookie(c, toCookieName(COOKIE, provider.planeUrl), await sealValue(c.env.ATOLL_KEK, 'handshake', kept), {
    ...toCookieOptions(provider),
    maxAge: HANDSHAKE_SECONDS,
  })
  return c.redirect(await client.toAuthorizationUrl(secrets), 302)
}

/** `Lax`: the provider's answer is a navigation from another site, and has to bring it along. */
const toCookieOptions = ({ planeUrl }: StoredProvider) =>
  ({ path: '/', httpOnly: true, sameSite: 'Lax', secure: new URL(planeUrl).protocol === 'https:' }) as const

const refuse = (reason: string): never => {
  throw new AtollError('sign_in_refused', reason)
}

const end: RouteHandler<typeof endSignIn, AppEnv> = async (c) => {
  const text = getCookie(c, `__Host-${COOKIE}`) ?? getCookie(c, COOKIE) ?? ''
  const { data: kept } = handshake.safeParse(await openValue(c.env, 'handshake', text))
  if (!kept || kept.expiresAtMs < Date.now() || c.req.query('state') !== kept.state)
    return refuse('this is no answer to a sign-in that this browser has begun in the last minutes')
  const provider = await directory.findProvider(c.env.DB, kept.orgId)
  if (provider?.issuer !== kept.issuer)
    return refuse('the org has not the identity provider any more that this began at')
  const cookie = toCookieName(COOKIE, provider.planeUrl)
  // One that anybody could have planted is not asked.
  if (getCookie(c, cookie) !== text) return refuse('the sign-in began at another address of the plane')
  deleteCookie(c, cookie, toCookieOptions(provider))
  const { client } = kept
  if ('returnTo' in client) return endInBrowser(c, provider, kept, client)
  const answer = (parameters: Record<string, string>) =>
    c.redirect(`${client.redirectUri}?${new URLSearchParams({ ...parameters, state: client.state }).toString()}`, 302)
  const identity = await identify(c, provider, kept)
  if (identity === 'away') return answer({ error: 'temporarily_unavailable' })
  const member = identity && (await findIdentified(c.env.DB, kept.orgId, identity, toProviderInitiator(c)))
  if (!member) {
    // Whoever may sign in at the provider gets here: nothing of what they say is kept.
    return answer({ error: 'access_denied' })
  }
  const sealed: z.infer<typeof code> = {
    orgId: kept.orgId,
    memberId: member.id,
    subject: member.subject,
    tokenId: newId(randomBytes),
    codeChallenge: client.codeChallenge,
    expiresAtMs: Date.now() + CODE_MS,
  }
  return answer({ code: await sealValue(c.env.ATOLL_KEK, 'code', sealed) })
}

/** A page of the plane: below its URL, which may have a path, and be beside others' there. */
const toPage = (planeUrl: string, path: string): URL => {
  const base = planeUrl.replace(/\/+$/, '')
  const page = new URL(`${base}${path}`)
  return page.href.startsWith(`${base}/`) ? page : new URL(`${base}/`)
}

/** To the page that began, with a session that nobody has known before, or with word that there is none. */
const endInBrowser = async (
  c: AppContext,
  provider: StoredProvider,
  kept: Handshake,
  { returnTo, tokenId }: Extract<Handshake['client'], { returnTo: string }>,
) => {
  const { origin } = new URL(provider.planeUrl)
  const page = toPage(provider.planeUrl, returnTo)
  const identity = await identify(c, provider, kept)
  const member =
    identity && identity !== 'away' && (await findIdentified(c.env.DB, kept.orgId, identity, toProviderInitiator(c)))
  if (!member) {
    page.searchParams.set('signIn', identity === 'away' ? 'unavailable' : 'refused')
    return c.redirect(page.href, 302)
  }
  const { secret } = await issue(c, kept.orgId, member, { kind: 'session', tokenId, origin })
  const { name, options } = toSessionCookie(origin)
  setCookie(c, name, secret, { ...options, maxAge: TOKEN_MS / 1000 })
  return c.redirect(page.href, 302)
}

/** On the word of the identity provider: nobody with a token asks. */
const toProviderInitiator = (c: AppContext) => ({ ...planeInitiator, ...toOrigin(c) })

type Issued =
  | { readonly kind: 'token'; readonly tokenId: string }
  | { readonly kind: 'session'; readonly tokenId: string; readonly origin: string }

/** The token of a sign-in, once: bearer's, or of a browser's session. */
const issue = async (c: AppContext, orgId: string, member: IdentifiedMember, issued: Issued) => {
  const { kind, tokenId: id } = issued
  const { text: secret, secretHash } = await newTokenOf(kind, id, randomBytes)
  const createdAtMs = Date.now()
  const session = issued.kind === 'session' && { origin: issued.origin, idleExpiresAtMs: createdAtMs + IDLE_MS }
  const event = {
    at: createdAtMs,
    by: toProviderInitiator(c),
    facts: { action: 'member.sign-in', target: member.email, detail: { [kind]: id } },
  }
  const made = { id, secretHash, createdAtMs, expiresAtMs: createdAtMs + TOKEN_MS, ...(session && { session }) }
  const token = await directory.insertSignIn(c.env.DB, orgId, member, made, event)
  return { token, secret }
}

/** Undefined = the provider vouches for nobody. `away`: it could not be asked. */
const identify = (c: AppContext, provider: StoredProvider, kept: Handshake) =>
  vouch(
    c,
    async () => (await openClient(c, provider)).identify(new URL(c.req.url), kept),
    () => 'away' as const,
  )

/** What the provider answers; undefined = it vouches for nobody. Why is for the log. */
const vouch = async <Answer, Away>(
  c: AppContext,
  ask: () => Promise<Answer>,
  toAway: (reason: string) => Away,
): Promise<Answer | Away | undefined> => {
  try {
    return await ask()
  } catch (error) {
    // eslint-disable-next-line no-console -- the platform's log
    console.warn(
      JSON.stringify({ level: 'warn', message: 'sign-in failed', requestId: c.get('requestId'), error: String(error) }),
    )
    return error instanceof AtollError && error.code === 'unavailable' ? toAway(error.message) : undefined
  }
}

const redeem: RouteHandler<typeof redeemSignIn, AppEnv> = async (c) => {
  const { code: text, codeVerifier } = c.req.valid('json')
  const { data } = code.safeParse(await openValue(c.env, 'code', text))
  const digest = await crypto.subtle.digest('SHA-256', toUtf8(codeVerifier))
  if (!data || data.expiresAtMs < Date.now() || toBase64Url(new Uint8Array(digest)) !== data.codeChallenge)
    return refuse('the code is wrong, of another sign-in, or older than a minute')
  const { orgId, memberId, subject, tokenId } = data
  const member = await findMember(c.env.DB, orgId, memberId)
  if (!member) return refuse('the member has been removed')
  const identified = { id: memberId, email: member.email, subject }
  const { token, secret } = await issue(c, orgId, identified, { kind: 'token', tokenId })
  return c.json({ org: await directory.readOrgName(c.env.DB, orgId), token: { ...token, secret } }, 201)
}

const beginDevice: RouteHandler<typeof beginDeviceSignIn, AppEnv> = async (c) => {
  const { org } = c.req.valid('json')
  const provider = found(await directory.findProviderByOrgName(c.env.DB, org), `sign-in for an org ${org}`)
  if (!provider.allowsDevice) return refuse('an owner of the org has to allow sign-ins on other devices (allowDevice)')
  const begun = await (await openClient(c, provider)).beginDevice()
  const expiresAtMs = Date.now() + Math.min(begun.expires_in, HANDSHAKE_SECONDS) * 1000
  const kept: z.infer<typeof deviceCode> = {
    orgId: provider.orgId,
    tokenId: newId(randomBytes),
    code: begun.device_code,
    expiresAtMs,
  }
  const shown = {
    deviceCode: await sealValue(c.env.ATOLL_KEK, 'device', kept),
    userCode: begun.user_code,
    verificationUri: begun.verification_uri,
    ...(begun.verification_uri_complete !== undefined && { verificationUriComplete: begun.verification_uri_complete }),
    expiresAt: new Date(expiresAtMs).toISOString(),
    intervalSeconds: begun.interval ?? 5,
  }
  return c.json(shown, 200)
}

const redeemDevice: RouteHandler<typeof redeemDeviceSignIn, AppEnv> = async (c) => {
  const { deviceCode: text } = c.req.valid('json')
  const { data: kept } = deviceCode.safeParse(await openValue(c.env, 'device', text))
  if (!kept || kept.expiresAtMs < Date.now()) return refuse('the code is wrong, or nobody has confirmed it in time')
  const provider = await directory.findProvider(c.env.DB, kept.orgId)
  if (!provider?.allowsDevice) return refuse('the org does not allow sign-ins on other devices any more')
  const identity = await vouch(
    c,
    async () => (await openClient(c, provider)).askDevice(kept.code),
    (trouble) => ({ trouble }),
  )
  if (identity === 'pending' || identity === 'slow_down') return wait(c, { slowDown: identity === 'slow_down' })
  // Whoever waits goes on asking, more seldom (RFC 8628 §3.5).
  if (identity && 'trouble' in identity) return wait(c, { slowDown: true, ...identity })
  const member = identity && (await findIdentified(c.env.DB, kept.orgId, identity, toProviderInitiator(c)))
  if (!member) return refuse('who has confirmed it is no member of the org, or has refused')
  const { token, secret } = await issue(c, kept.orgId, member, { kind: 'token', tokenId: kept.tokenId })
  return c.json({ org: await directory.readOrgName(c.env.DB, kept.orgId), token: { ...token, secret } }, 201)
}

/** The answers of questions that are asked every few seconds are not kept for who repeats one. */
const wait = (c: AppContext, pending: z.infer<typeof pendingSignIn>) => {
  c.set('hasNoEffect', true)
  return c.json(pending, 200)
}

export const addSignInRoutes = (app: App): void => {
  app.openapi(getSignIn, showProvider)
  app.openapi(setSignIn, setProvider)
  app.openapi(removeSignIn, endProvider)
  app.openapi(beginSignIn, begin)
  app.openapi(beginSession, beginInBrowser)
  app.openapi(endSignIn, end)
  app.openapi(redeemSignIn, redeem)
  app.openapi(beginDeviceSignIn, beginDevice)
  app.openapi(redeemDeviceSignIn, redeemDevice)
}
