import type { Unavailable } from '#api/schemas/telemetry.ts'
import type { ClusterName } from '#mesh/names.ts'
import { openTelemetryStore } from '../telemetry-store.ts'
import type { Place } from '../place.ts'
import { askClusters, toAnswerSize } from './ask-clusters.ts'
import type { FoundRecord, FoundRecords, RecordPlace, RecordQuery } from './record-query.ts'

/** A place in the order of many clusters' records: newest first, of those of one time by cluster, then the highest number first. */
export type MeshPlace = readonly [timeUs: number, cluster: string, recordId: number]

export const firstMeshPlace: MeshPlace = [Number.MAX_SAFE_INTEGER, '', Number.MAX_SAFE_INTEGER]

export interface FoundInCluster {
  readonly cluster: ClusterName
  readonly record: FoundRecord
}

export interface FoundPage {
  readonly found: readonly FoundInCluster[]
  /** Where the next page begins; null: there is no more. */
  readonly next: MeshPlace | null
  readonly unavailable: Unavailable
}

/** Where a cluster's own records begin that come after a place. */
const toOwnPlace = ([timeUs, cluster, recordId]: MeshPlace, own: string): RecordPlace => {
  if (own === cluster) return { timeUs, recordId }
  return { timeUs, recordId: own > cluster ? Number.MAX_SAFE_INTEGER : 0 }
}

/** Below 0: the first of them comes first. */
const compareMeshPlaces = ([aTime, aCluster, aId]: MeshPlace, [bTime, bCluster, bId]: MeshPlace): number =>
  bTime - aTime || (aCluster === bCluster ? bId - aId : aCluster < bCluster ? -1 : 1)

/** Of two places the one that comes first; null is behind all. */
export const toEarlierPlace = (a: MeshPlace | null, b: MeshPlace | null): MeshPlace | null => {
  if (a === null || b === null) return a ?? b
  return compareMeshPlaces(a, b) < 0 ? a : b
}

/** Whether a record comes before a place, or is the one there. */
export const isUpTo = (place: MeshPlace | null, found: FoundInCluster): boolean =>
  place === null || compareMeshPlaces(toMeshPlace(found), place) <= 0

const toMeshPlace = ({ cluster, record }: FoundInCluster): MeshPlace => [record.timeUs, cluster, record.recordId]

export interface MeshQuery extends Omit<RecordQuery, 'after' | 'size'> {
  readonly after: MeshPlace
}

/** The newest records of some clusters of a mesh. */
export const searchClusters = async (
  env: Cloudflare.Env,
  mesh: Omit<Place, 'cluster'>,
  clusters: readonly ClusterName[],
  query: MeshQuery,
): Promise<FoundPage> => {
  const { answers, unavailable } = await askClusters(clusters, (cluster): Promise<FoundRecords> => {
    const own = {
      ...query,
      after: toOwnPlace(query.after, cluster),
      limit: query.limit + 1,
      size: toAnswerSize(clusters.length),
    }
    return openTelemetryStore(env, { ...mesh, cluster }).search(own)
  })
  return { ...mergeAnswers(answers, query.limit), unavailable }
}

/** A page of what clusters have found: nothing that comes after what one of them has not looked at. */
export const mergeAnswers = (
  answers: readonly { readonly cluster: ClusterName; readonly answer: FoundRecords }[],
  limit: number,
): Omit<FoundPage, 'unavailable'> => {
  const searchedTo = answers
    .map(({ cluster, answer: { searchedTo: to } }): MeshPlace | null => to && [to.timeUs, cluster, to.recordId])
    .reduce(toEarlierPlace, null)
  const found = answers
    .flatMap(({ cluster, answer }) => answer.records.map((record) => ({ cluster, record })))
    .filter((each) => isUpTo(searchedTo, each))
    .sort((a, b) => compareMeshPlaces(toMeshPlace(a), toMeshPlace(b)))
  const last = found[limit - 1]
  if (last && found.length > limit) return { found: found.slice(0, limit), next: toMeshPlace(last) }
  return { found, next: searchedTo }
}
