import { routeAccess } from '#api/access.ts'
import { AtollError } from '#api/atoll-error.ts'
import { clusterName, meshName } from '#mesh/names.ts'
import type { AppContext, Caller } from '../../app-env.ts'
import { findMesh } from '../../directory/meshes.ts'
import { openMeshStore } from '../../mesh/mesh-store.ts'
import { identifyCaller } from '../../middleware/authenticate.ts'
import { checkAccess } from '../../middleware/authorize.ts'
import { limitRate, toClientAddress } from '../../middleware/rate-limit.ts'
import { isIngestToken, verifyIngestToken } from '../ingest-token.ts'
import { toRetention } from '../place.ts'
import type { Leave } from '../telemetry-store.ts'

/** Clusters that one batch may be of. Each takes some requests of the 1,000 that one request may make to others. */
const MAX_PLACES = 300

/** What a resource of OTLP says of where it is: the attributes `atoll.mesh` and `k8s.cluster.name`. */
export interface ResourcePlace {
  readonly mesh: string | undefined
  readonly cluster: string | undefined
}

/** By whose leave a resource's telemetry is sent, or why there is none. Asked again for the same place, it answers the same. */
export type Sender = (resource: ResourcePlace) => Promise<Leave | { readonly refusal: string }>

/**
 * Who sends telemetry: an agent, whose token names its cluster whatever the resources say, or somebody with a token of the API, whose scopes or resources do.
 * Throws AtollError `unauthenticated`, `forbidden` or `rate_limited`.
 */
export const identifySender = async (c: AppContext): Promise<Sender> => {
  const header = c.req.header('Authorization')
  const [, text = ''] = /^Bearer +(\S+)$/i.exec(header ?? '') ?? []
  if (isIngestToken(text)) {
    const { ATOLL_KEK, ATOLL_KEK_PREVIOUS } = c.env
    const claims =
      (await verifyIngestToken(ATOLL_KEK, text, Date.now())) ??
      (ATOLL_KEK_PREVIOUS === undefined ? undefined : await verifyIngestToken(ATOLL_KEK_PREVIOUS, text, Date.now()))
    if (!claims) return refuseToken(c)
    const { place, retention, issuedAtMs } = claims
    await limitRate(c.env, 'token', `telemetry/${place.meshId}/${place.cluster}`)
    return async () => ({ place, retention, asOfMs: issuedAtMs })
  }
  const caller = await identifyCaller(c)
  await limitRate(c.env, 'token', caller.token.id)
  checkAccess(routeAccess.exportTelemetry, caller.token)
  return toTokenSender(c.env, caller)
}

const refuseToken = async (c: AppContext): Promise<never> => {
  await limitRate(c.env, 'address', toClientAddress(c))
  throw new AtollError('unauthenticated', 'send "Authorization: Bearer …" with a token that has not expired')
}

const toTokenSender = (env: Cloudflare.Env, { orgId, token }: Caller): Sender => {
  const known = new Map<string, ReturnType<Sender>>()
  const find = async (mesh: string, cluster: string): ReturnType<Sender> => {
    const asOfMs = Date.now()
    const isNamed = meshName.safeParse(mesh).success && clusterName.safeParse(cluster).success
    const found = isNamed ? await findMesh(env.DB, orgId, mesh) : undefined
    if (!found || !(await openMeshStore(env, found.id).findCluster(cluster)))
      return { refusal: `there is no cluster ${cluster.slice(0, 64)} in a mesh ${mesh.slice(0, 64)}` }
    return { place: { orgId, meshId: found.id, cluster }, retention: toRetention(found.settings), asOfMs }
  }
  return async (resource) => {
    const mesh = token.scopes.mesh ?? resource.mesh
    const cluster = token.scopes.cluster ?? resource.cluster
    if (mesh === undefined)
      return { refusal: 'the resource has no attribute "atoll.mesh", and the token is of no mesh' }
    if (cluster === undefined)
      return { refusal: 'the resource has no attribute "k8s.cluster.name", and the token is of no cluster' }
    const key = `${mesh}/${cluster}`
    if (known.size >= MAX_PLACES && !known.has(key)) return { refusal: `a batch is of ${MAX_PLACES} clusters at most` }
    const leave = known.get(key) ?? find(mesh, cluster)
    known.set(key, leave)
    return leave
  }
}
