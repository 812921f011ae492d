import { createRoute } from '@hono/zod-openapi'
import { z } from 'zod'
import { joinRequest, joinResponse } from '#mesh/join.ts'
import { jsonBody, jsonResponse, noContent, openProblems } from './responses.ts'

const tags = ['agents']

export const join = createRoute({
  method: 'post',
  path: '/v1/join',
  operationId: 'join',
  summary: 'Join a cluster to its mesh',
  description: 'For agents. The join token in the body authenticates.',
  tags,
  request: { body: jsonBody(joinRequest) },
  responses: {
    201: jsonResponse("The cluster's intermediate.", joinResponse),
    ...openProblems('join_refused', 'csr_refused', 'limit_reached'),
  },
})

export const uplink = createRoute({
  method: 'get',
  path: '/v1/uplink/{meshId}',
  operationId: 'uplink',
  summary: 'Open an uplink',
  description:
    "For agents: a WebSocket that speaks the uplink's protocol. The agent authenticates by signing the plane's challenge.",
  tags,
  request: { params: z.object({ meshId: z.string().min(1).max(64) }) },
  responses: { 101: noContent('The uplink is open.'), ...openProblems('not_found') },
})
