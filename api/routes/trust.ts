import { createRoute } from '@hono/zod-openapi'
import { idempotencyHeaders, meshParams, toPageSchema } from '../schemas/common.ts'
import {
  addIssuerBody,
  externalIssuer,
  issuedCertificate,
  issuerParams,
  listCertificatesQuery,
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
