import type { RouteHandler } from '@hono/zod-openapi'
import { deleteCookie } from 'hono/cookie'
import { AtollError } from '#api/atoll-error.ts'
import { endSession, listSessions } from '#api/routes/sessions.ts'
import type { App, AppEnv } from '../app-env.ts'
import * as directory from '../directory/sessions.ts'
import { deleteToken } from '../directory/tokens.ts'
import { toSessionCookie } from '../middleware/credential.ts'
import { openOrg, toOrgEvent } from '../open-mesh.ts'
import { newestPlace, parseCursor, toPage } from '../page.ts'

const listOwnSessions: RouteHandler<typeof listSessions, AppEnv> = async (c) => {
  const { limit, cursor } = c.req.valid('query')
  const [createdAt, id] = parseCursor(cursor, newestPlace)
  const { memberId, token } = c.get('caller')
  const whose = memberId === null ? undefined : { memberId, currentId: token.id }
  const range = { limit: limit + 1, nowMs: Date.now() }
  const orgId = openOrg(c)
  const sessions = whose ? await directory.listSessions(c.env.DB, orgId, whose, { createdAt, id }, range) : []
  return c.json(
    toPage(sessions, limit, (last) => [Date.parse(last.createdAt), last.id]),
    200,
  )
}

const endOwnSession: RouteHandler<typeof endSession, AppEnv> = async (c) => {
  const orgId = openOrg(c)
  const { id } = c.req.valid('param')
  const { memberId, token, session } = c.get('caller')
  if (memberId === null || !(await directory.isSessionOf(c.env.DB, orgId, id, memberId)))
    throw new AtollError('not_found', `there is no session ${id}`)
  await deleteToken(c.env.DB, orgId, id, toOrgEvent(c, { action: 'session.end', target: id }))
  if (session && token.id === id) {
    const { name, options } = toSessionCookie(session.origin)
    deleteCookie(c, name, options)
  }
  return c.body(null, 204)
}

export const addSessionRoutes = (app: App): void => {
  app.openapi(listSessions, listOwnSessions)
  app.openapi(endSession, endOwnSession)
}
