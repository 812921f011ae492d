import type { ClusterKind } from '#api/schemas/clusters.ts'
import type { GatewayAddress } from '#mesh/service.ts'
import { stateKeys } from '#mesh/state.ts'
import type { ClusterState } from '#mesh/state.ts'
import type { Delivery, ReportPosition } from '#mesh/uplink.ts'
import { firstRow } from './context.ts'
import type { MeshContext } from './context.ts'
import { writeState } from './state-log.ts'
import type { Interest } from './state-log.ts'

export const MAX_CLUSTERS = 250
/** An agent that comes back within this time is told that its cluster was evicted; its intermediate has run out by then. */
const EVICTED_KEPT_MS = 90 * 24 * 60 * 60 * 1000
const MAX_EVICTED = 1_000

export interface ClusterRow {
  readonly name: ClusterState['name']
  readonly network: ClusterState['network']
  readonly kind: ClusterKind
  /** When it was taken out of the mesh; null = it is in. */
  readonly evictedAt: number | null
  /** SubjectPublicKeyInfo of its agents' identity key, base64. */
  readonly identityKey: string
  readonly joinedAt: number
  readonly lastSeenAt: number | null
  /** What it may see changed wholly at this sequence: who stands before it needs a snapshot. */
  readonly interestSince: number
  /** The reporter's fencing term; 0 = there never was one. */
  readonly term: number
  readonly reporter: string | null
  readonly reported: ReportPosition | null
  /** Up to where it has told which of its objects ask to be published. */
  readonly publishing: ReportPosition | null
  readonly gateways: readonly GatewayAddress[]
  readonly namespaces: readonly string[]
  readonly contribution: ClusterState['contribution']
  /** How long it has had no reporter, outages of the plane not counted; null = it has one. */
  readonly vacantMs: number | null
  /** What its agent last said of delivery before it went. */
  readonly delivery: Delivery | null
}

interface Columns extends Record<string, SqlStorageValue> {
  name: ClusterState['name']
  network: ClusterState['network']
  kind: ClusterKind
  evictedAt: number | null
  identityKey: string
  joinedAt: number
  lastSeenAt: number | null
  interestSince: number
  term: number
  reporter: string | null
  reportBoot: string | null
  reportSequence: number | null
  publishBoot: string | null
  publishSequence: number | null
  gateways: string
  namespaces: string
  contribution: ClusterState['contribution']
  vacantMs: number | null
  delivery: string | null
}

const columns = `name, network, kind, evicted_at AS evictedAt, identity_key AS identityKey, joined_at AS joinedAt,
  last_seen_at AS lastSeenAt, interest_since AS interestSince, term, reporter, report_boot AS reportBoot,
  report_sequence AS reportSequence, publish_boot AS publishBoot, publish_sequence AS publishSequence, gateways, namespaces, contribution, vacant_ms AS vacantMs, delivery`

const toReportPosition = (boot: string | null, sequence: number | null): ReportPosition | null =>
  boot === null || sequence === null ? null : { boot, sequence }

const toClusterRow = ({ reportBoot, reportSequence, publishBoot, publishSequence, ...row }: Columns): ClusterRow => ({
  ...row,
  reported: toReportPosition(reportBoot, reportSequence),
  publishing: toReportPosition(publishBoot, publishSequence),
  gateways: JSON.parse(row.gateways) as GatewayAddress[],
  namespaces: JSON.parse(row.namespaces) as string[],
  delivery: row.delivery === null ? null : (JSON.parse(row.delivery) as Delivery),
})

/** A cluster of the mesh, or one that has been evicted. */
export const findCluster = (sql: SqlStorage, name: string): ClusterRow | undefined => {
  const row = firstRow(sql.exec<Columns>(`SELECT ${columns} FROM clusters WHERE name = ?`, name))
  return row && toClusterRow(row)
}

/** A cluster that is in the mesh now. */
export const findMember = (sql: SqlStorage, name: string): ClusterRow | undefined => {
  const row = findCluster(sql, name)
  return row?.evictedAt === null ? row : undefined
}

/** The clusters that are in the mesh, by name, those after `after`. */
export const listMembers = (sql: SqlStorage, after = '', limit = -1): ClusterRow[] =>
  sql
    .exec<Columns>(
      `SELECT ${columns} FROM clusters WHERE evicted_at IS NULL AND name > ? ORDER BY name LIMIT ?`,
      after,
      limit,
    )
    .toArray()
    .map(toClusterRow)

export const countMembers = (sql: SqlStorage): number =>
  sql.exec<{ members: number }>('SELECT count(*) AS members FROM clusters WHERE evicted_at IS NULL').one().members

/** Whether a cluster may be in the mesh: it is, or there are fewer than there may be. */
export const hasRoomFor = (sql: SqlStorage, name: string): boolean =>
  findMember(sql, name) !== undefined || countMembers(sql) < MAX_CLUSTERS

export const toInterest = ({ name, network, namespaces }: ClusterRow): Interest => ({
  cluster: name,
  network,
  namespaces: new Set(namespaces),
})

/** Forgets clusters that were evicted long ago, and the oldest of too many. */
export const pruneEvicted = (sql: SqlStorage, nowMs: number): void => {
  sql.exec(
    `DELETE FROM clusters WHERE evicted_at IS NOT NULL AND (evicted_at <= ? OR name NOT IN (
       SELECT name FROM clusters WHERE evicted_at IS NOT NULL ORDER BY evicted_at DESC LIMIT ?))`,
    nowMs - EVICTED_KEPT_MS,
    MAX_EVICTED,
  )
}

/** Tells every agent what this cluster is now. */
export const writeClusterState = (sql: SqlStorage, name: string): void => {
  const row = findMember(sql, name)
  if (!row) return
  const { network, gateways, contribution } = row
  const value: ClusterState = { name: row.name, network, gateways, contribution }
  writeState(sql, [{ key: stateKeys.cluster(name), item: { kind: 'cluster', value }, audience: { to: 'all' } }])
}

/**
 * Puts a cluster into the mesh, or gives one that joins anew its new identity. What it has reported stays as it is, and is offered as of
 * the network where it was reported, until it reports from the new one.
 */
export const admitCluster = (
  { sql, now }: MeshContext,
  facts: Pick<ClusterRow, 'name' | 'network' | 'kind' | 'identityKey'>,
): void => {
  sql.exec(
    `INSERT INTO clusters (name, network, kind, identity_key, joined_at, interest_since, term, gateways, namespaces, contribution, vacant_ms)
     VALUES (?1, ?2, ?3, ?4, ?5, (SELECT sequence + 1 FROM mesh), 0, '[]', '[]', 'live', 0)
     ON CONFLICT (name) DO UPDATE SET network = iif(evicted_at IS NULL, network, excluded.network), kind = excluded.kind, identity_key = excluded.identity_key,
       joined_at = excluded.joined_at, interest_since = excluded.interest_since, evicted_at = NULL, reporter = NULL,
       report_boot = NULL, report_sequence = NULL, publish_boot = NULL, publish_sequence = NULL, contribution = 'live', vacant_ms = 0, delivery = NULL`,
    facts.name,
    facts.network,
    facts.kind,
    facts.identityKey,
    now(),
  )
  writeClusterState(sql, facts.name)
}
