import { recountWaiting } from '../chunks.ts'
import type { RecordSignal } from '../records/signal-fields.ts'
import { findStoreRow } from '../store-row.ts'

const DAY_MS = 24 * 60 * 60 * 1000
/** How long a batch is known that is sent again. No agent keeps one for longer. */
const BATCHES_KEPT_MS = 7 * DAY_MS
/** Objects that one call to R2 deletes. */
const TOGETHER = 1_000

/** Deletes what is older than it is kept: objects first, so that what is cut off is found again. A segment is of one day, and goes when all of it is over. */
export const expire = async (sql: SqlStorage, archive: R2Bucket, nowMs: number): Promise<void> => {
  const row = findStoreRow(sql)
  if (!row) return
  await expireSignal(sql, archive, 'logs', nowMs - row.logDays * DAY_MS)
  await expireSignal(sql, archive, 'traces', nowMs - row.traceDays * DAY_MS)
  sql.exec('DELETE FROM batches WHERE received_at < ?', nowMs - BATCHES_KEPT_MS)
}

const expireSignal = async (
  sql: SqlStorage,
  archive: R2Bucket,
  signal: RecordSignal,
  beforeMs: number,
): Promise<void> => {
  for (;;) {
    const old = sql
      .exec<{ id: number; key: string }>(
        'SELECT id, key FROM segments WHERE signal = ? AND max_time < ? LIMIT ?',
        signal,
        beforeMs * 1000,
        TOGETHER,
      )
      .toArray()
    if (old.length === 0) break
    await archive.delete(old.map(({ key }) => key))
    for (const { id } of old) {
      sql.exec('DELETE FROM segment_blooms WHERE segment = ?', id)
      sql.exec('DELETE FROM segments WHERE id = ?', id)
    }
  }
  sql.exec(
    `DELETE FROM chunks WHERE signal = ? AND max_time < ?
     AND NOT EXISTS (SELECT 1 FROM compactions WHERE signal = ?1 AND id BETWEEN first_chunk AND last_chunk)`,
    signal,
    beforeMs * 1000,
  )
  recountWaiting(sql, signal)
}
