import { z } from 'zod'
import { clusterName, meshName } from '#mesh/names.ts'
import { resourceId, timestamp } from './common.ts'
import { openEnum } from '../open-enum.ts'

const DAY_SECONDS = 24 * 60 * 60
export const MAX_TOKEN_TTL_SECONDS = 366 * DAY_SECONDS

export const tokenRole = z
  .enum(['owner', 'viewer'])
  .describe('`owner` may do everything in its scopes, `viewer` only read.')
export type TokenRole = z.infer<typeof tokenRole>

export const tokenScopes = z
  .strictObject({ mesh: meshName.optional(), cluster: clusterName.optional() })
  .refine((scopes) => scopes.cluster === undefined || scopes.mesh !== undefined, 'a cluster scope needs a mesh scope')
  .describe('What the token is confined to; empty = the whole org.')

export const token = z
  .object({
    id: resourceId,
    name: z.string(),
    role: openEnum(tokenRole.options).describe(tokenRole.description ?? ''),
    scopes: tokenScopes,
    createdAt: timestamp,
    expiresAt: timestamp,
  })
  .meta({ id: 'Token' })
export type Token = z.infer<typeof token>

/** `secret` is the whole token, `atoll_token_<id>_<secret>`, shown this once: the plane keeps a hash. */
export const issuedToken = token.extend({ secret: z.string() }).meta({ id: 'IssuedToken' })

export const createTokenBody = z.strictObject({
  name: z.string().min(1).max(100).describe('For people: what the token is for.'),
  role: tokenRole,
  scopes: tokenScopes.default({}),
  expiresInSeconds: z
    .int()
    .min(60)
    .max(MAX_TOKEN_TTL_SECONDS)
    .default(90 * DAY_SECONDS),
})

export const whoami = z.object({ org: z.string(), token })
export type Whoami = z.infer<typeof whoami>

export const orgName = z
  .string()
  .regex(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/, 'an org must be a DNS label: at most 63 of a-z, 0-9 and "-"')

export const setupBody = z.strictObject({
  setupToken: z.string().min(1).max(256).describe('Printed by the plane at its first start; works once.'),
  org: orgName,
})
export const setupResult = z.object({ org: z.string(), token: issuedToken })
