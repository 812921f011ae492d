import type { ConfigObject } from '#mesh/config-object.ts'
import type { MeshStore } from '../mesh/mesh-store.ts'

/** The whole configuration of a mesh at one revision. Not to be changed by who reads it. */
export interface BaseConfiguration {
  readonly revision: number
  readonly domainSuffix: string
  readonly objects: ReadonlyMap<string, ConfigObject>
}

/** Meshes whose configuration an isolate keeps: the largest ones take some tens of megabytes each. */
const MAX_KEPT = 2

/** By mesh, the least recently used first. What is kept is brought up to date before it is used, so it can't be stale. */
const kept = new Map<string, BaseConfiguration>()

/** The newest configuration of a mesh. Of what this isolate has seen before only the changes are read. */
export const readBaseConfiguration = async (meshId: string, store: MeshStore): Promise<BaseConfiguration> => {
  const known = kept.get(meshId)
  const { revision, domainSuffix, mode, documents } = await store.readConfiguration(known?.revision ?? null)
  const objects = new Map(mode === 'changes' ? known?.objects : [])
  for (const { key, document } of documents) {
    if (document === null) objects.delete(key)
    else objects.set(key, JSON.parse(document) as ConfigObject)
  }
  const base = { revision, domainSuffix, objects }
  kept.delete(meshId)
  kept.set(meshId, base)
  const [oldest] = kept.keys()
  if (kept.size > MAX_KEPT && oldest !== undefined) kept.delete(oldest)
  return base
}
