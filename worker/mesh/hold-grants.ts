import type { Hold } from '#mesh/uplink.ts'
import { firstRow } from './context.ts'
import type { MeshContext } from './context.ts'

/**
 * What people confirmed of what agents hold. An agent's word that somebody agreed to a removal is worth nothing without the plane's
 * own memory of it: a grant is good for one report of that cluster, for a short while, and for as much as the person was shown.
 */

/** The agent reports at once; longer ago is not what the person had in mind. */
const GRANT_MS = 60 * 60 * 1000
/** As many as one replica can hold (mesh/uplink.ts). */
const MAX_GRANTS_PER_CLUSTER = 20

export interface Grant {
  /** How many endpoints may go by it; null = the agent has not said how many it holds. */
  readonly endpoints: number | null
}

export const grantHold = ({ sql, now }: MeshContext, cluster: string, { id, endpoints }: Hold): void => {
  sql.exec('DELETE FROM hold_grants WHERE granted_at <= ?', now() - GRANT_MS)
  sql.exec(
    'INSERT OR REPLACE INTO hold_grants (cluster, hold, granted_at, endpoints) VALUES (?, ?, ?, ?)',
    cluster,
    id,
    now(),
    endpoints ?? null,
  )
  sql.exec(
    `DELETE FROM hold_grants WHERE cluster = ?1 AND hold NOT IN (
       SELECT hold FROM hold_grants WHERE cluster = ?1 ORDER BY granted_at DESC, rowid DESC LIMIT ?2)`,
    cluster,
    MAX_GRANTS_PER_CLUSTER,
  )
}

/** undefined = there is none (any more). */
export const findGrant = ({ sql, now }: MeshContext, cluster: string, hold: string): Grant | undefined =>
  firstRow(
    sql.exec<{ endpoints: number | null }>(
      'SELECT endpoints FROM hold_grants WHERE cluster = ? AND hold = ? AND granted_at > ?',
      cluster,
      hold,
      now() - GRANT_MS,
    ),
  )

export const useGrant = (sql: SqlStorage, cluster: string, hold: string): void => {
  sql.exec('DELETE FROM hold_grants WHERE cluster = ? AND hold = ?', cluster, hold)
}
