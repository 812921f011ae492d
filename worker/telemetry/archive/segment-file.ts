import { parquetWriteBuffer } from 'hyparquet-writer'
import type { SchemaElement } from 'hyparquet'
import type { FieldType } from '#mesh/telemetry/record-fields.ts'
import { toExtent } from '../records/describe-columns.ts'
import type { Extent } from '../records/describe-columns.ts'
import { sliceRows } from '../records/record-table.ts'
import type { Cell, Columns } from '../records/record-table.ts'
import { RECORD_ID, signalFields } from '../records/signal-fields.ts'
import type { RecordSignal } from '../records/signal-fields.ts'

const GROUP_ROWS = 10_000

/** An object of the archive, and what each of its row groups holds. */
export interface SegmentFile {
  readonly bytes: ArrayBuffer
  readonly groups: readonly Extent[]
}

/** How a field is in Parquet (parquet-format: LogicalTypes). Every file has every column, so that they can be read as one. */
const toElement = (name: string, type: FieldType): SchemaElement => {
  switch (type) {
    case 'timestamp':
      return { name, type: 'INT64', converted_type: 'TIMESTAMP_MICROS', repetition_type: 'OPTIONAL' }
    case 'integer':
      return { name, type: 'INT64', repetition_type: 'OPTIONAL' }
    case 'text':
      return { name, type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' }
    case 'map':
      return { name, type: 'BYTE_ARRAY', converted_type: 'JSON', repetition_type: 'OPTIONAL' }
  }
}

const toValues = (type: FieldType, cells: readonly Cell[]): unknown[] => {
  switch (type) {
    case 'timestamp':
    case 'integer':
      return cells.map((cell) => (cell === null ? null : BigInt(cell)))
    case 'text':
      return [...cells]
    case 'map':
      return cells.map((cell) => (cell === null ? null : (JSON.parse(String(cell)) as unknown)))
  }
}

/** Records, sorted by time, as a Parquet file: SNAPPY, row groups of ten thousand. */
export const writeSegment = (signal: RecordSignal, records: Columns): SegmentFile => {
  const fields: [string, FieldType][] = Object.entries(signalFields[signal]).map(([name, { type }]) => [name, type])
  fields.push([RECORD_ID, 'integer'])
  const none = Array.from<null>({ length: records.rows }).fill(null)
  const bytes = parquetWriteBuffer({
    schema: [{ name: 'record', num_children: fields.length }, ...fields.map(([name, type]) => toElement(name, type))],
    columnData: fields.map(([name, type]) => ({
      name,
      data: toValues(type, records.columns.get(name) ?? none),
      // Texts are asked about by exact values, which a least and a greatest one tell nothing of.
      statistics: type === 'timestamp' || type === 'integer',
    })),
    codec: 'SNAPPY',
    rowGroupSize: GROUP_ROWS,
    createdBy: 'atoll',
  })
  const groups: Extent[] = []
  for (let start = 0; start < records.rows; start += GROUP_ROWS)
    groups.push(toExtent(sliceRows(records, start, Math.min(start + GROUP_ROWS, records.rows))))
  return { bytes, groups }
}
