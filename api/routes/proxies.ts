import { createRoute } from '@hono/zod-openapi'
import { proxyConfig } from '#mesh/uplink.ts'
import { meshParams } from '../schemas/common.ts'
import { listProxiesQuery, proxyPage, proxyParams, shownProxy } from '../schemas/proxies.ts'
import { bearer, jsonResponse, problems } from './responses.ts'

const tags = ['proxies']
const askProblems = ['not_found', 'agent_unavailable', 'agent_timeout'] as const

export const listProxies = createRoute({
  method: 'get',
  path: '/v1/meshes/{mesh}/proxies',
  operationId: 'listProxies',
  summary: 'List the connected proxies and their state',
  tags,
  security: bearer,
  request: { params: meshParams, query: listProxiesQuery },
  responses: { 200: jsonResponse('A page of proxies, by cluster and name.', proxyPage), ...problems('not_found') },
})

export const getProxy = createRoute({
  method: 'get',
  path: '/v1/meshes/{mesh}/proxies/{cluster}/{name}',
  operationId: 'getProxy',
  summary: 'Show a proxy and its state',
  tags,
  security: bearer,
  request: { params: proxyParams },
  responses: { 200: jsonResponse('The proxy.', shownProxy), ...problems(...askProblems) },
})

export const getProxyConfig = createRoute({
  method: 'get',
  path: '/v1/meshes/{mesh}/proxies/{cluster}/{name}/config',
  operationId: 'getProxyConfig',
  summary: 'Show the Envoy resources that a proxy is served',
  tags,
  security: bearer,
  request: { params: proxyParams },
  responses: { 200: jsonResponse('The resources, without secrets.', proxyConfig), ...problems(...askProblems) },
})
