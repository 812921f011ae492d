import { findMember } from '../clusters.ts'
import type { MeshContext } from '../context.ts'
import { readMeshRow } from '../mesh-row.ts'
import type { IngestClaims } from '../../telemetry/ingest-token.ts'
import { toRetention } from '../../telemetry/place.ts'
import { sendMessage } from './session.ts'
import type { Sessions } from './sessions.ts'

const LIFETIME_MS = 60 * 60 * 1000
/** An agent gets the next one when the one that it has is good for no longer than this. */
const RENEW_MS = 20 * 60 * 1000

export interface TelemetryTokenParts {
  readonly context: MeshContext
  readonly sessions: Sessions
  readonly mint: (claims: IngestClaims) => Promise<string>
}

/** Gives every agent that can use one a token to send its cluster's telemetry with, unless the one that it has is good for long enough. */
export const tellTelemetryTokens = async ({ context, sessions, mint }: TelemetryTokenParts): Promise<void> => {
  const { orgId, meshId, settings } = readMeshRow(context.sql)
  for (const { socket, state } of sessions.open()) {
    const issuedAtMs = context.now()
    if (!state.sendsTelemetry || (state.telemetryUntil ?? 0) > issuedAtMs + RENEW_MS) continue
    const expiresAtMs = issuedAtMs + LIFETIME_MS
    sessions.update({ socket, state }, { telemetryUntil: expiresAtMs })
    const place = { orgId, meshId, cluster: state.cluster }
    const token = await mint({ place, retention: toRetention(settings), issuedAtMs, expiresAtMs })
    // It may have been evicted meanwhile; its store would refuse the token then.
    if (findMember(context.sql, state.cluster))
      sendMessage(socket, { type: 'telemetry-token', token, expiresAt: new Date(expiresAtMs).toISOString() })
  }
}
