import { createMiddleware } from 'hono/factory'
import { AtollError } from '#api/atoll-error.ts'
import type { AppContext, AppEnv } from '../app-env.ts'

/** Bodies are text of these types. */
const mediaTypes = ['application/json', 'application/yaml']
/** As Prometheus' API has it: what speaks to that sends nothing else. */
const mediaTypesOf = (path: string): readonly string[] =>
  path.includes('/prometheus/') ? ['application/x-www-form-urlencoded'] : mediaTypes

/**
 * Reads the body of a request once, before anything else does: what reads it later gets these bytes, not what somebody else has made of
 * them (a parsed and rewritten JSON has lost its duplicate keys and its lines).
 *
 * @example
 * app.use('/v1/*', requestBody)
 */
export const requestBody = createMiddleware<AppEnv>(async (c, next) => {
  if (c.req.method === 'GET') return next()
  const { byteLength } = await c.req.arrayBuffer()
  const mediaType = c.req.header('Content-Type')?.split(';', 1)[0]?.trim().toLowerCase() ?? ''
  const wanted = mediaTypesOf(c.req.path)
  if (byteLength > 0 && !wanted.includes(mediaType)) {
    throw new AtollError('unsupported_media_type', `send ${wanted.join(' or ')}`)
  }
  return next()
})

/** The body as text. Throws AtollError `invalid_request` when it is not UTF-8. */
export const readBodyText = async (c: AppContext): Promise<string> => {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: false }).decode(await c.req.arrayBuffer())
  } catch {
    throw new AtollError('invalid_request', 'the body is not UTF-8')
  }
}
