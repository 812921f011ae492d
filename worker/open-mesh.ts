import { AtollError } from '#api/atoll-error.ts'
import type { AppContext } from './app-env.ts'
import { findMesh } from './directory/meshes.ts'
import type { OrgEvent } from './directory/org-audit.ts'
import type { Initiator } from './mesh/audit.ts'
import { openMeshStore } from './mesh/mesh-store.ts'
import type { MeshStore } from './mesh/mesh-store.ts'

export type Access = 'read' | 'write'

/** Throws AtollError `forbidden` when the token's role does not go so far. */
const checkRole = (c: AppContext, access: Access): void => {
  if (access === 'write' && c.get('caller').token.role !== 'owner')
    throw new AtollError('forbidden', 'a viewer may only read')
}

/** For what is the org's: a token that is confined to a mesh has nothing to do with it. Answers the org's id. */
export const openOrg = (c: AppContext, access: Access): string => {
  const { orgId, token } = c.get('caller')
  checkRole(c, access)
  if (token.scopes.mesh !== undefined)
    throw new AtollError('forbidden', `the token is confined to the mesh ${token.scopes.mesh}`)
  return orgId
}

export interface OpenMesh {
  readonly id: string
  readonly name: string
  readonly orgId: string
  readonly store: MeshStore
}

/**
 * The one way from a request to a mesh's store: by the caller's org, role and scopes. `cluster`: the one that the request is about; a
 * token that is confined to a cluster gets no further than requests about it.
 */
export const openMesh = async (c: AppContext, name: string, access: Access, cluster?: string): Promise<OpenMesh> => {
  const { orgId, token } = c.get('caller')
  const { scopes } = token
  const mesh = scopes.mesh === undefined || scopes.mesh === name ? await findMesh(c.env.DB, orgId, name) : undefined
  if (!mesh) throw new AtollError('not_found', `there is no mesh ${name}`)
  checkRole(c, access)
  if (scopes.cluster !== undefined && scopes.cluster !== cluster) {
    throw new AtollError('forbidden', `the token is confined to the cluster ${scopes.cluster}`)
  }
  return { id: mesh.id, name, orgId, store: openMeshStore(c.env, mesh.id) }
}

/** The caller, as the one who does something. */
export const toInitiator = (c: AppContext): Initiator => {
  const { id, name } = c.get('caller').token
  return { actor: { kind: 'token', id, name }, requestId: c.get('requestId') }
}

/** What the caller does to the org. */
export const toOrgEvent = (c: AppContext, action: string, target: string): OrgEvent => ({
  at: Date.now(),
  actor: toInitiator(c).actor,
  action,
  target,
  requestId: c.get('requestId'),
})
