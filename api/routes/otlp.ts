import { createRoute } from '@hono/zod-openapi'
import { exportParams, exportResponse, otlpStatus } from '../schemas/otlp.ts'
import { bearer } from './responses.ts'

const refusal = (description: string) => ({
  description,
  content: {
    'application/json': { schema: otlpStatus },
    'application/x-protobuf': { schema: { type: 'string', format: 'binary' } as const },
  },
})

export const exportTelemetry = createRoute({
  method: 'post',
  path: '/v1/otlp/v1/{signal}',
  operationId: 'exportTelemetry',
  summary: 'Take telemetry',
  description:
    'OTLP/HTTP, protobuf or JSON, as it is or gzip. For agents, and for any collector with a token whose role is `telemetry`: its scopes name mesh and cluster, or the attributes `atoll.mesh` and `k8s.cluster.name` of each resource do. A batch that is sent again with the same bytes is stored once.',
  tags: ['telemetry'],
  security: bearer,
  request: { params: exportParams },
  responses: {
    200: {
      description: 'It is stored, but for what `partialSuccess` counts.',
      content: {
        'application/json': { schema: exportResponse },
        'application/x-protobuf': { schema: { type: 'string', format: 'binary' } as const },
      },
    },
    400: refusal('It is not OTLP. Not to be sent again.'),
    401: refusal('There is no valid token in the request.'),
    403: refusal('The token may not do this, or its cluster has been evicted.'),
    404: refusal('There is no such mesh or cluster, or the token may not see it.'),
    413: refusal('It is larger than the limit. Not to be sent again.'),
    415: refusal('It is of a media type or an encoding that is not taken.'),
    429: refusal('Too many requests: later.'),
    503: refusal('The plane cannot take it now: later.'),
  },
})
