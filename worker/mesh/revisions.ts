import type { Actor } from '#api/schemas/audit.ts'
import type { Revision } from '#api/schemas/revisions.ts'
import { ok } from '#mesh/result.ts'
import { RETAINED_REVISIONS } from './configuration.ts'
import { firstRow } from './context.ts'
import { readMeshRow } from './mesh-row.ts'
import { refuse } from './refusal.ts'
import type { Outcome } from './refusal.ts'

interface RevisionColumns extends Record<string, SqlStorageValue> {
  revision: number
  createdAt: number
  actor: string
  operation: Revision['operation']
  rollbackTo: number | null
  created: number
  updated: number
  deleted: number
}

const columns =
  'revision, created_at AS createdAt, actor, operation, rollback_to AS rollbackTo, created, updated, deleted'

const toRevision = (row: RevisionColumns, head: number): Revision => ({
  revision: row.revision,
  createdAt: new Date(row.createdAt).toISOString(),
  actor: JSON.parse(row.actor) as Actor,
  operation: row.operation,
  rollbackTo: row.rollbackTo,
  created: row.created,
  updated: row.updated,
  deleted: row.deleted,
  retained: row.revision > head - RETAINED_REVISIONS,
})

/** Newest first, those before revision `before`. */
export const listRevisions = (sql: SqlStorage, before: number, limit: number): Revision[] => {
  const { revision: head } = readMeshRow(sql)
  return sql
    .exec<RevisionColumns>(
      `SELECT ${columns} FROM revisions WHERE revision < ? ORDER BY revision DESC LIMIT ?`,
      before,
      limit,
    )
    .toArray()
    .map((row) => toRevision(row, head))
}

export const findRevision = (sql: SqlStorage, revision: number): Revision | undefined => {
  const row = firstRow(sql.exec<RevisionColumns>(`SELECT ${columns} FROM revisions WHERE revision = ?`, revision))
  return row && toRevision(row, readMeshRow(sql).revision)
}

/** One object that differs between two revisions, as JSON; null = it is not there. */
export interface DocumentDiff {
  readonly key: string
  readonly before: string | null
  readonly after: string | null
}

/**
 * What differs between two retained revisions, by key, those after key `afterKey`. Revision 0 is the empty configuration.
 * `from` may be the newer one: that is what a rollback undoes.
 */
export const diffRevisions = (
  sql: SqlStorage,
  from: number,
  to: number,
  afterKey: string,
  limit: number,
): Outcome<DocumentDiff[]> => {
  const { revision: head } = readMeshRow(sql)
  const newest = Math.max(from, to)
  const oldest = Math.min(from, to)
  if (newest > head) return refuse('not_found', `there is no revision ${newest}; the newest is ${head}`)
  if (oldest < head - RETAINED_REVISIONS) {
    return refuse('conflict', `revision ${oldest} is no longer retained: only the newest ${RETAINED_REVISIONS} are`)
  }
  // Of each key the first change after the older revision tells what was before, the last one what came after.
  const rows = sql
    .exec<{ key: string; before: string | null; after: string | null }>(
      `SELECT changed.key AS key, first.before AS before, last.after AS after
       FROM (SELECT key, min(revision) AS first_revision, max(revision) AS last_revision
             FROM revision_changes WHERE revision > ?1 AND revision <= ?2 AND key > ?3 GROUP BY key) AS changed
       JOIN revision_changes AS first ON first.revision = changed.first_revision AND first.key = changed.key
       JOIN revision_changes AS last ON last.revision = changed.last_revision AND last.key = changed.key
       WHERE first.before IS NOT last.after ORDER BY changed.key LIMIT ?4`,
      oldest,
      newest,
      afterKey,
      limit,
    )
    .toArray()
  return ok(from <= to ? rows : rows.map(({ key, before, after }) => ({ key, before: after, after: before })))
}

/** The keys that a revision changed, with what happened to them; empty when it is no longer retained. */
export const listChanges = (sql: SqlStorage, revision: number) =>
  sql
    .exec<{ key: string; action: 'created' | 'updated' | 'deleted' }>(
      `SELECT key, CASE WHEN before IS NULL THEN 'created' WHEN after IS NULL THEN 'deleted' ELSE 'updated' END AS action
       FROM revision_changes WHERE revision = ? ORDER BY key`,
      revision,
    )
    .toArray()
