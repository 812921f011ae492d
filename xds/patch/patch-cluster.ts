import { ClusterSchema, type Cluster } from '#envoy/envoy/config/cluster/v3/cluster_pb.ts'
import { mergeMessage } from './merge-message.ts'
import { mergeTransportSocket } from './merge-transport-socket.ts'
import { ofPart, type Patch } from './patch.ts'
import { isMerge, toMergeOptions } from './patch-list.ts'

/** Changes an EnvoyCluster; tells whether it is still there. */
export const patchCluster = (cluster: Cluster, patches: readonly Patch[]): boolean => {
  for (const patch of ofPart(patches, 'CLUSTER')) {
    if (!matchesCluster(cluster, patch)) continue
    const { operation, value } = patch
    if (operation === 'REMOVE') return false
    if (!isMerge(operation)) continue
    // Istio: a patch that has a transport socket changes nothing else.
    if (value.transportSocket)
      cluster.transportSocket = cluster.transportSocket
        ? mergeTransportSocket(cluster.transportSocket, value.transportSocket)
        : value.transportSocket
    else mergeMessage(ClusterSchema, cluster, value, toMergeOptions(operation))
  }
  return true
}

/** "outbound|80|v1|reviews.default.svc.cluster.local", or with "_." instead of "|". */
const matchesCluster = ({ name }: Cluster, { match }: Patch): boolean => {
  const wanted = match.cluster
  if (!wanted) return true
  if (wanted.name !== undefined) return wanted.name === name
  const [, port, subset = '', host = ''] = name.split(name.includes('|') ? '|' : '_.')
  return (
    (wanted.subset === undefined || wanted.subset === subset) &&
    (wanted.service === undefined || wanted.service === host) &&
    (wanted.portNumber === undefined || wanted.portNumber === Number(port))
  )
}
