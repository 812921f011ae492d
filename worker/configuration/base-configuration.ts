import type { MeshDefaults } from '#mesh/analysis/known-mesh.ts'
import { toRelatedObject } from '#mesh/analysis/related-objects.ts'
import type { RelatedObject } from '#mesh/analysis/related-objects.ts'
import type { ConfigObject } from '#mesh/config-object.ts'
import type { MeshStore } from '../mesh/mesh-store.ts'

/** The whole configuration of a mesh at one revision, by key. Not to be changed by who reads it. */
export interface BaseConfiguration {
  readonly revision: number
  readonly domainSuffix: string
  readonly defaults: MeshDefaults
  readonly objects: ReadonlyMap<string, RelatedObject>
}

/** Objects that an isolate keeps, of all meshes together: one mesh of the largest kind, some tens of megabytes. */
const MAX_KEPT_OBJECTS = 10_000

/** By mesh, the least recently used first. What is kept is brought up to date before it is used, so it can't be stale. */
const kept = new Map<string, BaseConfiguration>()

/** The newest configuration of a mesh. Of what this isolate has seen before only the changes are read. */
export const readBaseConfiguration = async (
  meshId: string,
  store: Pick<MeshStore, 'readConfiguration'>,
): Promise<BaseConfiguration> => {
  const known = kept.get(meshId)
  const { revision, domainSuffix, defaults, mode, documents } = await store.readConfiguration(known?.revision ?? null)
  const isContinued = mode === 'changes' && known?.domainSuffix === domainSuffix
  if (mode === 'changes' && !isContinued) {
    kept.delete(meshId)
    return readBaseConfiguration(meshId, store)
  }
  const objects = new Map(isContinued ? known.objects : [])
  for (const { key, document } of documents) {
    if (document === null) objects.delete(key)
    else objects.set(key, toRelatedObject(JSON.parse(document) as ConfigObject, domainSuffix))
  }
  const base = { revision, domainSuffix, defaults, objects }
  keep(meshId, base)
  return base
}

const keep = (meshId: string, base: BaseConfiguration): void => {
  kept.delete(meshId)
  kept.set(meshId, base)
  let total = [...kept.values()].reduce((sum, { objects }) => sum + objects.size, 0)
  for (const [oldest, { objects }] of kept) {
    if (total <= MAX_KEPT_OBJECTS || oldest === meshId) return
    kept.delete(oldest)
    total -= objects.size
  }
}
