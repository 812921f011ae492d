import { AtollError } from '#api/atoll-error.ts'
import { listMeshNames } from './directory/meshes.ts'
import { removeOrg } from './directory/orgs.ts'
import { emptyFolder } from './telemetry/archive/empty-folder.ts'

/** Of each bucket, in one request: it lists and deletes some hundred thousand objects, and stays under half of the calls that an invocation may make. */
const MOST_PAGES = 100

/**
 * Deletes an org that has no meshes: what they left in the buckets, if anything, then what the directory has of it. Throws AtollError `conflict` while there are meshes, and
 * `unavailable` when there is more than one request can delete. Done again, it goes on.
 */
export const deleteOrg = async (env: Cloudflare.Env, orgId: string): Promise<void> => {
  await refuseMeshes(env, orgId)
  for (const bucket of [env.TELEMETRY, env.EXPORTS]) {
    if (!(await emptyFolder(bucket, `${orgId}/`, MOST_PAGES)))
      throw new AtollError('unavailable', 'much of the org is deleted, and not yet all: ask again')
  }
  try {
    await removeOrg(env.DB, orgId)
  } catch (error) {
    // One was made meanwhile.
    await refuseMeshes(env, orgId)
    throw error
  }
}

const refuseMeshes = async (env: Cloudflare.Env, orgId: string): Promise<void> => {
  const names = await listMeshNames(env.DB, orgId)
  if (names.length > 0) throw new AtollError('conflict', `delete the org's meshes first: ${names.join(', ')}`)
}
