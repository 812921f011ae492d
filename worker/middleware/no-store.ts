import { createMiddleware } from 'hono/factory'
import type { AppEnv } from '../app-env.ts'

/**
 * Answers hold secrets that are shown once, and what only their caller may see: nothing on the way keeps them (RFC 9111 §5.2.2.5).
 *
 * @example
 * app.use('/v1/*', noStore)
 */
export const noStore = createMiddleware<AppEnv>(async (c, next) => {
  await next()
  c.res.headers.set('Cache-Control', 'no-store')
})
