import { ok } from '#mesh/result.ts'
import { listAgentHolds } from './agent-holds.ts'
import { writeAudit } from './audit.ts'
import type { Initiator } from './audit.ts'
import { findMember } from './clusters.ts'
import type { MeshContext } from './context.ts'
import { grantHold } from './hold-grants.ts'
import type { LabelKeys } from './label-keys.ts'
import { confirmWithdrawal } from './publishing/held-withdrawals.ts'
import { refuse } from './refusal.ts'
import type { Outcome } from './refusal.ts'
import { confirmHeldReport } from './report.ts'
import { sendMessage } from './uplink/session.ts'
import type { Sessions } from './uplink/sessions.ts'

/**
 * Lets a person's yes through, in the caller's transaction: to a report or a withdrawal that the plane holds, which is done, or to what an agent
 * holds, who is told when the transaction is over. Answers the telling.
 */
export const confirmHold = (
  context: MeshContext,
  sessions: Sessions,
  request: { readonly cluster: string; readonly hold: string; readonly by: Initiator },
  labelKeys: LabelKeys,
): Outcome<() => void> => {
  const { cluster: name, hold, by } = request
  const cluster = findMember(context.sql, name)
  if (!cluster) return refuse('not_found', `there is no cluster ${name}`)
  const position = confirmHeldReport(context, cluster, hold, by, labelKeys)
  if (position) {
    return ok(() => {
      const reporter = sessions.reporterOf(name)
      if (reporter) sendMessage(reporter.socket, { type: 'report-ack', position })
    })
  }
  if (confirmWithdrawal(context, name, hold, by)) return ok(() => undefined)
  const held = listAgentHolds(context.sql, name).find(({ id }) => id === hold)
  if (!held) return refuse('not_found', `${name} has no hold ${hold}`)
  const replicas = sessions.ofCluster(name)
  if (replicas.length === 0) return refuse('agent_unavailable', `no agent of ${name} is connected`)
  if (held.kind === 'mass-removal') grantHold(context, name, held)
  writeAudit(context, by, { action: 'hold.confirm', target: hold, cluster: name })
  return ok(() => {
    for (const { socket } of replicas) sendMessage(socket, { type: 'confirm', hold })
  })
}
