import 'reflect-metadata'
import { Pkcs10CertificateRequest, X509Certificate } from '@peculiar/x509'
import type { OwnRoot, RootRequest } from '#api/schemas/trust.ts'
import type { KeyAlgorithm } from '#mesh/key-algorithm.ts'
import { ok } from '#mesh/result.ts'
import { keyOf } from '#mesh/settings.ts'
import { importKeyOf, verifyOwnAuthority } from '../ca/own-authority.ts'
import type { OwnAuthority } from '../ca/own-authority.ts'
import { createRootRequest } from '../ca/root-request.ts'
import { sealKey } from '../ca/sealed-key.ts'
import type { OrgKek } from '../ca/sealed-key.ts'
import { toHex } from '../encode-bytes.ts'
import { newId } from '../secret-token.ts'
import { writeAudit } from './audit.ts'
import type { Initiator } from './audit.ts'
import { firstRow } from './context.ts'
import type { MeshContext } from './context.ts'
import { findKmsKeyOf } from './kms-root.ts'
import { readMeshRow } from './mesh-row.ts'
import { refuse } from './refusal.ts'
import type { Outcome } from './refusal.ts'
import { listRoots } from './roots.ts'
import type { PreparedRoot } from './trust.ts'

/** Roots that somebody else makes: docs/decisions/0028. */

interface RequestRow extends Record<string, SqlStorageValue> {
  keyId: string
  sealedKey: string
  algorithm: KeyAlgorithm
  csrPem: string
  createdAt: number
}

const findRequest = (sql: SqlStorage): RequestRow | undefined =>
  firstRow(
    sql.exec<RequestRow>(
      'SELECT key_id AS keyId, sealed_key AS sealedKey, algorithm, csr_pem AS csrPem, created_at AS createdAt FROM root_requests',
    ),
  )

export const readRootRequest = (sql: SqlStorage): RootRequest | null => {
  const row = findRequest(sql)
  return row ? { csrPem: row.csrPem, key: row.algorithm, createdAt: new Date(row.createdAt).toISOString() } : null
}

/** Makes a key and a request for its certificate; one that is there is answered as it is. */
export const createRequest = async (
  context: MeshContext,
  kek: OrgKek,
  initiator: Initiator,
): Promise<Outcome<RootRequest>> => {
  const { sql, now, random, transaction } = context
  const before = readRootRequest(sql)
  if (before) return ok(before)
  const { orgId, meshId, settings } = readMeshRow(sql)
  const keyId = newId(random)
  const algorithm = keyOf(settings, 'root')
  const mesh = { name: settings.meshName, trustDomain: settings.trustDomain }
  const { csrPem, privateKey } = await createRootRequest(mesh, `root ${keyId.slice(0, 8)}`, algorithm)
  const sealedKey = await sealKey(kek, { orgId, meshId, keyId }, privateKey, random)
  transaction(() => {
    sql.exec(
      'INSERT INTO root_requests (only_row, key_id, sealed_key, algorithm, csr_pem, created_at) VALUES (1, ?, ?, ?, ?, ?)',
      keyId,
      sealedKey,
      algorithm,
      csrPem,
      now(),
    )
    writeAudit(context, initiator, { action: 'root-request.create', target: keyId, detail: { key: algorithm } })
  })
  const made = readRootRequest(sql)
  if (!made) throw new Error('the request for a root was not kept')
  return ok(made)
}

/** Its key is destroyed with it: a certificate that is signed for it later is of no use. */
export const removeRequest = (context: MeshContext, initiator: Initiator): Outcome<null> => {
  const { sql } = context
  const row = findRequest(sql)
  if (!row) return refuse('not_found', 'no request for a root is waiting')
  sql.exec('DELETE FROM root_requests')
  writeAudit(context, initiator, { action: 'root-request.remove', target: row.keyId })
  return ok(null)
}

/** Checks what somebody else has made, and has it ready as a root is that the plane made: its key sealed. */
export const prepareOwnRoot = async (
  context: MeshContext,
  kek: OrgKek,
  { chainPem, privateKeyPem }: OwnRoot,
): Promise<Outcome<PreparedRoot>> => {
  const { sql, now, random } = context
  const { orgId, meshId, settings } = readMeshRow(sql)
  const verified = await verifyOwnAuthority(chainPem, settings.trustDomain, now())
  if (!verified.ok) return refuse('root_refused', verified.error)
  const authority = verified.value
  const { certificate } = authority
  const serial = certificate.serialNumber.toLowerCase()
  if (isSerialKnown(sql, serial))
    return refuse('root_refused', `there is, or was, a certificate of the mesh with the serial ${serial}`)
  if (listRoots(sql).some(({ pem }) => hasSubjectOf(pem, authority)))
    return refuse(
      'root_refused',
      `the mesh has a root of the subject "${certificate.subject}": give the new one another, or nobody tells what they have signed apart`,
    )
  const held = await holdKey(context, kek, { authority, orgId, meshId, keyId: newId(random), privateKeyPem })
  if (!held.ok) return held
  const { origin, ...key } = held.value
  return ok({
    ...key,
    serial,
    certificate: {
      pem: certificate.toString('pem'),
      notBeforeMs: certificate.notBefore.getTime(),
      notAfterMs: certificate.notAfter.getTime(),
      fingerprint: toHex(new Uint8Array(await certificate.getThumbprint('SHA-256'))),
    },
    own: { origin, above: authority.above },
  })
}

const isSerialKnown = (sql: SqlStorage, serial: string): boolean =>
  firstRow(sql.exec('SELECT 1 FROM certificates WHERE serial = ?', serial)) !== undefined

const hasSubjectOf = (pem: string, { certificate }: OwnAuthority): boolean =>
  new X509Certificate(pem).subject === certificate.subject

interface KeyQuestion {
  readonly authority: OwnAuthority
  readonly orgId: string
  readonly meshId: string
  readonly keyId: string
  readonly privateKeyPem: string | undefined
}

type HeldKey = Pick<PreparedRoot, 'keyId' | 'sealedKey' | 'kmsKey'> & Pick<NonNullable<PreparedRoot['own']>, 'origin'>

/** The key that came with the chain, the one that waits for it, or the one that a KMS keeps. */
const holdKey = async (
  context: MeshContext,
  kek: OrgKek,
  { authority, orgId, meshId, keyId, privateKeyPem }: KeyQuestion,
): Promise<Outcome<HeldKey>> => {
  const { sql, random } = context
  if (privateKeyPem !== undefined) {
    const key = await importKeyOf(authority, privateKeyPem)
    if (!key)
      return refuse(
        'root_refused',
        'the private key is not that of the first certificate of the chain, or not PKCS#8 in PEM without a password',
      )
    return ok({ keyId, sealedKey: await sealKey(kek, { orgId, meshId, keyId }, key, random), origin: 'uploaded' })
  }
  const kmsKey = await findKmsKeyOf(context, authority.certificate)
  if (kmsKey !== undefined) return ok({ keyId, sealedKey: '', kmsKey, origin: 'uploaded' })
  const waiting = findRequest(sql)
  if (!waiting)
    return refuse('root_refused', 'no request for a root is waiting: send the private key too, or make a request first')
  const { publicKey } = new Pkcs10CertificateRequest(waiting.csrPem)
  if (!publicKey.equal(authority.certificate.publicKey))
    return refuse('root_refused', 'the first certificate of the chain is for another key than the request that waits')
  return ok({ keyId: waiting.keyId, sealedKey: waiting.sealedKey, origin: 'requested' })
}
