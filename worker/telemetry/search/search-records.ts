import { SegmentGone } from '../archive/read-segment.ts'
import type { SegmentReader } from '../archive/read-segment.ts'
import type { Columns } from '../records/record-table.ts'
import { RECORD_ID } from '../records/signal-fields.ts'
import { fieldsOf, toTest } from './conditions.ts'
import { comparePlaces, isBefore, takeFitting, toFoundRecord, toPlaceOfTime } from './record-query.ts'
import type { FoundRecord, FoundRecords, RecordPlace, RecordQuery } from './record-query.ts'
import { listUnits } from './units.ts'
import type { Unit } from './units.ts'

/** Records that one answer looks at: more would take longer than one wants to wait, or than the platform lets it. */
const MAX_RECORDS_READ = 300_000
/** … and what of them is read one by one, each of which may be a request to R2. */
const MAX_UNITS_READ = 200
/** … and how long it goes on, where reading is slow. */
const MAX_READ_MS = 5_000
/** What one answer's records take. A message to an object's caller may have 32 MiB. */
const MAX_ANSWER_SIZE = 2 * 1024 * 1024

/** The newest records of a cluster that a query is about, as far as one answer goes. */
export const searchRecords = async (
  sql: SqlStorage,
  reader: SegmentReader,
  query: RecordQuery,
  now: () => number = Date.now,
): Promise<FoundRecords> => {
  const startMs = now()
  const units = listUnits(sql, reader, query)
  let found: readonly FoundRecord[] = []
  /** The last that there was room for: what comes after it is for another answer. */
  let end: RecordPlace | undefined
  let recordsRead = 0
  for (const [index, unit] of units.entries()) {
    const last = found[query.limit - 1] ?? end
    if (last && unit.extent.maxTimeUs < last.timeUs) break
    const isEnough = recordsRead >= MAX_RECORDS_READ || index >= MAX_UNITS_READ || now() - startMs >= MAX_READ_MS
    // What overlaps with the place where the query begins has to be read in one go, or it would never get past it.
    if (isEnough && unit.extent.maxTimeUs < query.after.timeUs) {
      const searchedTo = toPlaceOfTime(unit.extent.maxTimeUs)
      return { records: found.filter((record) => isBefore(record, searchedTo)), searchedTo }
    }
    const matches = await readMatches(unit, query)
    // Archived since the list was made.
    if (matches === undefined) return searchRecords(sql, reader, query, now)
    recordsRead += unit.extent.rows
    if (matches.length === 0) continue
    const inOrder = [...found, ...matches]
      .filter((record) => end === undefined || !isBefore(end, record))
      .sort(comparePlaces)
      .slice(0, query.limit)
    found = takeFitting(inOrder, Math.min(query.size, MAX_ANSWER_SIZE))
    if (found.length < inOrder.length) end = found.at(-1)
  }
  return { records: found, searchedTo: end ?? null }
}

/** The matching records of a unit, the first of them. Undefined: it is somewhere else by now. */
const readMatches = async (unit: Unit, query: RecordQuery): Promise<readonly FoundRecord[] | undefined> => {
  const { signal, conditions } = query
  const names = new Set(['time', RECORD_ID, ...conditions.flatMap((condition) => fieldsOf(signal, condition))])
  try {
    const columns = await unit.read([...names])
    if (!columns) return undefined
    const rows = findRows(columns, query)
    if (rows.length === 0) return []
    const whole = await unit.read()
    return whole?.rows === columns.rows ? rows.map((row) => toFoundRecord(whole, row)) : undefined
  } catch (error) {
    // Older than it is kept.
    if (error instanceof SegmentGone) return []
    throw error
  }
}

/** The rows that match, in order, the first of them. */
const findRows = (columns: Columns, { signal, conditions, fromUs, toUs, after, limit }: RecordQuery): number[] => {
  const tests = conditions.map((condition) => toTest(signal, columns, condition))
  const places: (RecordPlace & { readonly row: number })[] = []
  const times = columns.columns.get('time') ?? []
  const ids = columns.columns.get(RECORD_ID) ?? []
  for (let row = 0; row < columns.rows; row += 1) {
    if (!tests.every((test) => test(row))) continue
    const place = { timeUs: Number(times[row]), recordId: Number(ids[row]), row }
    if (place.timeUs >= fromUs && place.timeUs <= toUs && isBefore(after, place)) places.push(place)
  }
  return places
    .sort(comparePlaces)
    .slice(0, limit)
    .map(({ row }) => row)
}
