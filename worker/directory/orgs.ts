import { eq, inArray, notExists } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import type { NewApiToken } from './tokens.ts'
import { toTokenRow } from './tokens.ts'
import { writeWithEvent } from './org-audit.ts'
import type { OrgEvent } from './org-audit.ts'
import {
  members,
  signInProviders,
  failedAttempts,
  idempotency,
  orgAudit,
  orgAuditChain,
  orgs,
  plane,
  tokens,
} from './schema.ts'

export const isSetUp = async (db: D1Database): Promise<boolean> => (await drizzle(db).select().from(plane)).length > 0

/** Makes the first org and its owner token in one transaction. Answers false when the plane was set up before. */
export const setUpPlane = async (
  db: D1Database,
  org: { readonly id: string; readonly name: string },
  token: NewApiToken,
  event: OrgEvent,
): Promise<boolean> => {
  try {
    await writeWithEvent(db, org.id, event, (database) => [
      database.insert(plane).values({ onlyRow: 1, setUpAt: token.createdAtMs }),
      database.insert(orgs).values({ id: org.id, name: org.name, createdAt: token.createdAtMs }),
      database.insert(tokens).values(toTokenRow(org.id, token)),
    ])
    return true
  } catch (error) {
    if (await isSetUp(db)) return false
    throw error
  }
}

/** Kept answers that one statement deletes. */
const TOGETHER = 1_000

/**
 * Takes an org out with all that is its own. Its tokens go last, in one transaction with the org: until then who has one can go on with what was cut off. The plane can be set
 * up again when this was the last org. Throws, and has changed nothing of that, when the org has meshes.
 */
export const removeOrg = async (db: D1Database, orgId: string): Promise<void> => {
  const answersOfTokens = db
    .prepare(
      `DELETE FROM idempotency WHERE rowid IN
       (SELECT rowid FROM idempotency WHERE caller IN (SELECT id FROM tokens WHERE org_id = ?) LIMIT ${TOGETHER})`,
    )
    .bind(orgId)
  while ((await answersOfTokens.run()).meta.changes > 0);
  const database = drizzle(db)
  const ownTokens = database.select({ id: tokens.id }).from(tokens).where(eq(tokens.orgId, orgId))
  const isLast = notExists(database.select({ id: orgs.id }).from(orgs))
  await database.batch([
    database.delete(orgAudit).where(eq(orgAudit.orgId, orgId)),
    database.delete(orgAuditChain).where(eq(orgAuditChain.orgId, orgId)),
    database.delete(failedAttempts).where(eq(failedAttempts.orgId, orgId)),
    // What came in meanwhile.
    database.delete(idempotency).where(inArray(idempotency.caller, ownTokens)),
    database.delete(members).where(eq(members.orgId, orgId)),
    database.delete(signInProviders).where(eq(signInProviders.orgId, orgId)),
    database.delete(tokens).where(eq(tokens.orgId, orgId)),
    database.delete(orgs).where(eq(orgs.id, orgId)),
    database.delete(plane).where(isLast),
    // Those of revoked tokens and of the set-up, which would be answered as the first time.
    database.delete(idempotency).where(isLast),
  ])
}
