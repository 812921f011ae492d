import { isIpAddress, isUnixAddress } from '../config/schema/host-names.ts'
import type { ClusterName } from '../names.ts'
import type { Endpoint, Service } from '../service.ts'
import { isCaptured, type Workload } from '../workload.ts'

/** Istio's label that says whether a proxy in front of a workload speaks mesh mTLS ("istio") or not ("disabled"). */
export const TLS_MODE_LABEL = 'security.istio.io/tlsMode'

/**
 * docs/decisions/0004: the label decides; without it, a pod has a sidecar when it was injected, and a WorkloadEntry that has one names
 * its service account.
 */
const toTls = ({ labels, serviceAccount, origin, capture }: Workload): Endpoint['tls'] => {
  const mode = labels[TLS_MODE_LABEL]
  const hasSidecar = origin === 'pod' ? capture === 'transparent' : serviceAccount !== ''
  const isMutual = mode === undefined ? hasSidecar : mode === 'istio'
  return isMutual ? 'mutual' : 'none'
}

/** A workload as an endpoint of a service that it serves on these ports. */
export const toEndpoint = (workload: Workload, cluster: ClusterName, ports: Endpoint['ports']): Endpoint => ({
  id: workload.name,
  cluster,
  network: workload.network,
  locality: workload.locality,
  address: workload.address,
  ports,
  labels: workload.labels,
  weight: workload.weight ?? 1,
  health: workload.health ?? 'healthy',
  ...(workload.serviceAccount !== '' && { serviceAccount: workload.serviceAccount }),
  ...(workload.origin && { origin: workload.origin }),
  ...(workload.ofMesh && { ofMesh: workload.ofMesh }),
  ...toPeer(workload),
})

/** A pod that says it speaks mutual TLS, and that we did not inject, has a sidecar of Istio's. */
const toPeer = (workload: Workload): Pick<Endpoint, 'tls' | 'issuer'> => {
  const tls = toTls(workload)
  const isForeign = tls === 'mutual' && workload.origin === 'pod' && !isCaptured(workload)
  return isForeign ? { tls, issuer: 'external' } : { tls }
}

/**
 * Whether Envoy can reach an address of this form: it resolves names only for services with resolution DNS. None is needed where
 * gateways are gone through.
 */
export const isReachableBy = (resolution: Service['resolution'], address: string): boolean => {
  if (resolution === 'none') return false
  if (resolution === 'static') return address === '' || isUnixAddress(address) || isIpAddress(address)
  return address !== '' && !isUnixAddress(address)
}
