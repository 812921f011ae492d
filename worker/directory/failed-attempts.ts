import { and, eq, gt, lt } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import { planeInitiator } from '../mesh/audit.ts'
import { writeWithEvent } from './org-audit.ts'
import { failedAttempts } from './schema.ts'

/**
 * Attempts with the id of a token that there is, and another secret. They are counted by token and address, so that nobody is told to wait for
 * what somebody else does; a right secret is never asked to wait at all: 256 random bits are not found by guessing, however fast.
 */

/** Places from which an org's tokens are guessed at that are told apart; what comes from further ones is counted together. */
export const MAX_GUESSED = 20
/** What is counted together: several tokens, or several addresses. */
const SEVERAL = 'several'
const HOUR_MS = 60 * 60 * 1000
const FORGET_MS = 24 * HOUR_MS
/** Between two events of the same place; somebody who looks is told the rest after a shorter time. */
const REPORT_MS = HOUR_MS
const REPORT_TO_READERS_MS = 10 * 60 * 1000

const FREE_ATTEMPTS = 5
const MAX_WAIT_SECONDS = 300

/** How long who has failed so often in a row is told to wait; 0 = not yet. */
export const toWaitSeconds = (streak: number): number =>
  streak <= FREE_ATTEMPTS ? 0 : Math.min(MAX_WAIT_SECONDS, 2 ** (streak - FREE_ATTEMPTS))

export interface FailedAttempt {
  readonly orgId: string
  readonly tokenId: string
  /** `unknown` where nothing proves one. */
  readonly address: string
}

type Row = typeof failedAttempts.$inferSelect

/** Counts an attempt, and has the audit log tell of it: the first at once, then those of an hour together. Answers how long to wait. */
export const countFailedAttempt = async (db: D1Database, attempt: FailedAttempt, nowMs: number): Promise<number> => {
  const { orgId, tokenId, address } = attempt
  await drizzle(db)
    .delete(failedAttempts)
    .where(and(eq(failedAttempts.orgId, orgId), lt(failedAttempts.lastAt, nowMs - FORGET_MS)))
  const row = await db
    .prepare(
      `INSERT INTO failed_attempts (org_id, token_id, address, unreported, since, last_at, streak, reported_at)
       SELECT ?1, iif(is_full, ?5, ?2), iif(is_full, ?5, ?3), 1, ?4, ?4, 1, 0
       FROM (SELECT (SELECT count(*) FROM failed_attempts WHERE org_id = ?1) >= ?6
               AND NOT EXISTS (SELECT 1 FROM failed_attempts WHERE org_id = ?1 AND token_id = ?2 AND address = ?3) AS is_full)
       WHERE TRUE
       ON CONFLICT (org_id, token_id, address) DO UPDATE SET
         unreported = unreported + 1,
         since = iif(unreported = 0, ?4, since),
         last_at = ?4,
         streak = iif(last_at < ?4 - ?7, 1, streak + 1)
       RETURNING org_id AS orgId, token_id AS tokenId, address, unreported, since, last_at AS lastAt, streak, reported_at AS reportedAt`,
    )
    .bind(orgId, tokenId, address, nowMs, SEVERAL, MAX_GUESSED, HOUR_MS)
    .first<Row>()
  if (!row) throw new Error('the attempt was not counted')
  if (row.reportedAt <= nowMs - REPORT_MS) await report(db, row, nowMs)
  // Others' attempts are nobody's reason to wait.
  return row.address === SEVERAL ? toWaitSeconds(FREE_ATTEMPTS + 1) : toWaitSeconds(row.streak)
}

/** Has the audit log tell of what was counted and not yet told, for somebody who looks. */
export const reportFailedAttempts = async (db: D1Database, orgId: string, nowMs: number): Promise<void> => {
  const due = await drizzle(db)
    .select()
    .from(failedAttempts)
    .where(
      and(
        eq(failedAttempts.orgId, orgId),
        gt(failedAttempts.unreported, 0),
        lt(failedAttempts.reportedAt, nowMs - REPORT_TO_READERS_MS),
      ),
    )
  for (const row of due) await report(db, row, nowMs)
}

/** Of those who would tell of the same attempts one does. */
const report = async (db: D1Database, row: Row, nowMs: number): Promise<void> => {
  const { orgId, tokenId, address, unreported, since, lastAt, reportedAt } = row
  const claimed = await drizzle(db)
    .update(failedAttempts)
    .set({ reportedAt: nowMs, unreported: 0 })
    .where(
      and(
        eq(failedAttempts.orgId, orgId),
        eq(failedAttempts.tokenId, tokenId),
        eq(failedAttempts.address, address),
        eq(failedAttempts.reportedAt, reportedAt),
      ),
    )
    .returning({ orgId: failedAttempts.orgId })
  if (claimed.length === 0) return
  const event = {
    at: nowMs,
    by: { ...planeInitiator, client: { address, userAgent: null } },
    facts: {
      action: 'token.refuse',
      target: tokenId,
      outcome: 'refused' as const,
      detail: {
        reason: 'wrong secret',
        attempts: unreported,
        address,
        from: new Date(since).toISOString(),
        until: new Date(lastAt).toISOString(),
      },
    },
  }
  await writeWithEvent(db, orgId, event, () => [])
}
