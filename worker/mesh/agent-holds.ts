import type { Hold } from '#mesh/uplink.ts'

/** What the agents of a cluster hold until a person confirms it. Replicas hold the same things: each hold is listed once. */

export const storeAgentHolds = (sql: SqlStorage, cluster: string, replica: string, holds: readonly Hold[]): void => {
  if (holds.length === 0) sql.exec('DELETE FROM agent_holds WHERE cluster = ? AND replica = ?', cluster, replica)
  else {
    sql.exec(
      'INSERT OR REPLACE INTO agent_holds (cluster, replica, holds) VALUES (?, ?, ?)',
      cluster,
      replica,
      JSON.stringify(holds),
    )
  }
}

export const listAgentHolds = (sql: SqlStorage, cluster: string): Hold[] => {
  const held = sql
    .exec<{ holds: string }>('SELECT holds FROM agent_holds WHERE cluster = ? ORDER BY replica', cluster)
    .toArray()
    .flatMap(({ holds }) => JSON.parse(holds) as Hold[])
  return held.filter(({ id }, index) => held.findIndex((other) => other.id === id) === index)
}

/** Why agents follow no configuration now, by cluster: they ask a person first whether the plane was restored. */
export const findRestoreHolds = (sql: SqlStorage): Map<string, string> => {
  const rows = sql.exec<{ cluster: string; holds: string }>('SELECT cluster, holds FROM agent_holds').toArray()
  return new Map(
    rows.flatMap(({ cluster, holds }) => {
      const hold = (JSON.parse(holds) as Hold[]).find(({ kind }) => kind === 'restored-plane')
      return hold ? [[cluster, hold.reason] as const] : []
    }),
  )
}

/** A replica that has gone for good says no more what it holds. */
export const keepAgentHoldsOf = (sql: SqlStorage, cluster: string, replicas: readonly string[]): void => {
  sql.exec(
    'DELETE FROM agent_holds WHERE cluster = ? AND replica NOT IN (SELECT value FROM json_each(?))',
    cluster,
    JSON.stringify(replicas),
  )
}
