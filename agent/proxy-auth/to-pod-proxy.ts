import type { KnownPod } from '#agent/registry/kubernetes/pod-directory.ts'
import { eastWestGatewayRole, roleLabel, systemNamespace } from '#mesh/kubernetes/conventions.ts'
import type { Proxy, ProxyRole } from '#xds/proxy.ts'

/** The proxy that a pod may be. */
export const toPodProxy = (pod: KnownPod): Proxy => ({
  role: toRole(pod),
  namespace: pod.namespace,
  serviceAccount: pod.serviceAccount,
  workload: pod.name,
})

/** Anybody may label their pods: an east-west gateway is one only where we install it. */
const toRole = ({ namespace, labels, isGateway }: KnownPod): ProxyRole => {
  if (namespace === systemNamespace && labels[roleLabel] === eastWestGatewayRole) return 'east-west-gateway'
  return isGateway ? 'gateway' : 'sidecar'
}
