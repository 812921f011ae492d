import { firstRow } from '../../mesh/context.ts'
import { withRecordIds } from '../archive/compaction.ts'
import type { SegmentReader } from '../archive/read-segment.ts'
import type { Segment } from '../archive/segments.ts'
import type { Extent } from '../records/describe-columns.ts'
import { unpackColumns } from '../records/pack-columns.ts'
import type { Columns } from '../records/record-table.ts'
import { mayHoldIn } from './conditions.ts'
import type { RecordQuery } from './record-query.ts'

/** Records that are read together: a chunk, or a row group of a segment. */
export interface Unit {
  readonly extent: Extent
  /** `names`: the columns that are needed; all, if there are none. Undefined: they are not there any more. */
  readonly read: (names?: readonly string[]) => Promise<Columns | undefined>
}

interface CatalogRow extends Record<string, SqlStorageValue> {
  id: number
  rows: number
  minTimeUs: number
  maxTimeUs: number
  maxDurationUs: number
  maxCode: number
  bloom: ArrayBuffer
}

/** What has to be read for a query, that with the newest records first. */
export const listUnits = (sql: SqlStorage, reader: SegmentReader, query: RecordQuery): Unit[] => {
  const isWanted = (extent: Extent, bloom?: Uint8Array): boolean =>
    extent.maxTimeUs >= query.fromUs &&
    extent.minTimeUs <= Math.min(query.toUs, query.after.timeUs) &&
    query.conditions.every((condition) => mayHoldIn(extent, bloom, condition))
  return [...listChunks(sql, query, isWanted), ...listGroups(sql, reader, query, isWanted)].sort(
    (a, b) => b.extent.maxTimeUs - a.extent.maxTimeUs,
  )
}

type IsWanted = (extent: Extent, bloom?: Uint8Array) => boolean

const listChunks = (sql: SqlStorage, { signal, fromUs, toUs }: RecordQuery, isWanted: IsWanted): Unit[] => {
  const units: Unit[] = []
  const rows = sql.exec<CatalogRow>(
    `SELECT id, records AS rows, min_time AS minTimeUs, max_time AS maxTimeUs, max_duration AS maxDurationUs, max_code AS maxCode, bloom
     FROM chunks WHERE signal = ? AND max_time >= ? AND min_time <= ?`,
    signal,
    fromUs,
    toUs,
  )
  for (const { id, bloom, ...extent } of rows) {
    if (!isWanted(extent, new Uint8Array(bloom))) continue
    units.push({
      extent,
      read: readOnce(async () => {
        const row = firstRow(sql.exec<{ body: ArrayBuffer }>('SELECT body FROM chunks WHERE id = ?', id))
        return row && withRecordIds(id, await unpackColumns(new Uint8Array(row.body)))
      }),
    })
  }
  return units
}

/** A chunk is read whole, whatever is needed of it. */
const readOnce = (read: () => Promise<Columns | undefined>): Unit['read'] => {
  let columns: Promise<Columns | undefined> | undefined
  return () => (columns ??= read())
}

interface SegmentRow extends Record<string, SqlStorageValue> {
  id: number
  key: string
  bytes: number
  groups: string
}

const listGroups = (
  sql: SqlStorage,
  reader: SegmentReader,
  { signal, fromUs, toUs, conditions }: RecordQuery,
  isWanted: IsWanted,
): Unit[] => {
  const needsBloom = conditions.some(({ kind }) => kind === 'word')
  const units: Unit[] = []
  const rows = sql.exec<SegmentRow>(
    'SELECT id, key, bytes, groups FROM segments WHERE signal = ? AND max_time >= ? AND min_time <= ?',
    signal,
    fromUs,
    toUs,
  )
  for (const { groups, ...row } of rows.toArray()) {
    const segment: Segment = { ...row, groups: JSON.parse(groups) as Extent[] }
    const bloom = needsBloom ? readBloom(sql, row.id) : undefined
    for (const [index, extent] of segment.groups.entries())
      if (isWanted(extent, bloom)) units.push({ extent, read: (names) => reader.read(segment, index, names) })
  }
  return units
}

const readBloom = (sql: SqlStorage, segment: number): Uint8Array | undefined => {
  const row = firstRow(sql.exec<{ bloom: ArrayBuffer }>('SELECT bloom FROM segment_blooms WHERE segment = ?', segment))
  return row && new Uint8Array(row.bloom)
}
