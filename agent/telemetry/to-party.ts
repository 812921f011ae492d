import { toSpiffeId } from '#mesh/identity.ts'
import { toPeerFacts } from '#mesh/telemetry/peer-facts.ts'
import { unknownParty, type Party } from '#mesh/telemetry/party.ts'
import type { MeshView } from '#mesh/view.ts'
import { toWorkloadKey } from '#mesh/workload.ts'
import type { Proxy } from '#xds/proxy.ts'

/** What telemetry says of a proxy's own side of its calls: who it is by its token, and what is known of its workload. */
export const toParty = (view: Pick<MeshView, 'localCluster' | 'settings' | 'workload'>, proxy: Proxy): Party => {
  const { namespace, serviceAccount, workload: name } = proxy
  const workload = view.workload(toWorkloadKey(namespace, name))
  return {
    ...unknownParty,
    workload: name,
    ...(workload && toPeerFacts(workload)),
    namespace,
    cluster: view.localCluster,
    principal: toSpiffeId(view.settings().trustDomain, { namespace, serviceAccount }),
  }
}
