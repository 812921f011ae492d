import { rateLimit } from '#mesh/config/rate-limit.ts'
import { firstRow } from '../context.ts'

/** What is used of quotas: a row for each limit, consumer and day. */

/** Of all days that are kept: beyond it the oldest are forgotten before their time. */
export const MAX_QUOTA_USES = 100_000
/** Of one namespace's limits in one day: whoever makes up consumers of one keeps nobody out of the others'. */
export const MAX_QUOTA_USES_OF_NAMESPACE = MAX_QUOTA_USES / 2
/** Beside the one that is going on. */
export const KEPT_DAYS = 7

export interface QuotaUse {
  readonly limit: string
  readonly consumer: string
  readonly day: number
}

export interface QuotaCount {
  /** What is leased included. */
  readonly used: number
  /** By cluster, what it was given and has not given back. */
  readonly lent: Readonly<Record<string, number>>
}

export const readQuotaUse = (sql: SqlStorage, { limit, consumer, day }: QuotaUse): QuotaCount | undefined => {
  const row = firstRow(
    sql.exec<{ used: number; lent: string }>(
      'SELECT used, lent FROM quota_uses WHERE day = ? AND limit_name = ? AND consumer = ?',
      day,
      limit,
      consumer,
    ),
  )
  return row && { used: row.used, lent: JSON.parse(row.lent) as QuotaCount['lent'] }
}

export const writeQuotaUse = (
  sql: SqlStorage,
  { limit, consumer, day }: QuotaUse,
  { used, lent }: QuotaCount,
): void => {
  sql.exec(
    `INSERT INTO quota_uses (day, limit_name, consumer, used, lent) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT (day, limit_name, consumer) DO UPDATE SET used = excluded.used, lent = excluded.lent`,
    day,
    limit,
    consumer,
    used,
    JSON.stringify(lent),
  )
}

export const countQuotaUses = (sql: SqlStorage): number =>
  sql.exec<{ uses: number }>('SELECT count(*) AS uses FROM quota_uses').one().uses

/** Answers whether there were any. */
export const pruneQuotaUses = (sql: SqlStorage, today: number): boolean =>
  sql.exec('DELETE FROM quota_uses WHERE day < ?', today - KEPT_DAYS).rowsWritten > 0

/** Of the limits of a namespace in a day. */
export const countQuotaUsesOf = (sql: SqlStorage, day: number, namespace: string): number =>
  sql
    .exec<{ uses: number }>(
      'SELECT count(*) AS uses FROM quota_uses WHERE day = ? AND limit_name >= ? AND limit_name < ?',
      day,
      `${rateLimit.kind}/${namespace}/`,
      // The letter after "/".
      `${rateLimit.kind}/${namespace}0`,
    )
    .one().uses

/** Forgets the oldest day that is over. Answers whether there was one. */
export const dropOldestQuotaUses = (sql: SqlStorage, today: number): boolean =>
  sql.exec('DELETE FROM quota_uses WHERE day = (SELECT min(day) FROM quota_uses) AND day < ?', today).rowsWritten > 0
