import { MAX_ENDPOINTS_SHOWN } from '#api/schemas/services.ts'
import type { ClusterKind } from '#api/schemas/clusters.ts'
import type { ServiceDetail, ServiceSummary } from '#api/schemas/services.ts'
import { findDrift } from '#mesh/analysis/drift.ts'
import { isClusterLocal } from '#mesh/cluster-local.ts'
import { readMeshConfig } from '#mesh/config/mesh-config.ts'
import { mergeDefinitions } from '#mesh/merge/merge-definitions.ts'
import type { Problem } from '#mesh/problem.ts'
import type { CatalogEntry, Service } from '#mesh/service.ts'
import { isVisibleFrom, withDefaultExport } from '#mesh/visibility.ts'
import { runBulk } from './context.ts'
import { readMeshRow } from './mesh-row.ts'

/** The services of a mesh as people look at them: merged over the clusters that offer them. */

export interface ServiceFilter {
  readonly namespace?: string | undefined
  readonly cluster?: string | undefined
}

type ServiceInCluster = ServiceSummary['clusters'][number]

interface Row extends Record<string, SqlStorageValue> {
  service: string
  cluster: ServiceInCluster['cluster']
  network: ServiceInCluster['network']
  kind: ClusterKind
  contribution: ServiceInCluster['contribution']
  endpoints: number
  healthy: number
  entry: string
}

/** What one cluster offers of a service. */
interface Offer {
  readonly row: Row
  readonly entry: CatalogEntry
}
type Offers = readonly [Offer, ...Offer[]]

/** What clusters offer of each of the services, by name; of one service in memory at a time: a page of large ones is too much. */
function* groupsOf(sql: SqlStorage, services: readonly string[]): Generator<Offers> {
  const rows = sql.exec<Row>(
    `SELECT service, cluster, network, kind, contribution, endpoints, healthy, entry
     FROM services JOIN clusters ON clusters.name = services.cluster
     WHERE service IN (SELECT value FROM json_each(?)) ORDER BY service, cluster`,
    JSON.stringify(services),
  )
  let group: [Offer, ...Offer[]] | undefined
  for (const row of rows) {
    const offer: Offer = { row, entry: JSON.parse(row.entry) as CatalogEntry }
    if (group?.[0].row.service === row.service) group.push(offer)
    else {
      if (group) yield group
      group = [offer]
    }
  }
  if (group) yield group
}

const toServiceInCluster = ({ row }: Offer): ServiceInCluster => {
  const { cluster, network, contribution, endpoints, healthy } = row
  return { cluster, network, contribution, endpoints, healthy }
}

const toDefinition = ([first, ...others]: Offers): Service =>
  mergeDefinitions(first.entry.service, ...others.map(({ entry }) => entry.service)).service

/** Where the clusters of the mesh say different things of one service. */
const toDriftFinder = (sql: SqlStorage) => {
  const { domainSuffix, meshConfig } = readMeshRow(sql).settings
  const { serviceSettings } = readMeshConfig(meshConfig)
  return (offers: Offers): Problem[] => {
    if (isClusterLocal(offers[0].entry.service.hostname, { domainSuffix, serviceSettings })) return []
    const definitions = offers
      .filter(({ row }) => row.contribution !== 'withdrawn')
      .map(({ row: { cluster, kind }, entry: { service } }) => {
        const isOfKubernetes = kind === 'kubernetes' && service.source === 'service' && service.aliasOf === undefined
        return { cluster, service, ...(isOfKubernetes && { isHeadless: service.addresses.length === 0 }) }
      })
    return [...findDrift(definitions)]
  }
}

/** By key, those after `after`. */
export const listServices = (
  sql: SqlStorage,
  filter: ServiceFilter,
  after: string,
  limit: number,
): ServiceSummary[] => {
  const services = sql
    .exec<{ service: string }>(
      `SELECT DISTINCT service FROM services
       WHERE service > ?1 AND (?2 IS NULL OR namespace = ?2) AND (?3 IS NULL OR cluster = ?3) ORDER BY service LIMIT ?4`,
      after,
      filter.namespace ?? null,
      filter.cluster ?? null,
      limit,
    )
    .toArray()
    .map(({ service }) => service)
  const findDriftOf = toDriftFinder(sql)
  return Array.from(groupsOf(sql, services), (offers) => {
    const { key, namespace, hostname, ports, location, aliasOf } = toDefinition(offers)
    const clusters = offers.map(toServiceInCluster)
    const alias = aliasOf === undefined ? {} : { aliasOf }
    return { key, namespace, hostname, ports, location, ...alias, clusters, drift: findDriftOf(offers) }
  })
}

export const findService = (sql: SqlStorage, key: string): ServiceDetail | undefined => {
  const [offers] = groupsOf(sql, [key])
  if (!offers) return undefined
  const endpoints = offers.flatMap(({ entry }) => entry.endpoints.toSorted((a, b) => (a.id < b.id ? -1 : 1)))
  return {
    service: toDefinition(offers),
    clusters: offers.map(toServiceInCluster),
    drift: toDriftFinder(sql)(offers),
    endpoints: endpoints.slice(0, MAX_ENDPOINTS_SHOWN),
    endpointsLeftOut: Math.max(0, endpoints.length - MAX_ENDPOINTS_SHOWN),
  }
}

/** A host as clients in one namespace ask for it. */
export interface HostQuery {
  readonly hostname: string
  readonly namespace: string
}

/** A host that some cluster offers to clients in a namespace. */
export interface OfferedHost extends HostQuery {
  /** What it is another name of. */
  readonly aliasOf?: string | undefined
}

/** Those of the hosts that some cluster offers to clients in their namespace. */
export const findOffered = (sql: SqlStorage, hosts: readonly HostQuery[]): OfferedHost[] => {
  const entries = runBulk<{ hostname: string; entry: string }>(
    sql,
    'SELECT hostname, entry FROM services WHERE hostname IN (SELECT value FROM json_each(?1))',
    new Set(hosts.map(({ hostname }) => hostname)),
  )
  const { defaultServiceExportTo } = readMeshConfig(readMeshRow(sql).settings.meshConfig)
  const services = Map.groupBy(
    entries.map(({ entry }) => withDefaultExport((JSON.parse(entry) as CatalogEntry).service, defaultServiceExportTo)),
    ({ hostname }) => hostname,
  )
  return hosts.flatMap(({ hostname, namespace }) => {
    const service = services.get(hostname)?.find((each) => isVisibleFrom(each, namespace))
    return service ? { hostname, namespace, aliasOf: service.aliasOf } : []
  })
}

/** In which namespaces some cluster has a service of these host names, wildcards as they are written. */
export const findNamespacesOf = (sql: SqlStorage, hostnames: readonly string[]): HostQuery[] =>
  runBulk<{ hostname: string; namespace: string }>(
    sql,
    'SELECT DISTINCT hostname, namespace FROM services WHERE hostname IN (SELECT value FROM json_each(?1))',
    hostnames,
  )
