import type { ShownSpan, TraceSummary, Unavailable } from '#api/schemas/telemetry.ts'
import type { ClusterName } from '#mesh/names.ts'
import type { Place } from '../place.ts'
import type { RecordSignal } from '../records/signal-fields.ts'
import type { Condition } from './conditions.ts'
import { joinSpans, toStoredSpan } from './mesh-span.ts'
import { isUpTo, searchClusters, toEarlierPlace } from './search-clusters.ts'
import type { FoundPage, MeshPlace, MeshQuery } from './search-clusters.ts'
import { toAccessLog, toShownSpan } from './show-record.ts'

export interface FoundTraces {
  readonly items: TraceSummary[]
  readonly next: MeshPlace | null
  readonly unavailable: Unavailable
}

/** Traces with a span, sent or out of a record, that meets the conditions. Both kinds are searched up to where the one ends that does not go as far. */
export const searchTraces = async (
  env: Cloudflare.Env,
  mesh: Omit<Place, 'cluster'>,
  clusters: readonly ClusterName[],
  query: Omit<MeshQuery, 'signal' | 'conditions'>,
  conditions: Readonly<Record<RecordSignal, readonly Condition[]>>,
): Promise<FoundTraces> => {
  const search = (signal: RecordSignal): Promise<FoundPage> =>
    searchClusters(env, mesh, clusters, { ...query, signal, conditions: conditions[signal] })
  const [records, sent] = [await search('logs'), await search('traces')]
  const next = toEarlierPlace(records.next, sent.next)
  const spans = joinSpans(
    sent.found.filter((each) => isUpTo(next, each)).map(({ record }) => toShownSpan(record)),
    records.found
      .filter((each) => isUpTo(next, each))
      .map(({ record }) => toStoredSpan(toAccessLog(record), record.recordId)),
  )
  const known = new Set(records.unavailable.map(({ cluster }) => cluster))
  return {
    items: toSummaries(spans),
    next,
    unavailable: [...records.unavailable, ...sent.unavailable.filter(({ cluster }) => !known.has(cluster))],
  }
}

const toSummaries = (spans: readonly ShownSpan[]): TraceSummary[] => {
  const byTrace = Map.groupBy(
    spans.filter(({ trace_id: id }) => id !== undefined),
    ({ trace_id: id }) => id ?? '',
  )
  return Array.from(byTrace, ([traceId, own]) => toSummary(traceId, own)).sort((a, b) => (a.time > b.time ? -1 : 1))
}

const toSummary = (traceId: string, spans: readonly ShownSpan[]): TraceSummary => {
  const longest = spans.reduce((a, b) => ((b.duration_us ?? 0) > (a.duration_us ?? 0) ? b : a))
  return {
    traceId,
    time: longest.time,
    durationUs: longest.duration_us ?? 0,
    name: longest.name ?? '',
    ...(longest.service !== undefined && { service: longest.service }),
    clusters: [...new Set(spans.flatMap(({ cluster }) => (cluster === undefined ? [] : [cluster])))].sort(),
    spans: spans.length,
    error: spans.some(({ status }) => status === 'error'),
  }
}
