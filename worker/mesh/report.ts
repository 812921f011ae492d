import { isForeignHost } from '#mesh/host-owner.ts'
import { judgeRemoval } from '#mesh/judge-removal.ts'
import type { StripVerdict } from '#mesh/judge-removal.ts'
import { isEqualData } from '#mesh/merge/equal-data.ts'
import { toServiceKey } from '#mesh/names.ts'
import { UPLINK_MAX_ENTRY_CHARS } from '#mesh/uplink.ts'
import type { ReportPosition } from '#mesh/uplink.ts'
import { isFloodedBy, writeAudit } from './audit.ts'
import type { Initiator } from './audit.ts'
import { newId } from '../secret-token.ts'
import { countCatalog, MAX_SERVICES_PER_CLUSTER, reprojectCatalog } from './catalog.ts'
import type { Place } from './catalog.ts'
import { toInterest, writeClusterState } from './clusters.ts'
import type { ClusterRow } from './clusters.ts'
import { firstRow } from './context.ts'
import type { MeshContext } from './context.ts'
import { readMeshRow } from './mesh-row.ts'
import { findGrant, useGrant } from './hold-grants.ts'
import type { Grant } from './hold-grants.ts'
import type { LabelKeys } from './label-keys.ts'
import { countStagedServices, dropChunks, findUnfinished, holdChunks, readChunks, stageChunk } from './report-chunks.ts'
import type { Report } from './report-chunks.ts'
import { applyReport, countRemovedEndpoints } from './report-fold.ts'
import { applyNamespaces } from './state-log.ts'

export type ReportOutcome =
  | { readonly kind: 'partial' | 'committed' }
  | { readonly kind: 'held'; readonly hold: string; readonly reason: string }
  | { readonly kind: 'refused'; readonly code: ReportRefusal; readonly message: string }

type ReportRefusal = 'bad_message' | 'too_large' | 'rate_limited'

const refusedReport = (message: string, code: ReportRefusal = 'bad_message'): ReportOutcome => ({
  kind: 'refused',
  code,
  message,
})

/** A step of a cluster's catalog that waits for a person. */
export interface HeldReport extends Record<string, SqlStorageValue> {
  cluster: string
  id: string
  reason: string
  since: number
  removed: number
  boot: string
  sequence: number
  /** The hold that the agent says was confirmed, and was not. */
  claimed: string | null
}

export const findHeldReport = (sql: SqlStorage, cluster: string): HeldReport | undefined =>
  firstRow(
    sql.exec<HeldReport>(
      'SELECT cluster, id, reason, since, removed, boot, sequence, claimed FROM held_reports WHERE cluster = ?',
      cluster,
    ),
  )

/**
 * Takes one chunk of a report from a cluster's reporter, in the caller's transaction. With the last chunk the report is committed whole;
 * or, when it would strip the cluster, kept aside until a person confirms it or another full report takes its place.
 */
export const takeReport = (
  context: MeshContext,
  cluster: ClusterRow,
  session: { readonly id: string; readonly initiator: Initiator },
  received: Report,
  labelKeys: LabelKeys,
): ReportOutcome => {
  const { sql } = context
  const report = withoutForeign(received, readMeshRow(sql).settings.domainSuffix)
  const catalog = countCatalog(sql, cluster.name)
  const held = findHeldReport(sql, cluster.name)
  const unfinished = findUnfinished(sql, session.id)
  const mistake =
    findMistake(cluster, report) ??
    (unfinished && !isEqualData(unfinished, { mode: report.mode, position: report.position })
      ? 'a chunk of another report came before the last one of this'
      : undefined) ??
    (report.mode === 'delta' && (held !== undefined || report.position.boot !== cluster.reported?.boot)
      ? 'a change of a catalog that the plane does not have: report it in full first'
      : undefined)
  if (mistake !== undefined) return refusedReport(mistake)
  if (isNotNewer(report.position, cluster.reported)) return { kind: 'committed' }
  if (report.more || unfinished) {
    if (!stageChunk(sql, cluster.name, session.id, report)) return refusedReport('the report is too large', 'too_large')
    if (report.more) return { kind: 'partial' }
  }
  const offered = unfinished ? countStagedServices(sql, session.id) : report.upserts.length
  if ((report.mode === 'full' ? offered : catalog.services) > MAX_SERVICES_PER_CLUSTER) {
    return refusedReport(`a cluster may report ${MAX_SERVICES_PER_CLUSTER} services`, 'too_large')
  }
  const chunks = () => (unfinished ? readChunks(sql, cluster.name, session.id) : [report])
  const verdict = judgeRemoval(countRemovedEndpoints(sql, cluster.name, chunks()), catalog.endpoints)
  const grant = report.confirmed === undefined ? undefined : findGrant(context, cluster.name, report.confirmed)
  if (!verdict.held || (grant && isGranted(grant, verdict))) {
    if (report.confirmed !== undefined) useGrant(sql, cluster.name, report.confirmed)
    commitReport(sql, cluster, chunks, report.position, labelKeys)
    dropChunks(sql, cluster.name, session.id)
    return { kind: 'committed' }
  }
  if (isFloodedBy(context, cluster.name))
    return refusedReport('too many reports in an hour would have stripped this cluster', 'rate_limited')
  if (!unfinished && !stageChunk(sql, cluster.name, session.id, report)) {
    return refusedReport('the report is too large', 'too_large')
  }
  holdChunks(sql, cluster.name, session.id)
  const { id, reason } = holdReport(context, cluster, { before: held, grant }, verdict, report, session.initiator)
  return { kind: 'held', hold: id, reason }
}

/** What goes beyond what a person agreed to is judged like any other step: some of it may be everyday work of the same moment. */
const isGranted = ({ endpoints }: Grant, { removedEndpoints, totalEndpoints }: StripVerdict): boolean =>
  endpoints === null || !judgeRemoval(Math.max(0, removedEndpoints - endpoints), totalEndpoints).held

/** Applies what a person let through. Answers the position that the cluster's reporter waits for, or undefined: no such hold. */
export const confirmHeldReport = (
  context: MeshContext,
  cluster: ClusterRow,
  hold: string,
  initiator: Initiator,
  labelKeys: LabelKeys,
): ReportPosition | undefined => {
  const { sql } = context
  const held = findHeldReport(sql, cluster.name)
  if (held?.id !== hold) return undefined
  const position = { boot: held.boot, sequence: held.sequence }
  commitReport(sql, cluster, () => readChunks(sql, cluster.name, null), position, labelKeys)
  writeAudit(context, initiator, {
    action: 'hold.confirm',
    target: hold,
    cluster: cluster.name,
    detail: { removed: held.removed },
  })
  return position
}

/** A cluster speaks for itself only, and of things that fit into a row and a message. */
const findMistake = (cluster: ClusterRow, { upserts }: Report): string | undefined => {
  for (const entry of upserts) {
    const { key, namespace, hostname } = entry.service
    if (key !== toServiceKey(namespace, hostname))
      return `the service ${key} is not called by its namespace and host name`
    const foreign = entry.endpoints.find((endpoint) => endpoint.cluster !== cluster.name)
    if (foreign) return `the endpoint ${foreign.id} of ${key} is said to be in another cluster`
    if (JSON.stringify(entry).length > UPLINK_MAX_ENTRY_CHARS)
      return `the service ${key} has more endpoints than fit into a message`
  }
  return undefined
}

/**
 * A cluster says nothing of a host that is another namespace's by name: who may write in one namespace would be called in place of all
 * others. An agent of this version leaves such hosts out and says so; one that does not goes on with the rest of its catalog.
 */
const withoutForeign = (report: Report, domainSuffix: string): Report => {
  const { foreign, own = [] } = Object.groupBy(report.upserts, ({ service }) =>
    isForeignHost(service.hostname, service.namespace, domainSuffix) ? 'foreign' : 'own',
  )
  if (!foreign) return report
  return { ...report, upserts: own, removes: [...report.removes, ...foreign.map(({ service }) => service.key)] }
}

const isNotNewer = (position: ReportPosition, reported: ReportPosition | null): boolean =>
  reported !== null && position.boot === reported.boot && position.sequence <= reported.sequence

const commitReport = (
  sql: SqlStorage,
  cluster: ClusterRow,
  chunks: () => Iterable<Report>,
  position: ReportPosition,
  labelKeys: LabelKeys,
): void => {
  // The facts of the cluster itself are in the first chunk (agent/uplink/report-chunks.ts).
  const [first] = chunks()
  const { network = cluster.network, gateways = cluster.gateways, namespaces = cluster.namespaces } = first ?? {}
  if (network !== cluster.network) moveCluster(sql, { cluster: cluster.name, network }, labelKeys)
  applyReport(sql, { cluster: cluster.name, network }, chunks(), labelKeys)
  dropChunks(sql, cluster.name, null)
  sql.exec('DELETE FROM held_reports WHERE cluster = ?', cluster.name)
  sql.exec(
    `UPDATE clusters SET report_boot = ?, report_sequence = ?, contribution = 'live', gateways = ?, namespaces = ? WHERE name = ?`,
    position.boot,
    position.sequence,
    JSON.stringify(gateways),
    JSON.stringify(namespaces),
    cluster.name,
  )
  writeClusterState(sql, cluster.name)
  const interest = { ...toInterest(cluster), network }
  applyNamespaces(sql, interest, { ...interest, namespaces: new Set(namespaces) })
}

/** A cluster on another network than before sees other things and is seen otherwise. */
const moveCluster = (sql: SqlStorage, place: Place, labelKeys: LabelKeys): void => {
  sql.exec(
    'UPDATE clusters SET network = ?, interest_since = (SELECT sequence + 1 FROM mesh) WHERE name = ?',
    place.network,
    place.cluster,
  )
  reprojectCatalog(sql, place, labelKeys)
}

const toClaimText = (claimed: string, grant: Grant | undefined): string =>
  grant
    ? `what was confirmed as ${claimed} were ${grant.endpoints}`
    : `its agent says that ${claimed} was confirmed, which the plane knows nothing of`

/** Keeps the id of a hold that a person may be looking at, unless it has come to mean more than was shown. */
const holdReport = (
  context: MeshContext,
  cluster: ClusterRow,
  { before, grant }: { readonly before: HeldReport | undefined; readonly grant: Grant | undefined },
  { removedEndpoints, totalEndpoints }: StripVerdict,
  { position, confirmed }: Report,
  initiator: Initiator,
): { readonly id: string; readonly reason: string } => {
  const { sql, now, random } = context
  const claimed = before?.claimed ?? confirmed ?? null
  const isShown = before !== undefined && before.removed >= removedEndpoints && before.claimed === claimed
  const id = isShown ? before.id : `mass-removal-${newId(random)}`
  const reason =
    `the report would remove ${removedEndpoints} of ${totalEndpoints} endpoints of the cluster ${cluster.name}` +
    (claimed === null ? '' : `; ${toClaimText(claimed, grant)}`)
  sql.exec(
    `INSERT OR REPLACE INTO held_reports (cluster, id, reason, since, removed, boot, sequence, claimed)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    cluster.name,
    id,
    reason,
    before?.since ?? now(),
    removedEndpoints,
    position.boot,
    position.sequence,
    claimed,
  )
  if (!isShown)
    writeAudit(context, initiator, { action: 'hold.create', target: id, cluster: cluster.name, detail: { reason } })
  return { id, reason }
}
