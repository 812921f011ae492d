import { createRoute } from '@hono/zod-openapi'
import { z } from 'zod'
import { idempotencyHeaders, pageQuery, resourceId, toPageSchema } from '../schemas/common.ts'
import { createTokenBody, issuedToken, token } from '../schemas/tokens.ts'
import { bearer, jsonBody, jsonResponse, noContent, problems } from './responses.ts'

const tags = ['tokens']

export const listTokens = createRoute({
  method: 'get',
  path: '/v1/tokens',
  operationId: 'listTokens',
  summary: "List the org's tokens",
  tags,
  security: bearer,
  request: { query: pageQuery },
  responses: { 200: jsonResponse('A page of tokens, newest first; no secrets.', toPageSchema(token)), ...problems() },
})

export const createToken = createRoute({
  method: 'post',
  path: '/v1/tokens',
  operationId: 'createToken',
  summary: 'Make a token',
  description: 'It can’t have more power than the token that makes it, in role and in scopes.',
  tags,
  security: bearer,
  request: { headers: idempotencyHeaders, body: jsonBody(createTokenBody) },
  responses: {
    201: jsonResponse('The token; its secret is shown this once.', issuedToken),
    ...problems('limit_reached'),
  },
})

export const revokeToken = createRoute({
  method: 'delete',
  path: '/v1/tokens/{id}',
  operationId: 'revokeToken',
  summary: 'Revoke a token',
  description:
    'Any token may revoke itself; others are for owners and admins. Refused as `conflict` when nobody could manage the org any more without it, as `forbidden` when it has more power than the token in the request.',
  tags,
  security: bearer,
  request: { params: z.object({ id: resourceId }), headers: idempotencyHeaders },
  responses: { 204: noContent('It works no more.'), ...problems('not_found', 'conflict') },
})
