import type { IssuedCertificate as ListedCertificate } from '#api/schemas/trust.ts'
import type { IssuedCertificate } from '../ca/certificate.ts'
import { firstRow } from './context.ts'

/** The register of what the root has signed, or was about to sign. */

/** `prepared`: signed, and not trusted yet (worker/mesh/rotation). */
export type CertificateState = 'pending' | 'prepared' | 'current' | 'superseded' | 'evicted' | 'retired'

/** A superseded intermediate is trusted until the leaves that it issued have run out (24 h), with as much again to spare. */
export const SUPERSEDED_TRUST_MS = 48 * 60 * 60 * 1000
/** Of one cluster at a time, the superseded ones included, and not those that it may sign with still. */
const MAX_TRUSTED_PER_CLUSTER = 2
/** … and with those: a cluster that asks on and on loses its own, and takes nothing from others. */
const MOST_TRUSTED_PER_CLUSTER = 4
/** Of a superseded intermediate: none of the cluster's agents has said that it, or one of its proxies, uses it. */
const IS_UNUSED = `NOT EXISTS (SELECT 1 FROM signers WHERE signers.cluster = certificates.cluster
  AND (signers.signer = certificates.fingerprint OR signers.other_leaves > 0))`
/** While roots change, only the rotation ends the trust in what the old one has signed. */
const IS_NOT_ROTATING = 'NOT EXISTS (SELECT 1 FROM rotations WHERE ended_at IS NULL)'

export interface CertificateFacts extends Record<string, SqlStorageValue> {
  serial: string
  pem: string
  notBeforeMs: number
  notAfterMs: number
  fingerprint: string
}

export interface CertificateRow extends CertificateFacts {
  kind: 'root' | 'intermediate' | 'issuer'
  cluster: string | null
}

const columns = 'serial, kind, cluster, pem, not_before AS notBeforeMs, not_after AS notAfterMs, fingerprint'

/** Persists a serial before anything is signed with it: a crash leaves a pending row, never an unknown certificate. */
export const reserveSerial = (
  sql: SqlStorage,
  serial: string,
  facts: {
    readonly kind: CertificateRow['kind']
    readonly cluster: string | null
    readonly requestHash: string | null
  },
  nowMs: number,
): void => {
  sql.exec(
    `INSERT INTO certificates (serial, kind, cluster, request_hash, issued_at, not_before, not_after, state)
     VALUES (?, ?, ?, ?, ?, 0, 0, 'pending')`,
    serial,
    facts.kind,
    facts.cluster,
    facts.requestHash,
    nowMs,
  )
}

/** Puts the signed certificate into its row. `root`: the key id of who signed it. */
const fillRow = (
  sql: SqlStorage,
  serial: string,
  state: CertificateState,
  root: string,
  issued: IssuedCertificate,
): void => {
  sql.exec(
    'UPDATE certificates SET state = ?, root = ?, pem = ?, fingerprint = ?, not_before = ?, not_after = ? WHERE serial = ?',
    state,
    root,
    issued.pem,
    issued.fingerprint,
    issued.notBeforeMs,
    issued.notAfterMs,
    serial,
  )
}

/** Puts a signed intermediate into its row that is to be trusted later, in the place of another such one of its cluster. */
export const recordPrepared = (sql: SqlStorage, serial: string, root: string, issued: IssuedCertificate): void => {
  sql.exec(
    `UPDATE certificates SET state = 'retired'
     WHERE state = 'prepared' AND cluster = (SELECT cluster FROM certificates WHERE serial = ?)`,
    serial,
  )
  fillRow(sql, serial, 'prepared', root, issued)
}

/** Puts the signed certificate into its row, and supersedes the one that the cluster had. */
export const recordCertificate = (
  sql: SqlStorage,
  serial: string,
  root: string,
  issued: IssuedCertificate,
  nowMs: number,
): void => {
  sql.exec(
    `UPDATE certificates SET state = 'superseded', superseded_at = ?1
     WHERE state = 'current' AND kind = 'intermediate' AND cluster = (SELECT cluster FROM certificates WHERE serial = ?2)`,
    nowMs,
    serial,
  )
  fillRow(sql, serial, 'current', root, issued)
  const retireBeyond = (most: number, condition: string) =>
    sql.exec(
      `UPDATE certificates SET state = 'retired' WHERE state = 'superseded' AND ${condition} AND serial IN (
         SELECT serial FROM certificates WHERE state = 'superseded' AND cluster = (SELECT cluster FROM certificates WHERE serial = ?)
         ORDER BY number DESC LIMIT -1 OFFSET ?)`,
      serial,
      most - 1,
    )
  retireBeyond(MAX_TRUSTED_PER_CLUSTER, `${IS_UNUSED} AND ${IS_NOT_ROTATING}`)
  retireBeyond(MOST_TRUSTED_PER_CLUSTER, 'TRUE')
}

/** What is trusted and was not told before was told with this version. */
export const markTold = (sql: SqlStorage, version: number): void => {
  sql.exec(`UPDATE certificates SET told = ? WHERE told = 0 AND state IN ('current', 'superseded')`, version)
}

const FORGET_AFTER_MS = 365 * 24 * 60 * 60 * 1000
const ABANDONED_AFTER_MS = 24 * 60 * 60 * 1000

/** Forgets certificates that expired a year ago, and serials that nothing was ever signed with. */
export const pruneCertificates = (sql: SqlStorage, nowMs: number): void => {
  sql.exec(`DELETE FROM certificates WHERE state <> 'pending' AND not_after < ?`, nowMs - FORGET_AFTER_MS)
  sql.exec(`DELETE FROM certificates WHERE state = 'pending' AND issued_at < ?`, nowMs - ABANDONED_AFTER_MS)
}

/**
 * Takes superseded intermediates out of the trust that have run out, and those whose leaves have: by what agents say of that, and of those that
 * say nothing by time. Answers whether there were any.
 */
export const retireSuperseded = (sql: SqlStorage, nowMs: number): boolean =>
  sql.exec(
    `UPDATE certificates SET state = 'retired'
     WHERE state = 'superseded' AND ((superseded_at <= ? AND ${IS_UNUSED} AND ${IS_NOT_ROTATING}) OR not_after <= ?)`,
    nowMs - SUPERSEDED_TRUST_MS,
    nowMs,
  ).rowsWritten > 0

/** Takes the intermediate out of the trust that was superseded first. Answers whether there was one. */
export const retireOldestSuperseded = (sql: SqlStorage): boolean =>
  sql.exec(
    `UPDATE certificates SET state = 'retired'
     WHERE number = (SELECT min(number) FROM certificates WHERE state = 'superseded' AND kind = 'intermediate')
       AND ${IS_NOT_ROTATING}`,
  ).rowsWritten > 0

/** Ends the trust in all of a cluster's intermediates. */
export const endCertificates = (sql: SqlStorage, cluster: string, state: 'evicted' | 'retired'): void => {
  sql.exec(
    `UPDATE certificates SET state = ? WHERE cluster = ? AND state IN ('prepared', 'current', 'superseded')`,
    state,
    cluster,
  )
}

/** The intermediates that proxies trust now, of one cluster or of all, by cluster and age. */
export const listTrustedIntermediates = (
  sql: SqlStorage,
  cluster: string | null = null,
): (CertificateRow & { cluster: string })[] =>
  sql
    .exec<CertificateRow & { cluster: string }>(
      `SELECT ${columns} FROM certificates
       WHERE kind = 'intermediate' AND state IN ('current', 'superseded') AND (?1 IS NULL OR cluster = ?1)
       ORDER BY cluster, number`,
      cluster,
    )
    .toArray()

export const findCertificate = (sql: SqlStorage, serial: string): CertificateRow | undefined =>
  firstRow(sql.exec<CertificateRow>(`SELECT ${columns} FROM certificates WHERE serial = ? AND pem IS NOT NULL`, serial))

/** The certificate that a cluster was given for exactly this request, if it is the one that it has now, or is to have. */
export const findCurrentByRequest = (
  sql: SqlStorage,
  cluster: string,
  requestHash: string,
): CertificateRow | undefined =>
  firstRow(
    sql.exec<CertificateRow>(
      `SELECT ${columns} FROM certificates WHERE cluster = ? AND request_hash = ? AND state IN ('prepared', 'current')
       ORDER BY number DESC`,
      cluster,
      requestHash,
    ),
  )

/** How many intermediates all clusters together were given since then, the unfinished ones included. */
export const countAllIssuedSince = (sql: SqlStorage, sinceMs: number): number =>
  sql
    .exec<{ issued: number }>(
      `SELECT count(*) AS issued FROM (SELECT issued_at FROM certificates ORDER BY number DESC LIMIT 1000) WHERE issued_at > ?`,
      sinceMs,
    )
    .one().issued

/** How many certificates a cluster has asked for since then, the unfinished ones included. */
export const countIssuedSince = (sql: SqlStorage, cluster: string, sinceMs: number): number =>
  sql
    .exec<{ issued: number }>(
      'SELECT count(*) AS issued FROM certificates WHERE cluster = ? AND issued_at > ?',
      cluster,
      sinceMs,
    )
    .one().issued

/** Newest first, those before certificate `before`. `number` is the place in this order. */
export const listCertificates = (
  sql: SqlStorage,
  cluster: string | null,
  before: number,
  limit: number,
  nowMs: number,
): { readonly number: number; readonly certificate: ListedCertificate }[] =>
  sql
    .exec<CertificateRow & { number: number; issuedAt: number; state: CertificateState }>(
      `SELECT number, issued_at AS issuedAt, state, ${columns} FROM certificates
       WHERE pem IS NOT NULL AND number < ?1 AND (?2 IS NULL OR cluster = ?2) ORDER BY number DESC LIMIT ?3`,
      before,
      cluster,
      limit,
    )
    .toArray()
    .map((row) => ({
      number: row.number,
      certificate: {
        serial: row.serial,
        kind: row.kind,
        cluster: row.cluster as ListedCertificate['cluster'],
        issuedAt: new Date(row.issuedAt).toISOString(),
        notBefore: new Date(row.notBeforeMs).toISOString(),
        notAfter: new Date(row.notAfterMs).toISOString(),
        fingerprint: row.fingerprint,
        state: toListedState(row, nowMs),
      },
    }))

const toListedState = (
  row: { state: CertificateState; notAfterMs: number },
  nowMs: number,
): ListedCertificate['state'] => {
  if (row.state === 'evicted') return 'evicted'
  if (row.notAfterMs <= nowMs) return 'expired'
  if (row.state === 'prepared') return 'prepared'
  return row.state === 'current' ? 'current' : 'superseded'
}
