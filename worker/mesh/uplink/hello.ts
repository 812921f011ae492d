import { err, ok } from '#mesh/result.ts'
import type { Result } from '#mesh/result.ts'
import { toHelloPayload, UPLINK_PROTOCOL } from '#mesh/uplink.ts'
import type { AgentMessage, PlaneMessage } from '#mesh/uplink.ts'
import { findCluster } from '../clusters.ts'
import type { ClusterRow } from '../clusters.ts'
import { verifyIdentity } from '../identity-key.ts'
import { readMeshRow } from '../mesh-row.ts'

export type Hello = Extract<AgentMessage, { type: 'hello' }>
export type RefusalCode = Extract<PlaneMessage, { type: 'refused' }>['code']

export interface UplinkRefusal {
  readonly code: RefusalCode
  readonly message: string
}

const OLDEST_PROTOCOL = 1

/** Who says hello: a cluster of this mesh, proven by its signature over this socket's nonce. */
export const judgeHello = async (
  sql: SqlStorage,
  hello: Hello,
  nonce: string,
): Promise<Result<ClusterRow, UplinkRefusal>> => {
  if (hello.protocol > UPLINK_PROTOCOL) {
    return err({ code: 'protocol_too_new', message: `this plane speaks protocol ${UPLINK_PROTOCOL} at most` })
  }
  if (hello.protocol < OLDEST_PROTOCOL) {
    return err({ code: 'protocol_too_old', message: `this plane speaks protocol ${OLDEST_PROTOCOL} at least` })
  }
  const { meshName } = readMeshRow(sql).settings
  const cluster = hello.mesh === meshName ? findCluster(sql, hello.cluster) : undefined
  if (!cluster) return err({ code: 'unknown_cluster', message: `there is no cluster ${hello.cluster} in this mesh` })
  const isSigned = await verifyIdentity(cluster.identityKey, hello.signature, toHelloPayload({ ...hello, nonce }))
  // As it is after the wait: it may have been evicted or joined anew meanwhile.
  const now = findCluster(sql, cluster.name)
  if (!isSigned || now?.identityKey !== cluster.identityKey) {
    return err({
      code: 'bad_signature',
      message: 'the signature is not one of this cluster’s identity key over this challenge',
    })
  }
  // Told only to who has proven to be the cluster.
  if (now.evictedAt !== null) return err({ code: 'evicted', message: `the cluster ${now.name} is out of the mesh` })
  return ok(now)
}
