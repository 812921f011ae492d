import { firstRow } from '../mesh/context.ts'
import type { RecordSignal } from './records/signal-fields.ts'
import { admit } from './store-row.ts'
import type { Batch, Chunk, Leave, Taken } from './telemetry-store.ts'

/** What may wait for the archive. When that can't be written, senders have to keep what comes after. */
const MAX_WAITING_BYTES = 256 * 1024 * 1024

/** Stores a batch in the transaction that the caller opened. */
export const takeBatch = (sql: SqlStorage, leave: Leave, batch: Batch, nowMs: number): Taken => {
  const { signal, sha256, chunks } = batch
  const refusal = admit(sql, leave)
  if (refusal) return refusal
  if (firstRow(sql.exec('SELECT 1 AS known FROM batches WHERE signal = ? AND sha256 = ?', signal, sha256)))
    return 'known'
  if (listWaiting(sql).reduce((sum, { bytes }) => sum + bytes, 0) > MAX_WAITING_BYTES) return 'full'
  sql.exec('INSERT INTO batches (signal, sha256, received_at) VALUES (?, ?, ?)', signal, sha256, nowMs)
  for (const chunk of chunks) insertChunk(sql, signal, chunk, nowMs)
  addWaiting(sql, batch, nowMs)
  return 'stored'
}

const insertChunk = (
  sql: SqlStorage,
  signal: RecordSignal,
  { extent, bloom, unpacked, body }: Chunk,
  nowMs: number,
): void => {
  sql.exec(
    `INSERT INTO chunks (signal, received_at, records, bytes, unpacked, min_time, max_time, max_duration, max_code, bloom, body)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    signal,
    nowMs,
    extent.rows,
    body.byteLength,
    unpacked,
    extent.minTimeUs,
    extent.maxTimeUs,
    extent.maxDurationUs,
    extent.maxCode,
    bloom,
    body,
  )
}

/** What is not archived yet of a signal. */
export interface Waiting {
  readonly signal: RecordSignal
  readonly records: number
  readonly bytes: number
  readonly unpacked: number
  /** When the oldest of it came. */
  readonly since: number
}

export const listWaiting = (sql: SqlStorage): Waiting[] =>
  sql
    .exec<Waiting & Record<string, SqlStorageValue>>('SELECT signal, records, bytes, unpacked, since FROM waiting')
    .toArray()

const addWaiting = (sql: SqlStorage, { signal, chunks }: Batch, nowMs: number): void => {
  sql.exec(
    `INSERT INTO waiting (signal, records, bytes, unpacked, since) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT (signal) DO UPDATE SET records = records + excluded.records, bytes = bytes + excluded.bytes, unpacked = unpacked + excluded.unpacked`,
    signal,
    chunks.reduce((sum, { extent }) => sum + extent.rows, 0),
    chunks.reduce((sum, { body }) => sum + body.byteLength, 0),
    chunks.reduce((sum, { unpacked }) => sum + unpacked, 0),
    nowMs,
  )
}

/** Chunks of a signal have gone: what waits now is counted anew. */
export const recountWaiting = (sql: SqlStorage, signal: RecordSignal): void => {
  sql.exec('DELETE FROM waiting WHERE signal = ?', signal)
  sql.exec(
    `INSERT INTO waiting (signal, records, bytes, unpacked, since)
     SELECT signal, sum(records), sum(bytes), sum(unpacked), min(received_at) FROM chunks WHERE signal = ? GROUP BY signal`,
    signal,
  )
}

/** All that there is of records and their catalog goes; what is in the archive is another's to empty. */
export const forgetRecords = (sql: SqlStorage): void => {
  for (const table of ['batches', 'chunks', 'waiting', 'compactions', 'segments', 'segment_blooms'])
    sql.exec(`DELETE FROM ${table}`)
}
