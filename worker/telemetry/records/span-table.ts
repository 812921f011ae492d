import type { Attribute, FromResource, OtlpSpan } from '../otlp/otlp.ts'
import type { Arrival } from './access-log-table.ts'
import { boundAttributes, boundEvents, boundHex, boundText, boundTime, TOLD_TIME, toToldTime } from './bounds.ts'
import type { RecordTable } from './record-table.ts'

/** opentelemetry/proto/trace/v1: SpanKind; 0 is unspecified. */
const kinds = ['internal', 'internal', 'server', 'client', 'producer', 'consumer']
/** … Status.StatusCode. */
const statuses = ['unset', 'ok', 'error']

/** Attributes of a resource (OpenTelemetry's semantic conventions) that are fields of a span, the first that is there. */
const resourceFields: readonly (readonly [field: string, keys: readonly string[]])[] = [
  ['service', ['service.name']],
  ['namespace', ['k8s.namespace.name']],
  [
    'workload',
    ['k8s.deployment.name', 'k8s.statefulset.name', 'k8s.daemonset.name', 'k8s.cronjob.name', 'k8s.job.name'],
  ],
  ['proxy', ['atoll.proxy']],
]
const taken = new Set(['atoll.mesh', 'k8s.cluster.name', ...resourceFields.flatMap(([, keys]) => keys)])

/** Spans of OTLP as records of ours. One that has no ID of its own or of its trace, or no room, is left out. Answers how many were. */
export const addSpans = (
  table: RecordTable,
  { attributes, items }: FromResource<OtlpSpan>,
  { cluster, nowMs, days }: Arrival,
): number => {
  const ofResource = new Map(attributes)
  const fields = resourceFields.flatMap(([field, keys]) => {
    const value = keys.map((key) => ofResource.get(key)).find((found) => found !== undefined && found !== '')
    return value === undefined ? [] : [[field, boundText(value)] as const]
  })
  const others = attributes.filter(([key]) => !taken.has(key))
  let refused = 0
  for (const span of items) {
    const traceId = boundHex(span.traceId, 32)
    const spanId = boundHex(span.spanId, 16)
    if (traceId === undefined || spanId === undefined || table.isFull) {
      refused += 1
      continue
    }
    table.begin()
    const { timeUs, toldUs } = boundTime(span.start, nowMs, days)
    table.set('time', timeUs)
    table.set('duration_us', Math.max(0, span.end - span.start))
    table.set('trace_id', traceId)
    table.set('span_id', spanId)
    const parent = boundHex(span.parentSpanId, 16)
    if (parent !== undefined) table.set('parent_span_id', parent)
    table.set('name', boundText(span.name))
    table.set('kind', kinds[span.kind] ?? 'internal')
    table.set('status', statuses[span.statusCode] ?? 'unset')
    if (span.statusMessage !== '') table.set('status_message', boundText(span.statusMessage))
    table.set('cluster', cluster)
    for (const [field, value] of fields) table.set(field, value)
    const told: Attribute[] = toldUs === undefined ? [] : [[TOLD_TIME, toToldTime(toldUs)]]
    const own = boundAttributes([...told, ...span.attributes, ...others])
    if (own !== undefined) table.set('attributes', own)
    if (span.events !== '') table.set('events', boundEvents(span.events))
  }
  return refused
}
