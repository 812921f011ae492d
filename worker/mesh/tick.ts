import { keepAgentHoldsOf } from './agent-holds.ts'
import type { Alarm } from './alarm.ts'
import { pruneCertificates, retireSuperseded } from './certificates.ts'
import { countMembers, pruneEvicted } from './clusters.ts'
import { attempt } from '../attempt.ts'
import type { MeshContext } from './context.ts'
import { pruneJoinTokens, tellOldGuesses } from './join-tokens.ts'
import { tickLeases } from './leases.ts'
import type { LeaseTimes } from './leases.ts'
import { removeExpiredMachineTokens } from './machine-tokens.ts'
import { findMeshRow, readMeshRow } from './mesh-row.ts'
import { keepSignersOf } from './signers.ts'
import { isOutboxEmpty } from './outbox.ts'
import { drainOutbox } from './read-model.ts'
import { hasTelemetryNews } from './telemetry-news.ts'
import { writeTrustState } from './trust.ts'
import type { FanOut } from './uplink/fan-out.ts'
import type { Sessions } from './uplink/sessions.ts'
import type { UplinkServer } from './uplink/uplink-server.ts'

/** An agent has so long to answer the challenge. */
const GREETING_MS = 10_000
/** Agents ping when it has been quiet for 15 s: one that has been silent for this long is gone, whatever TCP says. */
const SILENT_MS = 60_000
/** A batch that is not acknowledged after this long is not waited for: an agent that holds a snapshot back never will. */
const UNACKNOWLEDGED_MS = 30_000

const OUTBOX_RETRY_MS = 10_000

export interface TickParts {
  readonly context: MeshContext
  readonly sessions: Sessions
  readonly fanOut: FanOut
  readonly server: UplinkServer
  /** When the platform last answered a ping of this socket for the sleeping object; milliseconds, 0 = never. */
  readonly pongedAt: (socket: WebSocket) => number
  readonly alarm: Alarm
  readonly db: D1Database
  readonly times: LeaseTimes
  /** Runs a body in a transaction, and tells whoever has to hear of it. */
  readonly write: (body: () => void) => void
  /** In a transaction: forgets what is used of days that are over. */
  readonly pruneLeases: () => void
  readonly wakePublishing: () => void
  readonly tellTelemetryTokens: () => Promise<void>
  readonly sendTelemetryNews: () => Promise<void>
  readonly resealKeys: () => Promise<void>
  /** Brings the rotation of the root on, or begins one. */
  readonly judgeTrust: () => Promise<unknown>
}

/** Does what is due. Every part of it is tried, whatever becomes of the others; what failed is tried again at the next tick. */
export const tick = async (parts: TickParts): Promise<void> => {
  const { context, sessions, fanOut, alarm, db, times, write, wakePublishing, judgeTrust } = parts
  const { sql, now } = context
  if (!findMeshRow(sql)) return
  if (sessions.size > 0 || countMembers(sql) > 0 || hasTelemetryNews(sql)) alarm.arm(now() + times.tickMs)
  await attempt('sessions', () => tickSessions(parts))
  await attempt('store', () => write(() => tickStore(context, sessions, times)))
  await attempt('leases', () => write(parts.pruneLeases))
  await attempt('publishing', wakePublishing)
  await attempt('keys', parts.resealKeys)
  await attempt('trust', judgeTrust)
  await attempt('telemetry tokens', parts.tellTelemetryTokens)
  await attempt('telemetry news', parts.sendTelemetryNews)
  await attempt('outbox', () => drainOutbox(sql, db))
  if (!isOutboxEmpty(sql)) alarm.arm(now() + OUTBOX_RETRY_MS)
  fanOut.wake()
}

/** Ends sockets that say nothing, and lets those go on that were waited for. */
const tickSessions = ({ context, sessions, fanOut, server, pongedAt }: TickParts): void => {
  const now = context.now()
  for (const { socket, state } of sessions.all()) {
    if (state.phase === 'greeting') {
      if (now - state.openedAt > GREETING_MS) server.end(socket, 'no hello')
    } else if (now - Math.max(state.heardAt, pongedAt(socket)) > SILENT_MS) {
      server.end(socket, 'silent')
    } else if (state.unacknowledged.length > 0 && now - state.unacknowledgedSince > UNACKNOWLEDGED_MS) {
      fanOut.acknowledge({ socket, state }, state.sent)
    }
  }
}

/** What passes with time, in one transaction: leases, tokens, certificates. */
const tickStore = (context: MeshContext, sessions: Sessions, times: LeaseTimes): void => {
  const { sql, now } = context
  const open = sessions.open()
  const presence = {
    reporting: new Set(open.filter(({ state }) => state.reporting).map(({ state }) => state.cluster)),
    connected: new Set(open.map(({ state }) => state.cluster)),
  }
  tickLeases(context, presence, now() - readMeshRow(sql).tickedAt, times)
  sql.exec('UPDATE mesh SET ticked_at = ?', now())
  for (const cluster of presence.connected) {
    keepAgentHoldsOf(
      sql,
      cluster,
      sessions.ofCluster(cluster).map(({ state }) => state.replica),
    )
    keepSignersOf(
      sql,
      cluster,
      sessions.ofCluster(cluster).map(({ state }) => state.replica),
    )
  }
  if (retireSuperseded(sql, now())) writeTrustState(context)
  pruneEvicted(sql, now())
  removeExpiredMachineTokens(sql, now())
  tellOldGuesses(context)
  pruneJoinTokens(sql, now())
  pruneCertificates(sql, now())
}
