import { findBarrier, routeAccess } from '#api/access.ts'
import { AtollError } from '#api/atoll-error.ts'
import type { RouteName } from '#api/openapi.ts'
import type { TokenScopes } from '#api/schemas/tokens.ts'
import type { AppContext, AppEnv } from './app-env.ts'
import type { AuditFacts } from './audit/bound-facts.ts'
import { toAuditClient } from './audit/client.ts'
import { findMesh } from './directory/meshes.ts'
import type { OrgEvent } from './directory/org-audit.ts'
import type { Initiator } from './mesh/audit.ts'
import { openMeshStore } from './mesh/mesh-store.ts'
import type { MeshStore } from './mesh/mesh-store.ts'

/** Whether the caller's role and scopes are enough for another route than the one that is called. */
export const mayCall = (c: AppContext, route: RouteName): boolean =>
  findBarrier(routeAccess[route], c.get('caller').token) === undefined

/** For what is the org's. Answers the org's id. */
export const openOrg = (c: AppContext): string => {
  requireAccess(c)
  return c.get('caller').orgId
}

/** That `authorize` let the request through is relied on from here on. */
const requireAccess = (c: AppContext): void => {
  const access = c.get('access') as AppEnv['Variables']['access'] | undefined
  if (access === undefined) throw new Error(`nobody has judged who may call ${c.req.path}`)
}

export interface OpenMesh {
  readonly id: string
  readonly name: string
  readonly orgId: string
  readonly store: MeshStore
  /** The only one that the caller may see or change something of; undefined = all. */
  readonly namespace: string | undefined
}

/** What of a mesh a request is about. */
export type Subject = Pick<TokenScopes, 'cluster' | 'namespace'>

/** What a filter of a list leaves: who is confined and names nothing asks for its own. */
export const confineFilter = (c: AppContext, { cluster, namespace }: Subject): Subject => {
  const { scopes } = c.get('caller').token
  return { cluster: cluster ?? scopes.cluster, namespace: namespace ?? scopes.namespace }
}

/**
 * The one way from a request to a mesh's store: by the caller's org and scopes. Who is confined to a cluster or a namespace gets no
 * further than requests about it.
 */
export const openMesh = async (c: AppContext, name: string, subject: Subject = {}): Promise<OpenMesh> => {
  requireAccess(c)
  const { orgId, token } = c.get('caller')
  const { scopes } = token
  const mesh = scopes.mesh === undefined || scopes.mesh === name ? await findMesh(c.env.DB, orgId, name) : undefined
  if (!mesh) throw new AtollError('not_found', `there is no mesh ${name}`)
  for (const kind of ['cluster', 'namespace'] as const)
    if (scopes[kind] !== undefined && scopes[kind] !== subject[kind])
      throw new AtollError('forbidden', `the token is confined to the ${kind} ${scopes[kind]}`)
  return { id: mesh.id, name, orgId, store: openMeshStore(c.env, mesh.id), namespace: scopes.namespace }
}

/** In which request, and from where. */
export const toOrigin = (c: AppContext) => ({
  requestId: c.get('requestId'),
  client: toAuditClient(c.req.raw.headers, c.env),
})

/** The caller, as the one who does something. */
export const toInitiator = (c: AppContext): Initiator => {
  const { id, name } = c.get('caller').token
  return { actor: { kind: 'token', id, name }, ...toOrigin(c) }
}

/** What the caller does to the org. */
export const toOrgEvent = (c: AppContext, facts: AuditFacts): OrgEvent => ({
  at: Date.now(),
  by: toInitiator(c),
  facts,
})
