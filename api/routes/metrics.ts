import { createRoute } from '@hono/zod-openapi'
import { meshParams } from '../schemas/common.ts'
import { meshGraph, metricsQuery, serviceMetricsAnswer } from '../schemas/metrics.ts'
import { bearer, jsonResponse, problems } from './responses.ts'

const tags = ['telemetry']

export const listServiceMetrics = createRoute({
  method: 'get',
  path: '/v1/meshes/{mesh}/metrics/services',
  operationId: 'listServiceMetrics',
  summary: 'Requests, errors and duration of each service',
  description: 'As its own proxies tell it, or, where it has none, those that call it: each request counts once.',
  tags,
  security: bearer,
  request: { params: meshParams, query: metricsQuery },
  responses: {
    200: jsonResponse('The services that were called, by host name.', serviceMetricsAnswer),
    ...problems('not_found', 'too_large'),
  },
})

export const getMeshGraph = createRoute({
  method: 'get',
  path: '/v1/meshes/{mesh}/metrics/graph',
  operationId: 'getMeshGraph',
  summary: 'Who calls whom, and how it goes',
  description: 'Workloads, and what went between them. Each request is told by one side, as in the list of services.',
  tags,
  security: bearer,
  request: { params: meshParams, query: metricsQuery },
  responses: { 200: jsonResponse('The graph.', meshGraph), ...problems('not_found', 'too_large') },
})
