import { createRoute } from '@hono/zod-openapi'
import { meshParams, toPageSchema } from '../schemas/common.ts'
import { listQuotasQuery, quotaUse } from '../schemas/quotas.ts'
import { bearer, jsonResponse, problems } from './responses.ts'

export const listQuotas = createRoute({
  method: 'get',
  path: '/v1/meshes/{mesh}/quotas',
  operationId: 'listQuotas',
  summary: 'List what is used of quotas in a day',
  tags: ['quotas'],
  security: bearer,
  request: { params: meshParams, query: listQuotasQuery },
  responses: {
    200: jsonResponse('A page of what consumers have used, by limit and consumer.', toPageSchema(quotaUse)),
    ...problems('not_found'),
  },
})
