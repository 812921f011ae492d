import { readMeshConfig } from '#mesh/config/mesh-config.ts'
import { compareText } from '#mesh/merge/compare-text.ts'
import type { Publication } from '#mesh/uplink.ts'
import { planeInitiator } from '../audit.ts'
import type { Initiator } from '../audit.ts'
import { findMember } from '../clusters.ts'
import { commitConfiguration } from '../configuration.ts'
import type { ObjectWrite } from '../configuration.ts'
import { runBulk } from '../context.ts'
import type { MeshContext } from '../context.ts'
import { readMeshRow } from '../mesh-row.ts'
import { listWishes } from './candidates.ts'
import type { Wish } from './candidates.ts'
import { readGrantScopes } from './publish-grants.ts'
import type { FindScope } from './publish-grants.ts'
import { finishPublishing, readWanted } from './wanted.ts'

/** What clusters ask for, and what they may, at one moment. */
export interface Wishes {
  readonly wanted: number
  readonly wishes: readonly Wish[]
  readonly scopeOf: FindScope
  readonly rootNamespace: string
  readonly isMember: (cluster: string) => boolean
}

export const readWishes = (sql: SqlStorage): Wishes => ({
  wanted: readWanted(sql),
  wishes: listWishes(sql),
  scopeOf: readGrantScopes(sql),
  rootNamespace: readMeshConfig(readMeshRow(sql).settings.meshConfig).rootNamespace,
  isMember: (cluster) => findMember(sql, cluster) !== undefined,
})

/** What became of a wish. */
export interface Verdict {
  readonly wish: Wish
  readonly state: 'published' | 'not_granted' | 'refused' | 'shadowed' | 'conflict'
  readonly path?: string
  readonly message?: string
  /** Whether the mesh has it, if only as it was. */
  readonly isInMesh: boolean
}

export interface PublishRequest {
  /** As far as it had been asked for when the wishes were read. */
  readonly wanted: number
  readonly baseRevision: number
  /** `takesOver`: the mesh's object of this key is another cluster's, which may not have it any more. */
  readonly upserts: readonly (ObjectWrite & { readonly cluster: string; readonly takesOver: boolean })[]
  /** `cluster`: who took it away; null = the plane did. */
  readonly withdrawn: readonly { readonly key: string; readonly cluster: string | null }[]
  readonly verdicts: readonly Verdict[]
}

export interface PublishResult {
  readonly changedKinds: readonly string[]
  /** Clusters that have something new to hear. */
  readonly told: readonly string[]
}

const toInitiator = (cluster: string | null): Initiator =>
  cluster === null ? planeInitiator : { actor: { kind: 'agent', id: cluster, name: cluster }, requestId: null }

/**
 * Makes the outcome of a pass so, in the caller's transaction: one revision for each cluster whose objects change. Undefined when the
 * configuration, or what clusters ask for or may, has moved on since the pass began: it has to be worked out again.
 */
export const commitPublishing = (context: MeshContext, request: PublishRequest): PublishResult | undefined => {
  const { sql } = context
  if (readMeshRow(sql).revision !== request.baseRevision || readWanted(sql) !== request.wanted) return undefined
  const changedKinds: string[] = []
  const revisions = new Map<string, number>()
  const overLimit = new Map<string, string>()
  const clusters = new Set([...request.upserts, ...request.withdrawn].map(({ cluster }) => cluster))
  for (const cluster of [...clusters].toSorted(withdrawalsFirst)) {
    const upserts = request.upserts.filter((write) => write.cluster === cluster).toSorted(takeoversFirst)
    const withdrawn = request.withdrawn.filter((each) => each.cluster === cluster).map(({ key }) => key)
    const commit = (some: readonly ObjectWrite[], deletes: readonly string[], dryRun = false) =>
      commitConfiguration(
        context,
        {
          baseRevision: readMeshRow(sql).revision,
          operation: 'publish',
          rollbackTo: null,
          upserts: some,
          deletes,
          dryRun,
        },
        toInitiator(cluster),
      )
    let committed = commit(upserts, withdrawn)
    if (!committed.ok) {
      const { detail } = committed.error
      const admitted = countAdmitted(upserts.length, (count) => commit(upserts.slice(0, count), withdrawn, true).ok)
      const refused = upserts.slice(admitted)
      for (const { key } of refused) overLimit.set(`${cluster}/${key}`, detail)
      // What was to be taken over goes from the mesh all the same.
      const left = refused.filter(({ takesOver }) => takesOver).map(({ key }) => key)
      committed = commit(upserts.slice(0, admitted), [...withdrawn, ...left])
    }
    if (!committed.ok) continue
    changedKinds.push(...committed.value.changedKinds)
    for (const { key } of upserts) {
      const name = `${cluster}/${key}`
      if (!overLimit.has(name)) revisions.set(name, committed.value.revision)
    }
  }
  const told = storeVerdicts(sql, request.verdicts, revisions, overLimit)
  finishPublishing(sql, request.wanted)
  return { changedKinds, told }
}

/** They need the least room, and what they replace can't stay. */
const takeoversFirst = (one: { readonly takesOver: boolean }, other: { readonly takesOver: boolean }): number =>
  Number(other.takesOver) - Number(one.takesOver)

/** How many of the first writes fit: the more, the less room is left. */
const countAdmitted = (count: number, isRoomFor: (count: number) => boolean): number => {
  let [fits, tooMany] = [0, count]
  while (tooMany - fits > 1) {
    const middle = Math.floor((fits + tooMany) / 2)
    if (isRoomFor(middle)) fits = middle
    else tooMany = middle
  }
  return fits
}

/** The plane's withdrawals make room for what clusters bring. */
const withdrawalsFirst = (one: string | null, other: string | null): number => compareText(one ?? '', other ?? '')

const storeVerdicts = (
  sql: SqlStorage,
  verdicts: readonly Verdict[],
  revisions: ReadonlyMap<string, number>,
  overLimit: ReadonlyMap<string, string>,
): string[] => {
  const told = new Set<string>()
  const rows: unknown[] = []
  for (const { wish, state, path, message, isInMesh } of verdicts) {
    const name = `${wish.cluster}/${wish.key}`
    const limit = overLimit.get(name)
    const isWritten = limit === undefined && revisions.has(name)
    const isThere = limit === undefined ? isInMesh : wish.published !== null
    const revision = isThere ? (revisions.get(name) ?? wish.published) : null
    const publication: Publication = {
      key: wish.key,
      state: limit === undefined ? state : 'refused',
      ...(revision === null ? {} : { revision }),
      ...(path === undefined ? {} : { path }),
      ...((limit ?? message) === undefined ? {} : { message: (limit ?? message ?? '').slice(0, MAX_MESSAGE_CHARS) }),
    }
    const text = JSON.stringify(publication)
    const changed = wish.changed && !isWritten
    if (text === wish.publication && changed === wish.changed && revision === wish.published) continue
    if (text !== wish.publication) told.add(wish.cluster)
    rows.push([wish.cluster, wish.key, revision, changed ? 1 : 0, text])
  }
  runBulk(
    sql,
    `UPDATE candidates SET published = said.value ->> 2, changed = said.value ->> 3, publication = said.value ->> 4
     FROM json_each(?1) AS said WHERE cluster = said.value ->> 0 AND candidates.key = said.value ->> 1`,
    rows,
  )
  return [...told]
}

const MAX_MESSAGE_CHARS = 1_024

/** What a cluster is told of its objects. */
export const listPublications = (sql: SqlStorage, cluster: string): Publication[] =>
  sql
    .exec<{ publication: string }>(
      'SELECT publication FROM candidates WHERE cluster = ? AND absent = 0 AND publication IS NOT NULL ORDER BY key',
      cluster,
    )
    .toArray()
    .map(({ publication }) => JSON.parse(publication) as Publication)
