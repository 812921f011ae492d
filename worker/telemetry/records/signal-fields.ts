import type { TelemetrySignal } from '#api/schemas/otlp.ts'
import { accessLogFields, spanFields } from '#mesh/telemetry/record-fields.ts'
import type { FieldDefinition } from '#mesh/telemetry/record-fields.ts'

/** What is kept record by record, and is in the archive. */
export type RecordSignal = Exclude<TelemetrySignal, 'metrics'>

export const signalFields: Readonly<Record<RecordSignal, Readonly<Record<string, FieldDefinition>>>> = {
  logs: accessLogFields,
  traces: spanFields,
}

/** What a stored record has beside its fields: a number that is its own in its store, and says where it stands among records of one time. */
export const RECORD_ID = 'record_id'
