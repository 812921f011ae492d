import { readFile } from 'node:fs/promises'
import type { AgentConfig } from '#agent/config.ts'
import { toPlaneConnection } from '#agent/plane-connection.ts'
import type { Signal } from '#agent/telemetry/outbox/batch.ts'
import { createPostToBackend, type PostBatch } from '#agent/telemetry/outbox/post-batch.ts'
import { parseHeaders } from './parse-headers.ts'

/** A backend that telemetry is forwarded to. */
export interface ForwardTarget {
  readonly endpoint: string
  readonly signals: readonly Signal[]
  /** Requests that took so long are told as spans. */
  readonly slowMilliseconds: number
  readonly post: PostBatch
}

/** Throws AgentError `bad_config` when the CA file is not usable. The headers' file is read for each batch: it may come, and change, later. */
export const toForwardTarget = (
  { endpoint, signals, slowMilliseconds, headersFile, caFile }: AgentConfig['telemetryForward'][number],
  environment: Readonly<Record<string, string | undefined>>,
): ForwardTarget => ({
  endpoint,
  signals,
  slowMilliseconds,
  post: createPostToBackend({
    connection: toPlaneConnection({ plane: endpoint, planeCaFile: caFile }, environment),
    name: endpoint,
    headers: async () =>
      headersFile === undefined ? {} : parseHeaders(await readFile(headersFile, 'utf8'), headersFile),
  }),
})
