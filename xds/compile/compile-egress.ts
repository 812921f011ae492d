import type { EgressListener as EgressSettings } from '#mesh/kinds/sidecar.ts'
import { selectProtocol } from '#mesh/registry-records/select-protocol.ts'
import { isHttpProtocol, type Protocol } from '#mesh/service.ts'
import type { MeshSettings } from '#mesh/settings.ts'
import { everyHost, isTakenBy, parseHostFilter, type HostFilter } from './host-filter.ts'
import { httpProxyRoutes } from './resource-names.ts'
import type { RouteScope } from './route-scope.ts'
import type { SidecarObject } from './select-sidecar.ts'

/** A place where applications reach the mesh through their sidecar. */
export interface EgressPoint {
  /** An IP address or "unix://…"; undefined = loopback. */
  readonly bind: string | undefined
  /** 0 with a Unix domain socket. */
  readonly port: number
  readonly protocol: 'http' | 'tcp' | 'tls' | 'auto'
  /** Where HTTP is routed; undefined without HTTP. */
  readonly scope: RouteScope | undefined
  /** The services that it is for: those that one of these takes. */
  readonly hosts: readonly HostFilter[]
}

export interface Egress {
  readonly points: readonly EgressPoint[]
  /** Whether the HTTP proxy port takes hosts that the mesh does not know. */
  readonly allowsUnknown: boolean
}

/**
 * The HTTP proxy port of the mesh's settings, and the egress listeners of a Sidecar object. The proxy port is for the hosts of the
 * listener without a port (Istio's catch-all), or, without such a listener, for the hosts of all listeners.
 */
export const compileEgress = (settings: MeshSettings, sidecar: SidecarObject | undefined): Egress => {
  const listeners = sidecar?.spec.egress ?? []
  const namespace = sidecar?.metadata.namespace ?? ''
  const explicit = listeners.flatMap((listener) =>
    listener.port ? [compilePoint(listener, parseHostFilter(listener.hosts, namespace))] : [],
  )
  const catchAll = listeners.find(({ port }) => !port)
  const proxyHosts = catchAll ? [parseHostFilter(catchAll.hosts, namespace)] : explicit.flatMap(({ hosts }) => hosts)
  const proxy: EgressPoint = {
    bind: undefined,
    port: settings.proxyHttpPort,
    protocol: 'http',
    scope: { name: httpProxyRoutes, port: undefined },
    hosts: listeners.length > 0 ? proxyHosts : [everyHost],
  }
  const mode = sidecar?.spec.outboundTrafficPolicy?.mode
  return {
    points: settings.proxyHttpPort === 0 ? explicit : [proxy, ...explicit],
    allowsUnknown: mode ? mode === 'ALLOW_ANY' : settings.outboundPolicy === 'allow-any',
  }
}

/** The points whose filters take a service of this namespace and host name. */
export const toPointsFor = ({ points }: Egress, namespace: string, hostname: string): EgressPoint[] =>
  points.filter(({ hosts }) => isTakenBy(hosts, namespace, hostname))

const compilePoint = ({ port, bind }: EgressSettings, hosts: HostFilter): EgressPoint => {
  const number = port?.number ?? 0
  const protocol = toPointProtocol(selectProtocol({ explicit: port?.protocol, name: port?.name ?? '', number }))
  const isProxy = port?.protocol?.toLowerCase() === 'http_proxy' || number === 0
  const name = bind === undefined ? String(number) : `${bind}_${number}`.replaceAll('/', '_')
  return {
    bind,
    port: number,
    protocol,
    scope: protocol === 'http' || protocol === 'auto' ? { name, port: isProxy ? undefined : number } : undefined,
    hosts: [hosts],
  }
}

const toPointProtocol = (protocol: Protocol): EgressPoint['protocol'] => {
  if (isHttpProtocol(protocol)) return 'http'
  return protocol === 'auto' || protocol === 'tcp' ? protocol : 'tls'
}
