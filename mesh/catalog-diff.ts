import { isEqualData } from './merge/equal-data.ts'
import type { ServiceKey } from './names.ts'
import type { CatalogEntry } from './service.ts'

/** All that one cluster offers. An entry's key is its service's. */
export type Catalog = ReadonlyMap<ServiceKey, CatalogEntry>

export interface CatalogDifference {
  /** New and changed entries, sorted by key. */
  readonly upserts: readonly CatalogEntry[]
  /** Sorted. */
  readonly removes: readonly ServiceKey[]
}

/** What makes `after` out of `before`. */
export const diffCatalogs = (before: Catalog, after: Catalog): CatalogDifference => ({
  upserts: [...after.keys()].toSorted().flatMap((key) => {
    const entry = after.get(key)
    return entry && !isEqualData(before.get(key), entry) ? [entry] : []
  }),
  removes: [...before.keys()].filter((key) => !after.has(key)).toSorted(),
})

/** A step that takes out a larger part of a cluster's endpoints is not believed before a person confirms it. */
const MAX_REMOVED_SHARE = 0.3
/** Below this number of endpoints a share says nothing: taking out one of three is everyday work. */
const MIN_ENDPOINTS_FOR_SHARE = 4

export interface StripVerdict {
  readonly held: boolean
  readonly removedEndpoints: number
  readonly totalEndpoints: number
}

/**
 * The mass-removal guard (DESIGN §4): whether the step from `before` to `after` looks like a registry that was lost (an unmounted
 * directory, an API server that answers with nothing) rather than like work.
 *
 * An endpoint counts as removed when its service has none of its id any more; changed ports, labels or health don't count.
 * Four endpoints and more: held above 30 %. Two or three: held when all go. One alone: never, because its removal is the
 * most ordinary of all changes and costs one endpoint if it is wrong.
 */
export const wouldStrip = (before: Catalog, after: Catalog): StripVerdict => {
  let totalEndpoints = 0
  let removedEndpoints = 0
  for (const [key, entry] of before) {
    const remaining = new Set(after.get(key)?.endpoints.map((endpoint) => endpoint.id))
    totalEndpoints += entry.endpoints.length
    removedEndpoints += entry.endpoints.filter((endpoint) => !remaining.has(endpoint.id)).length
  }
  return judgeRemoval(removedEndpoints, totalEndpoints)
}

/** The verdict by number of endpoints, for who counts without holding both catalogs at once. */
export const judgeRemoval = (removedEndpoints: number, totalEndpoints: number): StripVerdict => {
  const held =
    totalEndpoints >= MIN_ENDPOINTS_FOR_SHARE
      ? removedEndpoints > totalEndpoints * MAX_REMOVED_SHARE
      : totalEndpoints > 1 && removedEndpoints === totalEndpoints
  return { held, removedEndpoints, totalEndpoints }
}
