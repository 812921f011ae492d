import type { ClusterName } from '#mesh/names.ts'
import type { MeshStore } from './mesh/mesh-store.ts'

const TOGETHER = 500

/** The names of the clusters that are in a mesh, from this one on, by name. */
export const listClusterNames = async (store: MeshStore, from = ''): Promise<ClusterName[]> => {
  const names: ClusterName[] = []
  for (;;) {
    const part = await store.listClusters(names.at(-1) ?? '', TOGETHER)
    names.push(...part.map(({ name }) => name))
    if (part.length < TOGETHER) return names.filter((name) => name >= from)
  }
}
