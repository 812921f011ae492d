import { env } from 'cloudflare:workers'
import type { TokenRole, TokenScopes } from '#api/schemas/tokens.ts'
import { findMember } from '#worker/directory/members.ts'
import { IDLE_MS } from '#worker/directory/sessions.ts'
import { insertSignIn } from '#worker/directory/sign-in.ts'
import { planeInitiator } from '#worker/mesh/audit.ts'
import { randomBytes } from '#worker/random-bytes.ts'
import { newToken } from '#worker/secret-token.ts'
import { send, setUpPlane } from './test-plane.ts'
import type { RequestParts } from './test-plane.ts'

export const CONSOLE = 'https://console.test'
const HOUR_MS = 60 * 60 * 1000
let people = 0

export const addMember = async (role: TokenRole, scopes: TokenScopes = {}): Promise<string> => {
  const body = { email: `person-${(people += 1)}@example.com`, role, scopes }
  return (await send<{ id: string }>('POST', '/v1/members', { token: await setUpPlane(), body })).body.id
}

/** A browser in which a member has signed in, without the provider: test/cli/sign-in.test.ts has a real one. */
export const signInBrowser = async (memberId: string, origin: string = CONSOLE) => {
  const orgId =
    (await env.DB.prepare('SELECT org_id FROM members WHERE id = ?').bind(memberId).first<string>('org_id')) ?? ''
  const member = await findMember(env.DB, orgId, memberId)
  if (!member) throw new Error(`there is no member ${memberId}`)
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
