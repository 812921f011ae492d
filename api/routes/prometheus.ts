import { createRoute } from '@hono/zod-openapi'
import type { z } from 'zod'
import { idempotencyHeaders, meshParams } from '../schemas/common.ts'
import {
  buildAnswer,
  federateQuery,
  instantQuery,
  labelParams,
  metadataAnswer,
  queryAnswer,
  rangeQuery,
  refusalAnswer,
  seriesAnswer,
  seriesQuery,
  textsAnswer,
} from '../schemas/prometheus.ts'
import { bearer, jsonResponse, problems } from './responses.ts'

const tags = ['prometheus']
const path = '/v1/meshes/{mesh}/prometheus/api/v1'

/** Refusals of the query itself are in Prometheus' words, so that what speaks to Prometheus shows them. */
const toResponses = <Schema extends z.ZodType>(description: string, schema: Schema) => ({
  200: jsonResponse(description, schema),
  ...problems('not_found'),
  422: jsonResponse('The query is not one, or asks for what is not supported.', refusalAnswer),
})

const toForm = <Schema extends z.ZodType>(schema: Schema) => ({
  content: { 'application/x-www-form-urlencoded': { schema } },
})

const query = { summary: 'Evaluate a query at one time', tags, security: bearer } as const
export const getPrometheusQuery = createRoute({
  ...query,
  method: 'get',
  path: `${path}/query`,
  operationId: 'getPrometheusQuery',
  request: { params: meshParams, query: instantQuery },
  responses: toResponses('The result.', queryAnswer),
})
export const postPrometheusQuery = createRoute({
  ...query,
  method: 'post',
  path: `${path}/query`,
  operationId: 'postPrometheusQuery',
  request: { params: meshParams, headers: idempotencyHeaders, body: toForm(instantQuery) },
  responses: toResponses('The result.', queryAnswer),
})

const queryRange = { summary: 'Evaluate a query over a time', tags, security: bearer } as const
export const getPrometheusQueryRange = createRoute({
  ...queryRange,
  method: 'get',
  path: `${path}/query_range`,
  operationId: 'getPrometheusQueryRange',
  request: { params: meshParams, query: rangeQuery },
  responses: toResponses('The result.', queryAnswer),
})
export const postPrometheusQueryRange = createRoute({
  ...queryRange,
  method: 'post',
  path: `${path}/query_range`,
  operationId: 'postPrometheusQueryRange',
  request: { params: meshParams, headers: idempotencyHeaders, body: toForm(rangeQuery) },
  responses: toResponses('The result.', queryAnswer),
})

const series = { summary: 'List series by their labels', tags, security: bearer } as const
export const getPrometheusSeries = createRoute({
  ...series,
  method: 'get',
  path: `${path}/series`,
  operationId: 'getPrometheusSeries',
  request: { params: meshParams, query: seriesQuery },
  responses: toResponses('The series.', seriesAnswer),
})
export const postPrometheusSeries = createRoute({
  ...series,
  method: 'post',
  path: `${path}/series`,
  operationId: 'postPrometheusSeries',
  request: { params: meshParams, headers: idempotencyHeaders, body: toForm(seriesQuery) },
  responses: toResponses('The series.', seriesAnswer),
})

const labels = { summary: 'List the names of labels', tags, security: bearer } as const
export const getPrometheusLabels = createRoute({
  ...labels,
  method: 'get',
  path: `${path}/labels`,
  operationId: 'getPrometheusLabels',
  request: { params: meshParams, query: seriesQuery },
  responses: toResponses('The names.', textsAnswer),
})
export const postPrometheusLabels = createRoute({
  ...labels,
  method: 'post',
  path: `${path}/labels`,
  operationId: 'postPrometheusLabels',
  request: { params: meshParams, headers: idempotencyHeaders, body: toForm(seriesQuery) },
  responses: toResponses('The names.', textsAnswer),
})

export const getPrometheusLabelValues = createRoute({
  method: 'get',
  path: `${path}/label/{label}/values`,
  operationId: 'getPrometheusLabelValues',
  summary: 'List the values of a label',
  tags,
  security: bearer,
  request: { params: labelParams, query: seriesQuery },
  responses: toResponses('The values.', textsAnswer),
})

export const getPrometheusMetadata = createRoute({
  method: 'get',
  path: `${path}/metadata`,
  operationId: 'getPrometheusMetadata',
  summary: 'List the metrics of the last hour with their types',
  tags,
  security: bearer,
  request: { params: meshParams },
  responses: toResponses('Types by name.', metadataAnswer),
})

export const getPrometheusBuildInfo = createRoute({
  method: 'get',
  path: `${path}/status/buildinfo`,
  operationId: 'getPrometheusBuildInfo',
  summary: 'Say which version of Prometheus’ API this is',
  tags,
  security: bearer,
  request: { params: meshParams },
  responses: toResponses('The version.', buildAnswer),
})

export const federateMetrics = createRoute({
  method: 'get',
  path: '/v1/meshes/{mesh}/metrics/federate',
  operationId: 'federateMetrics',
  summary: 'Scrape the counters of a mesh',
  description: 'In Prometheus’ text format: what was counted of each series since it is known.',
  tags,
  security: bearer,
  request: { params: meshParams, query: federateQuery },
  responses: {
    200: { description: 'The counters, as text/plain; version=0.0.4.' },
    ...problems('not_found'),
  },
})
