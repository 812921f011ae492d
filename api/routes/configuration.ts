import { createRoute } from '@hono/zod-openapi'
import { z } from 'zod'
import { configurationWriteHeaders, meshParams, toPageSchema } from '../schemas/common.ts'
import {
  applyQuery,
  applyResult,
  listConfigurationQuery,
  MAX_CONFIGURATION_BODY_BYTES,
  MAX_OBJECTS_PER_APPLY,
  objectParams,
  objectWithStatus,
  storedObject,
} from '../schemas/configuration.ts'
import { bearer, jsonResponse, problems } from './responses.ts'

const tags = ['configuration']
const writeProblems = [
  'not_found',
  'idempotency_conflict',
  'revision_mismatch',
  'invalid_configuration',
  'limit_reached',
] as const

export const applyConfiguration = createRoute({
  method: 'post',
  path: '/v1/meshes/{mesh}/configuration',
  operationId: 'applyConfiguration',
  summary: 'Apply many objects as one revision',
  description: `YAML: a stream of documents; JSON: one object, an array of them, or \`kind: List\`. At most ${MAX_OBJECTS_PER_APPLY} objects in ${MAX_CONFIGURATION_BODY_BYTES / 1024 / 1024} MiB. All of them are applied, or none. Objects that are not named stay as they are.`,
  tags,
  security: bearer,
  request: {
    params: meshParams,
    query: applyQuery,
    headers: configurationWriteHeaders,
    body: {
      required: true,
      content: { 'application/yaml': { schema: z.string() }, 'application/json': { schema: z.unknown() } },
    },
  },
  responses: {
    200: jsonResponse('What was, or in a dry run would be, changed.', applyResult),
    ...problems(...writeProblems, 'too_large', 'unsupported_media_type'),
  },
})

export const listConfiguration = createRoute({
  method: 'get',
  path: '/v1/meshes/{mesh}/configuration',
  operationId: 'listConfiguration',
  summary: "List the objects of a mesh's configuration",
  tags,
  security: bearer,
  request: { params: meshParams, query: listConfigurationQuery },
  responses: { 200: jsonResponse('A page of objects, by key.', toPageSchema(storedObject)), ...problems('not_found') },
})

export const getConfigurationObject = createRoute({
  method: 'get',
  path: '/v1/meshes/{mesh}/configuration/{kind}/{namespace}/{name}',
  operationId: 'getConfigurationObject',
  summary: 'Show an object',
  tags,
  security: bearer,
  request: { params: objectParams },
  responses: { 200: jsonResponse('The object.', objectWithStatus), ...problems('not_found') },
})

export const deleteConfigurationObject = createRoute({
  method: 'delete',
  path: '/v1/meshes/{mesh}/configuration/{kind}/{namespace}/{name}',
  operationId: 'deleteConfigurationObject',
  summary: 'Delete an object, as one revision',
  tags,
  security: bearer,
  request: { params: objectParams, query: applyQuery.pick({ dryRun: true }), headers: configurationWriteHeaders },
  responses: {
    200: jsonResponse('What was, or in a dry run would be, changed.', applyResult),
    ...problems(...writeProblems),
  },
})
