import type { ClientSelectorKey } from '#mesh/client-selectors.ts'
import { toObjectKey } from '#mesh/config-object.ts'
import { toServerHosts, type GatewayServer, type ServerHost } from '#mesh/config/gateway.ts'
import { isSubsetOfHost } from '#mesh/config/schema/host-names.ts'
import { isExportedTo } from '#mesh/merge/is-exported-to.ts'
import { isEqualData } from '#mesh/merge/equal-data.ts'
import { resolveHost } from '#mesh/merge/resolve-host.ts'
import type { MeshView } from '#mesh/view.ts'
import { isRelevantMatch, type RequestOrigin } from './compile-http-match.ts'
import { findServer, toGatewayNamespace, type ServerKey } from './merge-servers.ts'
import type { VirtualService } from './select-virtual-service.ts'

/** What routes may ask of a gateway's proxy. */
export interface GatewayClient {
  readonly namespace: string
  readonly selectors: readonly ClientSelectorKey[]
}

/** What a gateway's route configuration does with a host. */
export interface GatewayHost {
  readonly host: string
  /** Plaintext requests are sent to https. */
  readonly requiresTls: boolean
  /** Whose routes it has, one after the other. */
  readonly sources: readonly RouteSource[]
}

export interface RouteSource {
  /** The key of a VirtualService. */
  readonly virtualService: string
  /** The Gateway object that binds it here, and the port that this has. */
  readonly gateway: string
  readonly port: number
}

/**
 * The hosts of a route configuration: where a server and a VirtualService that is bound to its Gateway have the same in mind, the closer
 * one of the two. Several VirtualServices may be for one host. Istio: buildGatewayHTTPRouteConfig.
 */
export const planGatewayHosts = (
  view: MeshView,
  servers: readonly ServerKey[],
  client: GatewayClient,
): GatewayHost[] => {
  const planned = new Map<string, { requiresTls: boolean; sources: RouteSource[] }>()
  const plan = (host: string, server: GatewayServer, source: RouteSource | undefined) => {
    const known = planned.get(host) ?? { requiresTls: false, sources: [] }
    if (source && !known.sources.some((each) => isEqualData(each, source))) known.sources.push(source)
    known.requiresTls ||= server.tls?.httpsRedirect === true
    planned.set(host, known)
  }
  for (const key of servers) {
    const server = findServer(view, key)
    if (!server) continue
    const hosts = toServerHosts(toGatewayNamespace(key.gateway), server)
    const port = server.port.number ?? 0
    for (const virtualService of selectBound(view, key.gateway, client.namespace)) {
      const { metadata } = virtualService
      if (!hasRoute(virtualService, toGatewayOrigin(client, key.gateway, port, virtualService))) continue
      const source = {
        virtualService: toObjectKey('VirtualService', metadata.namespace, metadata.name),
        gateway: key.gateway,
        port,
      }
      for (const host of intersectHosts(view, hosts, virtualService)) plan(host, server, source)
    }
    if (server.tls?.httpsRedirect) for (const { host } of hosts) plan(host, server, undefined)
  }
  return [...planned].map(([host, { requiresTls, sources }]) => ({ host, requiresTls, sources }))
}

/** Where requests come from that a VirtualService gets by a Gateway. */
export const toGatewayOrigin = (
  { namespace, selectors }: GatewayClient,
  gateway: string,
  port: number,
  { metadata }: VirtualService,
): RequestOrigin => ({
  clientNamespace: namespace,
  selectors: new Set(selectors),
  port,
  gateway: { name: gateway, routesNamespace: metadata.namespace },
})

/** The VirtualServices that are bound to a Gateway and hold for proxies of a namespace, oldest first. */
export const selectBound = (view: MeshView, gateway: string, clientNamespace: string): VirtualService[] => {
  const { defaultVirtualServiceExportTo: byDefault } = view.meshConfig()
  return view
    .virtualServicesOf(gateway)
    .filter(({ metadata, spec }) => isExportedTo(spec.exportTo, metadata.namespace, clientNamespace, byDefault))
}

/** The hosts that both a server and a VirtualService are for. */
export const intersectHosts = (
  view: MeshView,
  serverHosts: readonly ServerHost[],
  { metadata, spec }: VirtualService,
): string[] => {
  const { domainSuffix } = view.settings()
  const routed = spec.hosts.map((host) => resolveHost(host, metadata.namespace, domainSuffix))
  return intersectNames(serverHosts, metadata.namespace, routed)
}

/** What of these names, of a VirtualService in a namespace, is a server's. */
export const intersectNames = (
  serverHosts: readonly ServerHost[],
  namespace: string,
  names: readonly string[],
): string[] => {
  const shared = serverHosts
    .filter((server) => server.namespace === undefined || server.namespace === namespace)
    .flatMap(({ host }) =>
      names.flatMap((name) => (isSubsetOfHost(host, name) ? [host] : isSubsetOfHost(name, host) ? [name] : [])),
    )
  return [...new Set(shared)]
}

const hasRoute = ({ spec }: VirtualService, origin: RequestOrigin): boolean =>
  (spec.http ?? []).some(({ match }) => !match?.length || match.some((each) => isRelevantMatch(each, origin)))
