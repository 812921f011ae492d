import { createRoute } from '@hono/zod-openapi'
import { z } from 'zod'
import { idempotencyHeaders } from '../schemas/common.ts'
import {
  beginDeviceSignInBody,
  beginSessionQuery,
  beginSignInQuery,
  deviceSignIn,
  pendingSignIn,
  redeemDeviceSignInBody,
  redeemedSignIn,
  redeemSignInBody,
  setSignInBody,
  signInProvider,
} from '../schemas/members.ts'
import { bearer, jsonBody, jsonResponse, noContent, openProblems, problems } from './responses.ts'

const tags = ['sign-in']
const path = '/v1/sign-in'

export const getSignIn = createRoute({
  method: 'get',
  path,
  operationId: 'getSignIn',
  summary: 'Show the identity provider of the org',
  tags,
  security: bearer,
  responses: { 200: jsonResponse('The provider, without its secret.', signInProvider), ...problems('not_found') },
})

export const setSignIn = createRoute({
  method: 'put',
  path,
  operationId: 'setSignIn',
  summary: 'Let members sign in with an OpenID provider',
  description: 'The plane asks the issuer for its metadata. Issuers at private addresses are refused.',
  tags,
  security: bearer,
  request: { headers: idempotencyHeaders, body: jsonBody(setSignInBody) },
  responses: { 200: jsonResponse('The provider.', signInProvider), ...problems('idempotency_conflict') },
})

export const removeSignIn = createRoute({
  method: 'delete',
  path,
  operationId: 'removeSignIn',
  summary: 'Let nobody sign in with the identity provider any more',
  description: 'The tokens that members have signed in for go too.',
  tags,
  security: bearer,
  request: { headers: idempotencyHeaders },
  responses: { 204: noContent('There is none.'), ...problems('not_found') },
})

export const beginSignIn = createRoute({
  method: 'get',
  path: `${path}/begin`,
  operationId: 'beginSignIn',
  summary: 'Send a browser to the identity provider of an org',
  description: 'For the command line, which waits for the browser at `redirectUri` (RFC 8252).',
  tags,
  request: { query: beginSignInQuery },
  responses: {
    302: noContent('To the provider, with a cookie that the answer is bound to.'),
    ...openProblems('not_found'),
  },
})

export const beginSession = createRoute({
  method: 'get',
  path: `${path}/browser`,
  operationId: 'beginSession',
  summary: 'Sign in to the console: send a browser to the identity provider of an org',
  description:
    'It comes back to `returnTo`, a page of this plane, with the cookie of a session; or with `signIn=refused` (no member) or `signIn=unavailable` (the provider can’t be asked) in the query and none. From a page of the plane alone, or typed.',
  tags,
  request: { query: beginSessionQuery },
  responses: {
    302: noContent('To the provider, with a cookie that the answer is bound to.'),
    ...openProblems('not_found', 'cross_site_request'),
  },
})

export const endSignIn = createRoute({
  method: 'get',
  path: `${path}/callback`,
  operationId: 'endSignIn',
  summary: 'Where the identity provider sends the browser back to',
  tags,
  request: { query: z.object({ state: z.string().max(512) }).loose() },
  responses: {
    302: noContent(
      'To the command line that waits for it: with a code that is good for a minute, or with `error=access_denied`. Or to a page, with a session.',
    ),
    ...openProblems('sign_in_refused'),
  },
})

export const redeemSignIn = createRoute({
  method: 'post',
  path: `${path}/token`,
  operationId: 'redeemSignIn',
  summary: 'Redeem the code of a sign-in for a token',
  description: 'Once. The verifier is that of the `codeChallenge` with which the sign-in began.',
  tags,
  request: { headers: idempotencyHeaders, body: jsonBody(redeemSignInBody) },
  responses: {
    201: jsonResponse('The token of the member; its secret is shown this once.', redeemedSignIn),
    ...openProblems('sign_in_refused'),
  },
})

export const beginDeviceSignIn = createRoute({
  method: 'post',
  path: `${path}/device`,
  operationId: 'beginDeviceSignIn',
  summary: 'Begin a sign-in on a machine without a browser (RFC 8628)',
  description: 'If the provider offers it, and an owner has allowed it (`allowDevice`).',
  tags,
  request: { headers: idempotencyHeaders, body: jsonBody(beginDeviceSignInBody) },
  responses: {
    200: jsonResponse('What somebody types where, and what to ask with whether they have.', deviceSignIn),
    ...openProblems('not_found', 'sign_in_refused'),
  },
})

export const redeemDeviceSignIn = createRoute({
  method: 'post',
  path: `${path}/device/token`,
  operationId: 'redeemDeviceSignIn',
  summary: 'Ask for the token of a sign-in that somebody confirms elsewhere',
  tags,
  request: { headers: idempotencyHeaders, body: jsonBody(redeemDeviceSignInBody) },
  responses: {
    200: jsonResponse('Nobody has confirmed it yet.', pendingSignIn),
    201: jsonResponse('The token of the member; its secret is shown this once.', redeemedSignIn),
    ...openProblems('sign_in_refused'),
  },
})
