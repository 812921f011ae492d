import type { QuotaUse } from '#api/schemas/quotas.ts'
import { rateLimit } from '#mesh/config/rate-limit.ts'
import { namespaceName } from '#mesh/names.ts'
import { dayMs } from '#mesh/limits/limit-terms.ts'
import { findMeshLimit } from './find-mesh-limit.ts'

export interface QuotaFilter {
  /** Since the epoch, of UTC. */
  readonly day: number
  readonly namespace?: string | undefined
}

/** A place in the list of a day: limit and consumer. */
export type QuotaPlace = readonly [limit: string, consumer: string]

/** What consumers have used in a day, by limit and consumer, those after a place. */
export const listQuotaUses = (
  sql: SqlStorage,
  { day, namespace }: QuotaFilter,
  [afterLimit, afterConsumer]: QuotaPlace,
  limit: number,
): QuotaUse[] => {
  const prefix = `${rateLimit.kind}/${namespace === undefined ? '' : `${namespace}/`}`
  const rows = sql
    .exec<{ name: string; consumer: string; used: number }>(
      `SELECT limit_name AS name, consumer, used FROM quota_uses
       WHERE day = ?1 AND (limit_name, consumer) > (?2, ?3) AND substr(limit_name, 1, ?4) = ?5
       ORDER BY limit_name, consumer LIMIT ?6`,
      day,
      afterLimit,
      afterConsumer,
      prefix.length,
      prefix,
      limit,
    )
    .toArray()
  const requests = new Map(
    [...new Set(rows.map(({ name }) => name))].map((name) => [name, findMeshLimit(sql, name)?.requests ?? null]),
  )
  return rows.map(({ name, consumer, used }) => {
    const [, of = '', object = '', named = ''] = name.split('/')
    return {
      namespace: namespaceName.parse(of),
      rateLimit: object,
      limit: named,
      consumer,
      day: toDate(day),
      used,
      requests: requests.get(name) ?? null,
    }
  })
}

const toDate = (day: number): string => new Date(day * dayMs).toISOString().slice(0, 10)
