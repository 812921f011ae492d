import { isSealedWith, resealKey } from '../ca/sealed-key.ts'
import type { OrgKek } from '../ca/sealed-key.ts'
import { planeInitiator, writeAudit } from './audit.ts'
import type { MeshContext } from './context.ts'
import { readMeshRow } from './mesh-row.ts'

interface SealedRow extends Record<string, SqlStorageValue> {
  place: 'roots' | 'root_requests'
  keyId: string
  sealedKey: string
}

const listSealed = (sql: SqlStorage): SealedRow[] =>
  sql
    .exec<SealedRow>(
      `SELECT 'roots' AS place, key_id AS keyId, sealed_key AS sealedKey, created_at FROM roots WHERE kms_key IS NULL
       UNION ALL SELECT 'root_requests', key_id, sealed_key, created_at FROM root_requests ORDER BY created_at`,
    )
    .toArray()

/** How many private keys the mesh has, and how many of them are not sealed with the current key-encryption key yet. */
export const countSealed = (sql: SqlStorage, currentId: string) => {
  const rows = listSealed(sql)
  return { keys: rows.length, pending: rows.filter(({ sealedKey }) => !isSealedWith(currentId, sealedKey)).length }
}

/**
 * Seals with the current key-encryption key what is sealed with an earlier one, key by key, each in a transaction: whatever stops in between, every
 * key is sealed with one of the two. A key that can't be opened stays as it is.
 *
 * @throws Error of the first that can't be opened, after the others are done.
 */
export const resealKeys = async (context: MeshContext, kek: OrgKek): Promise<void> => {
  const { sql, random, transaction } = context
  const { orgId, meshId } = readMeshRow(sql)
  const failures: unknown[] = []
  for (const { place, keyId, sealedKey } of listSealed(sql)) {
    if (isSealedWith(kek.current.id, sealedKey)) continue
    try {
      const sealed = await resealKey(kek, { orgId, meshId, keyId }, sealedKey, random)
      transaction(() => {
        const { rowsWritten } = sql.exec(
          `UPDATE ${place} SET sealed_key = ? WHERE key_id = ? AND sealed_key = ?`,
          sealed,
          keyId,
          sealedKey,
        )
        if (rowsWritten > 0)
          writeAudit(context, planeInitiator, { action: 'key.reseal', target: keyId, detail: { with: kek.current.id } })
      })
    } catch (error) {
      failures.push(error)
    }
  }
  if (failures.length > 0) throw failures[0]
}
