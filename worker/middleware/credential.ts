import { getCookie } from 'hono/cookie'
import { AtollError } from '#api/atoll-error.ts'
import { CSRF_HEADER } from '#api/schemas/sessions.ts'
import type { AppContext, BrowserSession } from '../app-env.ts'

/**
 * `__Host-`: no browser takes it but over TLS from the plane's own host, so neither a sibling domain nor somebody on the way plants one. A plane on
 * this machine, by plain http, can't have that.
 */
const SESSION_COOKIE = 'atoll_session'

const isSecure = (origin: string): boolean => origin.startsWith('https:')
export const toCookieName = (name: string, origin: string): string => (isSecure(origin) ? `__Host-${name}` : name)
export const toSessionCookie = (origin: string) =>
  ({
    name: toCookieName(SESSION_COOKIE, origin),
    options: { path: '/', httpOnly: true, sameSite: 'Strict', secure: isSecure(origin) },
  }) as const

/** What a request says who sends it with. */
export interface Credential {
  readonly kind: 'token' | 'session'
  readonly text: string
  /** Of a session: the name of its cookie. */
  readonly cookie?: string
}

/** Throws AtollError `invalid_request` when there are two: which of them was meant is not guessed. */
export const readCredential = (c: AppContext): Credential | undefined => {
  const authorization = c.req.header('Authorization')
  const cookie = [`__Host-${SESSION_COOKIE}`, SESSION_COOKIE].find((name) => getCookie(c, name) !== undefined)
  if (authorization !== undefined && cookie !== undefined)
    throw new AtollError(
      'invalid_request',
      'the request has an Authorization header and the cookie of a session: send one',
    )
  if (cookie !== undefined) return { kind: 'session', text: getCookie(c, cookie) ?? '', cookie }
  const [, text] = /^Bearer +(\S+)$/i.exec(authorization ?? '') ?? []
  return text === undefined ? undefined : { kind: 'token', text }
}

/** Whether this is how the token that was found is sent: one of a session in its cookie, and any other as a bearer's. */
export const isSentAs = ({ cookie }: Credential, session: BrowserSession | undefined): boolean =>
  cookie === (session && toSessionCookie(session.origin).name)

/** Whether the browser says that a page of another site has it ask. `none`: somebody has typed the address. */
const isFromElsewhere = (site: string | undefined, isWrite: boolean): site is string =>
  site !== undefined && site !== 'same-origin' && (isWrite || site !== 'none')

const toFromElsewhere = (site: string): AtollError =>
  new AtollError('cross_site_request', `the browser says that another site asks (Sec-Fetch-Site: ${site.slice(0, 20)})`)

/**
 * Lets through who begins to sign in at a page of the plane, or has typed the address: another site's page could send somebody to the provider of an
 * org of its own, which signs him in as somebody else. Throws AtollError `cross_site_request`.
 */
export const requireOwnBeginning = (c: AppContext): void => {
  const site = c.req.header('Sec-Fetch-Site')
  if (isFromElsewhere(site, false)) throw toFromElsewhere(site)
}

/**
 * Browsers send cookies along with what other sites' pages make them ask. Lets through what a page of the plane itself asks; a write has to prove it.
 * Throws AtollError `cross_site_request`. docs/decisions/0031-sessions-of-browsers.md
 */
export const requireOwnPage = (c: AppContext, { origin }: BrowserSession): void => {
  const isWrite = c.req.method !== 'GET' && c.req.method !== 'HEAD'
  const site = c.req.header('Sec-Fetch-Site')
  const from = c.req.header('Origin')
  if (isFromElsewhere(site, isWrite)) throw toFromElsewhere(site)
  if (from === undefined ? isWrite : from !== origin)
    throw new AtollError('cross_site_request', `with a session, "Origin" has to be ${origin}`)
  if (isWrite && c.req.header(CSRF_HEADER) === undefined)
    throw new AtollError(
      'cross_site_request',
      `with a session, what changes something needs the header ${CSRF_HEADER}: 1`,
    )
}
