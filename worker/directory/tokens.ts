import { and, count, desc, eq, gt, isNull, lt, or } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import type { DrizzleD1Database } from 'drizzle-orm/d1'
import { AtollError } from '#api/atoll-error.ts'
import type { Token, TokenRole, TokenScopes } from '#api/schemas/tokens.ts'
import type { BrowserSession, Caller } from '../app-env.ts'
import type { AuditClient } from '../audit/client.ts'
import { writeWithEvent } from './org-audit.ts'
import type { OrgEvent } from './org-audit.ts'
import { orgs, tokens } from './schema.ts'

/** Of one org; those of sign-ins, which end by themselves, are bounded by member. */
export const MAX_TOKENS = 1_000

export type TokenRow = typeof tokens.$inferSelect

type ScopeColumns = Pick<TokenRow, 'scopeMesh' | 'scopeCluster' | 'scopeNamespace'>

export const toScopes = ({ scopeMesh, scopeCluster, scopeNamespace }: ScopeColumns): TokenScopes => ({
  ...(scopeMesh !== null && { mesh: scopeMesh as NonNullable<TokenScopes['mesh']> }),
  ...(scopeCluster !== null && { cluster: scopeCluster as NonNullable<TokenScopes['cluster']> }),
  ...(scopeNamespace !== null && { namespace: scopeNamespace }),
})

export const toScopeColumns = ({ mesh, cluster, namespace }: TokenScopes): ScopeColumns => ({
  scopeMesh: mesh ?? null,
  scopeCluster: cluster ?? null,
  scopeNamespace: namespace ?? null,
})

export const toToken = ({ id, name, role, createdAt, expiresAt, ...row }: TokenRow): Token => ({
  id,
  name,
  role,
  scopes: toScopes(row),
  createdAt: new Date(createdAt).toISOString(),
  expiresAt: new Date(expiresAt).toISOString(),
})

const toSession = ({ sessionOrigin, idleExpiresAt, expiresAt }: TokenRow): BrowserSession | undefined =>
  sessionOrigin === null
    ? undefined
    : { origin: sessionOrigin, expiresAtMs: expiresAt, idleExpiresAtMs: idleExpiresAt ?? 0 }

/** Who a token belongs to, and the hash that its secret must have. Undefined when it has expired, too. */
export const findCaller = async (
  db: D1Database,
  id: string,
  nowMs: number,
): Promise<(Caller & { readonly secretHash: string }) | undefined> => {
  const [row] = await drizzle(db)
    .select()
    .from(tokens)
    .innerJoin(orgs, eq(orgs.id, tokens.orgId))
    .where(and(eq(tokens.id, id), isAlive(nowMs)))
  if (!row) return undefined
  const { memberId, secretHash } = row.tokens
  const { id: orgId, name: orgName } = row.orgs
  return { orgId, orgName, token: toToken(row.tokens), memberId, session: toSession(row.tokens), secretHash }
}

/** That has not ended, neither by its age nor, of a session, because nobody has used it. */
export const isAlive = (nowMs: number) =>
  and(gt(tokens.expiresAt, nowMs), or(isNull(tokens.idleExpiresAt), gt(tokens.idleExpiresAt, nowMs)))

export interface NewApiToken {
  readonly id: string
  readonly secretHash: string
  readonly name: string
  readonly role: TokenRole
  readonly scopes: Token['scopes']
  readonly createdAtMs: number
  readonly expiresAtMs: number
  readonly memberId?: string
  readonly client?: AuditClient | undefined
  readonly session?: Pick<BrowserSession, 'origin' | 'idleExpiresAtMs'> | undefined
}

export const toTokenRow = (orgId: string, token: NewApiToken): TokenRow => ({
  id: token.id,
  orgId,
  name: token.name,
  role: token.role,
  ...toScopeColumns(token.scopes),
  memberId: token.memberId ?? null,
  client: token.client ? JSON.stringify(token.client) : null,
  sessionOrigin: token.session?.origin ?? null,
  idleExpiresAt: token.session?.idleExpiresAtMs ?? null,
  secretHash: token.secretHash,
  createdAt: token.createdAtMs,
  expiresAt: token.expiresAtMs,
})

export const insertToken = async (
  db: D1Database,
  orgId: string,
  token: NewApiToken,
  event: OrgEvent,
): Promise<Token> => {
  const row = toTokenRow(orgId, token)
  await writeWithEvent(db, orgId, event, (database) => [database.insert(tokens).values(row)])
  return toToken(row)
}

export const toIssuedToken = (orgId: string, token: NewApiToken, secret: string) => ({
  ...toToken(toTokenRow(orgId, token)),
  secret,
})

export const countTokens = async (db: D1Database, orgId: string): Promise<number> => {
  const isMade = and(eq(tokens.orgId, orgId), isNull(tokens.memberId))
  const [row] = await drizzle(db).select({ tokens: count() }).from(tokens).where(isMade)
  return row?.tokens ?? 0
}

export interface TokenPlace {
  readonly createdAt: number
  readonly id: string
}

/** In a list that has the newest first: behind this place. */
export const isBefore = ({ createdAt, id }: TokenPlace) =>
  or(lt(tokens.createdAt, createdAt), and(eq(tokens.createdAt, createdAt), lt(tokens.id, id)))

/** Newest first: those made before that moment, and of those made at that moment the ones with a smaller id. `mesh`: those that are confined to it. */
export const listTokens = async (
  db: D1Database,
  orgId: string,
  mesh: string | undefined,
  before: TokenPlace,
  limit: number,
): Promise<Token[]> => {
  const rows = await drizzle(db)
    .select()
    .from(tokens)
    .where(and(eq(tokens.orgId, orgId), mesh === undefined ? undefined : eq(tokens.scopeMesh, mesh), isBefore(before)))
    .orderBy(desc(tokens.createdAt), desc(tokens.id))
    .limit(limit)
  return rows.map(toToken)
}

/** Whether nobody could manage the org any more without this token. */
const isLastOwner = async (database: DrizzleD1Database, orgId: string, id: string, nowMs: number): Promise<boolean> => {
  const isOwner = and(
    eq(tokens.orgId, orgId),
    eq(tokens.role, 'owner'),
    isNull(tokens.scopeMesh),
    // Those of sign-ins end within the day.
    isNull(tokens.memberId),
    gt(tokens.expiresAt, nowMs),
  )
  const owners = await database.select({ id: tokens.id }).from(tokens).where(isOwner).limit(2)
  return owners.length === 1 && owners[0]?.id === id
}

export const findToken = async (db: D1Database, orgId: string, id: string): Promise<Token | undefined> => {
  const [row] = await drizzle(db)
    .select()
    .from(tokens)
    .where(and(eq(tokens.orgId, orgId), eq(tokens.id, id)))
  return row && toToken(row)
}

/** Throws AtollError `conflict` when nobody could manage the org any more without it. */
export const deleteToken = async (db: D1Database, orgId: string, id: string, event: OrgEvent): Promise<void> => {
  const isNamed = and(eq(tokens.orgId, orgId), eq(tokens.id, id))
  await writeWithEvent(db, orgId, event, async (database) => {
    // Here, not before: of two owners who revoke each other at the same time one is to stay.
    if (await isLastOwner(database, orgId, id, event.at))
      throw new AtollError('conflict', 'this is the last token that can manage the org: make another one first')
    return [database.delete(tokens).where(isNamed)]
  })
}
