import type { ObjectMeta } from '../config-object.ts'
import type { ClusterName } from '../names.ts'

/** On an object of a cluster's own: `mesh` asks the plane to publish it mesh-wide (docs/decisions/0014-published-objects.md). */
export const PUBLISH_ANNOTATION = 'atoll.dev/publish'
/** On an object of the mesh: the cluster that publishes it. Written by the plane alone. */
export const PUBLISHED_BY_ANNOTATION = 'atoll.dev/published-by'

export const asksToBePublished = (metadata: ObjectMeta): boolean =>
  metadata.annotations?.[PUBLISH_ANNOTATION] === 'mesh'

/** The cluster that publishes an object of the mesh; undefined = it was applied at the API. */
export const publisherOf = (metadata: ObjectMeta): ClusterName | undefined =>
  metadata.annotations?.[PUBLISHED_BY_ANNOTATION] as ClusterName | undefined
