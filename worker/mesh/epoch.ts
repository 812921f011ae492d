import type { Position } from '#mesh/uplink.ts'
import { newId } from '../secret-token.ts'
import { planeInitiator, writeAudit } from './audit.ts'
import type { ClusterRow } from './clusters.ts'
import type { MeshContext } from './context.ts'
import { readMeshRow } from './mesh-row.ts'
import type { MeshRow } from './mesh-row.ts'
import { writeTrustState } from './trust.ts'

/** What an agent's word alone can start in an hour: a cluster that lies must not make all others ask their people over and over. */
const CLAIMED_EPOCH_INTERVAL_MS = 60 * 60 * 1000

/** How a session begins: from where the agent stands, or with everything; `ahead`: it knows a future that this plane has lost. */
export type Resumption = { readonly kind: 'resume'; readonly since: number } | { readonly kind: 'snapshot' | 'ahead' }

export const toResumption = (mesh: MeshRow, cluster: ClusterRow, position: Position | null): Resumption => {
  if (position === null || position.epoch !== mesh.epoch || position.sequence === 0) return { kind: 'snapshot' }
  if (position.sequence > mesh.sequence) return { kind: 'ahead' }
  if (position.sequence < mesh.horizon || position.sequence < cluster.interestSince) return { kind: 'snapshot' }
  return { kind: 'resume', since: position.sequence }
}

const startEpoch = (context: MeshContext, generation: string, reason: string): void => {
  const { sql, now, random } = context
  const epoch = newId(random)
  sql.exec('UPDATE mesh SET epoch = ?, epoch_started_at = ?, generation = ?', epoch, now(), generation)
  // What agents hold of the history that was lost is not what this one has told them.
  writeTrustState(context)
  writeAudit(context, planeInitiator, { action: 'epoch.start', target: epoch, detail: { reason } })
}

/** Starts a new epoch when an operator says that the plane was restored. Answers whether it did. */
export const followGeneration = (context: MeshContext, generation: string): boolean => {
  if (readMeshRow(context.sql).generation === generation) return false
  startEpoch(context, generation, 'the plane was restored')
  return true
}

/** Starts a new epoch when an agent knows a later position than the log's head. Answers whether it did. */
export const followAgent = (context: MeshContext, cluster: string): boolean => {
  const { generation, epochStartedAt } = readMeshRow(context.sql)
  if (context.now() - epochStartedAt < CLAIMED_EPOCH_INTERVAL_MS) return false
  startEpoch(context, generation, `an agent of ${cluster} is ahead of the plane`)
  return true
}
