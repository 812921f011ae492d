import type { MeshName, TrustDomain } from '#mesh/names.ts'
import { ok } from '#mesh/result.ts'
import { stateKeys } from '#mesh/state.ts'
import type { TrustState } from '#mesh/trust.ts'
import { UPLINK_MAX_MESSAGE_CHARS } from '#mesh/uplink.ts'
import { newSerial } from '../ca/certificate.ts'
import type { IssuedCertificate } from '../ca/certificate.ts'
import { signIntermediate } from '../ca/intermediate.ts'
import type { ClusterIdentity } from '../ca/intermediate.ts'
import { createRoot } from '../ca/root.ts'
import { openKey, sealKey } from '../ca/sealed-key.ts'
import { toLocalSigner } from '../ca/signer.ts'
import type { Signer } from '../ca/signer.ts'
import { verifyRequest } from '../ca/verify-request.ts'
import { newId } from '../secret-token.ts'
import { planeInitiator, writeAudit } from './audit.ts'
import type { Initiator } from './audit.ts'
import { listTrustedIntermediates, recordCertificate, reserveSerial, retireOldestSuperseded } from './certificates.ts'
import type { MeshContext } from './context.ts'
import { clustersOf, listIssuers } from './issuer-list.ts'
import { readMeshRow } from './mesh-row.ts'
import { refuse } from './refusal.ts'
import type { Outcome } from './refusal.ts'
import { writeState } from './state-log.ts'

const DAY_MS = 24 * 60 * 60 * 1000
/** A successor is made this long before the signing root runs out. */
export const ROOT_RENEWAL_MS = 2 * 365 * DAY_MS
/** A new root is trusted for this long before it signs: every agent has heard of it by then, or has been away for as long. */
export const ROOT_SETTLING_MS = 30 * DAY_MS

interface RootRow extends Record<string, SqlStorageValue> {
  keyId: string
  serial: string
  sealedKey: string
  pem: string
  createdAt: number
  notAfter: number
  signing: number
}

/** The roots that are trusted, oldest first. One of them signs. */
export const listRoots = (sql: SqlStorage): RootRow[] =>
  sql
    .exec<RootRow>(
      `SELECT key_id AS keyId, serial, sealed_key AS sealedKey, pem, created_at AS createdAt, not_after AS notAfter, signing
       FROM roots ORDER BY created_at`,
    )
    .toArray()

export const listRootPems = (sql: SqlStorage): string[] => listRoots(sql).map(({ pem }) => pem)

/** A root whose serial is not written down yet; `commitRoot` does both in one transaction. */
export interface PreparedRoot {
  readonly keyId: string
  readonly serial: string
  readonly sealedKey: string
  readonly certificate: IssuedCertificate
}

export const prepareRoot = async (
  mesh: { readonly orgId: string; readonly meshId: string; readonly name: MeshName; readonly trustDomain: TrustDomain },
  kek: CryptoKey,
  { now, random }: Pick<MeshContext, 'now' | 'random'>,
): Promise<PreparedRoot> => {
  const serial = newSerial(random)
  const keyId = newId(random)
  const { certificate, privateKey } = await createRoot(mesh, serial, now())
  const sealedKey = await sealKey(kek, { orgId: mesh.orgId, meshId: mesh.meshId, keyId }, privateKey, random)
  return { keyId, serial, sealedKey, certificate }
}

export const commitRoot = (context: MeshContext, root: PreparedRoot, signing: boolean, initiator: Initiator): void => {
  const { sql, now } = context
  reserveSerial(sql, root.serial, { kind: 'root', cluster: null, requestHash: null }, now())
  recordCertificate(sql, root.serial, root.certificate, now())
  sql.exec(
    `INSERT INTO roots (key_id, serial, sealed_key, pem, created_at, not_after, signing) VALUES (?, ?, ?, ?, ?, ?, ?)`,
    root.keyId,
    root.serial,
    root.sealedKey,
    root.certificate.pem,
    now(),
    root.certificate.notAfterMs,
    signing ? 1 : 0,
  )
  writeTrustState(sql)
  writeAudit(context, initiator, { action: 'root.create', target: root.serial, detail: { signing } })
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

/**
 * Tells the agents what the trust is. Should it become longer than a message, which takes very long names, the oldest superseded
 * intermediates go before their time: a cluster that renewed is trusted by its new one.
 *
 * @throws Error when it is too long even then; what was to be written is not.
 */
export const writeTrustState = (sql: SqlStorage): void => {
  let value = toTrustState(sql)
  while (JSON.stringify(value).length > MAX_TRUST_CHARS && retireOldestSuperseded(sql)) value = toTrustState(sql)
  if (JSON.stringify(value).length > MAX_TRUST_CHARS) throw new Error('the trust of this mesh is longer than a message')
  writeState(sql, [{ key: stateKeys.trust(), item: { kind: 'trust', value }, audience: { to: 'all' } }])
}

export interface IssueRequest {
  readonly identity: ClusterIdentity
  readonly csrPem: string
  /** Tells a repeated request. */
  readonly requestHash: string
  readonly initiator: Initiator
  /** Runs in the transaction that persists the serial; a refusal stops there. */
  readonly reserve?: (serial: string) => Outcome<null>
  /** Runs in the transaction that records the certificate, before it becomes trusted. */
  readonly record?: (serial: string) => void
}

/** Issues a cluster's intermediate. The order is the point: whatever stops half-way, no certificate is unknown to the register. */
export const issueIntermediate = async (
  context: MeshContext,
  kek: CryptoKey,
  request: IssueRequest,
): Promise<Outcome<{ readonly certificatePem: string }>> => {
  const { sql, now, random, transaction } = context
  const serial = newSerial(random)
  const { cluster } = request.identity
  /** A refused request takes a serial too: it counts as one of those that a cluster may send in an hour. */
  const reserve = (judge: () => Outcome<null>): Outcome<null> =>
    transaction(() => {
      reserveSerial(sql, serial, { kind: 'intermediate', cluster, requestHash: request.requestHash }, now())
      const judged = judge()
      if (!judged.ok) {
        const detail = { reason: judged.error.detail }
        writeAudit(context, request.initiator, {
          action: 'certificate.issue',
          target: cluster,
          cluster,
          outcome: 'refused',
          detail,
        })
      }
      return judged
    })
  // 1. Verify the request.
  const verified = await verifyRequest(request.csrPem, request.identity)
  if (!verified.ok) {
    const refused = refuse('csr_refused', verified.error)
    reserve(() => refused)
    return refused
  }
  // 2. The profile is the intermediate's: nothing in the request chooses it.
  const signer = await openSigner(context, kek)
  // 3. Persist the serial.
  const reserved = reserve(() => request.reserve?.(serial) ?? ok(null))
  if (!reserved.ok) return reserved
  // 4. Sign.
  const certificate = await signIntermediate(verified.value, request.identity, serial, signer, now())
  // 5. Record, trust and audit.
  transaction(() => {
    recordCertificate(sql, serial, certificate, now())
    request.record?.(serial)
    writeTrustState(sql)
    writeAudit(context, request.initiator, {
      action: 'certificate.issue',
      target: serial,
      cluster,
      detail: { fingerprint: certificate.fingerprint, notAfter: new Date(certificate.notAfterMs).toISOString() },
    })
  })
  return ok({ certificatePem: certificate.pem })
}

/** The signer of the root that signs now. Its key is opened for this one signature and dropped. */
export const openSigner = async ({ sql }: MeshContext, kek: CryptoKey): Promise<Signer> => {
  const { orgId, meshId } = readMeshRow(sql)
  const root = listRoots(sql).find(({ signing }) => signing === 1)
  if (!root) throw new Error('the mesh has no signing root')
  return toLocalSigner(root.pem, await openKey(kek, { orgId, meshId, keyId: root.keyId }, root.sealedKey))
}

/** What the roots need now: a successor, the successor's turn to sign, the end of one that has run out. */
export type RootStep =
  | { readonly step: 'none' }
  | { readonly step: 'create' }
  | { readonly step: 'promote' | 'drop'; readonly root: RootRow }

export const nextRootStep = (roots: readonly RootRow[], nowMs: number): RootStep => {
  const signing = roots.find((root) => root.signing === 1)
  const expired = roots.find((root) => root.signing === 0 && root.notAfter <= nowMs)
  if (expired) return { step: 'drop', root: expired }
  if (!signing) return { step: 'none' }
  const successor = roots.find((root) => root.createdAt > signing.createdAt)
  if (successor)
    return successor.createdAt + ROOT_SETTLING_MS <= nowMs ? { step: 'promote', root: successor } : { step: 'none' }
  return { step: signing.notAfter - nowMs < ROOT_RENEWAL_MS ? 'create' : 'none' }
}

/**
 * Takes the next step of renewing the root, if one is due: a new root becomes trusted beside the old one, later it signs, and
 * the old one stays trusted until it runs out. Answers whether the trust changed.
 */
export const renewRoot = async (context: MeshContext, kek: CryptoKey): Promise<boolean> => {
  const { sql, now, transaction } = context
  const due = nextRootStep(listRoots(sql), now())
  if (due.step === 'none') return false
  if (due.step === 'create') {
    const { orgId, meshId, settings } = readMeshRow(sql)
    const root = await prepareRoot(
      { orgId, meshId, name: settings.meshName, trustDomain: settings.trustDomain },
      kek,
      context,
    )
    transaction(() => commitRoot(context, root, false, planeInitiator))
    return true
  }
  transaction(() => {
    if (due.step === 'promote') sql.exec('UPDATE roots SET signing = (key_id = ?)', due.root.keyId)
    else sql.exec('DELETE FROM roots WHERE key_id = ?', due.root.keyId)
    writeTrustState(sql)
    writeAudit(context, planeInitiator, { action: `root.${due.step}`, target: due.root.serial })
  })
  return true
}
