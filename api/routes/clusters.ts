import { createRoute } from '@hono/zod-openapi'
import {
  clusterParams,
  idempotencyHeaders,
  meshParams,
  pageQuery,
  resourceId,
  toPageSchema,
} from '../schemas/common.ts'
import { cluster, confirmBody, createJoinTokenBody, issuedJoinToken, joinToken } from '../schemas/clusters.ts'
import { bearer, jsonBody, jsonResponse, noContent, problems } from './responses.ts'

const tags = ['clusters']

export const listClusters = createRoute({
  method: 'get',
  path: '/v1/meshes/{mesh}/clusters',
  operationId: 'listClusters',
  summary: 'List the clusters of a mesh',
  tags,
  security: bearer,
  request: { params: meshParams, query: pageQuery },
  responses: { 200: jsonResponse('A page of clusters, by name.', toPageSchema(cluster)), ...problems('not_found') },
})

export const getCluster = createRoute({
  method: 'get',
  path: '/v1/meshes/{mesh}/clusters/{cluster}',
  operationId: 'getCluster',
  summary: 'Show a cluster',
  tags,
  security: bearer,
  request: { params: clusterParams },
  responses: { 200: jsonResponse('The cluster.', cluster), ...problems('not_found') },
})

export const evictCluster = createRoute({
  method: 'delete',
  path: '/v1/meshes/{mesh}/clusters/{cluster}',
  operationId: 'evictCluster',
  summary: 'Take a cluster out of the mesh',
  description: 'Its certificates are trusted no more, its services and tokens go, existing connections are closed.',
  tags,
  security: bearer,
  request: { params: clusterParams, headers: idempotencyHeaders },
  responses: { 204: noContent('It is out.'), ...problems('not_found') },
})

export const confirmHold = createRoute({
  method: 'post',
  path: '/v1/meshes/{mesh}/clusters/{cluster}/confirm',
  operationId: 'confirmHold',
  summary: 'Let a held step of a cluster go on',
  tags,
  security: bearer,
  request: { params: clusterParams, headers: idempotencyHeaders, body: jsonBody(confirmBody) },
  responses: { 204: noContent('It goes on.'), ...problems('not_found', 'agent_unavailable') },
})

export const listJoinTokens = createRoute({
  method: 'get',
  path: '/v1/meshes/{mesh}/join-tokens',
  operationId: 'listJoinTokens',
  summary: 'List the join tokens of a mesh',
  tags,
  security: bearer,
  request: { params: meshParams, query: pageQuery },
  responses: {
    200: jsonResponse('A page of join tokens, newest first; no secrets.', toPageSchema(joinToken)),
    ...problems('not_found'),
  },
})

export const createJoinToken = createRoute({
  method: 'post',
  path: '/v1/meshes/{mesh}/join-tokens',
  operationId: 'createJoinToken',
  summary: 'Make a token with which one agent joins one cluster, once',
  tags,
  security: bearer,
  request: { params: meshParams, headers: idempotencyHeaders, body: jsonBody(createJoinTokenBody) },
  responses: {
    201: jsonResponse('The join token; its secret is shown this once.', issuedJoinToken),
    ...problems('not_found', 'conflict', 'idempotency_conflict', 'limit_reached'),
  },
})

export const revokeJoinToken = createRoute({
  method: 'delete',
  path: '/v1/meshes/{mesh}/join-tokens/{id}',
  operationId: 'revokeJoinToken',
  summary: 'Revoke a join token',
  tags,
  security: bearer,
  request: { params: meshParams.extend({ id: resourceId }), headers: idempotencyHeaders },
  responses: { 204: noContent('It works no more.'), ...problems('not_found') },
})
