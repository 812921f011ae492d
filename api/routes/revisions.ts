import { createRoute } from '@hono/zod-openapi'
import { configurationWriteHeaders, meshParams, pageQuery, toPageSchema } from '../schemas/common.ts'
import { applyResult } from '../schemas/configuration.ts'
import {
  deliveryQuery,
  diffQuery,
  objectDiff,
  revision,
  revisionDelivery,
  revisionDetail,
  revisionParams,
  rollbackQuery,
} from '../schemas/revisions.ts'
import { bearer, jsonResponse, problems } from './responses.ts'

const tags = ['revisions']

export const listRevisions = createRoute({
  method: 'get',
  path: '/v1/meshes/{mesh}/revisions',
  operationId: 'listRevisions',
  summary: 'List the revisions of a mesh',
  tags,
  security: bearer,
  request: { params: meshParams, query: pageQuery },
  responses: {
    200: jsonResponse('A page of revisions, newest first.', toPageSchema(revision)),
    ...problems('not_found'),
  },
})

export const getRevision = createRoute({
  method: 'get',
  path: '/v1/meshes/{mesh}/revisions/{revision}',
  operationId: 'getRevision',
  summary: 'Show a revision and what it changed',
  tags,
  security: bearer,
  request: { params: revisionParams },
  responses: { 200: jsonResponse('The revision.', revisionDetail), ...problems('not_found') },
})

export const diffRevision = createRoute({
  method: 'get',
  path: '/v1/meshes/{mesh}/revisions/{revision}/diff',
  operationId: 'diffRevision',
  summary: 'Compare two revisions, object by object',
  description: '`conflict` when one of them is no longer retained.',
  tags,
  security: bearer,
  request: { params: revisionParams, query: diffQuery },
  responses: {
    200: jsonResponse('A page of the objects that differ, by key.', toPageSchema(objectDiff)),
    ...problems('not_found', 'conflict'),
  },
})

export const rollBackToRevision = createRoute({
  method: 'post',
  path: '/v1/meshes/{mesh}/revisions/{revision}/rollback',
  operationId: 'rollBackToRevision',
  summary: 'Make a new revision with the objects of an old one',
  description: '`conflict` when that one is no longer retained.',
  tags,
  security: bearer,
  request: { params: revisionParams, query: rollbackQuery, headers: configurationWriteHeaders },
  responses: {
    200: jsonResponse('What was, or in a dry run would be, changed.', applyResult),
    ...problems('not_found', 'conflict', 'idempotency_conflict', 'revision_mismatch', 'invalid_configuration'),
  },
})

export const getRevisionDelivery = createRoute({
  method: 'get',
  path: '/v1/meshes/{mesh}/revisions/{revision}/delivery',
  operationId: 'getRevisionDelivery',
  summary: 'How far the proxies are with a revision',
  tags,
  security: bearer,
  request: { params: revisionParams, query: deliveryQuery },
  responses: {
    200: jsonResponse('Live proxies, laggards and refusals by cluster.', revisionDelivery),
    ...problems('not_found'),
  },
})
