import { z } from 'zod'
import type { Attribute, AttributeValue, FromResource, OtlpLogRecord, OtlpSpan } from './otlp.ts'
import { integer, parseOtlpJson } from './parse-json.ts'

const time = integer.default(0).transform((nanoseconds) => Number(BigInt(nanoseconds) / 1000n))
const text = z.string().default('')
const hex = text.transform((digits) => digits.toLowerCase())

/** AnyValue: one of these. An integer beyond 2^53 stays digits; arrays and maps stay what they are, as JSON. */
const anyValue = z
  .object({
    stringValue: z.string(),
    boolValue: z.boolean(),
    intValue: integer,
    doubleValue: z.union([z.number(), z.string()]),
    arrayValue: z.unknown(),
    kvlistValue: z.unknown(),
    bytesValue: z.string(),
  })
  .partial()
  .transform((value): AttributeValue => {
    const { stringValue, boolValue, intValue, doubleValue, bytesValue, arrayValue, kvlistValue } = value
    if (stringValue !== undefined) return stringValue
    if (boolValue !== undefined) return String(boolValue)
    if (intValue !== undefined) return Number.isSafeInteger(Number(intValue)) ? Number(intValue) : String(intValue)
    if (doubleValue !== undefined) return Number(doubleValue)
    if (bytesValue !== undefined) return bytesValue
    return arrayValue === undefined && kvlistValue === undefined ? '' : JSON.stringify(value)
  })

const attributes = z
  .array(z.object({ key: z.string(), value: anyValue.default('') }))
  .default([])
  .transform((pairs): Attribute[] => pairs.map(({ key, value }) => [key, value] as const))

const logRecord = z
  .object({
    timeUnixNano: time,
    observedTimeUnixNano: time,
    severityText: text,
    body: anyValue.default(''),
    traceId: hex,
    spanId: hex,
    attributes,
  })
  .transform(({ timeUnixNano, observedTimeUnixNano, severityText, ...record }): OtlpLogRecord => ({
    ...record,
    time: timeUnixNano,
    observedTime: observedTimeUnixNano,
    severity: severityText,
  }))

const span = z
  .object({
    traceId: hex,
    spanId: hex,
    parentSpanId: hex,
    name: text,
    kind: z.int().default(0),
    startTimeUnixNano: time,
    endTimeUnixNano: time,
    status: z.object({ code: z.int().default(0), message: text }).default({ code: 0, message: '' }),
    attributes,
    events: z.array(z.unknown()).default([]),
    links: z.array(z.unknown()).default([]),
  })
  .transform(({ startTimeUnixNano, endTimeUnixNano, status, events, links, ...rest }): OtlpSpan => {
    const happened = { ...(events.length > 0 && { events }), ...(links.length > 0 && { links }) }
    return {
      ...rest,
      start: startTimeUnixNano,
      end: endTimeUnixNano,
      statusCode: status.code,
      statusMessage: status.message,
      events: events.length + links.length > 0 ? JSON.stringify(happened) : '',
    }
  })

const resource = z.object({ attributes }).default({ attributes: [] })

const exportLogs = z.object({
  resourceLogs: z
    .array(
      z.object({ resource, scopeLogs: z.array(z.object({ logRecords: z.array(logRecord).default([]) })).default([]) }),
    )
    .default([]),
})
const exportSpans = z.object({
  resourceSpans: z
    .array(z.object({ resource, scopeSpans: z.array(z.object({ spans: z.array(span).default([]) })).default([]) }))
    .default([]),
})

/** `ExportLogsServiceRequest` as JSON. Throws AtollError `invalid_request`. */
export const readJsonLogs = (bytes: Uint8Array): FromResource<OtlpLogRecord>[] =>
  parseOtlpJson(exportLogs, bytes).resourceLogs.map(({ resource: { attributes: own }, scopeLogs }) => ({
    attributes: own,
    items: scopeLogs.flatMap(({ logRecords }) => logRecords),
  }))

/** `ExportTraceServiceRequest` as JSON. */
export const readJsonSpans = (bytes: Uint8Array): FromResource<OtlpSpan>[] =>
  parseOtlpJson(exportSpans, bytes).resourceSpans.map(({ resource: { attributes: own }, scopeSpans }) => ({
    attributes: own,
    items: scopeSpans.flatMap(({ spans }) => spans),
  }))
