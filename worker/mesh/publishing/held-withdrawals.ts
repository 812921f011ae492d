import { judgeRemoval } from '#mesh/judge-removal.ts'
import type { Hold } from '#mesh/uplink.ts'
import { newId } from '../../secret-token.ts'
import { writeAudit } from '../audit.ts'
import type { Initiator } from '../audit.ts'
import { firstRow } from '../context.ts'
import type { MeshContext } from '../context.ts'
import { wantPublishing } from './wanted.ts'

/** A withdrawal of much that a cluster publishes: it waits for a person, and what has gone stays published meanwhile. */
interface HeldWithdrawal extends Record<string, SqlStorageValue> {
  id: string
  reason: string
  since: number
  removed: number
}

const findHeldWithdrawal = (sql: SqlStorage, cluster: string): HeldWithdrawal | undefined =>
  firstRow(
    sql.exec<HeldWithdrawal>('SELECT id, reason, since, removed FROM held_withdrawals WHERE cluster = ?', cluster),
  )

export const listHeldWithdrawals = (sql: SqlStorage, cluster: string): Hold[] => {
  const held = findHeldWithdrawal(sql, cluster)
  return held
    ? [{ id: held.id, kind: 'mass-removal', reason: held.reason, since: new Date(held.since).toISOString() }]
    : []
}

/**
 * Lets go what has gone from a cluster, unless so much of what it publishes has that it looks like an accident. What comes back
 * meanwhile ends the hold.
 */
export const judgeWithdrawal = (context: MeshContext, cluster: string, initiator: Initiator): void => {
  const { sql } = context
  // What was never published is no loss.
  sql.exec('DELETE FROM candidates WHERE cluster = ? AND absent = 1 AND published IS NULL', cluster)
  const { removed, total } = sql
    .exec<{ removed: number; total: number }>(
      'SELECT coalesce(sum(absent), 0) AS removed, count(*) AS total FROM candidates WHERE cluster = ? AND published IS NOT NULL',
      cluster,
    )
    .one()
  if (judgeRemoval(removed, total).held) holdWithdrawal(context, cluster, removed, total, initiator)
  else releaseWithdrawal(sql, cluster)
}

const releaseWithdrawal = (sql: SqlStorage, cluster: string): void => {
  sql.exec('DELETE FROM candidates WHERE cluster = ? AND absent = 1', cluster)
  sql.exec('DELETE FROM held_withdrawals WHERE cluster = ?', cluster)
  wantPublishing(sql)
}

/** Keeps the id of a hold that a person may be looking at, unless it has come to mean more than was shown. */
const holdWithdrawal = (
  context: MeshContext,
  cluster: string,
  removed: number,
  total: number,
  initiator: Initiator,
): void => {
  const { sql, now, random } = context
  const before = findHeldWithdrawal(sql, cluster)
  const isShown = before !== undefined && before.removed >= removed
  const id = isShown ? before.id : `mass-withdrawal-${newId(random)}`
  const reason = `${removed} of the ${total} objects that the cluster ${cluster} publishes have gone from it at once. They stay published.`
  sql.exec(
    'INSERT OR REPLACE INTO held_withdrawals (cluster, id, reason, since, removed) VALUES (?, ?, ?, ?, ?)',
    cluster,
    id,
    reason,
    before?.since ?? now(),
    removed,
  )
  if (!isShown) writeAudit(context, initiator, { action: 'hold.create', target: id, cluster, detail: { reason } })
  wantPublishing(sql)
}

/** Withdraws what a person let go. Answers whether there is such a hold. */
export const confirmWithdrawal = (
  context: MeshContext,
  cluster: string,
  hold: string,
  initiator: Initiator,
): boolean => {
  const { sql } = context
  const held = findHeldWithdrawal(sql, cluster)
  if (held?.id !== hold) return false
  releaseWithdrawal(sql, cluster)
  writeAudit(context, initiator, {
    action: 'hold.confirm',
    target: hold,
    cluster,
    detail: { removed: held.removed },
  })
  return true
}
