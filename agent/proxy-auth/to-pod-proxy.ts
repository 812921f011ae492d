import type { KnownPod } from '#agent/registry/kubernetes/pod-directory.ts'
import { eastWestGatewayRole, roleLabel, systemNamespace } from '#mesh/kubernetes/conventions.ts'
import type { Proxy } from '#xds/proxy.ts'

/** The proxy that a pod may be. Anybody may label their pods: a gateway is one only where we install it. */
export const toPodProxy = ({ namespace, name, serviceAccount, labels }: KnownPod): Proxy => ({
  role: namespace === systemNamespace && labels[roleLabel] === eastWestGatewayRole ? 'east-west-gateway' : 'sidecar',
  namespace,
  serviceAccount,
  workload: name,
})
