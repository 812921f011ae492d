import { createRoute } from '@hono/zod-openapi'
import { auditChain, auditEvent, auditPage, listAuditQuery } from '../schemas/audit.ts'
import { meshParams, toPageSchema } from '../schemas/common.ts'
import { bearer, jsonResponse, problems } from './responses.ts'

const tags = ['audit']

export const listAudit = createRoute({
  method: 'get',
  path: '/v1/meshes/{mesh}/audit',
  operationId: 'listAudit',
  summary: 'List what was done to a mesh, and by whom',
  tags,
  security: bearer,
  request: { params: meshParams, query: listAuditQuery },
  responses: {
    200: jsonResponse('A page of events.', toPageSchema(auditEvent)),
    ...problems('not_found'),
  },
})

export const listOrgAudit = createRoute({
  method: 'get',
  path: '/v1/audit',
  operationId: 'listOrgAudit',
  summary: 'List what was done to the org, and by whom: tokens made and revoked, meshes deleted',
  tags,
  security: bearer,
  request: { query: auditPage },
  responses: { 200: jsonResponse('A page of events.', toPageSchema(auditEvent)), ...problems() },
})

const chainDescription =
  'Each event has the hash of the one before. Who recomputes them from the anchor to the head, as `atoll audit verify` does, sees whether one was changed, removed or put between.'

export const getAuditChain = createRoute({
  method: 'get',
  path: '/v1/meshes/{mesh}/audit/chain',
  operationId: 'getAuditChain',
  summary: "Show where the chain of a mesh's events begins and ends",
  description: chainDescription,
  tags,
  security: bearer,
  request: { params: meshParams },
  responses: { 200: jsonResponse('Its two ends.', auditChain), ...problems('not_found') },
})

export const getOrgAuditChain = createRoute({
  method: 'get',
  path: '/v1/audit/chain',
  operationId: 'getOrgAuditChain',
  summary: "Show where the chain of the org's events begins and ends",
  description: chainDescription,
  tags,
  security: bearer,
  responses: { 200: jsonResponse('Its two ends.', auditChain), ...problems() },
})
