import { z } from 'zod'
import { clusterName, meshName, namespaceName } from '#mesh/names.ts'
import { resourceId, timestamp } from './common.ts'
import { openEnum } from '../open-enum.ts'

const DAY_SECONDS = 24 * 60 * 60
export const MAX_TOKEN_TTL_SECONDS = 366 * DAY_SECONDS

/** From the most powerful one down; `telemetry` stands apart. What each may do is in `api/access.ts`. */
export const tokenRole = z
  .enum(['owner', 'admin', 'editor', 'viewer', 'telemetry'])
  .describe(
    '`owner` may do everything in its scopes, `admin` all but what concerns trust and the org itself, `editor` write configuration, `viewer` only read, `telemetry` only send telemetry.',
  )
export type TokenRole = z.infer<typeof tokenRole>

/** A newer plane may have more of them. */
const openScopes = z.object({
  mesh: meshName.optional(),
  cluster: clusterName.optional(),
  namespace: namespaceName.optional(),
})
const scopesDescription = 'What the token is confined to; empty = the whole org.'
export type TokenScopes = z.infer<typeof openScopes>
export const grantedScopes = openScopes.describe(scopesDescription)

export const tokenScopes = z
  .strictObject(openScopes.shape)
  .refine(
    ({ mesh, cluster, namespace }) => mesh !== undefined || (cluster === undefined && namespace === undefined),
    'a cluster or namespace scope needs a mesh scope',
  )
  .describe(scopesDescription)

export const token = z
  .object({
    id: resourceId,
    name: z.string(),
    role: openEnum(tokenRole.options).describe(tokenRole.description ?? ''),
    scopes: grantedScopes,
    createdAt: timestamp,
    expiresAt: timestamp,
  })
  .meta({ id: 'Token' })
export type Token = z.infer<typeof token>

/** `secret` is the whole token, `atoll_token_<id>_<secret>`, shown this once: the plane keeps a hash. */
export const issuedToken = token.extend({ secret: z.string() }).meta({ id: 'IssuedToken' })

/** Of the namespaces that a role means something in: more than configuration and what is read is not one's. */
export const isForNamespace = (role: TokenRole): boolean => role === 'editor' || role === 'viewer'

export const createTokenBody = z
  .strictObject({
    name: z.string().min(1).max(100).describe('For people: what the token is for.'),
    role: tokenRole,
    scopes: tokenScopes.default({}),
    expiresInSeconds: z
      .int()
      .min(60)
      .max(MAX_TOKEN_TTL_SECONDS)
      .default(90 * DAY_SECONDS),
  })
  .refine(({ role, scopes: { namespace } }) => namespace === undefined || isForNamespace(role), {
    message: 'a namespace scope is for the roles editor and viewer',
    path: ['scopes', 'namespace'],
  })

export const whoami = z.object({ org: z.string(), token })
export type Whoami = z.infer<typeof whoami>

export const orgName = z
  .string()
  .regex(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/, 'an org must be a DNS label: at most 63 of a-z, 0-9 and "-"')

export const setupBody = z.strictObject({
  setupToken: z
    .string()
    .min(1)
    .max(256)
    .describe('Printed by the plane at its first start; works while there is no org.'),
  org: orgName,
})
export const setupResult = z.object({ org: z.string(), token: issuedToken })
