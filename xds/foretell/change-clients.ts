import { objectKeyOf } from '#mesh/config-object.ts'
import { findClientAuthentications, selectClientAuthentications } from '#mesh/security/select-client-authentications.ts'
import { RBACSchema } from '#envoy/envoy/extensions/filters/http/rbac/v3/rbac_pb.ts'
import { admissionFilterName } from '#xds/build/build-admission.ts'
import { unpack } from '#xds/explain/served.ts'
import { toPlace, type CalledProxy } from './called-proxy.ts'
import type { ProposedMesh } from './proposal.ts'

/** Who asks clients for keys or passwords once ClientAuthentications have changed; none = nobody. */
export interface ClientChange {
  readonly objects: readonly string[]
}

/** Undefined: they change nothing for this proxy. */
export const changeClients = (mesh: ProposedMesh, proxy: CalledProxy): ClientChange | undefined => {
  const select = (which: 'before' | 'after') => {
    const view = mesh.view(proxy.cluster, which)
    const key = selectClientAuthentications(view, proxy.namespace, toPlace(proxy))
    return findClientAuthentications(view, key).map(objectKeyOf)
  }
  const [now, then] = [select('before'), select('after')]
  if (![...now, ...then].some((name) => mesh.changed.has(name))) return undefined
  // It asks though nothing of the mesh says so: its cluster does.
  const ofCluster = asksClients(proxy) && now.length === 0 ? ["a ClientAuthentication of the cluster's own"] : []
  return { objects: [...then, ...ofCluster] }
}

const asksClients = ({ served }: CalledProxy): boolean => {
  const config = served.filters.get(admissionFilterName)
  if (!config) return false
  const open = unpack(config, RBACSchema)
  return open === undefined || open.rules !== undefined
}
