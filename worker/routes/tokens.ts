import type { RouteHandler } from '@hono/zod-openapi'
import { AtollError } from '#api/atoll-error.ts'
import { createToken, listTokens, revokeToken } from '#api/routes/tokens.ts'
import type { App, AppEnv } from '../app-env.ts'
import * as directory from '../directory/tokens.ts'
import { openOrg, toOrgEvent } from '../open-mesh.ts'
import { newestPlace, parseCursor, toPage } from '../page.ts'
import { randomBytes } from '../random-bytes.ts'
import { newToken } from '../secret-token.ts'

const listOrgTokens: RouteHandler<typeof listTokens, AppEnv> = async (c) => {
  const { limit, cursor } = c.req.valid('query')
  const [createdAt, id] = parseCursor(cursor, newestPlace)
  const tokens = await directory.listTokens(c.env.DB, openOrg(c, 'read'), { createdAt, id }, limit + 1)
  return c.json(
    toPage(tokens, limit, (last) => [Date.parse(last.createdAt), last.id]),
    200,
  )
}

const makeToken: RouteHandler<typeof createToken, AppEnv> = async (c) => {
  const orgId = openOrg(c, 'write')
  const { name, role, scopes, expiresInSeconds } = c.req.valid('json')
  if ((await directory.countTokens(c.env.DB, orgId)) >= directory.MAX_TOKENS) {
    throw new AtollError('limit_reached', `an org may have ${directory.MAX_TOKENS} tokens: revoke some`)
  }
  const { id, text, secretHash } = await newToken('token', randomBytes)
  const createdAtMs = Date.now()
  const expiresAtMs = createdAtMs + expiresInSeconds * 1000
  const token = await directory.insertToken(
    c.env.DB,
    orgId,
    { id, secretHash, name, role, scopes, createdAtMs, expiresAtMs },
    toOrgEvent(c, 'token.create', id),
  )
  return c.json({ ...token, secret: text }, 201)
}

const endToken: RouteHandler<typeof revokeToken, AppEnv> = async (c) => {
  const orgId = openOrg(c, 'write')
  const { id } = c.req.valid('param')
  if (await directory.isLastOwner(c.env.DB, orgId, id, Date.now()))
    throw new AtollError('conflict', 'this is the last token that can manage the org: make another one first')
  if (!(await directory.deleteToken(c.env.DB, orgId, id, toOrgEvent(c, 'token.revoke', id))))
    throw new AtollError('not_found', `there is no token ${id}`)
  return c.body(null, 204)
}

export const addTokenRoutes = (app: App): void => {
  app.openapi(listTokens, listOrgTokens)
  app.openapi(createToken, makeToken)
  app.openapi(revokeToken, endToken)
}
