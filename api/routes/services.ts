import { createRoute } from '@hono/zod-openapi'
import { meshParams, toPageSchema } from '../schemas/common.ts'
import { listServicesQuery, serviceDetail, serviceParams, serviceSummary } from '../schemas/services.ts'
import { bearer, jsonResponse, problems } from './responses.ts'

const tags = ['services']

export const listServices = createRoute({
  method: 'get',
  path: '/v1/meshes/{mesh}/services',
  operationId: 'listServices',
  summary: 'List the services of a mesh',
  tags,
  security: bearer,
  request: { params: meshParams, query: listServicesQuery },
  responses: {
    200: jsonResponse('A page of services, by key.', toPageSchema(serviceSummary)),
    ...problems('not_found'),
  },
})

export const getService = createRoute({
  method: 'get',
  path: '/v1/meshes/{mesh}/services/{namespace}/{hostname}',
  operationId: 'getService',
  summary: 'Show a service and its endpoints in every cluster',
  tags,
  security: bearer,
  request: { params: serviceParams },
  responses: { 200: jsonResponse('The service.', serviceDetail), ...problems('not_found') },
})
