import { createRoute } from '@hono/zod-openapi'
import { clusterParams, idempotencyHeaders, pageQuery, resourceId, toPageSchema } from '../schemas/common.ts'
import { createMachineTokenBody, issuedMachineToken, machineToken } from '../schemas/machine-tokens.ts'
import { bearer, jsonBody, jsonResponse, noContent, problems } from './responses.ts'

const tags = ['machine tokens']

export const listMachineTokens = createRoute({
  method: 'get',
  path: '/v1/meshes/{mesh}/clusters/{cluster}/machine-tokens',
  operationId: 'listMachineTokens',
  summary: 'List the machine tokens of a cluster',
  tags,
  security: bearer,
  request: { params: clusterParams, query: pageQuery },
  responses: {
    200: jsonResponse('A page of machine tokens, newest first; no secrets.', toPageSchema(machineToken)),
    ...problems('not_found'),
  },
})

export const createMachineToken = createRoute({
  method: 'post',
  path: '/v1/meshes/{mesh}/clusters/{cluster}/machine-tokens',
  operationId: 'createMachineToken',
  summary: 'Make the token that says what one proxy on a machine is',
  tags,
  security: bearer,
  request: { params: clusterParams, headers: idempotencyHeaders, body: jsonBody(createMachineTokenBody) },
  responses: {
    201: jsonResponse('The machine token; its secret is shown this once.', issuedMachineToken),
    ...problems('not_found', 'idempotency_conflict', 'limit_reached'),
  },
})

export const revokeMachineToken = createRoute({
  method: 'delete',
  path: '/v1/meshes/{mesh}/clusters/{cluster}/machine-tokens/{id}',
  operationId: 'revokeMachineToken',
  summary: 'Revoke a machine token',
  tags,
  security: bearer,
  request: { params: clusterParams.extend({ id: resourceId }), headers: idempotencyHeaders },
  responses: { 204: noContent('Its holder gets no more configuration.'), ...problems('not_found') },
})
