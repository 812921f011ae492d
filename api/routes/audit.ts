import { createRoute } from '@hono/zod-openapi'
import { auditEvent, listAuditQuery } from '../schemas/audit.ts'
import { meshParams, pageQuery, toPageSchema } from '../schemas/common.ts'
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
    200: jsonResponse('A page of events, newest first.', toPageSchema(auditEvent)),
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
  request: { query: pageQuery },
  responses: { 200: jsonResponse('A page of events, newest first.', toPageSchema(auditEvent)), ...problems() },
})
