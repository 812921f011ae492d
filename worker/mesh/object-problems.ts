import { MAX_TROUBLED_OBJECTS } from '#api/schemas/clusters.ts'
import type { ObjectStatus } from '#api/schemas/configuration.ts'
import type { Condition } from '#mesh/status/condition.ts'
import type { ObjectProblems } from '#mesh/uplink.ts'
import { firstRow, runBulk } from './context.ts'

/** What is not as it should be with the mesh's objects in each cluster, as its reporter last said. */

/** Replaces what was known of a cluster. Nothing new costs no write. */
export const storeObjectProblems = (
  sql: SqlStorage,
  cluster: string,
  { problems, omitted, revision }: ObjectProblems,
): void => {
  const rows = problems.map(({ key, condition: { type, status, reason, message } }) => [
    key,
    type,
    status,
    reason,
    message,
  ])
  const stored = sql
    .exec('SELECT key, type, status, reason, message FROM object_conditions WHERE cluster = ? ORDER BY number', cluster)
    .raw()
  if (JSON.stringify([...stored]) !== JSON.stringify(rows)) {
    sql.exec('DELETE FROM object_conditions WHERE cluster = ?', cluster)
    runBulk(
      sql,
      `INSERT INTO object_conditions (cluster, key, type, status, reason, message)
       SELECT ?2, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 FROM json_each(?1)`,
      rows,
      cluster,
    )
  }
  const summary = [problems.length + omitted, revision ?? null]
  const known = sql.exec('SELECT problems, revision FROM object_problem_counts WHERE cluster = ?', cluster).raw()
  if (JSON.stringify([...known]) !== JSON.stringify([summary]))
    sql.exec(
      'INSERT OR REPLACE INTO object_problem_counts (cluster, problems, revision) VALUES (?, ?, ?)',
      cluster,
      ...summary,
    )
}

/** What is known of a cluster was so at this revision too. */
export const storeJudgedRevision = (sql: SqlStorage, cluster: string, revision: number): void => {
  sql.exec(
    'UPDATE object_problem_counts SET revision = ?1 WHERE cluster = ?2 AND revision IS NOT ?1',
    revision,
    cluster,
  )
}

/** With those that were too many to be named; null = the cluster has not told. */
export const countObjectProblems = (sql: SqlStorage, cluster: string): number | null =>
  firstRow(sql.exec<{ problems: number }>('SELECT problems FROM object_problem_counts WHERE cluster = ?', cluster))
    ?.problems ?? null

/** The objects that a cluster has named, the worst first: so many at most. */
export const listTroubledObjects = (sql: SqlStorage, cluster: string): string[] =>
  sql
    .exec<{ key: string }>(
      'SELECT key FROM object_conditions WHERE cluster = ? GROUP BY key ORDER BY min(number) LIMIT ?',
      cluster,
      MAX_TROUBLED_OBJECTS,
    )
    .toArray()
    .map(({ key }) => key)

/** What clusters say of one object, by cluster. */
export const listObjectStatus = (sql: SqlStorage, key: string): ObjectStatus[] => {
  const rows = sql
    .exec<{ cluster: ObjectStatus['cluster']; revision: number | null } & Condition>(
      `SELECT cluster, revision, type, status, reason, message
       FROM object_conditions LEFT JOIN object_problem_counts USING (cluster) WHERE key = ? ORDER BY cluster, number`,
      key,
    )
    .toArray()
  return Array.from(
    Map.groupBy(rows, ({ cluster }) => cluster),
    ([cluster, conditions]) => ({
      cluster,
      ...(typeof conditions[0]?.revision === 'number' && { revision: conditions[0].revision }),
      conditions: conditions.map(({ cluster: _cluster, revision: _revision, ...condition }) => condition),
    }),
  )
}
