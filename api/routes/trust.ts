import { createRoute } from '@hono/zod-openapi'
import { idempotencyHeaders, meshParams, toPageSchema } from '../schemas/common.ts'
import {
  addIssuerBody,
  continueRotationBody,
  externalIssuer,
  issuedCertificate,
  issuerParams,
  listCertificatesQuery,
  rootRequest,
  rotation,
  startRotationBody,
  trust,
} from '../schemas/trust.ts'
import { bearer, jsonBody, jsonResponse, noContent, problems } from './responses.ts'

const tags = ['trust']

export const getTrust = createRoute({
  method: 'get',
  path: '/v1/meshes/{mesh}/trust',
  operationId: 'getTrust',
  summary: 'Show what the mesh trusts: roots, intermediates, and external issuers',
  tags,
  security: bearer,
  request: { params: meshParams },
  responses: { 200: jsonResponse('The trusted certificates.', trust), ...problems('not_found') },
})

export const listCertificates = createRoute({
  method: 'get',
  path: '/v1/meshes/{mesh}/trust/certificates',
  operationId: 'listCertificates',
  summary: 'List the certificates that the root has signed',
  tags,
  security: bearer,
  request: { params: meshParams, query: listCertificatesQuery },
  responses: {
    200: jsonResponse('A page of certificates, newest first.', toPageSchema(issuedCertificate)),
    ...problems('not_found'),
  },
})

export const addIssuer = createRoute({
  method: 'post',
  path: '/v1/meshes/{mesh}/trust/issuers',
  operationId: 'addIssuer',
  summary: "Sign somebody else's CA, and trust its leaves in some clusters",
  tags,
  security: bearer,
  request: { params: meshParams, headers: idempotencyHeaders, body: jsonBody(addIssuerBody) },
  responses: {
    201: jsonResponse('The issuer with its certificate.', externalIssuer),
    ...problems('not_found', 'already_exists', 'limit_reached', 'csr_refused', 'idempotency_conflict'),
  },
})

export const removeIssuer = createRoute({
  method: 'delete',
  path: '/v1/meshes/{mesh}/trust/issuers/{issuer}',
  operationId: 'removeIssuer',
  summary: "Trust an issuer's leaves no more, and close what they have open",
  tags,
  security: bearer,
  request: { params: issuerParams, headers: idempotencyHeaders },
  responses: { 204: noContent('It is trusted nowhere.'), ...problems('not_found') },
})

export const getRotation = createRoute({
  method: 'get',
  path: '/v1/meshes/{mesh}/trust/rotation',
  operationId: 'getRotation',
  summary: 'Show the rotation of the root that is under way, or that was last, and what it waits for',
  tags,
  security: bearer,
  request: { params: meshParams },
  responses: { 200: jsonResponse('The rotation.', rotation), ...problems('not_found') },
})

export const createRootRequest = createRoute({
  method: 'post',
  path: '/v1/meshes/{mesh}/trust/root-request',
  operationId: 'createRootRequest',
  summary:
    'Make a key for a root, and the request for its certificate that an offline root signs; one that waits is answered as it is',
  tags,
  security: bearer,
  request: { params: meshParams, headers: idempotencyHeaders },
  responses: { 200: jsonResponse('The request.', rootRequest), ...problems('not_found') },
})

export const getRootRequest = createRoute({
  method: 'get',
  path: '/v1/meshes/{mesh}/trust/root-request',
  operationId: 'getRootRequest',
  summary: 'Show the request for a root that waits to be signed',
  tags,
  security: bearer,
  request: { params: meshParams },
  responses: { 200: jsonResponse('The request.', rootRequest), ...problems('not_found') },
})

export const removeRootRequest = createRoute({
  method: 'delete',
  path: '/v1/meshes/{mesh}/trust/root-request',
  operationId: 'removeRootRequest',
  summary: 'Destroy the key that waits for a certificate',
  tags,
  security: bearer,
  request: { params: meshParams, headers: idempotencyHeaders },
  responses: { 204: noContent('Nothing waits.'), ...problems('not_found') },
})

export const startRotation = createRoute({
  method: 'post',
  path: '/v1/meshes/{mesh}/trust/rotation',
  operationId: 'startRotation',
  summary:
    'Make a new root, or take the one that is given, and begin to rotate to it; a rotation that is under way is answered as it is',
  tags,
  security: bearer,
  request: { params: meshParams, headers: idempotencyHeaders, body: jsonBody(startRotationBody) },
  responses: {
    200: jsonResponse('The rotation.', rotation),
    ...problems('not_found', 'conflict', 'root_refused', 'idempotency_conflict'),
  },
})

export const pauseRotation = createRoute({
  method: 'post',
  path: '/v1/meshes/{mesh}/trust/rotation/pause',
  operationId: 'pauseRotation',
  summary: 'Begin no further step',
  tags,
  security: bearer,
  request: { params: meshParams, headers: idempotencyHeaders },
  responses: { 200: jsonResponse('The rotation.', rotation), ...problems('not_found', 'conflict') },
})

export const resumeRotation = createRoute({
  method: 'post',
  path: '/v1/meshes/{mesh}/trust/rotation/resume',
  operationId: 'resumeRotation',
  summary: 'Go on with a rotation that was paused',
  tags,
  security: bearer,
  request: { params: meshParams, headers: idempotencyHeaders },
  responses: { 200: jsonResponse('The rotation.', rotation), ...problems('not_found', 'conflict') },
})

export const rollBackRotation = createRoute({
  method: 'post',
  path: '/v1/meshes/{mesh}/trust/rotation/rollback',
  operationId: 'rollBackRotation',
  summary: 'Go back to the root that was to go, by the same steps',
  tags,
  security: bearer,
  request: { params: meshParams, headers: idempotencyHeaders },
  responses: { 200: jsonResponse('The rotation.', rotation), ...problems('not_found', 'conflict') },
})

export const continueRotation = createRoute({
  method: 'post',
  path: '/v1/meshes/{mesh}/trust/rotation/continue',
  operationId: 'continueRotation',
  summary: 'Wait no more for a cluster that has been away for longer than its grace',
  tags,
  security: bearer,
  request: { params: meshParams, headers: idempotencyHeaders, body: jsonBody(continueRotationBody) },
  responses: {
    200: jsonResponse('The rotation.', rotation),
    ...problems('not_found', 'conflict', 'idempotency_conflict'),
  },
})
