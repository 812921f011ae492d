import { createRoute } from '@hono/zod-openapi'
import { auditEvent, listAuditQuery } from '../schemas/audit.ts'
import { meshParams, toPageSchema } from '../schemas/common.ts'
import { bearer, jsonResponse, problems } from './responses.ts'

export const listAudit = createRoute({
  method: 'get',
  path: '/v1/meshes/{mesh}/audit',
  operationId: 'listAudit',
  summary: 'List what was done to a mesh, and by whom',
  tags: ['audit'],
  security: bearer,
  request: { params: meshParams, query: listAuditQuery },
  responses: {
    200: jsonResponse('A page of events, newest first.', toPageSchema(auditEvent)),
    ...problems('not_found'),
  },
})
