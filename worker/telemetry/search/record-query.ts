import type { Columns } from '../records/record-table.ts'
import { RECORD_ID } from '../records/signal-fields.ts'
import type { RecordSignal } from '../records/signal-fields.ts'
import type { Condition } from './conditions.ts'

/** A place in the order of one cluster's records: newest first, of those of one time the one with the highest number. */
export interface RecordPlace {
  readonly timeUs: number
  readonly recordId: number
}

export interface RecordQuery {
  readonly signal: RecordSignal
  readonly fromUs: number
  readonly toUs: number
  readonly conditions: readonly Condition[]
  /** Only records that come after this place. */
  readonly after: RecordPlace
  readonly limit: number
  /** What the answer's records may take: whoever asks many stores has room for so much of each. One record is always there. */
  readonly size: number
}

/** A record as it is found: its fields that it has. Maps are JSON. */
export interface FoundRecord extends RecordPlace {
  readonly fields: Readonly<Record<string, string | number>>
}

export interface FoundRecords {
  /** In order; at most as many as were asked for. */
  readonly records: readonly FoundRecord[]
  /** What comes after this place has not been looked at: it was enough for one answer. Null: all has. */
  readonly searchedTo: RecordPlace | null
}

/** Before all records of a time. */
export const toPlaceOfTime = (timeUs: number): RecordPlace => ({ timeUs, recordId: Number.MAX_SAFE_INTEGER })
/** Before all records. */
export const firstRecordPlace = toPlaceOfTime(Number.MAX_SAFE_INTEGER)

export const isBefore = (a: RecordPlace, b: RecordPlace): boolean =>
  a.timeUs === b.timeUs ? a.recordId > b.recordId : a.timeUs > b.timeUs

export const comparePlaces = (a: RecordPlace, b: RecordPlace): number => b.timeUs - a.timeUs || b.recordId - a.recordId

const toPlaceOfRow = ({ columns }: Columns, row: number): RecordPlace => ({
  timeUs: Number(columns.get('time')?.[row] ?? 0),
  recordId: Number(columns.get(RECORD_ID)?.[row] ?? 0),
})

/** About what a record takes in memory, and in a message. */
export const measureRecord = ({ fields }: FoundRecord): number =>
  Object.entries(fields).reduce(
    (sum, [name, value]) => sum + name.length + (typeof value === 'string' ? value.length : 8),
    0,
  )

/** As many of the first records as fit, and one at least. */
export const takeFitting = (records: readonly FoundRecord[], size: number): readonly FoundRecord[] => {
  let left = size
  const end = records.findIndex((record, index) => (left -= measureRecord(record)) < 0 && index > 0)
  return end < 0 ? records : records.slice(0, end)
}

export const toFoundRecord = (columns: Columns, row: number): FoundRecord => {
  const fields: Record<string, string | number> = {}
  for (const [name, cells] of columns.columns) {
    const cell = cells[row]
    if (cell !== null && cell !== undefined && name !== RECORD_ID) fields[name] = cell
  }
  return { ...toPlaceOfRow(columns, row), fields }
}
