import type { Actor } from '#api/schemas/audit.ts'
import type { ChangeAction, ObjectChange } from '#api/schemas/configuration.ts'
import { toMeshDefaults, type MeshDefaults } from '#mesh/analysis/known-mesh.ts'
import { parseObjectKey, type ConfigObject } from '#mesh/config-object.ts'
import { readMeshConfig } from '#mesh/config/mesh-config.ts'
import { ok } from '#mesh/result.ts'
import { stateKeys } from '#mesh/state.ts'
import { toCanonicalJson } from '#mesh/canonical-json.ts'
import { utf8Length } from '../encode-bytes.ts'
import { hashNow } from '../hash-now.ts'
import { writeAudit } from './audit.ts'
import type { Initiator } from './audit.ts'
import { firstRow, runBulk } from './context.ts'
import type { MeshContext } from './context.ts'
import { refuse } from './refusal.ts'
import type { Outcome } from './refusal.ts'
import { readMeshRow } from './mesh-row.ts'
import { removeState, writeState } from './state-log.ts'

export const MAX_OBJECTS = 10_000
/** Of all objects together, as JSON: what a Worker reads in one call to check an apply against; half of what a call may carry. */
export const MAX_CONFIGURATION_BYTES = 16 * 1024 * 1024
/** Of one object, as JSON: a revision's row holds two of them, and rows stay under half of the platform's 2 MB. */
export const MAX_OBJECT_BYTES = 480 * 1024
/** Older revisions are listed, but can't be diffed or rolled back to. */
export const RETAINED_REVISIONS = 200
const MAX_LISTED_REVISIONS = 10_000

/** An object as it is written to the store: the key says which, the document is the whole of it. */
export interface ObjectWrite {
  readonly key: string
  readonly object: ConfigObject
}

/** A write to the configuration, checked by who sends it against all objects of `baseRevision`. */
export interface CommitRequest {
  readonly baseRevision: number
  /** `publish`: what clusters publish comes, changes or goes. */
  readonly operation: 'apply' | 'delete' | 'rollback' | 'publish'
  readonly rollbackTo: number | null
  readonly upserts: readonly ObjectWrite[]
  readonly deletes: readonly string[]
  readonly dryRun: boolean
}

export interface CommitResult {
  readonly revision: number
  readonly changes: readonly ObjectChange[]
}

interface Change {
  readonly key: string
  readonly action: ChangeAction
  readonly before: string | null
  readonly after: string | null
}

/** Of a document as a revision has it, where the whole of it can be looked up. */
const toDigest = (document: string | null): string | null => (document === null ? null : hashNow(document))

/**
 * Commits a write as one revision, in the caller's transaction. A write that changes nothing makes no revision.
 * Refused with `revision_mismatch` when the base is not the newest revision.
 */
export const commitConfiguration = (
  context: MeshContext,
  request: CommitRequest,
  initiator: Initiator,
): Outcome<CommitResult & { readonly changedKinds: readonly string[] }> => {
  const { sql, now } = context
  const head = readMeshRow(sql).revision
  if (request.baseRevision !== head) {
    return refuse('revision_mismatch', `the newest revision is ${head}, not ${request.baseRevision}`)
  }
  const changes = toChanges(sql, request, now())
  const listed = changes.map(({ key, action }) => ({ key, action }))
  const real = changes.filter(({ action }) => action !== 'unchanged')
  const tooMuch = findLimitReached(sql, real)
  if (tooMuch !== undefined) return refuse('limit_reached', tooMuch)
  if (request.dryRun || real.length === 0) return ok({ revision: head, changes: listed, changedKinds: [] })

  const revision = head + 1
  storeObjects(sql, revision, now(), real)
  storeRevision(sql, revision, now(), request, real, initiator.actor)
  writeState(
    sql,
    real.flatMap(({ key, after }) =>
      after === null
        ? []
        : [
            {
              key: stateKeys.config(key),
              item: { kind: 'config', value: JSON.parse(after) as ConfigObject },
              audience: { to: 'all' },
            },
          ],
    ),
  )
  removeState(
    sql,
    real.filter(({ after }) => after === null).map(({ key }) => stateKeys.config(key)),
  )
  writeAudit(context, initiator, {
    action: `configuration.${request.operation}`,
    target: `revision ${revision}`,
    detail: {
      revision,
      ...countActions(real),
      ...(request.rollbackTo === null ? {} : { rollbackTo: request.rollbackTo }),
    },
    changes: real.map(({ key, before, after }) => ({ what: key, before: toDigest(before), after: toDigest(after) })),
  })
  return ok({ revision, changes: listed, changedKinds: real.map(({ key }) => parseObjectKey(key)?.kind ?? '') })
}

/**
 * What each document would change. An object keeps the time of its first appearance for as long as it is there, and a rollback brings
 * that time back too: of two objects that want the same thing Istio's older one wins, as it did in that revision.
 */
const toChanges = (sql: SqlStorage, request: CommitRequest, nowMs: number): Change[] => {
  const keys = [...request.upserts.map(({ key }) => key), ...request.deletes]
  const stored = new Map(
    runBulk<{ key: string; document: string }>(
      sql,
      'SELECT key, document FROM objects WHERE key IN (SELECT value FROM json_each(?1))',
      keys,
    ).map(({ key, document }) => [key, document]),
  )
  const upserts = request.upserts.map(({ key, object }): Change => {
    const before = stored.get(key) ?? null
    const { creationTimestamp = new Date(nowMs).toISOString() } =
      request.operation === 'rollback' ? object.metadata : before === null ? {} : readMetadata(before)
    const after = toCanonicalJson({ ...object, metadata: { ...object.metadata, creationTimestamp } })
    return { key, before, after, action: before === null ? 'created' : before === after ? 'unchanged' : 'updated' }
  })
  const deletes = request.deletes
    .filter((key) => stored.has(key))
    .map((key): Change => ({ key, before: stored.get(key) ?? null, after: null, action: 'deleted' }))
  return [...upserts, ...deletes]
}

const readMetadata = (document: string) => (JSON.parse(document) as ConfigObject).metadata

const findLimitReached = (sql: SqlStorage, changes: readonly Change[]): string | undefined => {
  const large = changes.find(({ after }) => lengthOf(after) > MAX_OBJECT_BYTES)
  if (large) return `${large.key} is longer than ${MAX_OBJECT_BYTES} bytes of JSON`
  const total = sql
    .exec<{ objects: number; bytes: number | null }>(
      'SELECT count(*) AS objects, sum(octet_length(document)) AS bytes FROM objects',
    )
    .one()
  const counts = countActions(changes)
  if (total.objects + counts.created - counts.deleted > MAX_OBJECTS) {
    return `a mesh may have ${MAX_OBJECTS} configuration objects`
  }
  const growth = changes.reduce((sum, { before, after }) => sum + lengthOf(after) - lengthOf(before), 0)
  if (growth > 0 && (total.bytes ?? 0) + growth > MAX_CONFIGURATION_BYTES) {
    return `the configuration of a mesh may be ${MAX_CONFIGURATION_BYTES} bytes of JSON long`
  }
  return undefined
}

const lengthOf = (document: string | null): number => (document === null ? 0 : utf8Length(document))

const countActions = (changes: readonly Change[]) => {
  const count = (action: ChangeAction) => changes.filter((change) => change.action === action).length
  return { created: count('created'), updated: count('updated'), deleted: count('deleted') }
}

const storeObjects = (sql: SqlStorage, revision: number, nowMs: number, changes: readonly Change[]): void => {
  runBulk(
    sql,
    `INSERT INTO objects (key, kind, namespace, revision, updated_at, document)
     SELECT value ->> 0, value ->> 1, value ->> 2, ?2, ?3, value ->> 3 FROM json_each(?1) WHERE true
     ON CONFLICT (key) DO UPDATE SET revision = excluded.revision, updated_at = excluded.updated_at, document = excluded.document`,
    changes
      .filter(({ after }) => after !== null)
      .map(({ key, after }) => {
        const { kind, namespace } = parseObjectKey(key) ?? {}
        return [key, kind, namespace, after]
      }),
    revision,
    nowMs,
  )
  runBulk(
    sql,
    'DELETE FROM objects WHERE key IN (SELECT value FROM json_each(?1))',
    changes.filter(({ after }) => after === null).map(({ key }) => key),
  )
}

const storeRevision = (
  sql: SqlStorage,
  revision: number,
  nowMs: number,
  request: CommitRequest,
  changes: readonly Change[],
  actor: Actor,
): void => {
  const { created, updated, deleted } = countActions(changes)
  sql.exec(
    `INSERT INTO revisions (revision, created_at, actor, operation, rollback_to, created, updated, deleted)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    revision,
    nowMs,
    JSON.stringify(actor),
    request.operation,
    request.rollbackTo,
    created,
    updated,
    deleted,
  )
  runBulk(
    sql,
    `INSERT INTO revision_changes (revision, key, before, after)
     SELECT ?2, value ->> 0, value ->> 1, value ->> 2 FROM json_each(?1)`,
    changes.map(({ key, before, after }) => [key, before, after]),
    revision,
  )
  sql.exec('DELETE FROM revision_changes WHERE revision <= ?', revision - RETAINED_REVISIONS)
  sql.exec('DELETE FROM revisions WHERE revision <= ?', revision - MAX_LISTED_REVISIONS)
  sql.exec('UPDATE mesh SET revision = ?', revision)
}

export interface StoredDocument {
  readonly key: string
  readonly revision: number
  readonly updatedAtMs: number
  /** The object as JSON. */
  readonly document: string
}

type StoredColumns = StoredDocument & Record<string, SqlStorageValue>
const storedColumns = 'key, revision, updated_at AS updatedAtMs, document'

export const findObject = (sql: SqlStorage, key: string): StoredDocument | undefined =>
  firstRow(sql.exec<StoredColumns>(`SELECT ${storedColumns} FROM objects WHERE key = ?`, key))

export interface ObjectFilter {
  readonly kind?: string | undefined
  readonly namespace?: string | undefined
}

/** By key, those after key `after`. */
export const listObjects = (sql: SqlStorage, filter: ObjectFilter, after: string, limit: number): StoredDocument[] =>
  sql
    .exec<StoredColumns>(
      `SELECT ${storedColumns} FROM objects
       WHERE key > ?1 AND (?2 IS NULL OR kind = ?2) AND (?3 IS NULL OR namespace = ?3) ORDER BY key LIMIT ?4`,
      after,
      filter.kind ?? null,
      filter.namespace ?? null,
      limit,
    )
    .toArray()

/** Objects that differ from a revision which the reader has. `document: null` = gone. */
export interface ConfigurationChanges {
  readonly revision: number
  /** The mesh's setting: what short host names are completed with. */
  readonly domainSuffix: string
  /** Whom objects are for that do not say it. */
  readonly defaults: MeshDefaults
  /** Whether these are changes since the reader's revision, or all there is. */
  readonly mode: 'changes' | 'everything'
  readonly documents: readonly { readonly key: string; readonly document: string | null }[]
}

/** Brings a reader that knows the configuration of `since` up to date (null: it knows nothing). */
export const readConfiguration = (sql: SqlStorage, since: number | null): ConfigurationChanges => {
  const { revision, settings } = readMeshRow(sql)
  const { domainSuffix } = settings
  const defaults = toMeshDefaults(readMeshConfig(settings.meshConfig))
  if (since !== null && since <= revision && since > revision - RETAINED_REVISIONS) {
    const documents = sql
      .exec<{ key: string; document: string | null }>(
        `SELECT key, after AS document, max(revision) FROM revision_changes WHERE revision > ? GROUP BY key`,
        since,
      )
      .toArray()
    return {
      revision,
      domainSuffix,
      defaults,
      mode: 'changes',
      documents: documents.map(({ key, document }) => ({ key, document })),
    }
  }
  const documents = sql.exec<{ key: string; document: string }>('SELECT key, document FROM objects').toArray()
  return { revision, domainSuffix, defaults, mode: 'everything', documents }
}
