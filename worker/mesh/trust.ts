import { X509Certificate } from '@peculiar/x509'
import { findKeyAlgorithm } from '#mesh/key-algorithm.ts'
import type { KeyAlgorithm } from '#mesh/key-algorithm.ts'
import type { MeshName, TrustDomain } from '#mesh/names.ts'
import { ok } from '#mesh/result.ts'
import { stateKeys } from '#mesh/state.ts'
import type { TrustState } from '#mesh/trust.ts'
import { UPLINK_MAX_MESSAGE_CHARS } from '#mesh/uplink.ts'
import { newSerial } from '../ca/certificate.ts'
import type { IssuedCertificate } from '../ca/certificate.ts'
import { signIntermediate } from '../ca/intermediate.ts'
import type { ClusterIdentity } from '../ca/intermediate.ts'
import { KMS_FAILED, toKmsSigner } from '../ca/kms/kms-signer.ts'
import { createRoot } from '../ca/root.ts'
import { openKey, sealKey } from '../ca/sealed-key.ts'
import type { OrgKek } from '../ca/sealed-key.ts'
import { toLocalSigner } from '../ca/signer.ts'
import type { Signer } from '../ca/signer.ts'
import { verifyRequest } from '../ca/verify-request.ts'
import { newId } from '../secret-token.ts'
import { writeAudit } from './audit.ts'
import type { Initiator } from './audit.ts'
import {
  listTrustedIntermediates,
  markTold,
  recordCertificate,
  recordPrepared,
  reserveSerial,
  retireOldestSuperseded,
} from './certificates.ts'
import type { MeshContext } from './context.ts'
import { clustersOf, listIssuers } from './issuer-list.ts'
import { readMeshRow } from './mesh-row.ts'
import { refuse } from './refusal.ts'
import type { Outcome } from './refusal.ts'
import { listRootPems } from './roots.ts'
import type { RootOrigin, RootRow } from './roots.ts'
import { findSigningPlace } from './rotation/signing-place.ts'
import { writeState } from './state-log.ts'

/** A root whose serial is not written down yet; `commitRoot` does both in one transaction. */
export interface PreparedRoot {
  readonly keyId: string
  readonly serial: string
  readonly sealedKey: string
  readonly certificate: IssuedCertificate
  /** The key's name in the KMS that keeps it; then nothing is sealed. */
  readonly kmsKey?: string
  /** Absent: the plane made it. */
  readonly own?: { readonly origin: RootOrigin; readonly above: readonly string[] }
}

export const prepareRoot = async (
  mesh: { readonly orgId: string; readonly meshId: string; readonly name: MeshName; readonly trustDomain: TrustDomain },
  kek: OrgKek,
  { now, random }: Pick<MeshContext, 'now' | 'random'>,
  algorithm: KeyAlgorithm,
): Promise<PreparedRoot> => {
  const serial = newSerial(random)
  const keyId = newId(random)
  const { certificate, privateKey } = await createRoot(mesh, serial, now(), algorithm)
  const sealedKey = await sealKey(kek, { orgId: mesh.orgId, meshId: mesh.meshId, keyId }, privateKey, random)
  return { keyId, serial, sealedKey, certificate }
}

export const commitRoot = (context: MeshContext, root: PreparedRoot, signing: boolean, initiator: Initiator): void => {
  const { sql, now } = context
  reserveSerial(sql, root.serial, { kind: 'root', cluster: null, requestHash: null }, now())
  recordCertificate(sql, root.serial, root.keyId, root.certificate, now())
  sql.exec(
    `INSERT INTO roots (key_id, serial, sealed_key, pem, created_at, not_after, signing, origin, above, kms_key) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    root.keyId,
    root.serial,
    root.sealedKey,
    root.certificate.pem,
    now(),
    root.certificate.notAfterMs,
    signing ? 1 : 0,
    root.own?.origin ?? 'plane',
    JSON.stringify(root.own?.above ?? []),
    root.kmsKey ?? null,
  )
  // The key that waited for this has its place now.
  sql.exec('DELETE FROM root_requests WHERE key_id = ?', root.keyId)
  writeTrustState(context)
  writeAudit(context, initiator, {
    action: 'root.create',
    target: root.serial,
    detail: { signing, origin: root.own?.origin ?? 'plane', ...(root.kmsKey !== undefined && { key: 'kms' }) },
  })
}

/** What the trust is now, as agents are told it. */
export const toTrustState = (sql: SqlStorage): TrustState => ({
  roots: listRootPems(sql),
  intermediates: listTrustedIntermediates(sql).map(({ cluster, pem }) => ({
    cluster: cluster as ClusterIdentity['cluster'],
    pem,
  })),
  ...toIssuers(sql),
  epoch: readMeshRow(sql).trustEpoch,
  version: readMeshRow(sql).trustVersion,
})

/** Nothing where there are none: an older agent's copy of the trust stays what it was. */
const toIssuers = (sql: SqlStorage): Pick<TrustState, 'issuers'> => {
  const issuers = listIssuers(sql).map((row) => ({ name: row.name, clusters: clustersOf(row), pem: row.pem }))
  return issuers.length > 0 ? { issuers } : {}
}

/** Of one certificate in PEM, and what stands around it in the trust. */
const MAX_CERTIFICATE_CHARS = 4 * 1024

/** Whether one more issuer has room in the trust, beside all that is trusted now: none of it has to go before its time. */
export const hasRoomForIssuer = (
  sql: SqlStorage,
  issuer: Omit<NonNullable<TrustState['issuers']>[number], 'pem'>,
): boolean =>
  JSON.stringify(toTrustState(sql)).length + JSON.stringify(issuer).length + MAX_CERTIFICATE_CHARS <= MAX_TRUST_CHARS

/** The trust is one item, and an item travels in one message. */
const MAX_TRUST_CHARS = UPLINK_MAX_MESSAGE_CHARS - 1024

/** Whether everything that is trusted and prepared has room in one message. */
export const hasRoomForPrepared = (sql: SqlStorage): boolean => {
  const prepared = sql
    .exec<{ chars: number }>(
      `SELECT coalesce(sum(length(json_object('cluster', cluster, 'pem', pem)) + 1), 0) AS chars FROM certificates WHERE state = 'prepared'`,
    )
    .one().chars
  return JSON.stringify(toTrustState(sql)).length + prepared <= MAX_TRUST_CHARS
}

/**
 * Tells the agents what the trust is, under a new version: higher than any before, also of a history that was lost with a backup. Should it become longer than a message, which takes very long names, the oldest superseded
 * intermediates go before their time: a cluster that renewed is trusted by its new one.
 *
 * @throws Error when it is too long even then; what was to be written is not.
 */
export const writeTrustState = ({ sql, now }: Pick<MeshContext, 'sql' | 'now'>): void => {
  const version = Math.max(readMeshRow(sql).trustVersion + 1, now())
  sql.exec('UPDATE mesh SET trust_version = ?', version)
  let value = toTrustState(sql)
  while (JSON.stringify(value).length > MAX_TRUST_CHARS && retireOldestSuperseded(sql)) value = toTrustState(sql)
  if (JSON.stringify(value).length > MAX_TRUST_CHARS) throw new Error('the trust of this mesh is longer than a message')
  markTold(sql, version)
  writeState(sql, [{ key: stateKeys.trust(), item: { kind: 'trust', value }, audience: { to: 'all' } }])
}

export interface IssueRequest {
  readonly identity: ClusterIdentity
  readonly csrPem: string
  /** Tells a repeated request. */
  readonly requestHash: string
  /** Whether the agent waits until it is told that all others hold its certificate. One that does not gets one that is told them at once. */
  readonly waits: boolean
  readonly initiator: Initiator
  /** Runs in the transaction that persists the serial, and again in the one that records the certificate: a cluster may have been evicted meanwhile. A refusal stops there. */
  readonly reserve?: (serial: string) => Outcome<null>
  /** Runs in the transaction that records the certificate, before it becomes trusted. */
  readonly record?: (serial: string) => void
}

/** Issues a cluster's intermediate. The order is the point: whatever stops half-way, no certificate is unknown to the register. */
export const issueIntermediate = async (
  context: MeshContext,
  kek: OrgKek,
  request: IssueRequest,
): Promise<Outcome<{ readonly certificatePem: string }>> => {
  const { sql, now, random, transaction } = context
  const serial = newSerial(random)
  const { cluster } = request.identity
  const permit = (judged: Outcome<null>): Outcome<null> => {
    if (!judged.ok) {
      const detail = { reason: judged.error.detail }
      const facts = { action: 'certificate.issue', target: cluster, cluster, outcome: 'refused', detail } as const
      writeAudit(context, request.initiator, facts)
    }
    return judged
  }
  /** A refused request takes a serial too: it counts as one of those that a cluster may send in an hour. */
  const reserve = (judge: () => Outcome<null>): Outcome<null> =>
    transaction(() => {
      reserveSerial(sql, serial, { kind: 'intermediate', cluster, requestHash: request.requestHash }, now())
      return permit(judge())
    })
  // 1. Verify the request.
  const verified = await verifyRequest(request.csrPem, request.identity)
  if (!verified.ok) {
    const refused = refuse('csr_refused', verified.error)
    reserve(() => refused)
    return refused
  }
  // 2. The profile is the intermediate's: nothing in the request chooses it.
  const place = findSigningPlace(sql, request.waits)
  const signer = await openSigner(context, kek, place.root)
  // 3. Persist the serial.
  const reserved = reserve(() => request.reserve?.(serial) ?? ok(null))
  if (!reserved.ok) return reserved
  // 4. Sign.
  const certificate = await signIntermediate(verified.value, request.identity, serial, signer, now())
  // 5. Record, trust and audit.
  return transaction(() => {
    const permitted = permit(request.reserve?.(serial) ?? ok(null))
    if (!permitted.ok) return permitted
    if (place.isPrepared) recordPrepared(sql, serial, place.root.keyId, certificate)
    else recordCertificate(sql, serial, place.root.keyId, certificate, now())
    request.record?.(serial)
    if (!place.isPrepared) writeTrustState(context)
    writeAudit(context, request.initiator, {
      action: 'certificate.issue',
      target: serial,
      cluster,
      detail: { fingerprint: certificate.fingerprint, notAfter: new Date(certificate.notAfterMs).toISOString() },
    })
    return ok({ certificatePem: certificate.pem })
  })
}

/** What a root's key is: as its certificate says. */
const algorithmOf = (rootPem: string): KeyAlgorithm => {
  const algorithm = findKeyAlgorithm(new X509Certificate(rootPem).publicKey.algorithm)
  if (algorithm === undefined) throw new Error("the root's key is of a kind that this version does not know")
  return algorithm
}

/** The signer of a root. Its key is opened for this one signature and dropped. */
export const openSigner = async (context: MeshContext, kek: OrgKek, root: RootRow): Promise<Signer> => {
  if (root.kmsKey !== null) {
    const kms = context.kms?.()
    if (!kms)
      throw new Error(`${KMS_FAILED} that keeps the root's key ${root.kmsKey} is not set up (the secret ATOLL_KMS)`)
    return toKmsSigner(kms.kms, root.kmsKey, root.pem)
  }
  const { orgId, meshId } = readMeshRow(context.sql)
  const algorithm = algorithmOf(root.pem)
  const key = await openKey(kek, { orgId, meshId, keyId: root.keyId }, root.sealedKey, algorithm)
  return toLocalSigner(root.pem, key, algorithm)
}
