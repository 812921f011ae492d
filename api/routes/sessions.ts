import { createRoute } from '@hono/zod-openapi'
import { z } from 'zod'
import { idempotencyHeaders, pageQuery, resourceId, toPageSchema } from '../schemas/common.ts'
import { session } from '../schemas/sessions.ts'
import { bearer, jsonResponse, noContent, problems } from './responses.ts'

const tags = ['sign-in']

export const listSessions = createRoute({
  method: 'get',
  path: '/v1/sessions',
  operationId: 'listSessions',
  summary: 'List the sign-ins of the member who asks',
  description: 'In browsers and at command lines. Of a token that nobody has signed in for there are none.',
  tags,
  security: bearer,
  request: { query: pageQuery },
  responses: { 200: jsonResponse('A page of sessions, newest first.', toPageSchema(session)), ...problems() },
})

export const endSession = createRoute({
  method: 'delete',
  path: '/v1/sessions/{id}',
  operationId: 'endSession',
  summary: 'Sign out: end a session of the member who asks',
  description:
    'The one that asks, whose cookie then goes too, or another one. Those of others end by `DELETE /v1/tokens/{id}`.',
  tags,
  security: bearer,
  request: { params: z.object({ id: resourceId }), headers: idempotencyHeaders },
  responses: { 204: noContent('It works no more.'), ...problems('not_found') },
})
