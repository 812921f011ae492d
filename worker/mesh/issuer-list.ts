import type { ClusterName } from '#mesh/names.ts'
import type { CertificateFacts } from './certificates.ts'
import { firstRow } from './context.ts'

/** An external issuer with its certificate (docs/decisions/0013). */
export interface IssuerRow extends CertificateFacts {
  name: string
  createdAt: number
  /** JSON: where its workloads live. */
  clusters: string
}

const select = `SELECT issuers.name, issuers.created_at AS createdAt, issuers.clusters, certificates.serial, certificates.pem,
    certificates.not_before AS notBeforeMs, certificates.not_after AS notAfterMs, certificates.fingerprint
  FROM issuers JOIN certificates USING (serial)`

/** By name. */
export const listIssuers = (sql: SqlStorage): IssuerRow[] =>
  sql.exec<IssuerRow>(`${select} ORDER BY issuers.name`).toArray()

export const findIssuer = (sql: SqlStorage, name: string): IssuerRow | undefined =>
  firstRow(sql.exec<IssuerRow>(`${select} WHERE issuers.name = ?`, name))

export const clustersOf = ({ clusters }: Pick<IssuerRow, 'clusters'>): ClusterName[] =>
  JSON.parse(clusters) as ClusterName[]
