import type { ClusterState } from '#mesh/state.ts'
import { planeInitiator, writeAudit } from './audit.ts'
import { listMembers, writeClusterState } from './clusters.ts'
import type { ClusterRow } from './clusters.ts'
import type { MeshContext } from './context.ts'

/**
 * A cluster's contribution to the catalog is leased by its reporter. Without one, and after a grace, other clusters' probes of its
 * gateways decide; only time that the plane was there to see counts (DESIGN §4).
 */
export interface LeaseTimes {
  readonly graceMs: number
  /** Between `deprioritised` and `withdrawn`. */
  readonly withdrawAfterMs: number
  readonly tickMs: number
}

export interface Presence {
  /** Clusters whose reporter is connected. */
  readonly reporting: ReadonlySet<string>
  /** Clusters with any session: their probes are fresh. */
  readonly connected: ReadonlySet<string>
}

/** A gap this many ticks long is an outage of the plane, not of a cluster. */
const OUTAGE_TICKS = 3

/** How long a cluster has been without a reporter after this tick; null = it has one. */
export const toVacantMs = (
  cluster: Pick<ClusterRow, 'vacantMs'>,
  isReporting: boolean,
  elapsedMs: number,
  tickMs: number,
) => {
  if (isReporting) return null
  if (cluster.vacantMs === null || elapsedMs > OUTAGE_TICKS * tickMs) return 0
  return cluster.vacantMs + elapsedMs
}

/** What a cluster contributes next. A clock that was restarted takes nothing back: only a reporter or a probe does. */
export const toContribution = (
  current: ClusterState['contribution'],
  vacantMs: number | null,
  isReachable: boolean,
  { graceMs, withdrawAfterMs }: LeaseTimes,
): ClusterState['contribution'] => {
  if (vacantMs === null || isReachable) return 'live'
  if (vacantMs < graceMs) return current
  return current === 'withdrawn' || vacantMs >= graceMs + withdrawAfterMs ? 'withdrawn' : 'deprioritised'
}

/** Moves the leases on by one tick. `elapsedMs`: since the tick before. */
export const tickLeases = (context: MeshContext, presence: Presence, elapsedMs: number, times: LeaseTimes): void => {
  const { sql } = context
  for (const cluster of listMembers(sql)) {
    const vacantMs = toVacantMs(cluster, presence.reporting.has(cluster.name), elapsedMs, times.tickMs)
    const isReachable = listReachableFrom(sql, cluster.name).some((prober) => presence.connected.has(prober))
    const contribution = toContribution(cluster.contribution, vacantMs, isReachable, times)
    if (vacantMs === cluster.vacantMs && contribution === cluster.contribution) continue
    sql.exec('UPDATE clusters SET vacant_ms = ?, contribution = ? WHERE name = ?', vacantMs, contribution, cluster.name)
    if (contribution === cluster.contribution) continue
    writeClusterState(sql, cluster.name)
    writeAudit(context, planeInitiator, {
      action: 'cluster.contribution',
      target: cluster.name,
      cluster: cluster.name,
      detail: { contribution },
    })
  }
}

/** The clusters that reach one of this cluster's gateways. */
const listReachableFrom = (sql: SqlStorage, cluster: string): string[] =>
  sql
    .exec<{ prober: string }>('SELECT DISTINCT prober FROM probes WHERE target = ? AND reachable = 1', cluster)
    .toArray()
    .map(({ prober }) => prober)
