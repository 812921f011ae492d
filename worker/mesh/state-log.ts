import type { ExportedService } from '#mesh/visibility.ts'
import { isOfferedTo } from '#mesh/visibility.ts'
import type { StateItem } from '#mesh/state.ts'
import { runBulk } from './context.ts'

/**
 * What agents are told, as a compacted log: each key with the sequence of its last change. "All since n" is the resume of a
 * session that stands at n, the coalescing of a burst and, from 0, the snapshot.
 */

/** Who is told of a key. A service is told only to the clusters that it is offered to. */
export type Audience =
  | { readonly to: 'all' }
  | { readonly to: 'cluster'; readonly cluster: string }
  | {
      /** `network`: the other clusters of this one's network; `other-networks`: the clusters of all others. */
      readonly to: 'network' | 'other-networks'
      readonly cluster: string
      readonly network: string
      readonly service: ExportedService
    }

export interface StateWrite {
  readonly key: string
  readonly item: StateItem
  readonly audience: Audience
}

/** What decides whether a cluster is told of a key. */
export interface Interest {
  readonly cluster: string
  readonly network: string
  readonly namespaces: ReadonlySet<string>
}

interface LogRow extends Record<string, SqlStorageValue> {
  key: string
  sequence: number
  audience: Audience['to']
  cluster: string | null
  network: string | null
  exportTo: string | null
  narrowed: number
  item: string | null
}

const columns = 'key, sequence, audience, cluster, network, export_to AS exportTo, narrowed, item'

/** Beyond this many tombstones the older half is forgotten, and who stands before them needs a snapshot. */
const MAX_TOMBSTONES = 10_000
const PRUNE_EVERY = 256

const takeSequence = (sql: SqlStorage): number =>
  sql.exec<{ sequence: number }>('UPDATE mesh SET sequence = sequence + 1 RETURNING sequence').one().sequence

/** Services that every namespace may call have no `export_to`: nothing has to be looked at when namespaces come and go. */
const toExportColumn = (audience: Audience): string | null =>
  'service' in audience && !audience.service.exportTo.includes('*')
    ? JSON.stringify(toExported(audience.service))
    : null

const toExported = ({ namespace, exportTo, source, location }: ExportedService): ExportedService => ({
  namespace,
  exportTo,
  source,
  location,
})

/** Writes items that are new or differ from what the log has. Answers whether there were any. */
export const writeState = (sql: SqlStorage, writes: readonly StateWrite[]): boolean => {
  if (writes.length === 0) return false
  const sequence = takeSequence(sql)
  const rows = writes.map(({ key, item, audience }) => [
    key,
    audience.to,
    'cluster' in audience ? audience.cluster : null,
    'network' in audience ? audience.network : null,
    toExportColumn(audience),
    JSON.stringify(item),
  ])
  const changed = runBulk(
    sql,
    `INSERT INTO state (key, sequence, audience, cluster, network, export_to, narrowed, item)
     SELECT value ->> 0, ?2, value ->> 1, value ->> 2, value ->> 3, value ->> 4, 0, value ->> 5 FROM json_each(?1) WHERE true
     ON CONFLICT (key) DO UPDATE SET
       sequence = excluded.sequence, audience = excluded.audience, cluster = excluded.cluster, network = excluded.network,
       export_to = excluded.export_to, item = excluded.item,
       narrowed = CASE WHEN (state.audience, state.cluster, state.network, state.export_to)
                          IS NOT (excluded.audience, excluded.cluster, excluded.network, excluded.export_to)
                       THEN excluded.sequence ELSE state.narrowed END
     WHERE (state.item, state.audience, state.cluster, state.network, state.export_to)
           IS NOT (excluded.item, excluded.audience, excluded.cluster, excluded.network, excluded.export_to)
     RETURNING key`,
    rows,
    sequence,
  )
  return settle(sql, sequence, changed.length > 0)
}

/** Leaves tombstones for those of the keys that the log has. Answers whether there were any. */
export const removeState = (sql: SqlStorage, keys: readonly string[]): boolean => {
  if (keys.length === 0) return false
  const sequence = takeSequence(sql)
  const removed = runBulk(
    sql,
    `UPDATE state SET sequence = ?2, item = NULL
     WHERE item IS NOT NULL AND key IN (SELECT value FROM json_each(?1)) RETURNING key`,
    keys,
    sequence,
  )
  return settle(sql, sequence, removed.length > 0)
}

/** Gives an unused sequence back, and forgets old tombstones now and then. */
const settle = (sql: SqlStorage, sequence: number, changed: boolean): boolean => {
  if (!changed) sql.exec('UPDATE mesh SET sequence = ?', sequence - 1)
  else if (sequence % PRUNE_EVERY === 0) pruneTombstones(sql, MAX_TOMBSTONES)
  return changed
}

/** Forgets the older tombstones when there are more than `most`, so that half as many remain. */
export const pruneTombstones = (sql: SqlStorage, most: number): void => {
  const { tombstones } = sql
    .exec<{ tombstones: number }>('SELECT count(*) AS tombstones FROM state WHERE item IS NULL')
    .one()
  if (tombstones <= most) return
  const forgotten = tombstones - Math.floor(most / 2)
  const { horizon } = sql
    .exec<{ horizon: number }>(
      'SELECT sequence AS horizon FROM state WHERE item IS NULL ORDER BY sequence LIMIT 1 OFFSET ?',
      forgotten - 1,
    )
    .one()
  sql.exec('DELETE FROM state WHERE item IS NULL AND sequence <= ?', horizon)
  sql.exec('UPDATE mesh SET horizon = ?', horizon)
}

/**
 * Has the log tell a cluster what its new set of namespaces lets it see, or no longer see: the restricted services whose
 * visibility differs count as changed.
 */
export const applyNamespaces = (sql: SqlStorage, before: Interest, after: Interest): boolean => {
  const restricted = sql.exec<LogRow>(`SELECT ${columns} FROM state WHERE export_to IS NOT NULL AND item IS NOT NULL`)
  const touched = [...restricted].filter((row) => isFor(row, before) !== isFor(row, after)).map(({ key }) => key)
  if (touched.length === 0) return false
  const sequence = takeSequence(sql)
  runBulk(
    sql,
    'UPDATE state SET sequence = ?2, narrowed = ?2 WHERE key IN (SELECT value FROM json_each(?1))',
    touched,
    sequence,
  )
  return settle(sql, sequence, true)
}

const isFor = (row: LogRow, interest: Interest): boolean => {
  switch (row.audience) {
    case 'all':
      return true
    case 'cluster':
      return row.cluster === interest.cluster
    case 'network':
      return row.network === interest.network && row.cluster !== interest.cluster && isOffered(row, interest)
    case 'other-networks':
      return row.network !== interest.network && row.cluster !== interest.cluster && isOffered(row, interest)
  }
}

const isOffered = (row: LogRow, interest: Interest): boolean =>
  row.exportTo === null || isOfferedTo(JSON.parse(row.exportTo) as ExportedService, interest)

/** A row of the log as one cluster is told it: the text of a `StateChange`, or undefined when it is not told. */
const toChangeText = (row: LogRow, since: number, interest: Interest): string | undefined => {
  const isTold = isFor(row, interest)
  const mayKnowIt = since > 0 && (isTold || row.narrowed > since)
  const item = isTold ? row.item : null
  return item !== null || mayKnowIt ? `{"key":${JSON.stringify(row.key)},"item":${item}}` : undefined
}

/** The changes after `since` (0 = everything there is) for one cluster, as texts of `StateChange`, oldest first. */
export function* readChanges(sql: SqlStorage, since: number, interest: Interest): Generator<string> {
  for (const row of sql.exec<LogRow>(`SELECT ${columns} FROM state WHERE sequence > ? ORDER BY sequence, key`, since)) {
    const text = toChangeText(row, since, interest)
    if (text !== undefined) yield text
  }
}

/** How long the items are that changed after `since`, for whomever: at least what a session at that place is sent. */
export const countChangedChars = (sql: SqlStorage, since: number): number =>
  sql.exec<{ chars: number }>('SELECT coalesce(sum(chars), 0) AS chars FROM state WHERE sequence > ?', since).one()
    .chars

/** The changes after `since`, read once for many sessions that stand at the same place. */
export const readSharedChanges = (sql: SqlStorage, since: number): ((interest: Interest) => Iterable<string>) => {
  const rows = sql
    .exec<LogRow>(`SELECT ${columns} FROM state WHERE sequence > ? ORDER BY sequence, key`, since)
    .toArray()
  return (interest) => rows.map((row) => toChangeText(row, since, interest)).filter((text) => text !== undefined)
}
