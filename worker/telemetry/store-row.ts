import { firstRow } from '../mesh/context.ts'
import type { Place } from './place.ts'
import type { Leave } from './telemetry-store.ts'

/** What there is one of in a store: the row `store`. */
export interface StoreRow {
  readonly place: Place
  readonly logDays: number
  readonly traceDays: number
  readonly endedAt: number
  /** As of when this is how long things are kept. */
  readonly retentionAsOf: number
  readonly isEnding: boolean
}

type Columns = Omit<StoreRow, 'place' | 'isEnding'> & Place & { isEnding: number } & Record<string, SqlStorageValue>

/** Undefined until something is sent. */
export const findStoreRow = (sql: SqlStorage): StoreRow | undefined => {
  const row = firstRow(
    sql.exec<Columns>(
      `SELECT org_id AS orgId, mesh_id AS meshId, cluster, log_days AS logDays, trace_days AS traceDays, ended_at AS endedAt, retention_as_of AS retentionAsOf, is_ending AS isEnding FROM store`,
    ),
  )
  if (!row) return undefined
  const { orgId, meshId, cluster, isEnding, ...rest } = row
  return { ...rest, place: { orgId, meshId, cluster }, isEnding: isEnding === 1 }
}

/** Notes whose store it is, and how long what is kept. Answers why what is sent by this leave may not be taken, if it may not. */
export const admit = (sql: SqlStorage, { place, retention, asOfMs }: Leave): 'ended' | 'full' | undefined => {
  const row = findStoreRow(sql)
  if (row && asOfMs <= row.endedAt) return 'ended'
  // What was there before the cluster was evicted is still being deleted.
  if (row?.isEnding) return 'full'
  const isSame = row?.logDays === retention.logDays && row.traceDays === retention.traceDays
  // An agent may still send with the token that it got before.
  if (row && (isSame || asOfMs <= row.retentionAsOf)) return undefined
  sql.exec(
    `INSERT INTO store (only_row, org_id, mesh_id, cluster, log_days, trace_days, retention_as_of) VALUES (1, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (only_row) DO UPDATE SET log_days = excluded.log_days, trace_days = excluded.trace_days, retention_as_of = excluded.retention_as_of`,
    place.orgId,
    place.meshId,
    place.cluster,
    retention.logDays,
    retention.traceDays,
    asOfMs,
  )
  return undefined
}

/** From now on nothing is taken that was allowed until `atMs`, and what there is goes. */
export const markEnded = (sql: SqlStorage, { orgId, meshId, cluster }: Place, atMs: number): void => {
  sql.exec(
    `INSERT INTO store (only_row, org_id, mesh_id, cluster, log_days, trace_days, ended_at, is_ending) VALUES (1, ?, ?, ?, 1, 1, ?, 1)
     ON CONFLICT (only_row) DO UPDATE SET ended_at = max(ended_at, excluded.ended_at), is_ending = 1`,
    orgId,
    meshId,
    cluster,
    atMs,
  )
}

/** After so long nobody can send any more by what was allowed before an eviction: tokens of agents are good for an hour. */
const ENDED_KEPT_MS = 2 * 60 * 60 * 1000

/** When the eviction need not be known any more; undefined when there was none. */
export const nextForgettingMs = (sql: SqlStorage): number | undefined => {
  const endedAt = findStoreRow(sql)?.endedAt ?? 0
  return endedAt === 0 ? undefined : endedAt + ENDED_KEPT_MS
}

/** The eviction is long ago: unless the cluster has come back and sent something, the store is as if there had never been one. */
export const forgetEnd = (sql: SqlStorage): void => {
  const tables = ['batches', 'chunks', 'segments', 'rollup_batches', 'rollup_parts', 'rollup_totals']
  const isEmpty = tables.map((table) => `NOT EXISTS (SELECT 1 FROM ${table})`).join(' AND ')
  sql.exec(`DELETE FROM store WHERE ${isEmpty}`)
  sql.exec('UPDATE store SET ended_at = 0')
}

export const markEmptied = (sql: SqlStorage): void => {
  sql.exec('UPDATE store SET is_ending = 0')
}
