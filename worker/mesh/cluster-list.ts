import type { Cluster } from '#api/schemas/clusters.ts'
import { listAgentHolds } from './agent-holds.ts'
import { countCatalog } from './catalog.ts'
import { listTrustedIntermediates } from './certificates.ts'
import type { ClusterRow } from './clusters.ts'
import { countObjectProblems, listTroubledObjects } from './object-problems.ts'
import { listProbes } from './probes.ts'
import { listHeldWithdrawals } from './publishing/held-withdrawals.ts'
import { findHeldReport } from './report.ts'
import type { Sessions } from './uplink/sessions.ts'

const toTimestamp = (ms: number): string => new Date(ms).toISOString()

/** A cluster as people look at it. */
export const toCluster = (sql: SqlStorage, sessions: Sessions, row: ClusterRow, nowMs: number): Cluster => {
  const connected = sessions.ofCluster(row.name)
  const held = findHeldReport(sql, row.name)
  const certificate = listTrustedIntermediates(sql, row.name).at(-1)
  return {
    name: row.name,
    network: row.network,
    kind: row.kind,
    joinedAt: toTimestamp(row.joinedAt),
    connected: connected.length > 0,
    lastSeenAt:
      connected.length > 0 ? toTimestamp(nowMs) : row.lastSeenAt === null ? null : toTimestamp(row.lastSeenAt),
    replicas: connected.map(({ state }) => ({
      replica: state.replica,
      agentVersion: state.agentVersion,
      connectedAt: toTimestamp(state.connectedAt),
      reporter: state.reporting,
    })),
    contribution: row.contribution,
    gateways: [...row.gateways],
    ...countCatalog(sql, row.name),
    certificateExpiresAt: certificate ? toTimestamp(certificate.notAfterMs) : null,
    holds: [
      ...(held
        ? [{ id: held.id, kind: 'mass-removal' as const, reason: held.reason, since: toTimestamp(held.since) }]
        : []),
      ...listHeldWithdrawals(sql, row.name),
      ...listAgentHolds(sql, row.name),
    ],
    probes: listProbes(sql, row.name),
    objectProblems: countObjectProblems(sql, row.name),
    troubledObjects: listTroubledObjects(sql, row.name),
  }
}
