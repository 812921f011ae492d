import type { ClusterName, NetworkName } from '#mesh/names.ts'
import type { CatalogEntry } from '#mesh/service.ts'
import { stateKeys } from '#mesh/state.ts'
import { summariseCatalog } from '#mesh/summarise-catalog.ts'
import { isShared } from '#mesh/visibility.ts'
import { runBulk } from './context.ts'
import type { LabelKeys } from './label-keys.ts'
import { removeState, writeState } from './state-log.ts'
import type { StateWrite } from './state-log.ts'

/** What clusters report, and what of it other clusters are told (DESIGN §3, fan-out by interest). */

export const MAX_SERVICES_PER_CLUSTER = 20_000

export interface Place {
  readonly cluster: ClusterName
  readonly network: NetworkName
}

interface Projection {
  readonly writes: StateWrite[]
  readonly removes: string[]
}

/** The whole entry for clusters of the same network, a summary for all others; nothing of what is not shared. */
const projectEntry = (into: Projection, place: Place, entry: CatalogEntry, labelKeys: ReadonlySet<string>): void => {
  const { cluster, network } = place
  const { service } = entry
  const catalogKey = stateKeys.catalog(cluster, service.key)
  if (isShared(service)) {
    const item = { kind: 'catalog', cluster, value: entry } as const
    into.writes.push({ key: catalogKey, item, audience: { to: 'network', cluster, network, service } })
  } else {
    into.removes.push(catalogKey)
  }
  projectSummary(into, place, entry, labelKeys)
}

const projectSummary = (
  into: Projection,
  { cluster, network }: Place,
  entry: CatalogEntry,
  labelKeys: ReadonlySet<string>,
) => {
  const key = stateKeys.summary(cluster, entry.service.key)
  const value = summariseCatalog(entry, labelKeys, network)
  if (value === null) {
    into.removes.push(key)
    return
  }
  const { service } = entry
  into.writes.push({
    key,
    item: { kind: 'summary', cluster, value },
    audience: { to: 'other-networks', cluster, network, service },
  })
}

const writeProjection = (sql: SqlStorage, { writes, removes }: Projection): void => {
  writeState(sql, writes)
  removeState(sql, removes)
}

/** Puts new and changed entries of one cluster into the catalog. */
export const storeEntries = (
  sql: SqlStorage,
  place: Place,
  entries: readonly CatalogEntry[],
  labelKeys: LabelKeys,
): void => {
  const projection: Projection = { writes: [], removes: [] }
  const rows = entries.map((entry) => {
    const keys = labelKeys.of(entry.service)
    projectEntry(projection, place, entry, keys)
    const healthy = entry.endpoints.filter(({ health }) => health === 'healthy').length
    const { key, namespace, hostname } = entry.service
    return [
      key,
      place.cluster,
      namespace,
      hostname,
      entry.endpoints.length,
      healthy,
      toKeysColumn(keys),
      JSON.stringify(entry),
    ]
  })
  runBulk(
    sql,
    `INSERT INTO services (service, cluster, namespace, hostname, endpoints, healthy, label_keys, entry)
     SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7
     FROM json_each(?1) WHERE true
     ON CONFLICT (service, cluster) DO UPDATE SET endpoints = excluded.endpoints,
       healthy = excluded.healthy, label_keys = excluded.label_keys, entry = excluded.entry`,
    rows,
  )
  writeProjection(sql, projection)
}

const toKeysColumn = (keys: ReadonlySet<string>): string => [...keys].toSorted().join(' ')

export const removeEntries = (sql: SqlStorage, cluster: string, services: readonly string[]): void => {
  runBulk(
    sql,
    'DELETE FROM services WHERE cluster = ?2 AND service IN (SELECT value FROM json_each(?1))',
    services,
    cluster,
  )
  removeState(
    sql,
    services.flatMap((service) => [stateKeys.catalog(cluster, service), stateKeys.summary(cluster, service)]),
  )
}

export const listServiceKeys = (sql: SqlStorage, cluster: string): string[] =>
  sql
    .exec<{ service: string }>('SELECT service FROM services WHERE cluster = ? ORDER BY service', cluster)
    .toArray()
    .map(({ service }) => service)

/** Takes all that a cluster offers out of the mesh. */
export const removeCatalog = (sql: SqlStorage, cluster: string): void =>
  removeEntries(sql, cluster, listServiceKeys(sql, cluster))

export const countCatalog = (
  sql: SqlStorage,
  cluster: string,
): { readonly services: number; readonly endpoints: number } =>
  sql
    .exec<{ services: number; endpoints: number }>(
      'SELECT count(*) AS services, coalesce(sum(endpoints), 0) AS endpoints FROM services WHERE cluster = ?',
      cluster,
    )
    .one()

/** The entries of these services as a cluster has reported them, as JSON by service. */
export const readEntries = (sql: SqlStorage, cluster: string, services: readonly string[]): Map<string, string> =>
  new Map(
    runBulk<{ service: string; entry: string }>(
      sql,
      'SELECT service, entry FROM services WHERE cluster = ?2 AND service IN (SELECT value FROM json_each(?1))',
      services,
      cluster,
    ).map(({ service, entry }) => [service, entry]),
  )

/** Makes the summaries anew of the services whose label keys are other ones now: a subset was added, changed or removed. */
export const refreshSummaries = (sql: SqlStorage, labelKeys: LabelKeys): void => {
  const rows = sql.exec<{
    service: string
    cluster: ClusterName
    network: NetworkName
    label_keys: string
    entry: string
  }>(
    `SELECT service, cluster, network, label_keys, entry FROM services JOIN clusters ON clusters.name = services.cluster`,
  )
  const projection: Projection = { writes: [], removes: [] }
  const columns: unknown[] = []
  for (const row of rows) {
    const entry = JSON.parse(row.entry) as CatalogEntry
    const keys = labelKeys.of(entry.service)
    if (toKeysColumn(keys) === row.label_keys) continue
    columns.push([row.service, row.cluster, toKeysColumn(keys)])
    projectSummary(projection, { cluster: row.cluster, network: row.network }, entry, keys)
  }
  runBulk(
    sql,
    `UPDATE services SET label_keys = changed.value ->> 2 FROM json_each(?1) AS changed
     WHERE service = changed.value ->> 0 AND cluster = changed.value ->> 1`,
    columns,
  )
  writeProjection(sql, projection)
}

/** Offers the catalog of a cluster anew after it has moved to another network. */
export const reprojectCatalog = (sql: SqlStorage, place: Place, labelKeys: LabelKeys): void => {
  const projection: Projection = { writes: [], removes: [] }
  for (const { entry } of sql.exec<{ entry: string }>('SELECT entry FROM services WHERE cluster = ?', place.cluster)) {
    const parsed = JSON.parse(entry) as CatalogEntry
    projectEntry(projection, place, parsed, labelKeys.of(parsed.service))
  }
  writeProjection(sql, projection)
}
