import type { AddIssuerBody, ExternalIssuer } from '#api/schemas/trust.ts'
import { ok } from '#mesh/result.ts'
import { newSerial } from '../ca/certificate.ts'
import { signIssuer } from '../ca/issuer.ts'
import { verifyIssuerRequest } from '../ca/verify-request.ts'
import type { AuditFacts } from '../audit/bound-facts.ts'
import type { OrgKek } from '../ca/sealed-key.ts'
import { writeAudit } from './audit.ts'
import type { Initiator } from './audit.ts'
import { recordCertificate, reserveSerial } from './certificates.ts'
import { findMember } from './clusters.ts'
import type { MeshContext } from './context.ts'
import { clustersOf, findIssuer, listIssuers } from './issuer-list.ts'
import { readMeshRow } from './mesh-row.ts'
import { findSigningPlace } from './rotation/signing-place.ts'
import { refuse } from './refusal.ts'
import type { Outcome } from './refusal.ts'
import { hasRoomForIssuer, openSigner, writeTrustState } from './trust.ts'
import { toExternalIssuer } from './trust-list.ts'

export const MAX_ISSUERS = 8

/**
 * Signs somebody else's CA, and makes its leaves trusted in the clusters that it names (docs/decisions/0013). The order is that of
 * `issueIntermediate`: whatever stops half-way, no certificate is unknown to the register.
 */
export const addIssuer = async (
  context: MeshContext,
  kek: OrgKek,
  body: AddIssuerBody,
  initiator: Initiator,
): Promise<Outcome<ExternalIssuer>> => {
  const { sql, now, random, transaction } = context
  const { name } = body
  const clusters = [...new Set(body.clusters)].toSorted()
  const audit = (facts: Omit<AuditFacts, 'action' | 'target'>) =>
    writeAudit(context, initiator, { action: 'issuer.add', target: name, ...facts })
  if (findIssuer(sql, name))
    return refuse('already_exists', `there is an issuer ${name}: remove it, or choose another name`)
  if (listIssuers(sql).length >= MAX_ISSUERS) return refuse('limit_reached', `a mesh may have ${MAX_ISSUERS} issuers`)
  const refuseStranger = () => {
    const stranger = clusters.find((cluster) => !findMember(sql, cluster))
    return stranger === undefined ? undefined : refuse('not_found', `there is no cluster ${stranger}`)
  }
  const strange = refuseStranger()
  if (strange) return strange
  if (!hasRoomForIssuer(sql, { name, clusters }))
    return refuse(
      'limit_reached',
      'there is no room for this issuer beside all that the mesh trusts: name fewer clusters, or remove an issuer',
    )

  // 1. Verify the request.
  const verified = await verifyIssuerRequest(body.csrPem)
  if (!verified.ok) {
    transaction(() => audit({ outcome: 'refused', detail: { reason: verified.error } }))
    return refuse('csr_refused', verified.error)
  }
  // 2. The profile is the issuer's: nothing in the request chooses it.
  const { root } = findSigningPlace(sql, true)
  const signer = await openSigner(context, kek, root)
  // 3. Persist the serial.
  const serial = newSerial(random)
  transaction(() => reserveSerial(sql, serial, { kind: 'issuer', cluster: null, requestHash: null }, now()))
  // 4. Sign.
  const { meshName: mesh, trustDomain } = readMeshRow(sql).settings
  const certificate = await signIssuer(verified.value, { mesh, trustDomain, name }, serial, signer, now())
  // 5. Record, trust and audit.
  return transaction(() => {
    // One of them may have been evicted meanwhile.
    const evicted = refuseStranger()
    if (evicted) return evicted
    recordCertificate(sql, serial, root.keyId, certificate, now())
    sql.exec(
      'INSERT INTO issuers (name, clusters, serial, created_at) VALUES (?, ?, ?, ?)',
      name,
      JSON.stringify(clusters),
      serial,
      now(),
    )
    writeTrustState(context)
    audit({ detail: { serial, fingerprint: certificate.fingerprint, clusters: clusters.join(', ') } })
    const row = findIssuer(sql, name)
    if (!row) throw new Error(`the issuer ${name} was not recorded`)
    return ok(toExternalIssuer(row))
  })
}

/** Ends the trust in an issuer everywhere; the epoch rises, so that agents close what its leaves have open. */
export const removeIssuer = (context: MeshContext, name: string, initiator: Initiator): Outcome<null> => {
  const { sql } = context
  const row = findIssuer(sql, name)
  if (!row) return refuse('not_found', `there is no issuer ${name}`)
  dropIssuer(sql, row)
  sql.exec('UPDATE mesh SET trust_epoch = trust_epoch + 1')
  writeTrustState(context)
  writeAudit(context, initiator, { action: 'issuer.remove', target: name, detail: { serial: row.serial } })
  return ok(null)
}

/** A cluster that joins anew under an old name is another one: no issuer is trusted there because one was. */
export const leaveIssuers = (sql: SqlStorage, cluster: string): void => {
  for (const row of listIssuers(sql)) {
    const clusters = clustersOf(row)
    const remaining = clusters.filter((name) => name !== cluster)
    if (remaining.length === 0) dropIssuer(sql, row)
    else if (remaining.length < clusters.length)
      sql.exec('UPDATE issuers SET clusters = ? WHERE name = ?', JSON.stringify(remaining), row.name)
  }
}

const dropIssuer = (sql: SqlStorage, { name, serial }: { readonly name: string; readonly serial: string }): void => {
  sql.exec(`UPDATE certificates SET state = 'evicted' WHERE serial = ?`, serial)
  sql.exec('DELETE FROM issuers WHERE name = ?', name)
}
