import { and, count, desc, eq, gt, isNull, lt, or } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import type { Token, TokenRole } from '#api/schemas/tokens.ts'
import type { Caller } from '../app-env.ts'
import { toAuditWrites } from './org-audit.ts'
import type { OrgEvent } from './org-audit.ts'
import { orgs, tokens } from './schema.ts'

/** Of one org. */
export const MAX_TOKENS = 1_000

type TokenRow = typeof tokens.$inferSelect

const toToken = ({ id, name, role, scopeMesh, scopeCluster, createdAt, expiresAt }: TokenRow): Token => ({
  id,
  name,
  role,
  scopes: {
    ...(scopeMesh !== null && { mesh: scopeMesh as NonNullable<Token['scopes']['mesh']> }),
    ...(scopeCluster !== null && { cluster: scopeCluster as NonNullable<Token['scopes']['cluster']> }),
  },
  createdAt: new Date(createdAt).toISOString(),
  expiresAt: new Date(expiresAt).toISOString(),
})

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
    .where(and(eq(tokens.id, id), gt(tokens.expiresAt, nowMs)))
  return (
    row && { orgId: row.orgs.id, orgName: row.orgs.name, token: toToken(row.tokens), secretHash: row.tokens.secretHash }
  )
}

export interface NewApiToken {
  readonly id: string
  readonly secretHash: string
  readonly name: string
  readonly role: TokenRole
  readonly scopes: Token['scopes']
  readonly createdAtMs: number
  readonly expiresAtMs: number
}

export const toTokenRow = (orgId: string, token: NewApiToken): TokenRow => ({
  id: token.id,
  orgId,
  name: token.name,
  role: token.role,
  scopeMesh: token.scopes.mesh ?? null,
  scopeCluster: token.scopes.cluster ?? null,
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
  const database = drizzle(db)
  await database.batch([database.insert(tokens).values(row), ...toAuditWrites(database, orgId, event)])
  return toToken(row)
}

export const toIssuedToken = (orgId: string, token: NewApiToken, secret: string) => ({
  ...toToken(toTokenRow(orgId, token)),
  secret,
})

export const countTokens = async (db: D1Database, orgId: string): Promise<number> => {
  const [row] = await drizzle(db).select({ tokens: count() }).from(tokens).where(eq(tokens.orgId, orgId))
  return row?.tokens ?? 0
}

/** Newest first: those made before that moment, and of those made at that moment the ones with a smaller id. */
export const listTokens = async (
  db: D1Database,
  orgId: string,
  before: { readonly createdAt: number; readonly id: string },
  limit: number,
): Promise<Token[]> => {
  const isEarlier = or(
    lt(tokens.createdAt, before.createdAt),
    and(eq(tokens.createdAt, before.createdAt), lt(tokens.id, before.id)),
  )
  const rows = await drizzle(db)
    .select()
    .from(tokens)
    .where(and(eq(tokens.orgId, orgId), isEarlier))
    .orderBy(desc(tokens.createdAt), desc(tokens.id))
    .limit(limit)
  return rows.map(toToken)
}

/** Whether nobody could manage the org any more without this token. */
export const isLastOwner = async (db: D1Database, orgId: string, id: string, nowMs: number): Promise<boolean> => {
  const isOwner = and(
    eq(tokens.orgId, orgId),
    eq(tokens.role, 'owner'),
    isNull(tokens.scopeMesh),
    gt(tokens.expiresAt, nowMs),
  )
  const owners = await drizzle(db).select({ id: tokens.id }).from(tokens).where(isOwner).limit(2)
  return owners.length === 1 && owners[0]?.id === id
}

/** Answers whether there was such a token. */
export const deleteToken = async (db: D1Database, orgId: string, id: string, event: OrgEvent): Promise<boolean> => {
  const database = drizzle(db)
  const isNamed = and(eq(tokens.orgId, orgId), eq(tokens.id, id))
  const known = await database.select({ id: tokens.id }).from(tokens).where(isNamed)
  if (known.length === 0) return false
  await database.batch([database.delete(tokens).where(isNamed), ...toAuditWrites(database, orgId, event)])
  return true
}
