import { listEveryMesh } from './directory/meshes.ts'
import { openMeshStore } from './mesh/mesh-store.ts'

const TOGETHER = 20

/**
 * Writes the configuration of every mesh to R2 as JSON that `atoll apply` takes: `<org>/<mesh>/<day>.json`. It is what people need to make
 * a mesh anew elsewhere; keys and identities are not in it. A mesh that fails is logged and does not keep the others.
 */
export const exportMeshes = async (env: Cloudflare.Env, day: string): Promise<void> => {
  let after = ''
  for (;;) {
    const meshes = await listEveryMesh(env.DB, after, TOGETHER)
    for (const { id, orgId } of meshes) {
      try {
        await env.EXPORTS.put(`${orgId}/${id}/${day}.json`, await readExport(env, id))
      } catch (error) {
        // eslint-disable-next-line no-console -- the platform's log
        console.error(JSON.stringify({ level: 'error', mesh: id, message: 'the export failed', error: String(error) }))
      }
    }
    after = meshes.at(-1)?.id ?? ''
    if (meshes.length < TOGETHER) return
  }
}

const readExport = async (env: Cloudflare.Env, meshId: string): Promise<string> => {
  const { revision, documents } = await openMeshStore(env, meshId).readConfiguration(null)
  const items = documents.flatMap(({ document }) => (document === null ? [] : [document]))
  return `{"apiVersion":"v1","kind":"List","metadata":{"annotations":{"atoll.dev/revision":"${revision}"}},"items":[${items.join(',')}]}`
}
