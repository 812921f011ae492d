import type { Rotation as RotationView } from '#api/schemas/trust.ts'
import type { ClusterName } from '#mesh/names.ts'
import { listMembers } from '../clusters.ts'
import type { Sessions } from '../uplink/sessions.ts'
import { findLastRotation } from './rotation-row.ts'
import type { Rotation } from './rotation-row.ts'

const DAY_MS = 24 * 60 * 60 * 1000

const toTimestamp = (ms: number): string => new Date(ms).toISOString()

/** The rotation that is under way, or that was last, as people look at it. */
export const readRotation = (sql: SqlStorage, sessions: Sessions): RotationView | null => {
  const row = findLastRotation(sql)
  return row
    ? {
        reason: row.reason,
        direction: row.direction,
        step: row.step,
        paused: row.paused,
        startedAt: toTimestamp(row.startedAt),
        endedAt: row.endedAt === null ? null : toTimestamp(row.endedAt),
        from: row.fromSerial,
        to: row.toSerial,
        offlineGraceDays: row.graceMs / DAY_MS,
        leftBehind: row.leftBehind as ClusterName[],
        steps: row.steps.map(({ at, ...step }) => ({ ...step, at: toTimestamp(at) })),
        waiting: row.waiting,
        waits: row.waits.map(({ since, cluster, ...wait }) => ({
          ...wait,
          cluster: cluster as ClusterName | null,
          since: toTimestamp(since),
        })),
        clusters: row.endedAt === null ? listClusters(sql, sessions, row) : [],
      }
    : null
}

const listClusters = (sql: SqlStorage, sessions: Sessions, row: Rotation): RotationView['clusters'] => {
  const waiting = new Set(row.waits.map(({ cluster }) => cluster))
  const connected = Map.groupBy(sessions.open(), ({ state }) => state.cluster)
  return listMembers(sql).map(({ name }) => {
    const open = connected.get(name) ?? []
    return {
      cluster: name,
      state: row.leftBehind.includes(name) ? 'left_behind' : waiting.has(name) ? 'waiting' : 'ready',
      proxies: open.reduce((sum, { state }) => sum + (state.trust?.proxies ?? 0), 0),
      agents: open.length,
    }
  })
}
