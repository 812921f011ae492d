import { firstRow } from '../../mesh/context.ts'
import type { MeshContext } from '../../mesh/context.ts'
import { FINE_MS, toHour } from './slots.ts'

/** The tables of rollups, as rows. What is in them: migrations.ts. */

export type RollupContext = Pick<MeshContext, 'sql' | 'transaction' | 'now'>

/** What one request counted in one cluster. */
export interface MetricsBatch {
  /** Of the request, lower-case hex. */
  readonly sha256: string
  /** The end of the newest slot. For as long as that one's hour is kept, the batch is known by its hash. */
  readonly untilMs: number
  /** As it is in memory, about. */
  readonly bytes: number
  readonly body: Uint8Array<ArrayBuffer>
}

/** What waits to be rolled up may take this much; more is to be sent again later. */
const MAX_WAITING_BYTES = 16 * 1024 * 1024
/** Of a row that is read, whatever is in it. */
const ROW_BYTES = 500
/** A batch that failed so often, and others were rolled up after each time, is let go. */
const MOST_FAULTS = 20
/** Of a hash, as many bytes as tell batches apart. */
const HASH_BYTES = 16

export const takeMetrics = ({ sql, now }: RollupContext, batch: MetricsBatch): 'stored' | 'known' | 'full' => {
  const hash = batch.sha256.slice(0, HASH_BYTES * 2)
  if (firstRow(sql.exec('SELECT hour FROM rollup_known WHERE hash = ?', hash))) return 'known'
  const { waiting } = sql.exec<{ waiting: number }>('SELECT total(length(body)) AS waiting FROM rollup_batches').one()
  if (waiting + batch.body.length > MAX_WAITING_BYTES) return 'full'
  const { rowsWritten } = sql.exec(
    `INSERT INTO rollup_batches (hash, until_ms, bytes, received_at, body) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
    hash,
    batch.untilMs,
    batch.bytes,
    now(),
    batch.body,
  )
  return rowsWritten === 0 ? 'known' : 'stored'
}

type WaitingBatch = { readonly hash: string; readonly untilMs: number; readonly body: ArrayBuffer }

/** The batches that wait. */
export const listBatches = ({ sql }: RollupContext): WaitingBatch[] =>
  sql.exec<WaitingBatch>('SELECT hash, until_ms AS untilMs, body FROM rollup_batches').toArray()

/**
 * Of the batches that wait, as many as take so much memory, or one: to be rolled up. That it is tried is noted before, since it may be the end of the object: those
 * that failed before come last, and each alone.
 */
export const tryBatches = ({ sql }: RollupContext, mostBytes: number): WaitingBatch[] => {
  const all = sql
    .exec<{ hash: string; bytes: number; tries: number }>(
      'SELECT hash, bytes, tries FROM rollup_batches ORDER BY tries, received_at, hash',
    )
    .toArray()
  let bytes = 0
  const chosen = all.filter((batch, index) => {
    bytes += batch.bytes + ROW_BYTES
    return index === 0 || (batch.tries === 0 && bytes <= mostBytes)
  })
  return chosen.map(({ hash }) =>
    sql
      .exec<WaitingBatch>(
        'UPDATE rollup_batches SET tries = tries + 1, is_accused = 1 WHERE hash = ? RETURNING hash, until_ms AS untilMs, body',
        hash,
      )
      .one(),
  )
}

/** Others were rolled up: that what was tried before is not, is its own fault. Where nothing is rolled up, it is not. */
export const blameBatches = ({ sql }: RollupContext): void => {
  sql.exec('UPDATE rollup_batches SET faults = faults + 1, is_accused = 0 WHERE is_accused = 1')
}

/** Lets go of batches that can't be rolled up. */
export const giveUpBatches = ({ sql }: RollupContext): void => {
  const gone = sql
    .exec<{ hash: string }>('DELETE FROM rollup_batches WHERE faults >= ? RETURNING hash', MOST_FAULTS)
    .toArray()
  for (const { hash } of gone)
    // eslint-disable-next-line no-console -- the platform's log
    console.error(JSON.stringify({ level: 'error', message: 'a batch of metrics can not be rolled up: lost', hash }))
}

/** Throws where it is gone already, so that nothing comes of the transaction: the cluster was evicted while its metrics were rolled up. */
const deleteOne = ({ sql }: RollupContext, statement: string, ...bindings: readonly SqlStorageValue[]): void => {
  if (sql.exec(statement, ...bindings).rowsWritten === 0) throw new Error('what was rolled up is gone')
}

/** The batch is in the parts from now on: it is known by its hash. */
export const retireBatch = (context: RollupContext, { hash, untilMs }: { hash: string; untilMs: number }): void => {
  deleteOne(context, 'DELETE FROM rollup_batches WHERE hash = ?', hash)
  context.sql.exec(
    'INSERT INTO rollup_known (hash, hour) VALUES (?, ?) ON CONFLICT DO NOTHING',
    hash,
    toHour(untilMs / FINE_MS, FINE_MS),
  )
}

/** Where a part is. */
export interface PartPlace {
  readonly hour: number
  readonly stepMs: number
  readonly part: number
}

export interface PartSummary extends PartPlace {
  /** As it is in memory, about. */
  readonly bytes: number
  readonly untilMs: number
  /** Nothing came to this hour since. */
  readonly isMerged: boolean
}

export const listParts = ({ sql }: RollupContext, fromHour: number, toHour: number): PartSummary[] =>
  sql
    .exec<Omit<PartSummary, 'isMerged'> & { isMerged: number }>(
      `SELECT hour, step_ms AS stepMs, part, bytes, until_ms AS untilMs, is_merged AS isMerged FROM rollup_parts
       WHERE hour BETWEEN ? AND ? ORDER BY hour, step_ms, part`,
      fromHour,
      toHour,
    )
    .toArray()
    .map((part) => ({ ...part, isMerged: part.isMerged === 1 }))

/** Undefined: it has become another one meanwhile. */
export const readPart = ({ sql }: RollupContext, { hour, stepMs, part }: PartPlace): ArrayBuffer | undefined =>
  firstRow(
    sql.exec<{ body: ArrayBuffer }>(
      'SELECT body FROM rollup_parts WHERE hour = ? AND step_ms = ? AND part = ?',
      hour,
      stepMs,
      part,
    ),
  )?.body

export interface NewPart extends Omit<PartSummary, 'part'> {
  readonly body: Uint8Array<ArrayBuffer>
}

export const insertPart = ({ sql }: RollupContext, { hour, stepMs, bytes, untilMs, isMerged, body }: NewPart): void => {
  sql.exec(
    `INSERT INTO rollup_parts (hour, step_ms, part, bytes, until_ms, is_merged, body)
     SELECT ?1, ?2, coalesce(max(part), 0) + 1, ?3, ?4, ?5, ?6 FROM rollup_parts WHERE hour = ?1 AND step_ms = ?2`,
    hour,
    stepMs,
    bytes,
    untilMs,
    Number(isMerged),
    body,
  )
}

export const deletePart = (context: RollupContext, { hour, stepMs, part }: PartPlace): void => {
  deleteOne(context, 'DELETE FROM rollup_parts WHERE hour = ? AND step_ms = ? AND part = ?', hour, stepMs, part)
}

export const readTotalParts = ({ sql }: RollupContext): ArrayBuffer[] =>
  sql
    .exec<{ body: ArrayBuffer }>('SELECT body FROM rollup_totals ORDER BY part')
    .toArray()
    .map(({ body }) => body)

export const replaceTotalParts = ({ sql }: RollupContext, bodies: readonly Uint8Array<ArrayBuffer>[]): void => {
  sql.exec('DELETE FROM rollup_totals')
  for (const [part, body] of bodies.entries())
    sql.exec('INSERT INTO rollup_totals (part, body) VALUES (?, ?)', part, body)
}

const findNumber = (
  { sql }: RollupContext,
  query: string,
  ...bindings: readonly SqlStorageValue[]
): number | undefined => firstRow(sql.exec<{ found: number | null }>(query, ...bindings))?.found ?? undefined

export const findOldestBatch = (context: RollupContext) =>
  findNumber(context, 'SELECT min(received_at) AS found FROM rollup_batches')

export const findUnmerged = ({ sql }: RollupContext) =>
  firstRow(
    sql.exec<{ hour: number; stepMs: number }>(
      'SELECT hour, step_ms AS stepMs FROM rollup_parts WHERE is_merged = 0 ORDER BY hour, step_ms LIMIT 1',
    ),
  )

export const findOldestHourOf = (context: RollupContext, stepMs: number) =>
  findNumber(context, 'SELECT min(hour) AS found FROM rollup_parts WHERE step_ms = ?', stepMs)

export const findOldestHour = (context: RollupContext) =>
  findNumber(
    context,
    'SELECT min(hour) AS found FROM (SELECT min(hour) AS hour FROM rollup_known UNION ALL SELECT min(hour) FROM rollup_parts)',
  )

/** An hour and all before it. */
export const deleteHours = ({ sql }: RollupContext, hour: number): void => {
  sql.exec('DELETE FROM rollup_parts WHERE hour <= ?', hour)
  sql.exec('DELETE FROM rollup_known WHERE hour <= ?', hour)
}

/** All that there is. */
export const deleteRollups = (sql: SqlStorage): void => {
  for (const table of ['rollup_batches', 'rollup_parts', 'rollup_known', 'rollup_totals'])
    sql.exec(`DELETE FROM ${table}`)
}
