import type { AgentMessage } from '#mesh/uplink.ts'

export type Report = Extract<AgentMessage, { type: 'report' }>

/**
 * Reports that are not applied yet, in the object's SQLite: those whose last chunk has not come (`session` = who is sending), and
 * the held steps of clusters (`session` NULL). They are large: nothing keeps more than one chunk in memory.
 */

/** Of one cluster; 200 clusters at this limit fill half of an object's storage. */
export const MAX_STAGED_CHARS = 24 * 1024 * 1024

/** Answers false when the cluster has as much staged as it may. */
export const stageChunk = (sql: SqlStorage, cluster: string, session: string | null, report: Report): boolean => {
  const chunk = JSON.stringify(report)
  const { staged } = sql
    .exec<{ staged: number }>(
      'SELECT coalesce(sum(length(chunk)), 0) AS staged FROM report_chunks WHERE cluster = ?',
      cluster,
    )
    .one()
  if (staged + chunk.length > MAX_STAGED_CHARS) return false
  sql.exec(
    'INSERT INTO report_chunks (cluster, session, boot, sequence, mode, chunk) VALUES (?, ?, ?, ?, ?, ?)',
    cluster,
    session,
    report.position.boot,
    report.position.sequence,
    report.mode,
    chunk,
  )
  return true
}

/** The report that a session has begun and not finished, if there is one. */
export const findUnfinished = (sql: SqlStorage, session: string): Pick<Report, 'mode' | 'position'> | undefined => {
  const [row] = sql
    .exec<{ mode: Report['mode']; boot: string; sequence: number }>(
      'SELECT mode, boot, sequence FROM report_chunks WHERE session = ? LIMIT 1',
      session,
    )
    .toArray()
  return row && { mode: row.mode, position: { boot: row.boot, sequence: row.sequence } }
}

/** How many services the chunks of a session's report name. */
export const countStagedServices = (sql: SqlStorage, session: string): number =>
  sql
    .exec<{ services: number }>(
      `SELECT coalesce(sum(json_array_length(chunk, '$.upserts')), 0) AS services FROM report_chunks WHERE session = ?`,
      session,
    )
    .one().services

/** The chunks of a session's report, or, without a session, of the cluster's held one; one in memory at a time. */
export function* readChunks(sql: SqlStorage, cluster: string, session: string | null): Generator<Report> {
  const numbers = sql
    .exec<{ number: number }>(
      'SELECT number FROM report_chunks WHERE cluster = ? AND session IS ? ORDER BY number',
      cluster,
      session,
    )
    .toArray()
  for (const { number } of numbers) {
    yield JSON.parse(
      sql.exec<{ chunk: string }>('SELECT chunk FROM report_chunks WHERE number = ?', number).one().chunk,
    ) as Report
  }
}

/** Keeps a session's report as the held one of its cluster. */
export const holdChunks = (sql: SqlStorage, cluster: string, session: string): void => {
  dropChunks(sql, cluster, null)
  sql.exec('UPDATE report_chunks SET session = NULL WHERE session = ?', session)
}

/** Forgets what a session sent, or, without a session, what is held of the cluster. */
export const dropChunks = (sql: SqlStorage, cluster: string, session: string | null): void => {
  sql.exec('DELETE FROM report_chunks WHERE cluster = ? AND session IS ?', cluster, session)
}
