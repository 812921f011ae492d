import type { PublishGrant } from '#api/schemas/publish-grants.ts'
import { toScopeTest } from '#mesh/publishing/publish-scope.ts'
import type { PublishScope } from '#mesh/publishing/publish-scope.ts'
import { ok } from '#mesh/result.ts'
import { newId } from '../../secret-token.ts'
import { writeAudit } from '../audit.ts'
import type { Initiator } from '../audit.ts'
import { findMember } from '../clusters.ts'
import { firstRow } from '../context.ts'
import type { MeshContext } from '../context.ts'
import { refuse } from '../refusal.ts'
import type { Outcome } from '../refusal.ts'
import { wantPublishing } from './wanted.ts'

/** Of a mesh. */
export const MAX_PUBLISH_GRANTS = 1_000

export type NewPublishGrant = Pick<PublishGrant, 'cluster' | 'namespace' | 'kind'>

interface Columns extends Record<string, SqlStorageValue> {
  id: string
  cluster: PublishGrant['cluster']
  namespace: string
  kind: string
  createdAt: number
}

const columns = 'id, cluster, namespace, kind, created_at AS createdAt'

const toPublishGrant = (row: Columns): PublishGrant => ({ ...row, createdAt: new Date(row.createdAt).toISOString() })

const toDetail = ({ namespace, kind }: NewPublishGrant) => ({ namespace, kind })

/** What was granted before is granted still: the answer is the grant that there is. */
export const createPublishGrant = (
  context: MeshContext,
  grant: NewPublishGrant,
  initiator: Initiator,
): Outcome<PublishGrant> => {
  const { sql, now, random } = context
  const { cluster, namespace, kind } = grant
  if (!findMember(sql, cluster)) return refuse('not_found', `there is no cluster ${cluster} in the mesh`)
  const known = firstRow(
    sql.exec<Columns>(
      `SELECT ${columns} FROM publish_grants WHERE cluster = ? AND namespace = ? AND kind = ?`,
      cluster,
      namespace,
      kind,
    ),
  )
  if (known) return ok(toPublishGrant(known))
  const { grants } = sql.exec<{ grants: number }>('SELECT count(*) AS grants FROM publish_grants').one()
  if (grants >= MAX_PUBLISH_GRANTS)
    return refuse('limit_reached', `a mesh may have ${MAX_PUBLISH_GRANTS} grants to publish`)
  const row = sql
    .exec<Columns>(
      `INSERT INTO publish_grants (id, cluster, namespace, kind, created_at) VALUES (?, ?, ?, ?, ?) RETURNING ${columns}`,
      newId(random),
      cluster,
      namespace,
      kind,
      now(),
    )
    .one()
  writeAudit(context, initiator, {
    action: 'publish-grant.create',
    target: row.id,
    cluster,
    detail: toDetail(grant),
  })
  wantPublishing(sql)
  return ok(toPublishGrant(row))
}

/** Newest first: those made before `before`, and of those made at that moment the ones with a smaller id. */
export const listPublishGrants = (
  sql: SqlStorage,
  before: { readonly createdAt: number; readonly id: string },
  limit: number,
): PublishGrant[] =>
  sql
    .exec<Columns>(
      `SELECT ${columns} FROM publish_grants WHERE (created_at, id) < (?, ?)
       ORDER BY created_at DESC, id DESC LIMIT ?`,
      before.createdAt,
      before.id,
      limit,
    )
    .toArray()
    .map(toPublishGrant)

/** Answers what is granted no more. */
export const revokePublishGrant = (context: MeshContext, id: string, initiator: Initiator): Outcome<PublishGrant> => {
  const { sql } = context
  const row = firstRow(sql.exec<Columns>(`DELETE FROM publish_grants WHERE id = ? RETURNING ${columns}`, id))
  if (!row) return refuse('not_found', `there is no grant ${id}`)
  writeAudit(context, initiator, {
    action: 'publish-grant.revoke',
    target: id,
    cluster: row.cluster,
    detail: toDetail(row),
  })
  wantPublishing(sql)
  return ok(toPublishGrant(row))
}

/** How far a cluster may publish an object: for the whole mesh, for its namespace, or not at all. */
export type FindScope = (object: {
  readonly cluster: string
  readonly namespace: string
  readonly kind: string
}) => 'mesh' | 'namespace' | undefined

/** What a cluster may publish. */
export const listPublishScopes = (sql: SqlStorage, cluster: string): PublishScope[] =>
  sql
    .exec<{ namespace: string; kind: string }>('SELECT namespace, kind FROM publish_grants WHERE cluster = ?', cluster)
    .toArray()

/** The grants as they are now. */
export const readGrantScopes = (sql: SqlStorage): FindScope => {
  const rows = sql.exec<Columns>(`SELECT ${columns} FROM publish_grants`).toArray()
  const ofCluster = new Map(
    [...Map.groupBy(rows, ({ cluster }) => cluster)].map(([name, its]) => [
      name as string,
      { isGranted: toScopeTest(its), isForAll: toScopeTest(its.filter(({ namespace }) => namespace === '*')) },
    ]),
  )
  return ({ cluster, ...object }) => {
    const scopes = ofCluster.get(cluster)
    if (scopes?.isForAll(object)) return 'mesh'
    return scopes?.isGranted(object) ? 'namespace' : undefined
  }
}
