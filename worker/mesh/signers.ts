import type { TrustReport } from '#mesh/trust.ts'

/** What a replica signs with, and whether its proxies have other leaves still: kept when it goes, for what is trusted is decided by it. */
export const storeSigner = (sql: SqlStorage, cluster: string, replica: string, report: TrustReport): void => {
  sql.exec(
    `INSERT INTO signers (cluster, replica, signer, other_leaves) VALUES (?1, ?2, ?3, ?4)
     ON CONFLICT (cluster, replica) DO UPDATE SET signer = ?3, other_leaves = ?4 WHERE (signer, other_leaves) IS NOT (?3, ?4)`,
    cluster,
    replica,
    report.signer,
    report.otherLeaves,
  )
}

/** A replica that has gone for good signs no more. */
export const keepSignersOf = (sql: SqlStorage, cluster: string, replicas: readonly string[]): void => {
  sql.exec(
    'DELETE FROM signers WHERE cluster = ? AND replica NOT IN (SELECT value FROM json_each(?))',
    cluster,
    JSON.stringify(replicas),
  )
}

/** What a cluster signs with that joins anew is not what it signed with. */
export const forgetSigners = (sql: SqlStorage, cluster: string): void => {
  sql.exec('DELETE FROM signers WHERE cluster = ?', cluster)
}
