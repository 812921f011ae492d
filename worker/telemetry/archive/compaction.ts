import { firstRow } from '../../mesh/context.ts'
import { listWaiting, recountWaiting } from '../chunks.ts'
import type { Waiting } from '../chunks.ts'
import { toFolder } from '../place.ts'
import type { Place } from '../place.ts'
import { toBloom } from '../records/describe-columns.ts'
import { unpackColumns } from '../records/pack-columns.ts'
import { joinColumns } from '../records/record-table.ts'
import type { Columns } from '../records/record-table.ts'
import { RECORD_ID } from '../records/signal-fields.ts'
import type { RecordSignal } from '../records/signal-fields.ts'
import { insertSegment } from './segments.ts'
import type { NewSegment } from './segments.ts'
import { writeSegment } from './segment-file.ts'
import { sortByDay } from './sort-by-day.ts'

/** Of one segment: what fits into an object's memory with all that making it takes, which is some four times what its records take unpacked. */
const SEGMENT: Size = { records: 50_000, bytes: 6 * 1024 * 1024, unpacked: 16 * 1024 * 1024 }
/** What has waited for this long is archived, however little it is. */
const MAX_WAIT_MS = 30 * 60 * 1000
/** A record's number is its chunk's and its place there. */
const RECORDS_OF_CHUNK = 65_536

export const toRecordId = (chunk: number, row: number): number => chunk * RECORDS_OF_CHUNK + row

interface Size {
  readonly records: number
  readonly bytes: number
  readonly unpacked: number
}

const sizes = ['records', 'bytes', 'unpacked'] as const

interface PlannedChunk extends Record<string, SqlStorageValue>, Size {
  id: number
}

interface Plan {
  readonly firstChunk: number
  readonly lastChunk: number
}

const toDueMs = (waiting: Waiting): number =>
  sizes.some((size) => waiting[size] >= SEGMENT[size]) ? 0 : waiting.since + MAX_WAIT_MS

/** When the next thing is to be archived; undefined when nothing waits. */
export const nextCompactionMs = (sql: SqlStorage): number | undefined => {
  const due = listWaiting(sql).map(toDueMs)
  return due.length === 0 ? undefined : Math.min(...due)
}

/** The first of these chunks that make one segment. */
const takeSegment = (chunks: Iterable<PlannedChunk>): Plan | undefined => {
  let taken: (Plan & Size) | undefined
  for (const { id, records, bytes, unpacked } of chunks) {
    const next = {
      firstChunk: taken?.firstChunk ?? id,
      lastChunk: id,
      records: records + (taken?.records ?? 0),
      bytes: bytes + (taken?.bytes ?? 0),
      unpacked: unpacked + (taken?.unpacked ?? 0),
    }
    if (taken && sizes.some((size) => next[size] > SEGMENT[size])) break
    taken = next
  }
  return taken
}

/**
 * The chunks that are to be archived together, oldest first. What was planned before and not done is planned again as it was, unless it is more than a segment may be now:
 * that would fail as often as it is tried.
 */
const plan = (sql: SqlStorage, signal: RecordSignal): Plan | undefined => {
  const planned = firstRow(
    sql.exec<{ firstChunk: number; lastChunk: number }>(
      'SELECT first_chunk AS firstChunk, last_chunk AS lastChunk FROM compactions WHERE signal = ?',
      signal,
    ),
  )
  const segment = takeSegment(
    sql.exec<PlannedChunk>(
      'SELECT id, records, bytes, unpacked FROM chunks WHERE signal = ? AND id <= ? ORDER BY id',
      signal,
      planned?.lastChunk ?? Number.MAX_SAFE_INTEGER,
    ),
  )
  if (!segment) return undefined
  const { firstChunk, lastChunk } = segment
  sql.exec(
    'INSERT OR REPLACE INTO compactions (signal, first_chunk, last_chunk) VALUES (?, ?, ?)',
    signal,
    firstChunk,
    lastChunk,
  )
  return { firstChunk, lastChunk }
}

export interface CompactionParts {
  readonly sql: SqlStorage
  readonly transaction: <T>(body: () => T) => T
  readonly archive: R2Bucket
  readonly place: Place
}

/**
 * Archives what is due, one segment for each day that its records are of. Cut off at any point and begun again it writes the same objects under the same names; what is in
 * one commit with the catalog is in the archive before.
 */
export const compact = async (parts: CompactionParts, nowMs: number): Promise<void> => {
  const { sql, transaction } = parts
  for (const waiting of listWaiting(sql)) {
    if (toDueMs(waiting) > nowMs) continue
    const planned = transaction(() => plan(sql, waiting.signal))
    if (planned) await compactPlanned(parts, waiting.signal, planned)
  }
}

const compactPlanned = async (parts: CompactionParts, signal: RecordSignal, planned: Plan): Promise<void> => {
  const { sql, transaction, archive, place } = parts
  const { firstChunk, lastChunk } = planned
  const segments: NewSegment[] = []
  for (const [day, records] of sortByDay(await readChunks(sql, signal, planned))) {
    const { bytes, groups } = writeSegment(signal, records)
    const key = `${toFolder(place)}${signal}/${day}/${toName(firstChunk)}-${toName(lastChunk)}.parquet`
    await archive.put(key, bytes)
    segments.push({ signal, key, bytes: bytes.byteLength, groups, lastChunk, bloom: toBloom(signal, records) })
  }
  transaction(() => {
    // The cluster was evicted meanwhile: what was written is emptied with the rest.
    if (!firstRow(sql.exec('SELECT 1 AS planned FROM compactions WHERE signal = ?', signal))) return
    for (const segment of segments) insertSegment(sql, segment)
    sql.exec('DELETE FROM chunks WHERE signal = ? AND id BETWEEN ? AND ?', signal, firstChunk, lastChunk)
    sql.exec('DELETE FROM compactions WHERE signal = ?', signal)
    recountWaiting(sql, signal)
  })
}

/** As many digits as a number of chunks ever has: names sort as numbers do. */
const toName = (chunk: number): string => String(chunk).padStart(12, '0')

const readChunks = async (sql: SqlStorage, signal: RecordSignal, { firstChunk, lastChunk }: Plan): Promise<Columns> => {
  const ids = sql
    .exec<{ id: number }>(
      'SELECT id FROM chunks WHERE signal = ? AND id BETWEEN ? AND ? ORDER BY id',
      signal,
      firstChunk,
      lastChunk,
    )
    .toArray()
  const parts: Columns[] = []
  for (const { id } of ids) {
    const row = firstRow(sql.exec<{ body: ArrayBuffer }>('SELECT body FROM chunks WHERE id = ?', id))
    if (row) parts.push(withRecordIds(id, await unpackColumns(new Uint8Array(row.body))))
  }
  return joinColumns(parts)
}

/** With the numbers that the records have for good. */
export const withRecordIds = (chunk: number, { rows, columns }: Columns): Columns => ({
  rows,
  columns: new Map([...columns, [RECORD_ID, Array.from({ length: rows }, (_, row) => toRecordId(chunk, row))]]),
})
