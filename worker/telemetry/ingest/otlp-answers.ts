import type { ApiProblemCode } from '#api/problem-details.ts'
import type { ExportResponse, TelemetrySignal } from '#api/schemas/otlp.ts'
import { toUtf8 } from '../../encode-bytes.ts'
import type { ExportOutcome, ExportRequest } from './ingest.ts'

export type OtlpEncoding = ExportRequest['encoding']

const counters = {
  logs: 'rejectedLogRecords',
  traces: 'rejectedSpans',
  metrics: 'rejectedDataPoints',
} as const satisfies Record<TelemetrySignal, string>

/** The codes of gRPC that refusals have in a `google.rpc.Status`; others are INTERNAL. */
const grpcCodes: Partial<Record<ApiProblemCode, number>> = {
  invalid_request: 3,
  unsupported_media_type: 3,
  not_found: 5,
  forbidden: 7,
  too_large: 8,
  rate_limited: 8,
  unavailable: 14,
  unauthenticated: 16,
}
const INTERNAL = 13

/** `Export…ServiceResponse` (opentelemetry/proto/collector/…_service.proto: partial_success = 1, with rejected_… = 1 and error_message = 2). */
export const encodeExportResponse = (
  encoding: OtlpEncoding,
  signal: TelemetrySignal,
  { rejected, reason }: ExportOutcome,
): Uint8Array<ArrayBuffer> => {
  if (encoding === 'json') {
    const partialSuccess = { [counters[signal]]: String(rejected), errorMessage: reason }
    return toUtf8(JSON.stringify((rejected > 0 ? { partialSuccess } : {}) satisfies ExportResponse))
  }
  if (rejected === 0) return new Uint8Array()
  return toField(1, Uint8Array.from([1 << 3, ...toVarint(rejected), ...toField(2, toUtf8(reason))]))
}

/** google/rpc/status.proto: code = 1, message = 2. */
export const encodeStatus = (
  encoding: OtlpEncoding,
  problem: ApiProblemCode,
  message: string,
): Uint8Array<ArrayBuffer> => {
  const code = grpcCodes[problem] ?? INTERNAL
  return encoding === 'json'
    ? toUtf8(JSON.stringify({ code, message }))
    : Uint8Array.from([1 << 3, code, ...toField(2, toUtf8(message))])
}

const toVarint = (value: number): number[] =>
  value < 0x80 ? [value] : [(value % 0x80) | 0x80, ...toVarint(Math.floor(value / 0x80))]

const toField = (number: number, bytes: Uint8Array): Uint8Array<ArrayBuffer> =>
  Uint8Array.from([(number << 3) | 2, ...toVarint(bytes.length), ...bytes])
