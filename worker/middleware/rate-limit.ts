import { AtollError } from '#api/atoll-error.ts'
import type { AppContext } from '../app-env.ts'

/** Who sends a request that has no token: its address, as the platform tells it. */
export const toClientAddress = (c: AppContext): string => c.req.header('CF-Connecting-IP') ?? 'local'

/** Counts one request against the platform's limiter. Throws AtollError `rate_limited` when there were too many. */
export const limitRate = async (limiter: RateLimit, key: string): Promise<void> => {
  const { success } = await limiter.limit({ key })
  if (!success) throw new AtollError('rate_limited', 'too many requests in a minute')
}
