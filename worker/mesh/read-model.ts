import { countMembers } from './clusters.ts'
import { readMeshRow } from './mesh-row.ts'
import type { Topic } from './outbox.ts'

/** Brings the directory's copy of the mesh up to date. A failure leaves the topic, to be tried again. */
export const drainOutbox = async (sql: SqlStorage, db: D1Database): Promise<void> => {
  const waiting = sql.exec<{ topic: Topic; since: number }>('SELECT topic, since FROM outbox').toArray()
  for (const { topic, since } of waiting) {
    const { meshId, settings, revision } = readMeshRow(sql)
    await db
      .prepare('UPDATE meshes SET settings = ?, revision = ?, clusters = ? WHERE id = ?')
      .bind(JSON.stringify(settings), revision, countMembers(sql), meshId)
      .run()
    // Only if nothing newer was announced meanwhile.
    sql.exec('DELETE FROM outbox WHERE topic = ? AND since = ?', topic, since)
  }
}
