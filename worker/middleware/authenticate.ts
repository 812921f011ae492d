import { createMiddleware } from 'hono/factory'
import { AtollError } from '#api/atoll-error.ts'
import type { AppEnv, Caller } from '../app-env.ts'
import { findCaller } from '../directory/tokens.ts'
import { equalsInConstantTime, parseToken, sha256Hex } from '../secret-token.ts'
import { limitRate, toClientAddress } from './rate-limit.ts'

/** Of what length a hash is, for a token that is not there: so that it takes as long to refuse. */
const noHash = '0'.repeat(64)

/** The caller of an `Authorization: Bearer atoll_token_…`, or undefined. */
const identify = async (db: D1Database, header: string | undefined, nowMs: number): Promise<Caller | undefined> => {
  const token = parseToken('token', /^Bearer +(\S+)$/i.exec(header ?? '')?.[1] ?? '')
  if (!token) return undefined
  const found = await findCaller(db, token.id, nowMs)
  const isRight = equalsInConstantTime(found?.secretHash ?? noHash, await sha256Hex(token.secret))
  return found && isRight ? { orgId: found.orgId, orgName: found.orgName, token: found.token } : undefined
}

/**
 * Lets through who has a valid token, and notes who it is. `isOpen` names the routes that need none; all others do, known or not.
 *
 * @example
 * app.use('/v1/*', authenticate((path) => path === '/v1/setup'))
 */
export const authenticate = (isOpen: (path: string) => boolean) =>
  createMiddleware<AppEnv>(async (c, next) => {
    if (isOpen(c.req.path)) {
      await limitRate(c.env.OPEN_RATE_LIMIT, toClientAddress(c))
      return next()
    }
    const caller = await identify(c.env.DB, c.req.header('Authorization'), Date.now())
    if (!caller) {
      await limitRate(c.env.OPEN_RATE_LIMIT, toClientAddress(c))
      throw new AtollError(
        'unauthenticated',
        'send "Authorization: Bearer atoll_token_…" with a token that has not expired',
      )
    }
    await limitRate(c.env.API_RATE_LIMIT, caller.token.id)
    c.set('caller', caller)
    return next()
  })
