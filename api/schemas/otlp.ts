import { z } from 'zod'

export const telemetrySignal = z.enum(['logs', 'traces', 'metrics'])
export type TelemetrySignal = z.infer<typeof telemetrySignal>

/** Of a batch of telemetry, as it is sent and unpacked. */
export const MAX_EXPORT_SENT_BYTES = 4 * 1024 * 1024
export const MAX_EXPORT_BYTES = 16 * 1024 * 1024

export const exportParams = z.object({ signal: telemetrySignal })

/** `Export…ServiceResponse` of OTLP; its counter is named after the signal: `rejectedLogRecords`, `rejectedSpans`, `rejectedDataPoints`. */
export const exportResponse = z
  .object({
    partialSuccess: z
      .object({
        rejectedLogRecords: z.string(),
        rejectedSpans: z.string(),
        rejectedDataPoints: z.string(),
        errorMessage: z.string(),
      })
      .partial()
      .optional(),
  })
  .meta({ id: 'OtlpExportResponse' })
export type ExportResponse = z.infer<typeof exportResponse>

/** `google.rpc.Status`, as OTLP wants refusals to be. */
export const otlpStatus = z.object({ code: z.int(), message: z.string() }).meta({ id: 'OtlpStatus' })
