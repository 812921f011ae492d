import { accessLogFields } from '#mesh/telemetry/record-fields.ts'
import type { FieldType } from '#mesh/telemetry/record-fields.ts'
import type { Attribute, FromResource, OtlpLogRecord } from '../otlp/otlp.ts'
import { boundAttributes, boundHex, boundInteger, boundText, boundTime, TOLD_TIME, toToldTime } from './bounds.ts'
import { RecordTable } from './record-table.ts'

export interface Arrival {
  readonly cluster: string
  readonly nowMs: number
  /** How long what comes is kept. */
  readonly days: number
}

/** Fields that attributes of their names give. */
const fromAttributes: ReadonlyMap<string, FieldType> = new Map(
  Object.entries(accessLogFields)
    .filter(([name]) => !['time', 'cluster', 'service', 'severity', 'body', 'attributes'].includes(name))
    .map(([name, { type }]) => [name, type]),
)
/** OpenTelemetry's semantic conventions: who sends this. */
const SERVICE_NAME = 'service.name'
const hexDigits: Readonly<Record<string, number>> = { trace_id: 32, span_id: 16, parent_span_id: 16 }

/**
 * Log records of OTLP as records of ours: attributes with the names of fields are these, all others stay attributes. The cluster is the sender's, the service its resource's. Answers for how
 * many there was no room.
 */
export const addLogRecords = (
  table: RecordTable,
  { attributes: ofResource, items }: FromResource<OtlpLogRecord>,
  { cluster, nowMs, days }: Arrival,
): number => {
  const service = ofResource.find(([key, value]) => key === SERVICE_NAME && value !== '')?.[1]
  const resource = ofResource.filter(
    ([key, value]) => key !== SERVICE_NAME && !(key === 'cluster' && value === cluster),
  )
  for (const [index, record] of items.entries()) {
    if (table.isFull) return items.length - index
    const others: Attribute[] = []
    table.begin()
    const set = ([key, value]: Attribute) => {
      const type = fromAttributes.get(key)
      if (type === 'text') {
        const digits = hexDigits[key]
        const text = digits === undefined ? boundText(value) : boundHex(value, digits)
        if (text !== undefined) table.set(key, text)
      } else if (type === 'integer') {
        const number = boundInteger(value)
        if (number === undefined) others.push([key, value])
        else table.set(key, number)
      } else others.push([key, value])
    }
    for (const attribute of resource) set(attribute)
    for (const attribute of record.attributes) set(attribute)
    const { timeUs, toldUs } = boundTime(record.time || record.observedTime, nowMs, days)
    if (toldUs !== undefined) others.unshift([TOLD_TIME, toToldTime(toldUs)])
    table.set('time', timeUs)
    table.set('cluster', cluster)
    if (service !== undefined) table.set('service', boundText(service))
    const traceId = boundHex(record.traceId, hexDigits.trace_id ?? 0)
    if (traceId !== undefined) table.set('trace_id', traceId)
    const spanId = boundHex(record.spanId, hexDigits.span_id ?? 0)
    if (spanId !== undefined) table.set('span_id', spanId)
    if (record.severity !== '') table.set('severity', boundText(record.severity))
    if (record.body !== '') table.set('body', boundText(record.body))
    const attributes = boundAttributes(others)
    if (attributes !== undefined) table.set('attributes', attributes)
  }
  return 0
}
