import { firstRow } from '../../mesh/context.ts'
import { withRecordIds } from '../archive/compaction.ts'
import type { Gate } from '../gate.ts'
import { unpackColumns } from '../records/pack-columns.ts'
import type { RecordSignal } from '../records/signal-fields.ts'
import type { Arrivals } from './arrivals.ts'
import { toTest } from './conditions.ts'
import type { Condition } from './conditions.ts'
import { comparePlaces, takeFitting, toFoundRecord } from './record-query.ts'
import type { FoundRecord } from './record-query.ts'

/** What one look at what has come in takes. */
const MAX_RECORDS_LOOKED_AT = 20_000
const MAX_UNPACKED_LOOKED_AT = 16 * 1024 * 1024
const MAX_RECORDS_SHOWN = 500
const MAX_SIZE_SHOWN = 2 * 1024 * 1024
/** Whoever asks may be gone. */
const MAX_WAIT_MS = 30_000

export interface TailQuery {
  readonly signal: RecordSignal
  readonly conditions: readonly Condition[]
  /** Only what came after this; null: nothing yet, from now on. */
  readonly afterChunk: number | null
  /** How long to wait for it, where there is nothing yet. */
  readonly waitMs: number
  /** What the answer's records may take. */
  readonly size: number
}

export interface Tailed {
  /** Oldest first. */
  readonly records: readonly FoundRecord[]
  /** At most so many more have come, and were not looked at or are not shown. */
  readonly skipped: number
  readonly lastChunk: number
}

/** What has come in since the last look, as soon as there is something. */
export const awaitRecords = async (
  sql: SqlStorage,
  arrivals: Arrivals,
  looks: Gate,
  query: TailQuery,
  now: () => number = Date.now,
): Promise<Tailed> => {
  const untilMs = now() + Math.min(query.waitMs, MAX_WAIT_MS)
  for (let { afterChunk } = query; ;) {
    const { count } = arrivals
    const tailed = await looks.pass(() => tailRecords(sql, { ...query, afterChunk }))
    const isOver = afterChunk === null || tailed.records.length > 0 || tailed.skipped > 0 || now() >= untilMs
    if (isOver) return tailed
    afterChunk = tailed.lastChunk
    await arrivals.next(count, untilMs - now())
  }
}

/** What has come in since the last look. The newest of too much is shown. */
const tailRecords = async (sql: SqlStorage, { signal, conditions, afterChunk, size }: TailQuery): Promise<Tailed> => {
  const lastChunk =
    firstRow(sql.exec<{ seq: number }>("SELECT seq FROM sqlite_sequence WHERE name = 'chunks'"))?.seq ?? 0
  if (afterChunk === null || lastChunk <= afterChunk) return { records: [], skipped: 0, lastChunk }
  const chunks = sql
    .exec<{ id: number; records: number; unpacked: number }>(
      'SELECT id, records, unpacked FROM chunks WHERE signal = ? AND id > ? AND id <= ? ORDER BY id DESC',
      signal,
      afterChunk,
      lastChunk,
    )
    .toArray()
  const { archived } = sql
    .exec<{ archived: number }>(
      'SELECT coalesce(sum(records), 0) AS archived FROM segments WHERE signal = ? AND last_chunk > ?',
      signal,
      afterChunk,
    )
    .one()
  let shown: readonly FoundRecord[] = []
  let [lookedAt, unpackedBytes, skipped] = [0, 0, archived]
  for (const { id, records, unpacked } of chunks) {
    const isEnough = lookedAt >= MAX_RECORDS_LOOKED_AT || unpackedBytes >= MAX_UNPACKED_LOOKED_AT
    const row = isEnough ? undefined : readBody(sql, id)
    if (!row) {
      skipped += records
      continue
    }
    lookedAt += records
    unpackedBytes += unpacked
    const columns = withRecordIds(id, await unpackColumns(new Uint8Array(row)))
    const tests = conditions.map((condition) => toTest(signal, columns, condition))
    const matches: FoundRecord[] = []
    for (let index = 0; index < columns.rows; index += 1)
      if (tests.every((test) => test(index))) matches.push(toFoundRecord(columns, index))
    if (matches.length === 0) continue
    const found = [...shown, ...matches].sort(comparePlaces)
    shown = takeFitting(found.slice(0, MAX_RECORDS_SHOWN), Math.min(size, MAX_SIZE_SHOWN))
    skipped += found.length - shown.length
  }
  return { records: shown.toReversed(), skipped, lastChunk }
}

const readBody = (sql: SqlStorage, id: number): ArrayBuffer | undefined =>
  firstRow(sql.exec<{ body: ArrayBuffer }>('SELECT body FROM chunks WHERE id = ?', id))?.body
