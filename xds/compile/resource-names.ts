/** Istio's name of an EnvoyCluster towards a service: dashboards and people know it. */
export const toUpstreamName = (port: number, subset: string, hostname: string): string =>
  `outbound|${port}|${subset}|${hostname}`

/** What a client asks an east-west gateway for, and what the gateway calls its EnvoyCluster (Istio: SNI-DNAT). */
export const toServiceSni = (port: number, subset: string, hostname: string): string =>
  `outbound_.${port}_.${subset}_.${hostname}`

export const toInboundUpstreamName = (port: number): string => `inbound|${port}||`

/** Where HTTP goes that the mesh does not know; Istio's name, though the host is resolved and not the original destination. */
export const passthroughUpstream = 'PassthroughCluster'

/** The route configuration of the sidecar's HTTP proxy port. */
export const httpProxyRoutes = 'http-proxy'
