import { firstRow } from '../../mesh/context.ts'
import type { Extent } from '../records/describe-columns.ts'
import type { RecordSignal } from '../records/signal-fields.ts'

export interface NewSegment {
  readonly signal: RecordSignal
  /** Its name in the archive. */
  readonly key: string
  readonly bytes: number
  readonly groups: readonly Extent[]
  /** The newest that it was made of. */
  readonly lastChunk: number
  readonly bloom: Uint8Array<ArrayBuffer>
}

export interface Segment {
  readonly id: number
  readonly key: string
  readonly bytes: number
  readonly groups: readonly Extent[]
}

export const insertSegment = (sql: SqlStorage, { signal, key, bytes, groups, lastChunk, bloom }: NewSegment): void => {
  const { id } = sql
    .exec<{ id: number }>(
      `INSERT INTO segments (signal, key, records, bytes, min_time, max_time, groups, last_chunk) VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`,
      signal,
      key,
      groups.reduce((sum, { rows }) => sum + rows, 0),
      bytes,
      Math.min(...groups.map(({ minTimeUs }) => minTimeUs)),
      Math.max(...groups.map(({ maxTimeUs }) => maxTimeUs)),
      JSON.stringify(groups),
      lastChunk,
    )
    .one()
  sql.exec('INSERT INTO segment_blooms (segment, bloom) VALUES (?, ?)', id, bloom)
}

export const hasSegments = (sql: SqlStorage): boolean =>
  firstRow(sql.exec('SELECT id FROM segments LIMIT 1')) !== undefined
