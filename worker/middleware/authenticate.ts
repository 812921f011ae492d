import { createMiddleware } from 'hono/factory'
import { AtollError } from '#api/atoll-error.ts'
import type { Token } from '#api/schemas/tokens.ts'
import { isEqualData } from '#mesh/merge/equal-data.ts'
import type { AppContext, AppEnv, Caller } from '../app-env.ts'
import { toAuditClient } from '../audit/client.ts'
import { countFailedAttempt } from '../directory/failed-attempts.ts'
import { touchSession } from '../directory/sessions.ts'
import { findCaller } from '../directory/tokens.ts'
import { equalsInConstantTime, parseToken, sha256Hex } from '../secret-token.ts'
import { isSentAs, readCredential, requireOwnPage } from './credential.ts'
import type { Credential } from './credential.ts'
import { limitRate, toClientAddress, toPolicyHeader } from './rate-limit.ts'

/** Of what length a hash is, for a token that is not there: so that it takes as long to refuse. */
const noHash = '0'.repeat(64)

/** Who sends a request: somebody with a token, or who has the id of one and another secret (`guess`), or anybody. */
export type Identified =
  | { readonly kind: 'caller'; readonly caller: Caller }
  | { readonly kind: 'guess'; readonly orgId: string; readonly tokenId: string }
  | { readonly kind: 'stranger' }

/** The caller of an `Authorization: Bearer atoll_token_…`, or of the cookie of a session. */
const identify = async (db: D1Database, credential: Credential | undefined, nowMs: number): Promise<Identified> => {
  const token = credential && parseToken(credential.kind, credential.text)
  if (!token) return { kind: 'stranger' }
  const found = await findCaller(db, token.id, nowMs)
  const isRight = equalsInConstantTime(found?.secretHash ?? noHash, await sha256Hex(token.secret))
  if (!found) return { kind: 'stranger' }
  const { secretHash: _, ...caller } = found
  if (!isRight) return { kind: 'guess', orgId: caller.orgId, tokenId: token.id }
  return isSentAs(credential, caller.session) ? { kind: 'caller', caller } : { kind: 'stranger' }
}

/**
 * The caller of a request. Throws AtollError `unauthenticated`, `cross_site_request`, or `rate_limited`: when too many failed from its address, or
 * too often with this token. Nobody who has the right secret is refused for what others tried.
 */
export const identifyCaller = async (c: AppContext): Promise<Caller> => {
  const credential = readCredential(c)
  const nowMs = Date.now()
  const identified = await identify(c.env.DB, credential, nowMs)
  if (identified.kind === 'caller') {
    const { session, token } = identified.caller
    if (session) {
      requireOwnPage(c, session)
      await touchSession(c.env.DB, token.id, session, nowMs)
    }
    return identified.caller
  }
  await limitRate(c.env, 'address', toClientAddress(c))
  if (identified.kind === 'guess') await countGuess(c, identified)
  throw new AtollError(
    'unauthenticated',
    credential?.kind === 'session'
      ? 'the session has ended: sign in again'
      : 'send "Authorization: Bearer atoll_token_…" with a token that has not expired',
  )
}

/** Whether a token may still do what it could when a request began that goes on for long. */
export const hasSamePower = async (db: D1Database, { id, role, scopes }: Token): Promise<boolean> => {
  const found = await findCaller(db, id, Date.now())
  return found?.token.role === role && isEqualData(found.token.scopes, scopes)
}

const countGuess = async (c: AppContext, { orgId, tokenId }: { orgId: string; tokenId: string }): Promise<void> => {
  const address = toAuditClient(c.req.raw.headers, c.env).address ?? 'unknown'
  const retryAfterSeconds = await countFailedAttempt(c.env.DB, { orgId, tokenId, address }, Date.now())
  if (retryAfterSeconds > 0)
    throw new AtollError('rate_limited', `the token was wrong too often: wait ${retryAfterSeconds} s`, {
      limit: { name: 'failed-attempts', retryAfterSeconds },
    })
}

/**
 * Lets through who has a valid token, and notes who it is. `isOpen` tells the routes that need none; all others do, known or not.
 *
 * @example
 * app.use('/v1/*', authenticate((c) => findAccess(c) === 'open'))
 */
export const authenticate = (isOpen: (c: AppContext) => boolean) =>
  createMiddleware<AppEnv>(async (c, next) => {
    if (isOpen(c)) {
      await limitRate(c.env, 'address', toClientAddress(c))
      return next()
    }
    const caller = await identifyCaller(c)
    await limitRate(c.env, 'token', caller.token.id)
    await limitRate(c.env, 'org', caller.orgId)
    c.header('RateLimit-Policy', toPolicyHeader(['token', 'org']))
    c.set('caller', caller)
    return next()
  })
