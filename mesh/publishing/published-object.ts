import type { ConfigObject } from '../config-object.ts'
import { PRECEDENCE_ANNOTATION } from '../merge/precedence-annotation.ts'
import { workloadGroup } from '../config/workload-group.ts'
import { isRecordKind } from '../registry-records/registry-index.ts'
import { PUBLISH_ANNOTATION, PUBLISHED_BY_ANNOTATION } from './publish-annotations.ts'

/** Whether objects of a kind may be published at all: those that say what a cluster itself holds mean nothing elsewhere. */
export const isPublishableKind = (kind: string): boolean => !isRecordKind(kind) && kind !== workloadGroup.kind

/** Why an object that is right by itself can't be published; undefined = it can. */
export const findUnpublishable = ({ kind, spec }: ConfigObject): { path: string; message: string } | undefined => {
  if (!isPublishableKind(kind))
    return { path: 'kind', message: `a ${kind} says what its own cluster holds: the mesh knows it from the catalog` }
  if (kind === 'ServiceEntry' && spec['location'] === 'MESH_INTERNAL')
    return { path: 'spec.location', message: 'a service inside the mesh is known from the catalog of its cluster' }
  return undefined
}

/** The object as the mesh has it. It never stands before other clusters' own: whoever may write in one cluster could say so. */
export const toPublishedObject = ({ metadata, ...object }: ConfigObject, cluster: string): ConfigObject => {
  const { creationTimestamp: _ofTheCluster, ...named } = metadata
  const {
    [PUBLISH_ANNOTATION]: _wish,
    [PRECEDENCE_ANNOTATION]: _precedence,
    ...annotations
  } = metadata.annotations ?? {}
  return { ...object, metadata: { ...named, annotations: { ...annotations, [PUBLISHED_BY_ANNOTATION]: cluster } } }
}
