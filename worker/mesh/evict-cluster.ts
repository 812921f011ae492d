import { stateKeys } from '#mesh/state.ts'
import { writeAudit } from './audit.ts'
import type { Initiator } from './audit.ts'
import { removeCatalog } from './catalog.ts'
import { endCertificates } from './certificates.ts'
import { findMember } from './clusters.ts'
import type { MeshContext } from './context.ts'
import { leaveIssuers } from './issuers.ts'
import { removeMachineTokensOf } from './machine-tokens.ts'
import { removePublishing } from './publishing/candidates.ts'
import { announce } from './outbox.ts'
import { removeState } from './state-log.ts'
import { tellOfEnd } from './telemetry-news.ts'
import { writeTrustState } from './trust.ts'

/**
 * Takes a cluster out of the mesh in one step: its intermediates are trusted no more, its services and tokens are gone, and
 * the trust's epoch rises, so that agents close what is open (DESIGN §3).
 */
export const evictCluster = (context: MeshContext, name: string, initiator: Initiator): boolean => {
  const { sql, now } = context
  const cluster = findMember(sql, name)
  if (!cluster) return false
  sql.exec(
    `UPDATE clusters SET evicted_at = ?, reporter = NULL, report_boot = NULL, report_sequence = NULL, publish_boot = NULL, publish_sequence = NULL,
       gateways = '[]', vacant_ms = NULL
     WHERE name = ?`,
    now(),
    name,
  )
  endCertificates(sql, name, 'evicted')
  leaveIssuers(sql, name)
  sql.exec('UPDATE mesh SET trust_epoch = trust_epoch + 1')
  writeTrustState(context)
  removeCatalog(sql, name)
  removeMachineTokensOf(sql, name)
  removePublishing(sql, name)
  tellOfEnd(context, name)
  removeState(sql, [stateKeys.cluster(name), stateKeys.issuance(name)])
  for (const table of [
    'report_chunks',
    'held_reports',
    'agent_holds',
    'hold_grants',
    'object_conditions',
    'object_problem_counts',
    'signers',
  ])
    sql.exec(`DELETE FROM ${table} WHERE cluster = ?`, name)
  sql.exec('DELETE FROM probes WHERE prober = ?1 OR target = ?1', name)
  // Those too that were reserved for a request that never got its certificate: they would be good for that request still.
  sql.exec('DELETE FROM join_tokens WHERE cluster = ? AND serial IS NULL', name)
  announce(context, 'mesh')
  const detail = { network: cluster.network, kind: cluster.kind }
  writeAudit(context, initiator, { action: 'cluster.evict', target: name, cluster: name, detail })
  return true
}
