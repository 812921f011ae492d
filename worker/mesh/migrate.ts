import { firstRow } from './context.ts'
import { NEWER_SCHEMA } from './mesh-store.ts'

/**
 * Brings an object's schema up to date, one transaction for each step, so that a crash in between leaves a whole version.
 *
 * @throws Error `NEWER_SCHEMA` when the object was written by newer code than this: going on would corrupt it.
 */
export const migrate = (
  storage: Pick<DurableObjectStorage, 'sql' | 'transactionSync'>,
  migrations: readonly string[],
): void => {
  const { sql } = storage
  sql.exec('CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)')
  const version = firstRow(sql.exec<{ version: number }>('SELECT version FROM schema_version'))?.version ?? 0
  if (version > migrations.length) {
    throw new Error(`${NEWER_SCHEMA} (its schema is at version ${version}, this one knows ${migrations.length})`)
  }
  for (const [index, migration] of migrations.entries()) {
    if (index < version) continue
    storage.transactionSync(() => {
      sql.exec(migration)
      sql.exec('DELETE FROM schema_version')
      sql.exec('INSERT INTO schema_version (version) VALUES (?)', index + 1)
    })
  }
}
