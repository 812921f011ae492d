import type { CatalogEntry } from './service.ts'

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
 * The mass-removal guard (DESIGN §4): whether a step looks like a registry that was lost (an unmounted directory, an API server that
 * answers with nothing) rather than like work.
 *
 * Four endpoints and more: held above 30 %. Two or three: held when all go. One alone: never, because its removal is the
 * most ordinary of all changes and costs one endpoint if it is wrong.
 */
export const judgeRemoval = (removedEndpoints: number, totalEndpoints: number): StripVerdict => {
  const held =
    totalEndpoints >= MIN_ENDPOINTS_FOR_SHARE
      ? removedEndpoints > totalEndpoints * MAX_REMOVED_SHARE
      : totalEndpoints > 1 && removedEndpoints === totalEndpoints
  return { held, removedEndpoints, totalEndpoints }
}

/**
 * How many endpoints of a service a step takes away: those whose id is gone and that no new one stands for. A rollout that nobody could
 * look at (the plane was away, a watch was broken) replaces every endpoint in one step, and leaves as many. Changed ports, labels or health
 * don't count.
 */
export const countLostEndpoints = (before: CatalogEntry | undefined, after: CatalogEntry | undefined): number => {
  const known = new Set(before?.endpoints.map(({ id }) => id))
  const present = new Set(after?.endpoints.map(({ id }) => id))
  const gone = [...known].filter((id) => !present.has(id)).length
  const come = [...present].filter((id) => !known.has(id)).length
  return Math.max(0, gone - come)
}
