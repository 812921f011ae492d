import type { ShownSpan } from '#api/schemas/telemetry.ts'
import { toMeshSpan, type ShownFields } from '#mesh/telemetry/mesh-span.ts'
import { toHex } from '../../encode-bytes.ts'
import { hashText } from './hash-text.ts'

/** The span that a stored record is. One that has no ID gets one out of the record's place. */
export const toStoredSpan = (record: ShownFields, recordId: number): ShownSpan =>
  toMeshSpan(record, () => toSpanId(typeof record.cluster === 'string' ? record.cluster : '', recordId))

const toSpanId = (cluster: string, recordId: number): string => {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, (BigInt(hashText(cluster)) << 32n) ^ BigInt(recordId), false)
  return toHex(bytes)
}

/** A trace's spans by time: those that were sent, and of records those whose span nobody sent. */
export const joinSpans = (sent: readonly ShownSpan[], ofRecords: readonly ShownSpan[]): ShownSpan[] => {
  const spans = new Map<string, ShownSpan>()
  for (const span of [...ofRecords, ...sent]) spans.set(`${span.span_id}/${span.kind === 'server' ? 's' : ''}`, span)
  const sentIds = new Set(sent.map(({ span_id: id }) => id))
  return [...spans.values()]
    .filter((span) => span.of === 'span' || !sentIds.has(span.span_id))
    .sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0))
}
