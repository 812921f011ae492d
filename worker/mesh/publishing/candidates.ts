import { objectKeyOf } from '#mesh/config-object.ts'
import type { ConfigObject } from '#mesh/config-object.ts'
import { parseObject } from '#mesh/config/parse-object.ts'
import type { Problem } from '#mesh/problem.ts'
import { findUnpublishable } from '#mesh/publishing/published-object.ts'
import { UPLINK_MAX_PUBLISHED, UPLINK_MAX_PUBLISHED_CHARS } from '#mesh/uplink.ts'
import type { AgentMessage, ReportPosition } from '#mesh/uplink.ts'
import { toCanonicalJson } from '#mesh/canonical-json.ts'
import { utf8Length } from '../../encode-bytes.ts'
import type { Initiator } from '../audit.ts'
import type { ClusterRow } from '../clusters.ts'
import { MAX_OBJECT_BYTES } from '../configuration.ts'
import { runBulk } from '../context.ts'
import type { MeshContext } from '../context.ts'
import { judgeWithdrawal } from './held-withdrawals.ts'
import { noteChange, wantPublishing } from './wanted.ts'

/**
 * The objects that clusters ask to have published, as they are told over the uplink. They count chunk by chunk: a message that is cut off
 * has told some of them, and the next session tells the rest. Only the last chunk of a full one takes anything away.
 */

type Publish = Extract<AgentMessage, { type: 'publish' }>

/** Documents of a cluster: what it tells now, and as much again that is held or about to be replaced. */
const MAX_DOCUMENTS = 2 * UPLINK_MAX_PUBLISHED
const MAX_DOCUMENT_CHARS = 2 * UPLINK_MAX_PUBLISHED_CHARS
/** And as many that are refused: no agent tells more. */
const MAX_CANDIDATES = MAX_DOCUMENTS + UPLINK_MAX_PUBLISHED
/** Longer than any that the kinds allow. */
const MAX_KEY_CHARS = 512

export const hasCandidates = (sql: SqlStorage): boolean =>
  sql.exec<{ any: number }>('SELECT EXISTS (SELECT 1 FROM candidates) AS any').one().any === 1

/** Takes one chunk, in the caller's transaction. */
export const takeCandidates = (
  context: MeshContext,
  cluster: ClusterRow,
  message: Publish,
  initiator: Initiator,
): 'partial' | 'committed' => {
  const { sql, now } = context
  const { mode, position, upserts, removes, more } = message
  if (isNotNewer(position, cluster.publishing)) return 'committed'
  const listed = mode === 'full' ? `${position.boot}/${position.sequence}` : null
  const rows = fitRows(
    sql,
    cluster.name,
    upserts.map((object) => toRow(object)),
  )
  storeCandidates(sql, cluster.name, listed, now(), rows)
  runBulk(
    sql,
    'UPDATE candidates SET absent = 1 WHERE cluster = ?2 AND key IN (SELECT value FROM json_each(?1))',
    removes,
    cluster.name,
  )
  if (more) {
    noteChange(sql)
    return 'partial'
  }
  if (listed !== null)
    sql.exec('UPDATE candidates SET absent = 1 WHERE cluster = ? AND listed IS NOT ?', cluster.name, listed)
  judgeWithdrawal(context, cluster.name, initiator)
  sql.exec(
    'UPDATE clusters SET publish_boot = ?, publish_sequence = ? WHERE name = ?',
    position.boot,
    position.sequence,
    cluster.name,
  )
  return 'committed'
}

const isNotNewer = (position: ReportPosition, known: ReportPosition | null): boolean =>
  known !== null && position.boot === known.boot && position.sequence <= known.sequence

interface CandidateRow {
  readonly key: string
  readonly kind: string
  readonly namespace: string
  readonly document: string
  readonly problem: Pick<Problem, 'path' | 'message'> | null
}

/** A cluster is not trusted with more than people are: what it sends goes through what they write goes through. */
const toRow = (object: ConfigObject): CandidateRow => {
  const parsed = parseObject(object, { defaultNamespace: '' })
  const { kind, metadata } = object
  const named = { key: objectKeyOf(object), kind, namespace: metadata.namespace }
  if (!parsed.ok) {
    const [problem] = parsed.error.filter(({ severity }) => severity === 'error')
    return { ...named, document: '', problem: { path: problem?.path ?? '', message: problem?.message ?? 'is wrong' } }
  }
  const accepted = parsed.value.object
  const document = toCanonicalJson(accepted)
  if (utf8Length(document) > MAX_OBJECT_BYTES)
    return {
      ...named,
      document: '',
      problem: { path: '', message: `is longer than ${MAX_OBJECT_BYTES} bytes of JSON` },
    }
  return { ...named, document, problem: findUnpublishable(accepted) ?? null }
}

/**
 * The rows that are stored. A cluster whose withdrawal is held has little room, and what has none is refused by itself: its other objects, and all
 * else that its agents say, don't wait for a person. What not even a refusal has room for is no agent's of ours.
 */
const fitRows = (sql: SqlStorage, cluster: string, rows: readonly CandidateRow[]): CandidateRow[] => {
  const known = new Map(
    sql
      .exec<{ key: string; chars: number }>('SELECT key, chars FROM candidates WHERE cluster = ?', cluster)
      .toArray()
      .map(({ key, chars }) => [key, chars]),
  )
  let documents = [...known.values()].filter((chars) => chars > 0).length
  let total = [...known.values()].reduce((sum, chars) => sum + chars, 0)
  return rows.flatMap((row) => {
    if (row.key.length > MAX_KEY_CHARS || (!known.has(row.key) && known.size >= MAX_CANDIDATES)) return []
    const before = known.get(row.key) ?? 0
    const others = { documents: documents - Number(before > 0), chars: total - before }
    const { length } = row.document
    const fits = length === 0 || (others.documents < MAX_DOCUMENTS && others.chars + length <= MAX_DOCUMENT_CHARS)
    const stored = fits ? row : { ...row, document: '', problem: noRoom }
    const after = stored.document.length
    documents = others.documents + Number(after > 0)
    total = others.chars + after
    known.set(row.key, after)
    return [stored]
  })
}

const noRoom: CandidateRow['problem'] = {
  path: '',
  message:
    'the cluster has too much published, and about to be withdrawn, to take it: see "atoll cluster show" for what is held; it is taken when there is room and it changes, or the agent connects anew',
}

const storeCandidates = (
  sql: SqlStorage,
  cluster: string,
  listed: string | null,
  nowMs: number,
  rows: readonly CandidateRow[],
): void => {
  runBulk(
    sql,
    `INSERT INTO candidates (cluster, key, kind, namespace, since, document, problem, listed)
     SELECT ?2, value ->> 0, value ->> 1, value ->> 2, ?3, value ->> 3, value ->> 4, ?4 FROM json_each(?1) WHERE true
     ON CONFLICT (cluster, key) DO UPDATE SET
       changed = candidates.changed OR candidates.document IS NOT excluded.document,
       document = excluded.document, problem = excluded.problem, listed = excluded.listed, absent = 0`,
    rows.map(({ key, kind, namespace, document, problem }) => [
      key,
      kind,
      namespace,
      document,
      problem && JSON.stringify(problem),
    ]),
    cluster,
    nowMs,
    listed,
  )
}

/**
 * A reporter begins: up to where the plane has what its cluster asks to have published. What it refused may be right to a later version, or have
 * room now: it asks for all again, and takes it though it had it before. In the caller's transaction.
 */
export const beginPublishing = (sql: SqlStorage, { name, publishing }: ClusterRow): ReportPosition | null => {
  const { refused } = sql
    .exec<{ refused: number }>(
      'SELECT count(*) AS refused FROM candidates WHERE cluster = ? AND problem IS NOT NULL',
      name,
    )
    .one()
  if (refused === 0) return publishing
  sql.exec('UPDATE clusters SET publish_boot = NULL, publish_sequence = NULL WHERE name = ?', name)
  return null
}

/** Nothing of a cluster may be published any more, and it asks for nothing. */
export const removePublishing = (sql: SqlStorage, cluster: string): void => {
  for (const table of ['candidates', 'publish_grants', 'held_withdrawals'])
    sql.exec(`DELETE FROM ${table} WHERE cluster = ?`, cluster)
  wantPublishing(sql)
}

/** A candidate without its document. */
export interface Wish {
  readonly cluster: string
  readonly key: string
  readonly since: number
  readonly kind: string
  readonly namespace: string
  readonly problem: Pick<Problem, 'path' | 'message'> | null
  readonly published: number | null
  /** Whether the mesh has another version of it, or none. */
  readonly changed: boolean
  /** What its cluster was told of it last, as JSON. */
  readonly publication: string | null
}

type WishColumns = Omit<Wish, 'problem' | 'changed'> & { problem: string | null; changed: number } & Record<
    string,
    SqlStorageValue
  >

export const listWishes = (sql: SqlStorage): Wish[] =>
  sql
    .exec<WishColumns>(
      'SELECT cluster, key, since, kind, namespace, problem, published, changed, publication FROM candidates ORDER BY key, cluster',
    )
    .toArray()
    .map(({ problem, changed, ...row }) => ({
      ...row,
      problem: problem === null ? null : (JSON.parse(problem) as Wish['problem']),
      changed: changed === 1,
    }))

export const readCandidate = (sql: SqlStorage, cluster: string, key: string): ConfigObject =>
  JSON.parse(
    sql.exec<{ document: string }>('SELECT document FROM candidates WHERE cluster = ? AND key = ?', cluster, key).one()
      .document,
  ) as ConfigObject
