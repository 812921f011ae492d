import { and, desc, eq, gt } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import type { Session } from '#api/schemas/sessions.ts'
import type { BrowserSession } from '../app-env.ts'
import type { AuditClient } from '../audit/client.ts'
import { tokens } from './schema.ts'
import { isAlive, isBefore } from './tokens.ts'
import type { TokenPlace, TokenRow } from './tokens.ts'

/** How long a session lasts that nobody uses. */
export const IDLE_MS = 60 * 60 * 1000
/** A session in use is written this often, not at each request. */
const TOUCH_MS = 60 * 1000

const toIso = (ms: number): string => new Date(ms).toISOString()

const toSession = (row: TokenRow, currentId: string): Session => ({
  id: row.id,
  kind: row.sessionOrigin === null ? 'command-line' : 'browser',
  current: row.id === currentId,
  createdAt: toIso(row.createdAt),
  expiresAt: toIso(row.expiresAt),
  idleExpiresAt: row.idleExpiresAt === null ? null : toIso(row.idleExpiresAt),
  client: row.client === null ? null : (JSON.parse(row.client) as AuditClient),
})

/** Of one member, newest first, those that have not ended. */
export const listSessions = async (
  db: D1Database,
  orgId: string,
  { memberId, currentId }: { readonly memberId: string; readonly currentId: string },
  before: TokenPlace,
  { limit, nowMs }: { readonly limit: number; readonly nowMs: number },
): Promise<Session[]> => {
  const rows = await drizzle(db)
    .select()
    .from(tokens)
    .where(and(eq(tokens.orgId, orgId), eq(tokens.memberId, memberId), isAlive(nowMs), isBefore(before)))
    .orderBy(desc(tokens.createdAt), desc(tokens.id))
    .limit(limit)
  return rows.map((row) => toSession(row, currentId))
}

/** Whether a token is of a sign-in of this member. */
export const isSessionOf = async (db: D1Database, orgId: string, id: string, memberId: string): Promise<boolean> => {
  const isOwn = and(eq(tokens.orgId, orgId), eq(tokens.id, id), eq(tokens.memberId, memberId))
  return (await drizzle(db).select({ id: tokens.id }).from(tokens).where(isOwn)).length > 0
}

/** Notes that a session is used. One that has ended meanwhile does not come back. */
export const touchSession = async (
  db: D1Database,
  id: string,
  { expiresAtMs, idleExpiresAtMs }: BrowserSession,
  nowMs: number,
): Promise<void> => {
  const until = Math.min(expiresAtMs, nowMs + IDLE_MS)
  if (until - idleExpiresAtMs < TOUCH_MS) return
  await drizzle(db)
    .update(tokens)
    .set({ idleExpiresAt: until })
    .where(and(eq(tokens.id, id), gt(tokens.idleExpiresAt, nowMs)))
}
