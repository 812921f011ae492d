import { createRoute } from '@hono/zod-openapi'
import { z } from 'zod'
import { idempotencyHeaders, pageQuery, resourceId, toPageSchema } from '../schemas/common.ts'
import { createMemberBody, member, updateMemberBody } from '../schemas/members.ts'
import { bearer, jsonBody, jsonResponse, noContent, problems } from './responses.ts'

const tags = ['members']
const memberParams = z.object({ id: resourceId })

export const listMembers = createRoute({
  method: 'get',
  path: '/v1/members',
  operationId: 'listMembers',
  summary: 'List the people of the org',
  tags,
  security: bearer,
  request: { query: pageQuery },
  responses: { 200: jsonResponse('A page of members, by e-mail address.', toPageSchema(member)), ...problems() },
})

export const createMember = createRoute({
  method: 'post',
  path: '/v1/members',
  operationId: 'createMember',
  summary: 'Let somebody sign in',
  description: 'With no more power than the token in the request has.',
  tags,
  security: bearer,
  request: { headers: idempotencyHeaders, body: jsonBody(createMemberBody) },
  responses: {
    201: jsonResponse('The member.', member),
    ...problems('already_exists', 'idempotency_conflict', 'limit_reached'),
  },
})

export const updateMember = createRoute({
  method: 'patch',
  path: '/v1/members/{id}',
  operationId: 'updateMember',
  summary: 'Change what a member may do',
  description: 'Also of the tokens that the member has signed in for.',
  tags,
  security: bearer,
  request: { params: memberParams, headers: idempotencyHeaders, body: jsonBody(updateMemberBody) },
  responses: { 200: jsonResponse('The member.', member), ...problems('not_found', 'idempotency_conflict') },
})

export const removeMember = createRoute({
  method: 'delete',
  path: '/v1/members/{id}',
  operationId: 'removeMember',
  summary: 'Let a member sign in no more',
  description: 'The tokens that the member has signed in for work no more.',
  tags,
  security: bearer,
  request: { params: memberParams, headers: idempotencyHeaders },
  responses: { 204: noContent('It is gone, with its tokens.'), ...problems('not_found') },
})
