import { createRoute } from '@hono/zod-openapi'
import { z } from 'zod'
import { idempotencyHeaders } from '../schemas/common.ts'
import { setupBody, setupResult, whoami } from '../schemas/tokens.ts'
import { openEnum } from '../open-enum.ts'
import { bearer, jsonBody, jsonResponse, openProblems, problems } from './responses.ts'

const tags = ['plane']

export const health = createRoute({
  method: 'get',
  path: '/healthz',
  operationId: 'getHealth',
  summary: 'Whether the plane answers',
  tags,
  responses: {
    200: jsonResponse('It does.', z.object({ status: openEnum(['ok']), version: z.string(), setUp: z.boolean() })),
    ...openProblems(),
  },
})

export const setup = createRoute({
  method: 'post',
  path: '/v1/setup',
  operationId: 'setup',
  summary: 'Make the first org and its owner token',
  description: 'Once in the life of a plane, with the set-up token that it printed at its first start.',
  tags,
  request: { headers: idempotencyHeaders, body: jsonBody(setupBody) },
  responses: {
    201: jsonResponse('The org, and the secret of its owner token, shown this once.', setupResult),
    ...openProblems('setup_refused', 'already_set_up'),
  },
})

export const getWhoami = createRoute({
  method: 'get',
  path: '/v1/whoami',
  operationId: 'whoami',
  summary: 'What the token in the request stands for',
  tags,
  security: bearer,
  responses: { 200: jsonResponse('The org and the token.', whoami), ...problems() },
})
