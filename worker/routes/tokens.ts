import type { RouteHandler } from '@hono/zod-openapi'
import { isWithin } from '#api/access.ts'
import { AtollError } from '#api/atoll-error.ts'
import { createToken, listTokens, revokeToken } from '#api/routes/tokens.ts'
import type { Token } from '#api/schemas/tokens.ts'
import type { App, AppEnv } from '../app-env.ts'
import * as directory from '../directory/tokens.ts'
import { mayCall, openOrg, toOrgEvent } from '../open-mesh.ts'
import { newestPlace, parseCursor, toPage } from '../page.ts'
import { found } from '../problems.ts'
import { randomBytes } from '../random-bytes.ts'
import { newToken } from '../secret-token.ts'

const listOrgTokens: RouteHandler<typeof listTokens, AppEnv> = async (c) => {
  const { limit, cursor } = c.req.valid('query')
  const [createdAt, id] = parseCursor(cursor, newestPlace)
  const { scopes } = c.get('caller').token
  const tokens = await directory.listTokens(c.env.DB, openOrg(c), scopes.mesh, { createdAt, id }, limit + 1)
  return c.json(
    toPage(tokens, limit, (last) => [Date.parse(last.createdAt), last.id]),
    200,
  )
}

/** What a token permits. */
const toDetail = ({ name, role, scopes, expiresAt }: Pick<Token, 'name' | 'role' | 'scopes' | 'expiresAt'>) => ({
  name,
  role,
  ...(scopes.mesh !== undefined && { mesh: scopes.mesh }),
  ...(scopes.cluster !== undefined && { cluster: scopes.cluster }),
  ...(scopes.namespace !== undefined && { namespace: scopes.namespace }),
  expiresAt,
})

const makeToken: RouteHandler<typeof createToken, AppEnv> = async (c) => {
  const orgId = openOrg(c)
  const { name, role, scopes, expiresInSeconds } = c.req.valid('json')
  if (!isWithin({ role, scopes }, c.get('caller').token))
    throw new AtollError('forbidden', 'a token can’t make one with more power than it has')
  if ((await directory.countTokens(c.env.DB, orgId)) >= directory.MAX_TOKENS) {
    throw new AtollError('limit_reached', `an org may have ${directory.MAX_TOKENS} tokens: revoke some`, {
      limit: { name: 'tokens' },
    })
  }
  const { id, text, secretHash } = await newToken('token', randomBytes)
  const createdAtMs = Date.now()
  const expiresAtMs = createdAtMs + expiresInSeconds * 1000
  const expiresAt = new Date(expiresAtMs).toISOString()
  const token = await directory.insertToken(
    c.env.DB,
    orgId,
    { id, secretHash, name, role, scopes, createdAtMs, expiresAtMs },
    toOrgEvent(c, { action: 'token.create', target: id, detail: toDetail({ name, role, scopes, expiresAt }) }),
  )
  return c.json({ ...token, secret: text }, 201)
}

const endToken: RouteHandler<typeof revokeToken, AppEnv> = async (c) => {
  const orgId = openOrg(c)
  const { id } = c.req.valid('param')
  const caller = c.get('caller').token
  const isOwn = caller.id === id
  if (!isOwn && !mayCall(c, 'createToken'))
    throw new AtollError('forbidden', 'a token may revoke itself; others are revoked by an owner or an admin')
  const token = found(await directory.findToken(c.env.DB, orgId, id), `token ${id}`)
  // Of another mesh: who is confined to one does not see it.
  if (caller.scopes.mesh !== undefined && caller.scopes.mesh !== token.scopes.mesh)
    throw new AtollError('not_found', `there is no token ${id}`)
  if (!isOwn && !isWithin(token, caller))
    throw new AtollError('forbidden', 'the token has more power than the one in the request')
  const event = toOrgEvent(c, { action: 'token.revoke', target: id, detail: toDetail(token) })
  await directory.deleteToken(c.env.DB, orgId, id, event)
  return c.body(null, 204)
}

export const addTokenRoutes = (app: App): void => {
  app.openapi(listTokens, listOrgTokens)
  app.openapi(createToken, makeToken)
  app.openapi(revokeToken, endToken)
}
