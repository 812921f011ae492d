import type { TelemetrySignal } from '#api/schemas/otlp.ts'
import { ingestMetrics } from '../rollups/ingest-metrics.ts'
import { ingestLogs, ingestTraces } from './ingest-records.ts'
import type { Sender } from './sender.ts'

/** One export request of OTLP/HTTP. */
export interface ExportRequest {
  /** As it was sent, unpacked. */
  readonly body: Uint8Array<ArrayBuffer>
  readonly encoding: 'protobuf' | 'json'
  /** Of `body`, lower-case hex: a batch that is sent again is known by it. */
  readonly sha256: string
  readonly sender: Sender
  readonly nowMs: number
}

/** How many of the request's records, spans or data points were not taken, and why: `partial_success` of OTLP. */
export interface ExportOutcome {
  readonly rejected: number
  readonly reason: string
}

/**
 * Takes what a request holds, or throws AtollError: `invalid_request` when it is not OTLP, `not_found` when nothing of it is of a place that there is,
 * `unavailable` when it may be sent again later.
 */
export type Ingest = (env: Cloudflare.Env, request: ExportRequest) => Promise<ExportOutcome>

export const ingests: Readonly<Record<TelemetrySignal, Ingest>> = {
  logs: ingestLogs,
  traces: ingestTraces,
  metrics: ingestMetrics,
}
