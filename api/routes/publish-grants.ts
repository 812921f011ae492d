import { createRoute } from '@hono/zod-openapi'
import { idempotencyHeaders, meshParams, pageQuery, resourceId, toPageSchema } from '../schemas/common.ts'
import { createPublishGrantBody, publishGrant } from '../schemas/publish-grants.ts'
import { bearer, jsonBody, jsonResponse, noContent, problems } from './responses.ts'

const tags = ['publishing']

export const listPublishGrants = createRoute({
  method: 'get',
  path: '/v1/meshes/{mesh}/publish-grants',
  operationId: 'listPublishGrants',
  summary: 'List what clusters may publish mesh-wide',
  tags,
  security: bearer,
  request: { params: meshParams, query: pageQuery },
  responses: {
    200: jsonResponse('A page of grants, newest first.', toPageSchema(publishGrant)),
    ...problems('not_found'),
  },
})

export const createPublishGrant = createRoute({
  method: 'post',
  path: '/v1/meshes/{mesh}/publish-grants',
  operationId: 'createPublishGrant',
  summary: 'Let a cluster publish objects of its own mesh-wide',
  description:
    'Of the namespace and kind, those with the annotation `atoll.dev/publish: mesh`. A grant that there is already is answered as it is. For an owner whose token is not confined to a cluster.',
  tags,
  security: bearer,
  request: { params: meshParams, headers: idempotencyHeaders, body: jsonBody(createPublishGrantBody) },
  responses: {
    201: jsonResponse('The grant.', publishGrant),
    ...problems('not_found', 'idempotency_conflict', 'limit_reached'),
  },
})

export const revokePublishGrant = createRoute({
  method: 'delete',
  path: '/v1/meshes/{mesh}/publish-grants/{id}',
  operationId: 'revokePublishGrant',
  summary: 'Revoke a grant to publish',
  description: 'What was published by it alone is withdrawn, as a revision.',
  tags,
  security: bearer,
  request: { params: meshParams.extend({ id: resourceId }), headers: idempotencyHeaders },
  responses: { 204: noContent('Nothing is published by it any more.'), ...problems('not_found') },
})
