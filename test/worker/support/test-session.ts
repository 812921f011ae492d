import { env } from 'cloudflare:workers'
import type { TokenRole, TokenScopes } from '#api/schemas/tokens.ts'
import { findMember } from '#worker/directory/members.ts'
import { IDLE_MS } from '#worker/directory/sessions.ts'
import { insertSignIn } from '#worker/directory/sign-in.ts'
import { toBase64Url } from '#worker/encode-bytes.ts'
import { planeInitiator } from '#worker/mesh/audit.ts'
import { randomBytes } from '#worker/random-bytes.ts'
import { newId, newToken } from '#worker/secret-token.ts'
import { sealValue } from '#worker/sign-in/seal-text.ts'
import { send, setUpPlane } from './test-plane.ts'
import type { RequestParts } from './test-plane.ts'

export const CONSOLE = 'https://console.test'
const HOUR_MS = 60 * 60 * 1000
let people = 0

export const addMember = async (role: TokenRole, scopes: TokenScopes = {}): Promise<string> => {
  const body = { email: `person-${(people += 1)}@example.com`, role, scopes }
  return (await send<{ id: string }>('POST', '/v1/members', { token: await setUpPlane(), body })).body.id
}

/** What the browser brings to a command line when somebody has signed in, and how it is redeemed. */
export const signInByCode = async (memberId: string) => {
  const codeVerifier = 'v'.repeat(43)
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(codeVerifier))
  const member = await identify(memberId)
  const code = await sealValue(env.ATOLL_KEK, 'code', {
    orgId: member.orgId,
    memberId,
    subject: member.subject,
    tokenId: newId(randomBytes),
    codeChallenge: toBase64Url(new Uint8Array(digest)),
    expiresAtMs: Date.now() + HOUR_MS,
  })
  return () =>
    send<{ code?: string; token?: { id: string; secret: string; role: string } }>('POST', '/v1/sign-in/token', {
      body: { code, codeVerifier },
    })
}

/** As after the provider has vouched for a member. */
const identify = async (memberId: string) => {
  const orgId =
    (await env.DB.prepare('SELECT org_id FROM members WHERE id = ?').bind(memberId).first<string>('org_id')) ?? ''
  const found = await findMember(env.DB, orgId, memberId)
  if (!found) throw new Error(`there is no member ${memberId}`)
  const subject = `subject of ${memberId}`
  await env.DB.prepare('UPDATE members SET subject = ? WHERE id = ?').bind(subject, memberId).run()
  return { orgId, id: memberId, email: found.email, subject }
}

/** A browser in which a member has signed in, without the provider: test/cli/sign-in.test.ts has a real one. */
export const signInBrowser = async (memberId: string, origin: string = CONSOLE) => {
  const { orgId, ...member } = await identify(memberId)
  const { id, text, secretHash } = await newToken('session', randomBytes)
  const at = Date.now()
  const session = { origin, idleExpiresAtMs: at + IDLE_MS }
  const client = { address: '192.0.2.1', userAgent: 'a browser' }
  await insertSignIn(
    env.DB,
    orgId,
    member,
    { id, secretHash, createdAtMs: at, expiresAtMs: at + 12 * HOUR_MS, session },
    { at, by: { ...planeInitiator, client }, facts: { action: 'member.sign-in', target: member.email } },
  )
  const cookie = `${origin.startsWith('https:') ? '__Host-' : ''}atoll_session=${text}`
  return { id, text, cookie }
}

/** What a page of the console asks in that browser. */
export const fromConsole = (cookie: string, headers: Record<string, string | undefined> = {}): RequestParts => {
  const all = { Cookie: cookie, Origin: CONSOLE, 'Sec-Fetch-Site': 'same-origin', 'X-Atoll-Csrf': '1', ...headers }
  return {
    headers: Object.fromEntries(
      Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
    ),
  }
}
