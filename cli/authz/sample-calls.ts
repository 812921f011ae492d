import { getMeshGraph } from '#api/routes/metrics.ts'
import { listProxies } from '#api/routes/proxies.ts'
import { listLogs } from '#api/routes/telemetry.ts'
import type { AccessLog } from '#api/schemas/telemetry.ts'
import { mapAtMost } from '../at-most.ts'
import type { CliContext } from '../cli-context.ts'
import { collect } from '../output/list-view.ts'
import { planSample, type Stratum } from './plan-sample.ts'

/** Calls that were seen of late, some of everyone who called. */
export interface Sample {
  readonly records: readonly AccessLog[]
  /** How many calls there were, about; null = nobody has counted them. */
  readonly total: number | null
  /** Whether all that are stored were looked at. */
  readonly isAll: boolean
  /** Callers of whom nothing was looked at. */
  readonly leftOut: number
  /** Clusters whose records are missing. */
  readonly unavailable: readonly string[]
}

const atOnce = 8
const maxPage = 100
/** A search through much that it does not find answers with pages that are empty. */
const maxPages = 30

export const sampleCalls = async (
  context: CliContext,
  mesh: string,
  { seconds, namespaces }: { readonly seconds: number; readonly namespaces: readonly string[] | undefined },
): Promise<Sample> => {
  const client = context.client()
  const params = { mesh }
  const [graph, proxies] = await Promise.all([
    // It may be too large, or nobody may have counted: then the newest are looked at.
    client.call(getMeshGraph, { params, query: { window: seconds } }).catch(() => undefined),
    collect(client.list(listProxies, { params, query: {} })),
  ])
  const gateways = proxies.filter(({ role }) => role === 'gateway')
  const { strata, leftOut } = planSample({ graph, gateways, namespaces })
  const from = new Date(context.io.now() - seconds * 1000).toISOString()
  const read = await mapAtMost(atOnce, strata, (stratum) => readStratum(context, mesh, from, stratum))
  const records = distinct(read.flatMap((each) => each.records))
  const counts = strata.map(({ count }) => count)
  const total = counts.includes(undefined) ? null : counts.reduce<number>((sum, count) => sum + (count ?? 0), 0)
  return {
    records,
    total: total === null ? null : Math.max(total, records.length),
    // Of what is counted and has no record, as somebody has turned records off, nobody knows anything.
    isAll: leftOut === 0 && (total === null ? read.every((each) => each.isAll) : records.length >= total),
    leftOut,
    unavailable: [...new Set(read.flatMap((each) => each.unavailable))].toSorted(),
  }
}

/** What is of several kinds is there once. */
const distinct = (records: readonly AccessLog[]): readonly AccessLog[] => [
  ...new Map(
    records.map((record) => [
      JSON.stringify([record.time, record.proxy, record.source_address, record.request_id, record.path]),
      record,
    ]),
  ).values(),
]

const readStratum = async (context: CliContext, mesh: string, from: string, { query, has, most }: Stratum) => {
  const records: AccessLog[] = []
  const unavailable: string[] = []
  let pages = 0
  const request = { params: { mesh }, query: { ...query, from, limit: Math.min(maxPage, most) } }
  for await (const page of context.client().pages(listLogs, request)) {
    records.push(...page.items.filter(has))
    unavailable.push(...page.unavailable.map(({ cluster }) => cluster))
    pages++
    if (page.nextCursor !== null && (records.length >= most || pages >= maxPages))
      return { records: records.slice(0, most), isAll: false, unavailable }
  }
  return { records: records.slice(0, most), isAll: records.length <= most, unavailable }
}
