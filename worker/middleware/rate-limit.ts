import { AtollError } from '#api/atoll-error.ts'
import type { AppContext } from '../app-env.ts'
import { toAuditClient } from '../audit/client.ts'
import { RequestCounts } from './request-counts.ts'
import { requestLimits } from './request-limits.ts'
import type { RequestLimit } from './request-limits.ts'

/** Who sends a request that has no token: its address, as the platform proves it. Where nothing does, all are one: whoever could choose would be limited by nothing. */
export const toClientAddress = (c: AppContext): string => toAuditClient(c.req.raw.headers, c.env).address ?? 'local'

export const WINDOW_SECONDS = 60
const counts = new RequestCounts(WINDOW_SECONDS)

/** Of the last minute, as this process has counted them. */
export const countRequests = (limit: RequestLimit, key: string, nowMs: number): number =>
  counts.read(`${limit} ${key}`, nowMs)

const limiterOf = (env: Cloudflare.Env, limit: RequestLimit): RateLimit =>
  ({ token: env.API_RATE_LIMIT, org: env.ORG_RATE_LIMIT, address: env.OPEN_RATE_LIMIT })[limit]

/**
 * Counts one request against one of the platform's limiters. Throws AtollError `rate_limited`, which names the limit, when there were too many.
 * The platform counts in each of its locations by itself (docs/limits.md).
 */
export const limitRate = async (env: Cloudflare.Env, limit: RequestLimit, key: string): Promise<void> => {
  counts.add(`${limit} ${key}`, Date.now())
  const { success } = await limiterOf(env, limit).limit({ key })
  if (!success)
    throw new AtollError('rate_limited', `too many requests of this ${limit}: ${requestLimits[limit]} in a minute`, {
      limit: { name: limit, retryAfterSeconds: WINDOW_SECONDS },
    })
}

/** What an answer says of the limits that its request was counted against (draft-ietf-httpapi-ratelimit-headers). */
export const toPolicyHeader = (limits: readonly RequestLimit[]): string =>
  limits.map((limit) => `"${limit}";q=${requestLimits[limit]};w=${WINDOW_SECONDS}`).join(', ')
