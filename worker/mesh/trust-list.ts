import type { ExternalIssuer, Trust } from '#api/schemas/trust.ts'
import { findCertificate, listTrustedIntermediates } from './certificates.ts'
import type { CertificateFacts } from './certificates.ts'
import { listExpiring } from './expiring.ts'
import { clustersOf, listIssuers } from './issuer-list.ts'
import type { IssuerRow } from './issuer-list.ts'
import { readMeshRow } from './mesh-row.ts'
import { readRootRequest } from './own-root.ts'
import { listRoots } from './roots.ts'
import type { RootRow } from './roots.ts'
import { renewsItself, ROOT_RENEWAL_MS } from './rotation/rotation-commands.ts'
import { findIssuingRoot } from './rotation/signing-place.ts'
import { readRotation } from './rotation/rotation-view.ts'
import type { Sessions } from './uplink/sessions.ts'

const toCertificate = ({ serial, pem, notBeforeMs, notAfterMs, fingerprint }: CertificateFacts) => ({
  serial,
  pem,
  notBefore: new Date(notBeforeMs).toISOString(),
  notAfter: new Date(notAfterMs).toISOString(),
  fingerprint,
})

export const toExternalIssuer = (row: IssuerRow): ExternalIssuer => ({
  ...toCertificate(row),
  name: row.name,
  clusters: clustersOf(row),
  createdAt: new Date(row.createdAt).toISOString(),
})

/** What is trusted, as people look at it. */
export const readTrust = (sql: SqlStorage, sessions: Sessions, nowMs: number): Trust => {
  const { settings, trustEpoch } = readMeshRow(sql)
  return {
    trustDomain: settings.trustDomain,
    roots: listRoots(sql).flatMap((root) => {
      const row = root.trusted === 1 ? findCertificate(sql, root.serial) : undefined
      return row ? [{ ...toCertificate(row), ...toRootFacts(root, root.keyId === findIssuingRoot(sql).keyId) }] : []
    }),
    rootRequest: readRootRequest(sql),
    rotation: readRotation(sql, sessions),
    intermediates: listTrustedIntermediates(sql).map((row) => ({
      ...toCertificate(row),
      cluster: row.cluster as Trust['intermediates'][number]['cluster'],
    })),
    issuers: listIssuers(sql).map(toExternalIssuer),
    expiring: listExpiring(sql, nowMs),
    epoch: trustEpoch,
  }
}

const toRootFacts = (root: RootRow, signing: boolean) => ({
  signing,
  origin: root.origin,
  above: JSON.parse(root.above) as string[],
  key: root.kmsKey === null ? ('plane' as const) : ('kms' as const),
  ...(signing && renewsItself(root) && { rotatesAt: new Date(root.notAfter - ROOT_RENEWAL_MS).toISOString() }),
})
