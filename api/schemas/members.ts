import { z } from 'zod'
import { openEnum } from '../open-enum.ts'
import { resourceId, timestamp } from './common.ts'
import { grantedScopes, isForNamespace, issuedToken, orgName, tokenRole, tokenScopes } from './tokens.ts'

/** As identity providers know people. */
const email = z
  .string()
  .max(254)
  .regex(/^[^\s@]+@[^\s@]+$/, 'an e-mail address reads name@domain')
  .transform((text) => text.toLowerCase())

/** Somebody of the org, who signs in through its identity provider. */
export const member = z
  .object({
    id: resourceId,
    email: z.string(),
    role: openEnum(tokenRole.options),
    scopes: grantedScopes,
    createdAt: timestamp,
    lastSignInAt: timestamp.nullable(),
  })
  .meta({ id: 'Member' })
export type Member = z.infer<typeof member>

/** A member is a person: what sends telemetry has a token. */
const memberRole = tokenRole.exclude(['telemetry'])
const power = { role: memberRole, scopes: tokenScopes.default({}) }
const isSensible = ({ role, scopes }: { role: z.infer<typeof memberRole>; scopes: z.infer<typeof tokenScopes> }) =>
  scopes.namespace === undefined || isForNamespace(role)
const nonsense = { message: 'a namespace scope is for the roles editor and viewer', path: ['scopes', 'namespace'] }

export const createMemberBody = z.strictObject({ email, ...power }).refine(isSensible, nonsense)
export const updateMemberBody = z.strictObject(power).refine(isSensible, nonsense)

/** Where a browser reaches this plane; `https`, or `http` for one on this machine. */
const planeUrl = z.url({ protocol: /^https?$/ }).max(1024)

/** The OpenID provider with which an org's members sign in. */
export const signInProvider = z
  .object({
    issuer: z.string(),
    clientId: z.string(),
    redirectUri: z.string().describe('What the provider has to know the plane by.'),
    confidential: z.boolean().describe('Whether the plane has a client secret.'),
    allowsDevice: z
      .boolean()
      .default(false)
      .describe('Whether people may sign in with a code that they type elsewhere.'),
  })
  .meta({ id: 'SignInProvider' })

export const setSignInBody = z.strictObject({
  issuer: z.url({ protocol: /^https?$/ }).max(1024),
  clientId: z.string().min(1).max(256),
  clientSecret: z.string().min(1).max(1024).optional().describe('Kept sealed; absent = a public client.'),
  planeUrl: planeUrl.describe('Where browsers reach this plane.'),
  allowDevice: z
    .boolean()
    .default(false)
    .describe(
      'Let people sign in with a code that they type at the provider, on another device (RFC 8628). Somebody can be talked into typing a code that is not their own.',
    ),
})

export const beginSignInQuery = z.object({
  org: orgName,
  redirectUri: z
    .string()
    .regex(/^http:\/\/127\.0\.0\.1:\d{1,5}\/$/, 'the redirect is to http://127.0.0.1:<port>/ (RFC 8252 §7.3)'),
  codeChallenge: z
    .string()
    .regex(/^[A-Za-z0-9_-]{43}$/)
    .describe('SHA-256 of the verifier that redeems the code, in base64url (RFC 7636).'),
  state: z.string().regex(/^[A-Za-z0-9_-]{16,128}$/),
})

/** A page of the plane itself: no other origin, however a browser reads it, and not the API. */
export const returnPath = z
  .string()
  .max(1024)
  .regex(/^\/(?:[!-.0-[\]-~][!-[\]-~]*)?$/, 'returnTo is a path of a page of this plane: /…')
  .refine((path) => !/^\/v1(?:[/?#]|$)/.test(path), 'returnTo is a page, not a route of the API')

export const beginSessionQuery = z.object({ org: orgName, returnTo: returnPath.default('/') })

export const redeemSignInBody = z.strictObject({
  code: z.string().min(1).max(2048),
  codeVerifier: z.string().regex(/^[A-Za-z0-9_-]{43,128}$/),
})
export const beginDeviceSignInBody = z.strictObject({ org: orgName })
export const deviceSignIn = z.object({
  deviceCode: z.string().describe('For who waits; nobody else may have it.'),
  userCode: z.string().describe('What somebody types at `verificationUri`.'),
  verificationUri: z.string(),
  verificationUriComplete: z.string().optional().describe('The same with the code in it.'),
  expiresAt: timestamp,
  intervalSeconds: z.int().describe('Between two questions.'),
})
export const redeemDeviceSignInBody = z.strictObject({ deviceCode: z.string().min(1).max(4096) })
export const pendingSignIn = z.object({
  slowDown: z.boolean().describe('Ask five seconds more seldom from now on (RFC 8628 §3.5).'),
  trouble: z.string().optional().describe('Why the provider could not be asked this time.'),
})

export const redeemedSignIn = z.object({ org: z.string(), token: issuedToken })
