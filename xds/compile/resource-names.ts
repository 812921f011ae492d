/** Istio's name of an EnvoyCluster towards a service: dashboards and people know it. */
export const toUpstreamName = (port: number, subset: string, hostname: string): string =>
  `outbound|${port}|${subset}|${hostname}`

/** What a client asks an east-west gateway for, and what the gateway calls its EnvoyCluster (Istio: SNI-DNAT). */
export const toServiceSni = (port: number, subset: string, hostname: string): string =>
  `${serviceSniPrefix}${port}_.${subset}_.${hostname}`

/** No other EnvoyCluster's name begins so. */
export const serviceSniPrefix = 'outbound_.'

export const toInboundUpstreamName = (port: number): string => `inbound|${port}||`

/** Undefined: it is no such name. */
export const parseInboundUpstreamName = (name: string): number | undefined => {
  const [, port] = /^inbound\|(\d+)\|\|$/.exec(name) ?? []
  return port === undefined ? undefined : Number(port)
}

/** What a probe asks: `kind` says how, the rest is what probes of a port differ by. */
export const toProbeUpstreamName = (kind: string, port: number, ...rest: readonly (string | number)[]): string =>
  ['probe', kind, port, ...rest].join('|')

/** Where goes what the mesh does not know; Istio's name, though behind an HTTP proxy port the host is resolved. */
export const passthroughUpstream = 'PassthroughCluster'

/** Where connections go to be closed; Istio's name. */
export const blackHoleUpstream = 'BlackHoleCluster'

/** Who is told of spans where nobody is: it has no endpoints. */
export const noCollectorUpstream = 'no-trace-collector'

/** To ports of the workload that no service names; Istio's name. */
export const inboundPassthroughUpstream = 'InboundPassthroughCluster'

/** The route configuration of the sidecar's HTTP proxy port. */
export const httpProxyRoutes = 'http-proxy'

/** The listener for probes and for what tells that the proxy is ready. */
export const healthListener = 'health'

/** The listener for who scrapes metrics of the application. */
export const scrapeListener = 'app-metrics'

/** The virtual host that answers 502 to requests for what the mesh does not know. */
export const blockAllHost = 'block-all'

/** Of the filters of WasmPlugins; Istio's. */
const pluginFilterPrefix = 'extensions.istio.io/wasmplugin/'

/** Istio's name; the mesh's and the cluster's plugin of one name are two filters, and so is a plugin for requests that becomes one for connections. */
export const toPluginFilterName = (
  { namespace, name }: { readonly namespace: string; readonly name: string },
  origin: 'mesh' | 'cluster',
  layer: 'http' | 'network',
): string =>
  `${pluginFilterPrefix}${origin === 'mesh' ? '' : 'cluster/'}${layer === 'http' ? '' : 'network/'}${namespace}.${name}`

export const isPluginFilterName = (name: string): boolean => name.startsWith(pluginFilterPrefix)
