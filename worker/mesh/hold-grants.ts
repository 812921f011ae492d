import type { MeshContext } from './context.ts'

/**
 * What people confirmed of what agents hold. An agent's word that somebody agreed to a removal is worth nothing without the plane's
 * own memory of it: a grant is good for one report of that cluster, for a short while.
 */

/** The agent reports at once; longer ago is not what the person had in mind. */
const GRANT_MS = 60 * 60 * 1000
/** As many as one replica can hold (mesh/uplink.ts). */
const MAX_GRANTS_PER_CLUSTER = 20

export const grantHold = ({ sql, now }: MeshContext, cluster: string, hold: string): void => {
  sql.exec('DELETE FROM hold_grants WHERE granted_at <= ?', now() - GRANT_MS)
  sql.exec('INSERT OR REPLACE INTO hold_grants (cluster, hold, granted_at) VALUES (?, ?, ?)', cluster, hold, now())
  sql.exec(
    `DELETE FROM hold_grants WHERE cluster = ?1 AND hold NOT IN (
       SELECT hold FROM hold_grants WHERE cluster = ?1 ORDER BY granted_at DESC, rowid DESC LIMIT ?2)`,
    cluster,
    MAX_GRANTS_PER_CLUSTER,
  )
}

/** Uses a grant up. Answers whether there was one. */
export const takeGrant = ({ sql, now }: MeshContext, cluster: string, hold: string): boolean =>
  sql.exec('DELETE FROM hold_grants WHERE cluster = ? AND hold = ? AND granted_at > ?', cluster, hold, now() - GRANT_MS)
    .rowsWritten > 0
