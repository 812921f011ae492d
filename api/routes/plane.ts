import { createRoute } from '@hono/zod-openapi'
import { z } from 'zod'
import { idempotencyHeaders } from '../schemas/common.ts'
import { keyEncryption } from '../schemas/key-encryption.ts'
import { usage } from '../schemas/usage.ts'
import { orgName, setupBody, setupResult, whoami } from '../schemas/tokens.ts'
import { openEnum } from '../open-enum.ts'
import { bearer, jsonBody, jsonResponse, noContent, openProblems, problems } from './responses.ts'

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
  description:
    'Once, with the set-up token that the plane printed at its first start; again when that org has been deleted.',
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

export const getKeyEncryption = createRoute({
  method: 'get',
  path: '/v1/key-encryption',
  operationId: 'getKeyEncryption',
  summary: "Show with which key-encryption key the org's private keys are sealed",
  description:
    'While that key is being replaced, `pending` says how many private keys are still sealed with the previous one. Each mesh seals its own anew within a minute of being asked for.',
  tags,
  security: bearer,
  responses: { 200: jsonResponse('The keys, by mesh.', keyEncryption), ...problems() },
})

export const getUsage = createRoute({
  method: 'get',
  path: '/v1/usage',
  operationId: 'getUsage',
  summary: 'Show how much of its limits the org uses',
  tags,
  security: bearer,
  responses: { 200: jsonResponse('Quotas, and requests of the last minute.', usage), ...problems() },
})

export const deleteOrg = createRoute({
  method: 'delete',
  path: '/v1/org',
  operationId: 'deleteOrg',
  summary: 'Delete the org, with all that there is of it',
  description:
    'Refused as `conflict`, which names them, while it has meshes: delete them first. What else there is of it goes: tokens, the one in the request too, audit events, kept answers, exports, and what is left in the archive. Tokens go last: what was cut off, or answered `unavailable` because it was too much for one request, is finished by asking again.',
  tags,
  security: bearer,
  request: {
    query: z.object({ name: orgName.describe("The org's name, to confirm which one is meant.") }),
    headers: idempotencyHeaders,
  },
  responses: { 204: noContent('It is gone.'), ...problems('conflict', 'idempotency_conflict') },
})
