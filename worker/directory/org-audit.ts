import { and, desc, eq, lt, sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import type { DrizzleD1Database } from 'drizzle-orm/d1'
import type { Actor, AuditEvent } from '#api/schemas/audit.ts'
import { orgAudit } from './schema.ts'

/** Of one org; beyond this many they are forgotten, oldest first. */
export const MAX_ORG_AUDIT_EVENTS = 10_000

/** What was done to an org and is not one mesh's, and by whom. */
export interface OrgEvent {
  readonly at: number
  readonly actor: Actor
  readonly action: string
  readonly target: string
  readonly requestId: string
}

/** Statements for the batch of the write that the event tells of: there is not one without the other. */
export const toAuditWrites = (database: DrizzleD1Database, orgId: string, event: OrgEvent) => {
  const oldest = sql`(SELECT number FROM org_audit WHERE org_id = ${orgId} ORDER BY number DESC LIMIT 1 OFFSET ${MAX_ORG_AUDIT_EVENTS - 1})`
  return [
    database.insert(orgAudit).values({ ...event, orgId, actor: JSON.stringify(event.actor) }),
    database.delete(orgAudit).where(and(eq(orgAudit.orgId, orgId), lt(orgAudit.number, oldest))),
  ] as const
}

/** Newest first, those before event `before`. */
export const listOrgAudit = async (
  db: D1Database,
  orgId: string,
  before: number,
  limit: number,
): Promise<AuditEvent[]> => {
  const rows = await drizzle(db)
    .select()
    .from(orgAudit)
    .where(and(eq(orgAudit.orgId, orgId), lt(orgAudit.number, before)))
    .orderBy(desc(orgAudit.number))
    .limit(limit)
  return rows.map(({ number, at, actor, action, target, requestId }) => ({
    id: String(number),
    at: new Date(at).toISOString(),
    actor: JSON.parse(actor) as Actor,
    action,
    target,
    cluster: null,
    outcome: 'done',
    detail: {},
    requestId,
  }))
}
