import { countLostEndpoints } from '#mesh/judge-removal.ts'
import type { CatalogEntry } from '#mesh/service.ts'
import { listServiceKeys, readEntries, removeEntries, storeEntries } from './catalog.ts'
import type { Place } from './catalog.ts'
import type { LabelKeys } from './label-keys.ts'
import type { Report } from './report-chunks.ts'

/** How many endpoints of the catalog would be gone. */
export const countRemovedEndpoints = (sql: SqlStorage, cluster: string, chunks: Iterable<Report>): number => {
  let removed = 0
  for (const { upserts, removes } of withMissing(sql, cluster, chunks)) {
    const before = readEntries(sql, cluster, [...upserts.map(({ service }) => service.key), ...removes])
    for (const entry of upserts) removed += countLostEndpoints(parseEntry(before.get(entry.service.key)), entry)
    for (const service of removes) removed += countLostEndpoints(parseEntry(before.get(service)), undefined)
  }
  return removed
}

const parseEntry = (entry: string | undefined): CatalogEntry | undefined =>
  entry === undefined ? undefined : (JSON.parse(entry) as CatalogEntry)

/** Makes the catalog of a cluster what the report says; entries that are as before are left alone. */
export const applyReport = (sql: SqlStorage, place: Place, chunks: Iterable<Report>, labelKeys: LabelKeys): void => {
  for (const { upserts, removes } of withMissing(sql, place.cluster, chunks)) {
    const before = readEntries(
      sql,
      place.cluster,
      upserts.map(({ service }) => service.key),
    )
    const changed = upserts.filter((entry) => before.get(entry.service.key) !== JSON.stringify(entry))
    if (changed.length > 0) storeEntries(sql, place, changed, labelKeys)
    if (removes.length > 0) removeEntries(sql, place.cluster, removes)
  }
}

type Step = Pick<Report, 'upserts' | 'removes'>

/** The chunks of a report, and after those of a full one the removal of all that it did not name. */
function* withMissing(sql: SqlStorage, cluster: string, chunks: Iterable<Report>): Generator<Step> {
  let missing: Set<string> | undefined
  for (const chunk of chunks) {
    if (chunk.mode === 'full') {
      missing ??= new Set(listServiceKeys(sql, cluster))
      for (const { service } of chunk.upserts) missing.delete(service.key)
    }
    yield chunk
  }
  if (missing) yield { upserts: [], removes: [...missing] }
}
