import type { ExternalIssuer, Trust } from '#api/schemas/trust.ts'
import { findCertificate, listTrustedIntermediates } from './certificates.ts'
import type { CertificateFacts } from './certificates.ts'
import { clustersOf, listIssuers } from './issuer-list.ts'
import type { IssuerRow } from './issuer-list.ts'
import { readMeshRow } from './mesh-row.ts'
import { listRoots } from './trust.ts'

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
export const readTrust = (sql: SqlStorage): Trust => {
  const { settings, trustEpoch } = readMeshRow(sql)
  return {
    trustDomain: settings.trustDomain,
    roots: listRoots(sql).flatMap(({ serial }) => {
      const row = findCertificate(sql, serial)
      return row ? [toCertificate(row)] : []
    }),
    intermediates: listTrustedIntermediates(sql).map((row) => ({
      ...toCertificate(row),
      cluster: row.cluster as Trust['intermediates'][number]['cluster'],
    })),
    issuers: listIssuers(sql).map(toExternalIssuer),
    epoch: trustEpoch,
  }
}
