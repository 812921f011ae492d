import type { RouteHandler } from '@hono/zod-openapi'
import { AtollError } from '#api/atoll-error.ts'
import { problemTypes } from '#api/problem-details.ts'
import { exportTelemetry } from '#api/routes/otlp.ts'
import { MAX_EXPORT_BYTES, MAX_EXPORT_SENT_BYTES } from '#api/schemas/otlp.ts'
import type { App, AppContext, AppEnv } from '../app-env.ts'
import { toHex } from '../encode-bytes.ts'
import { judgeError } from '../problems.ts'
import { ingests } from '../telemetry/ingest/ingest.ts'
import { encodeExportResponse, encodeStatus } from '../telemetry/ingest/otlp-answers.ts'
import type { OtlpEncoding } from '../telemetry/ingest/otlp-answers.ts'
import { readBody } from '../telemetry/ingest/read-body.ts'
import { identifySender } from '../telemetry/ingest/sender.ts'

const RETRY_SECONDS = 5
const mediaTypes: Readonly<Record<OtlpEncoding, string>> = {
  protobuf: 'application/x-protobuf',
  json: 'application/json',
}

const findEncoding = (c: AppContext): OtlpEncoding | undefined => {
  const sent = c.req.header('Content-Type')?.split(';', 1)[0]?.trim().toLowerCase()
  return (['protobuf', 'json'] as const).find((encoding) => mediaTypes[encoding] === sent)
}

/** OTLP/HTTP: answers are of the type of the request; 429 and 503 say that it may be sent again, everything else says that it may not. */
const takeTelemetry: RouteHandler<typeof exportTelemetry, AppEnv> = async (c) => {
  const encoding = findEncoding(c)
  const { signal } = c.req.valid('param')
  const answer = (status: number, bytes: Uint8Array<ArrayBuffer>) =>
    new Response(bytes, {
      status,
      headers: {
        'Content-Type': mediaTypes[encoding ?? 'json'],
        ...((status === 429 || status === 503) && { 'Retry-After': String(RETRY_SECONDS) }),
        ...(status === 401 && { 'WWW-Authenticate': 'Bearer' }),
      },
    })
  try {
    const sender = await identifySender(c)
    if (!encoding) throw new AtollError('unsupported_media_type', `send ${Object.values(mediaTypes).join(' or ')}`)
    const body = await readBody(c.req.raw, { sentBytes: MAX_EXPORT_SENT_BYTES, bytes: MAX_EXPORT_BYTES })
    const sha256 = toHex(new Uint8Array(await crypto.subtle.digest('SHA-256', body)))
    const outcome = await ingests[signal](c.env, { body, encoding, sha256, sender, nowMs: Date.now() })
    return answer(200, encodeExportResponse(encoding, signal, outcome))
  } catch (error) {
    if (!(error instanceof Error)) throw error
    const { code, problem } = judgeError(error, c)
    // OTLP takes a 500 for the batch's fault, which is then lost.
    const { status } = problemTypes[code === 'internal' ? 'unavailable' : code]
    return answer(status, encodeStatus(encoding ?? 'json', code, problem.message))
  }
}

export const addOtlpRoutes = (app: App): void => {
  app.openapi(exportTelemetry, takeTelemetry)
}
