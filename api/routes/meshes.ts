import { createRoute } from '@hono/zod-openapi'
import { idempotencyHeaders, meshParams, pageQuery, toPageSchema } from '../schemas/common.ts'
import { changedMesh, createMeshBody, mesh, updateMeshBody } from '../schemas/meshes.ts'
import { bearer, jsonBody, jsonResponse, noContent, problems } from './responses.ts'

const tags = ['meshes']

export const listMeshes = createRoute({
  method: 'get',
  path: '/v1/meshes',
  operationId: 'listMeshes',
  summary: "List the org's meshes",
  tags,
  security: bearer,
  request: { query: pageQuery },
  responses: { 200: jsonResponse('A page of meshes, by name.', toPageSchema(mesh)), ...problems() },
})

export const createMesh = createRoute({
  method: 'post',
  path: '/v1/meshes',
  operationId: 'createMesh',
  summary: 'Make a mesh, with its root of trust',
  tags,
  security: bearer,
  request: { headers: idempotencyHeaders, body: jsonBody(createMeshBody) },
  responses: {
    201: jsonResponse('The mesh.', changedMesh),
    ...problems('already_exists', 'idempotency_conflict', 'limit_reached'),
  },
})

export const getMesh = createRoute({
  method: 'get',
  path: '/v1/meshes/{mesh}',
  operationId: 'getMesh',
  summary: 'Show a mesh',
  description: 'Who may not change it sees `[hidden]` for the credentials that its `extensionProviders` have.',
  tags,
  security: bearer,
  request: { params: meshParams },
  responses: { 200: jsonResponse('The mesh.', mesh), ...problems('not_found') },
})

export const updateMesh = createRoute({
  method: 'patch',
  path: '/v1/meshes/{mesh}',
  operationId: 'updateMesh',
  summary: 'Change the settings of a mesh',
  description: 'Name and trust domain are for good.',
  tags,
  security: bearer,
  request: { params: meshParams, headers: idempotencyHeaders, body: jsonBody(updateMeshBody) },
  responses: {
    200: jsonResponse('The mesh.', changedMesh),
    ...problems('not_found', 'conflict', 'idempotency_conflict'),
  },
})

export const deleteMesh = createRoute({
  method: 'delete',
  path: '/v1/meshes/{mesh}',
  operationId: 'deleteMesh',
  summary: 'Delete a mesh, its configuration and its root of trust',
  description: 'Refused as `conflict` while clusters are joined: evict them first.',
  tags,
  security: bearer,
  request: { params: meshParams, headers: idempotencyHeaders },
  responses: { 204: noContent('It is gone.'), ...problems('not_found', 'conflict', 'idempotency_conflict') },
})
