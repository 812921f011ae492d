import type { Trace } from '#api/schemas/telemetry.ts'
import type { ClusterName } from '#mesh/names.ts'
import type { RecordSignal } from '../records/signal-fields.ts'
import type { ClusterTelemetry } from '../telemetry-store.ts'
import { askClusters, toAnswerSize } from './ask-clusters.ts'
import { joinSpans, toStoredSpan } from './mesh-span.ts'
import { comparePlaces, firstRecordPlace, measureRecord } from './record-query.ts'
import type { FoundRecord, FoundRecords, RecordPlace } from './record-query.ts'
import { toAccessLog, toShownSpan, toTimeText } from './show-record.ts'

/** Spans, and as many records, of one trace. */
const MAX_SPANS = 2_000

/** What looking one trace up may take. What a catalog can't rule out is read, and most of that is in vain: one answer of a store may be all false alarms. */
export interface LookUpBudget {
  /** No store is asked to go on after so long. */
  readonly ms: number
  /** Asks to go on, of all stores together: a request to Cloudflare makes no more than 1,000 of others. */
  readonly asks: number
  /** What all records may take in memory. */
  readonly size: number
}

const defaultBudget: LookUpBudget = { ms: 6_000, asks: 400, size: 24 * 1024 * 1024 }

interface TraceQuery {
  readonly traceId: string
  readonly fromUs: number
  readonly toUs: number
}

/** A trace's spans of some clusters. Answers that all was looked through only where it was: else it says how far. */
export const lookUpTrace = async (
  open: (cluster: ClusterName) => Pick<ClusterTelemetry, 'search'>,
  clusters: readonly ClusterName[],
  { traceId, fromUs, toUs }: TraceQuery,
  { ms, asks, size }: LookUpBudget = defaultBudget,
): Promise<Trace> => {
  const untilMs = Date.now() + ms
  let [asksLeft, sizeLeft] = [asks, size]
  const answerSize = toAnswerSize(clusters.length)
  const conditions = [{ kind: 'word', group: 'trace', value: traceId } as const]

  const search = async (cluster: ClusterName, signal: RecordSignal): Promise<FoundRecords> => {
    const store = open(cluster)
    const records: FoundRecord[] = []
    let after: RecordPlace = firstRecordPlace
    for (;;) {
      const limit = MAX_SPANS + 1 - records.length
      const found = await store.search({ signal, fromUs, toUs, conditions, after, limit, size: answerSize })
      records.push(...found.records)
      sizeLeft -= found.records.reduce((sum, record) => sum + measureRecord(record), 0)
      if (found.searchedTo === null || records.length > MAX_SPANS) return { records, searchedTo: null }
      if (asksLeft <= 0 || sizeLeft <= 0 || Date.now() >= untilMs) return { records, searchedTo: found.searchedTo }
      asksLeft -= 1
      after = found.searchedTo
    }
  }

  const { answers, unavailable } = await askClusters(clusters, async (cluster) => ({
    logs: await search(cluster, 'logs'),
    traces: await search(cluster, 'traces'),
  }))
  const newest = (signal: RecordSignal): FoundRecord[] =>
    answers.flatMap(({ answer }) => answer[signal].records).toSorted(comparePlaces)
  const [logs, sent] = [newest('logs'), newest('traces')]
  const places = answers.flatMap(({ answer: { logs: ofLogs, traces } }) => [ofLogs.searchedTo, traces.searchedTo])
  const searchedToUs = Math.max(...places.map((place) => place?.timeUs ?? -1))
  return {
    traceId,
    spans: joinSpans(
      sent.slice(0, MAX_SPANS).map(toShownSpan),
      logs.slice(0, MAX_SPANS).map((record) => toStoredSpan(toAccessLog(record), record.recordId)),
    ),
    truncated: logs.length > MAX_SPANS || sent.length > MAX_SPANS,
    ...(searchedToUs >= 0 && { searchedTo: toTimeText(Math.ceil(searchedToUs / 1000) * 1000) }),
    unavailable,
  }
}
