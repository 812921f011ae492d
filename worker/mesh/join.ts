import { ok } from '#mesh/result.ts'
import { toJoinPayload } from '#mesh/join.ts'
import type { JoinRequest, JoinResponse } from '#mesh/join.ts'
import type { OrgKek } from '../ca/sealed-key.ts'
import { equalsInConstantTime, sha256Hex, parseToken } from '../secret-token.ts'
import { writeAudit } from './audit.ts'
import type { Initiator } from './audit.ts'
import { findCertificate } from './certificates.ts'
import { admitCluster, hasRoomFor, MAX_CLUSTERS } from './clusters.ts'
import type { MeshContext } from './context.ts'
import { parseIdentityKey, verifyIdentity } from './identity-key.ts'
import { countGuess, countRefusal, findJoinToken, isRefusedTooOften } from './join-tokens.ts'
import type { JoinTokenRow } from './join-tokens.ts'
import { readMeshRow } from './mesh-row.ts'
import { announce } from './outbox.ts'
import { refuse } from './refusal.ts'
import type { Outcome } from './refusal.ts'
import { listRootPems } from './roots.ts'
import { forgetSigners } from './signers.ts'
import { issueIntermediate } from './trust.ts'

/** Says the same whatever is wrong with a token: who guesses learns nothing. The audit log has the reason. */
export const refusedToken = refuse('join_refused', 'the join token is unknown, used, expired or of another mesh')

const refusedTooOften = refuse('rate_limited', 'too many requests with this join token were refused in an hour', {
  name: 'join-token',
  retryAfterSeconds: 60 * 60,
})

/** Who has the right secret never hears it. */
const toldToWait = (retryAfterSeconds: number) =>
  refuse('rate_limited', 'too many requests with this join token and a wrong secret', {
    name: 'failed-attempts',
    retryAfterSeconds,
  })

export interface Joined {
  readonly response: JoinResponse
  /** Whether the cluster has a new identity by it; a repeated request changes nothing. */
  readonly isAdmitted: boolean
}

/**
 * Joins a cluster: its agent shows a join token, proves that it holds its identity key, and gets its intermediate. A request that is
 * repeated because its answer was lost gets the same answer; any other use of a used token is refused.
 *
 * Steps of one joining don't overlap with those of another: the object runs them one after the other.
 */
export const joinCluster = async (
  context: MeshContext,
  kek: OrgKek,
  request: JoinRequest,
  by: Pick<Initiator, 'requestId' | 'client'>,
): Promise<Outcome<Joined>> => {
  const { sql, now, transaction } = context
  const token = parseToken('join', request.token)
  const row = token && findJoinToken(sql, token.id)
  if (!token || !row) return refusedToken
  if (!equalsInConstantTime(row.secretHash, await sha256Hex(token.secret))) {
    const retryAfterSeconds = transaction(() => countGuess(context, row, by))
    return retryAfterSeconds === 0 ? refusedToken : toldToWait(retryAfterSeconds)
  }

  const initiator: Initiator = { actor: { kind: 'agent', id: row.cluster, name: request.replica }, ...by }
  const refuseToken = (reason: string) => {
    if (isRefusedTooOften(row, now())) return refusedTooOften
    transaction(() => {
      countRefusal(sql, row, now())
      writeAudit(context, initiator, {
        action: 'cluster.join',
        target: row.cluster,
        cluster: row.cluster,
        outcome: 'refused',
        detail: { reason, token: row.id },
      })
    })
    return refusedToken
  }
  const identityKey = await parseIdentityKey(request.identityKeyPem)
  if (identityKey === undefined) return refuseToken('the identity key is not ECDSA on P-256')
  const payload = toJoinPayload({ tokenId: row.id, csrPem: request.csrPem, replica: request.replica })
  if (!(await verifyIdentity(identityKey, request.proof, payload)))
    return refuseToken('the proof of the identity key is wrong')

  const usedFor = await sha256Hex(`${request.csrPem.trim()}\n${identityKey}`)
  if (row.usedFor !== null && row.usedFor !== usedFor) return refuseToken('used for another request')
  const earlier = row.serial === null ? undefined : findCertificate(sql, row.serial)
  if (earlier) return ok({ response: toJoinResponse(sql, row, earlier.pem), isAdmitted: false })
  if (row.expiresAt <= now()) return refuseToken('expired')
  if (isRefusedTooOften(row, now())) return refusedTooOften

  const { settings } = readMeshRow(sql)
  const issued = await issueIntermediate(context, kek, {
    identity: { mesh: settings.meshName, trustDomain: settings.trustDomain, cluster: row.cluster },
    csrPem: request.csrPem,
    requestHash: usedFor,
    waits: false,
    initiator,
    reserve: () => reserveToken(context, row, usedFor),
    record: (serial) => {
      sql.exec('UPDATE join_tokens SET serial = ? WHERE id = ?', serial, row.id)
      announce(context, 'mesh')
      forgetSigners(sql, row.cluster)
      admitCluster(context, { name: row.cluster, network: row.network, kind: row.kind, identityKey })
      writeAudit(context, initiator, {
        action: 'cluster.join',
        target: row.cluster,
        cluster: row.cluster,
        detail: { network: row.network, kind: row.kind, token: row.id },
      })
    },
  })
  if (!issued.ok) {
    countRefusal(sql, row, now())
    return issued
  }
  return ok({ response: toJoinResponse(sql, row, issued.value.certificatePem), isAdmitted: true })
}

/** From here on the token is good for this request only, also when the plane stops before it has answered. */
const reserveToken = ({ sql, now }: MeshContext, { id, cluster }: JoinTokenRow, usedFor: string): Outcome<null> => {
  // Others may have joined since the token was made.
  if (!hasRoomFor(sql, cluster))
    return refuse('limit_reached', `a mesh may have ${MAX_CLUSTERS} clusters`, { name: 'clusters' })
  const { rowsWritten } = sql.exec(
    'UPDATE join_tokens SET used_at = coalesce(used_at, ?1), used_for = ?2 WHERE id = ?3 AND (used_for IS NULL OR used_for = ?2)',
    now(),
    usedFor,
    id,
  )
  return rowsWritten > 0 ? ok(null) : refusedToken
}

const toJoinResponse = (sql: SqlStorage, row: JoinTokenRow, certificatePem: string): JoinResponse => {
  const { meshId, settings } = readMeshRow(sql)
  return {
    mesh: settings.meshName,
    meshId,
    cluster: row.cluster,
    network: row.network,
    trustDomain: settings.trustDomain,
    certificatePem,
    rootsPem: listRootPems(sql),
  }
}
