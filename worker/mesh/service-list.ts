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

/** What clusters offer of each of the services, by name; of one service in memory at a time: a page of large ones is too much. */
function* groupsOf(sql: SqlStorage, services: readonly string[]): Generator<readonly [Row, ...Row[]]> {
  const rows = sql.exec<Row>(
    `SELECT service, cluster, network, kind, contribution, endpoints, healthy, entry
     FROM services JOIN clusters ON clusters.name = services.cluster
     WHERE service IN (SELECT value FROM json_each(?)) ORDER BY service, cluster`,
    JSON.stringify(services),
  )
  let group: [Row, ...Row[]] | undefined
  for (const row of rows) {
    if (group?.[0].service === row.service) group.push(row)
    else {
      if (group) yield group
      group = [row]
    }
  }
  if (group) yield group
}

const toServiceInCluster = ({ cluster, network, contribution, endpoints, healthy }: Row): ServiceInCluster => ({
  cluster,
  network,
  contribution,
  endpoints,
  healthy,
})

const toServices = ([first, ...others]: readonly [Row, ...Row[]]): readonly [Service, ...Service[]] => {
  const serviceOf = ({ entry }: Row) => (JSON.parse(entry) as CatalogEntry).service
  return [serviceOf(first), ...others.map(serviceOf)]
}

/** Where the clusters of the mesh say different things of one service. */
const toDriftFinder = (sql: SqlStorage) => {
  const { domainSuffix, meshConfig } = readMeshRow(sql).settings
  const { serviceSettings } = readMeshConfig(meshConfig)
  return (rows: readonly Row[], services: readonly [Service, ...Service[]]): Problem[] => {
    if (isClusterLocal(services[0].hostname, { domainSuffix, serviceSettings })) return []
    const definitions = rows.flatMap(({ cluster, kind, contribution }, index) => {
      const service = services[index]
      if (!service || contribution === 'withdrawn') return []
      const isOfKubernetes = kind === 'kubernetes' && service.source === 'service' && service.aliasOf === undefined
      return [{ cluster, service, ...(isOfKubernetes && { isHeadless: service.addresses.length === 0 }) }]
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
  return Array.from(groupsOf(sql, services), (rows) => {
    const definitions = toServices(rows)
    const { key, namespace, hostname, ports, location, aliasOf } = mergeDefinitions(...definitions).service
    const clusters = rows.map(toServiceInCluster)
    const alias = aliasOf === undefined ? {} : { aliasOf }
    return { key, namespace, hostname, ports, location, ...alias, clusters, drift: findDriftOf(rows, definitions) }
  })
}

export const findService = (sql: SqlStorage, key: string): ServiceDetail | undefined => {
  const [rows] = groupsOf(sql, [key])
  if (!rows) return undefined
  const endpoints = rows.flatMap(({ entry }) =>
    (JSON.parse(entry) as CatalogEntry).endpoints.toSorted((a, b) => (a.id < b.id ? -1 : 1)),
  )
  const definitions = toServices(rows)
  return {
    service: mergeDefinitions(...definitions).service,
    clusters: rows.map(toServiceInCluster),
    drift: toDriftFinder(sql)(rows, definitions),
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

/** The namespaces in which some cluster has a service of one of these host names, wildcards as they are written. */
export const findNamespacesOf = (sql: SqlStorage, hostnames: readonly string[]): string[] =>
  runBulk<{ namespace: string }>(
    sql,
    'SELECT DISTINCT namespace FROM services WHERE hostname IN (SELECT value FROM json_each(?1))',
    hostnames,
  ).map(({ namespace }) => namespace)
