import { parseSpiffeId, toSpiffeId } from '#mesh/identity.ts'
import { compareText } from '#mesh/merge/compare-text.ts'
import { takesMutualTls } from '#mesh/security/plaintext-ports.ts'
import type { Endpoint, Service } from '#mesh/service.ts'
import { issuersIn } from '#mesh/trust.ts'
import type { MeshView } from '#mesh/view.ts'
import type { UpstreamProtocol } from '#xds/model/upstream.ts'

/** Peers whose certificate is of an external issuer: Istio's sidecars beside Atoll's (docs/decisions/0013). */

/** What Istio's clients say by ALPN that they are about to speak, and its servers choose their chains by. */
export const istioHttpAlpn: readonly string[] = ['istio-http/1.0', 'istio-http/1.1', 'istio-h2']
export const istioTcpAlpn: readonly string[] = ['istio-peer-exchange', 'istio']

/** Istio sets it request by request. Where HTTP and TCP share an upstream nothing but TCP is true of both, and its server passes it on. */
export const toIstioAlpn = (protocol: UpstreamProtocol): readonly string[] => {
  switch (protocol) {
    case 'http1':
      return ['istio-http/1.1', 'istio', 'http/1.1']
    case 'http2':
      return ['istio-h2', 'istio', 'h2']
    case 'downstream':
    case 'tcp':
      return ['istio']
  }
}

/** Whether the proxies of this cluster take leaves of external issuers. */
export const takesExternalPeers = (view: MeshView): boolean => issuersIn(view.trust(), view.localCluster).length > 0

/**
 * How a port of an endpoint is spoken to; undefined: not at all. Only this cluster's own agent may say that one is external, and only where the mesh
 * trusts an issuer for this cluster.
 */
export const toTransport = (
  view: MeshView,
  endpoint: Endpoint,
  /** Of the endpoint; absent = any that takes mTLS. */
  port?: number,
): 'mesh' | 'external' | 'plaintext' | undefined => {
  const { issuer, cluster } = endpoint
  if (!takesMutualTls(endpoint, port)) return 'plaintext'
  if (issuer === undefined) return 'mesh'
  return cluster === view.localCluster && takesExternalPeers(view) ? 'external' : undefined
}

/** The SPIFFE IDs that prove to be one of a service's external endpoints, sorted; empty when it has none. */
export const toExternalIds = (view: MeshView, service: Service): readonly string[] => {
  const endpoints = view
    .endpoints(service.key)
    .filter((endpoint) => endpoint.issuer !== undefined && toTransport(view, endpoint) === 'external')
  if (endpoints.length === 0) return []
  const { trustDomain } = view.settings()
  const { namespace } = service
  const ids = endpoints.flatMap(({ serviceAccount }) =>
    serviceAccount === undefined ? [] : toSpiffeId(trustDomain, { namespace, serviceAccount }),
  )
  const others = service.subjectAltNames.filter((name) => parseSpiffeId(name)?.trustDomain === trustDomain)
  return [...new Set([...ids, ...others])].toSorted(compareText)
}
