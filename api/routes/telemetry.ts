import { createRoute } from '@hono/zod-openapi'
import { meshParams } from '../schemas/common.ts'
import {
  accessLogPage,
  listLogsQuery,
  listTracesQuery,
  tailLogsQuery,
  trace,
  tracePage,
  traceParams,
  traceQuery,
} from '../schemas/telemetry.ts'
import { bearer, jsonResponse, problems } from './responses.ts'

const tags = ['telemetry']

export const listLogs = createRoute({
  method: 'get',
  path: '/v1/meshes/{mesh}/logs',
  operationId: 'listLogs',
  summary: 'Search access logs',
  description:
    'Newest first. A page may hold fewer records than `limit`, even none, and still have a successor: an answer looks at so much and no more.',
  tags,
  security: bearer,
  request: { params: meshParams, query: listLogsQuery },
  responses: { 200: jsonResponse('A page of access log records.', accessLogPage), ...problems('not_found') },
})

export const tailLogs = createRoute({
  method: 'get',
  path: '/v1/meshes/{mesh}/logs/tail',
  operationId: 'tailLogs',
  summary: 'Follow access logs',
  description:
    'Server-sent events, from now on: `record` (an access log record), `skipped` (`{cluster, records}`: at most so many were not looked at, because they came too fast), `unavailable` (`{cluster}`), `place` (`{cursor}`: how far it has come, after what it has told and four times a minute), and `end` (`{cursor}`) after a quarter of an hour, or earlier where many clusters are followed: come again with the last `cursor`, and nothing is missed, also where the connection was lost.',
  tags,
  security: bearer,
  request: { params: meshParams, query: tailLogsQuery },
  responses: {
    200: { description: 'The events.', content: { 'text/event-stream': { schema: { type: 'string' } } } },
    ...problems('not_found'),
  },
})

export const listTraces = createRoute({
  method: 'get',
  path: '/v1/meshes/{mesh}/traces',
  operationId: 'listTraces',
  summary: 'Search traces',
  description: 'Newest first. A trace may be in two pages, where its spans are on both sides of their border.',
  tags,
  security: bearer,
  request: { params: meshParams, query: listTracesQuery },
  responses: { 200: jsonResponse('A page of traces.', tracePage), ...problems('not_found') },
})

export const getTrace = createRoute({
  method: 'get',
  path: '/v1/meshes/{mesh}/traces/{traceId}',
  operationId: 'getTrace',
  summary: 'Show a trace',
  description:
    'Its spans of all clusters: those that were sent, and those that access log records are. Of a trace that nothing is known of there are none.',
  tags,
  security: bearer,
  request: { params: traceParams, query: traceQuery },
  responses: { 200: jsonResponse('The trace.', trace), ...problems('not_found') },
})
