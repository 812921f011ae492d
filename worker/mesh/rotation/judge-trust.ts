import 'reflect-metadata'
import { X509Certificate } from '@peculiar/x509'
import type { OwnRoot } from '#api/schemas/trust.ts'
import { attempt } from '../../attempt.ts'
import type { OrgKek } from '../../ca/sealed-key.ts'
import { planeInitiator, writeAudit } from '../audit.ts'
import type { Initiator } from '../audit.ts'
import type { MeshContext } from '../context.ts'
import { readMeshRow } from '../mesh-row.ts'
import { refuse } from '../refusal.ts'
import type { Outcome } from '../refusal.ts'
import { ok } from '#mesh/result.ts'
import { keyOf } from '#mesh/settings.ts'
import { listRoots } from '../roots.ts'
import { prepareKmsRoot } from '../kms-root.ts'
import { prepareOwnRoot } from '../own-root.ts'
import { commitRoot, prepareRoot, writeTrustState } from '../trust.ts'
import type { PreparedRoot } from '../trust.ts'
import { advanceRotation } from './advance-rotation.ts'
import type { AdvanceParts } from './advance-rotation.ts'
import { beginRotation, DEFAULT_GRACE_DAYS, findDueRotation } from './rotation-commands.ts'
import { findRotation } from './rotation-row.ts'
import type { Rotation } from './rotation-row.ts'
import { tellIssuance } from './tell-issuance.ts'

const DAY_MS = 24 * 60 * 60 * 1000

interface RotationWish {
  readonly reason: Rotation['reason']
  readonly graceDays: number
  /** Absent: the plane makes the root. */
  readonly own?: OwnRoot | undefined
}

/**
 * Makes a root, or takes one that somebody else has made, and begins to rotate to it, unless a rotation is under way. Not for two at the same time: the
 * object runs them one after the other.
 */
export const startRotation = async (
  context: MeshContext,
  kek: OrgKek,
  { reason, graceDays, own }: RotationWish,
  initiator: Initiator,
): Promise<Outcome<null>> => {
  const { sql, transaction } = context
  if (findRotation(sql))
    return own
      ? refuse(
          'conflict',
          'a rotation of the root is under way: wait for its end, or roll it back, before you bring another root',
        )
      : ok(null)
  const from = listRoots(sql).find(({ signing }) => signing === 1)
  if (!from) return refuse('conflict', 'the mesh has no root that signs')
  const prepared = own ? await prepareOwnRoot(context, kek, own) : ok(await prepareNewRoot(context, kek))
  if (!prepared.ok) {
    transaction(() => {
      writeAudit(context, initiator, {
        action: 'root.create',
        target: readMeshRow(sql).settings.meshName,
        outcome: 'refused',
        detail: { reason: prepared.error.detail },
      })
    })
    return prepared
  }
  const root = prepared.value
  transaction(() => {
    commitRoot(context, root, false, initiator)
    beginRotation(context, { from, to: root }, { reason, graceMs: graceDays * DAY_MS }, initiator)
  })
  return ok(null)
}

const prepareNewRoot = async (context: MeshContext, kek: OrgKek): Promise<PreparedRoot> => {
  const kept = await prepareKmsRoot(context)
  if (kept) return kept
  const { orgId, meshId, settings } = readMeshRow(context.sql)
  const mesh = { orgId, meshId, name: settings.meshName, trustDomain: settings.trustDomain }
  return prepareRoot(mesh, kek, context, keyOf(settings, 'root'))
}

/** Does what the trust needs now: a rotation that is due, its next step, what clusters are to sign with. */
export const judgeTrust = async (parts: AdvanceParts, kek: () => Promise<OrgKek>): Promise<void> => {
  const { context, sessions } = parts
  const { sql, now, transaction } = context
  const due = findDueRotation(sql, now())
  if (due.kind === 'expiring')
    // Without the key-encryption key, or while a KMS is away, no root is made: all else goes on.
    await attempt('root', async () =>
      startRotation(context, await kek(), { reason: 'expiring', graceDays: DEFAULT_GRACE_DAYS }, planeInitiator),
    )
  transaction(() => {
    if (due.kind === 'taken_over')
      beginRotation(context, due, { reason: 'taken_over', graceMs: DEFAULT_GRACE_DAYS * DAY_MS }, planeInitiator)
    if (due.kind === 'expired') {
      sql.exec('DELETE FROM roots WHERE key_id = ?', due.root.keyId)
      writeTrustState(context)
      writeAudit(context, planeInitiator, { action: 'root.drop', target: due.root.serial })
    }
    advanceRotation(parts)
    tellIssuance(context, sessions)
  })
}

/**
 * Brings what an older version has written to where this one can judge it: by which root each certificate was signed, and the trust with a
 * version.
 */
export const adoptOlderTrust = (context: MeshContext): void => {
  const { sql } = context
  const rows = sql
    .exec<{ serial: string; pem: string }>(
      `SELECT serial, pem FROM certificates WHERE root IS NULL AND pem IS NOT NULL AND kind <> 'root'`,
    )
    .toArray()
  if (rows.length > 0) {
    const roots = new Map(listRoots(sql).map(({ pem, keyId }) => [new X509Certificate(pem).subject, keyId]))
    for (const { serial, pem } of rows)
      sql.exec(
        'UPDATE certificates SET root = ? WHERE serial = ?',
        roots.get(new X509Certificate(pem).issuer) ?? '',
        serial,
      )
  }
  if (readMeshRow(sql).trustVersion === 0) writeTrustState(context)
}
