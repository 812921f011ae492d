import { createRoute } from '@hono/zod-openapi'
import { meshParams, toPageSchema } from '../schemas/common.ts'
import { issuedCertificate, listCertificatesQuery, trust } from '../schemas/trust.ts'
import { bearer, jsonResponse, problems } from './responses.ts'

const tags = ['trust']

export const getTrust = createRoute({
  method: 'get',
  path: '/v1/meshes/{mesh}/trust',
  operationId: 'getTrust',
  summary: 'Show what the mesh trusts: roots and intermediates',
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
