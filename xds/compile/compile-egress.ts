import type { Destination } from '#mesh/config/schema/destination.ts'
import type { EgressListener as EgressSettings } from '#mesh/config/sidecar.ts'
import { selectProtocol } from '#mesh/registry-records/select-protocol.ts'
import { isHttpProtocol, type Protocol } from '#mesh/service.ts'
import type { MeshConfig } from '#mesh/config/mesh-config.ts'
import { everyHost, isTakenBy, parseHostFilter, type HostFilter } from './host-filter.ts'
import { httpProxyRoutes, passthroughUpstream, toUpstreamName } from './resource-names.ts'
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
  /** Whether it takes captured connections to its address instead of listening there. */
  readonly isCaptured: boolean
}

/** Which services captured connections may mean, where no egress point is for their destination. */
export interface CapturedEgress {
  /** Of a Sidecar's listeners that name a port alone. */
  readonly byPort: ReadonlyMap<number, HostFilter>
  /** Of all other ports; undefined = none. */
  readonly rest: HostFilter | undefined
}

export interface Egress {
  readonly points: readonly EgressPoint[]
  /** Undefined where traffic is not captured. */
  readonly captured: CapturedEgress | undefined
  /** The upstream for destinations that the mesh does not know: of the HTTP proxy port, or where traffic is captured. Undefined = none. */
  readonly unknown: string | undefined
}

/** Where the applications of a class of sidecars reach the mesh: what the mesh's settings and its Sidecar object say. */
export const compileEgress = (
  { outboundTrafficPolicy, proxyHttpPort }: MeshConfig,
  sidecar: SidecarObject | undefined,
  { namespace, isCaptured }: { readonly namespace: string; readonly isCaptured: boolean },
): Egress => {
  const listeners = sidecar?.spec.egress ?? []
  const own = sidecar?.spec.outboundTrafficPolicy
  const { mode } = own ?? outboundTrafficPolicy
  const unknown = mode === 'ALLOW_ANY' ? toUnknownUpstream(own?.egressProxy) : undefined
  return isCaptured
    ? { ...compileCaptured(listeners, namespace), unknown }
    : { points: compilePoints(listeners, namespace, proxyHttpPort), captured: undefined, unknown }
}

/** An egress proxy is a service among the hosts of the Sidecar, which has its upstream. */
const toUnknownUpstream = (egressProxy: Destination | undefined): string =>
  egressProxy?.port
    ? toUpstreamName(egressProxy.port.number, egressProxy.subset ?? '', egressProxy.host.toLowerCase())
    : passthroughUpstream

/**
 * The HTTP proxy port of the mesh's settings, and a Sidecar's listeners. The proxy port is for the hosts of the listener without a port
 * (Istio's catch-all), or, without such a listener, for the hosts of all listeners.
 */
const compilePoints = (
  listeners: readonly EgressSettings[],
  namespace: string,
  proxyHttpPort: number,
): readonly EgressPoint[] => {
  const explicit = listeners.flatMap((listener) =>
    listener.port ? [compilePoint(listener, parseHostFilter(listener.hosts, namespace), false)] : [],
  )
  if (proxyHttpPort === 0) return explicit
  const catchAll = listeners.find(({ port }) => !port)
  const proxyHosts = catchAll ? [parseHostFilter(catchAll.hosts, namespace)] : explicit.flatMap(({ hosts }) => hosts)
  const proxy: EgressPoint = {
    bind: undefined,
    port: proxyHttpPort,
    protocol: 'http',
    scope: { name: httpProxyRoutes, port: undefined, isCaptured: false },
    hosts: listeners.length > 0 ? proxyHosts : [everyHost],
    isCaptured: false,
  }
  return [proxy, ...explicit]
}

/** Istio reference: Sidecar.egress: a listener with a port is for all that goes to that port, the one without for what is left. */
const compileCaptured = (
  listeners: readonly EgressSettings[],
  namespace: string,
): Pick<Egress, 'points' | 'captured'> => {
  const points: EgressPoint[] = []
  const byPort = new Map<number, HostFilter>()
  let rest = listeners.length > 0 ? undefined : everyHost
  for (const listener of listeners) {
    const hosts = parseHostFilter(listener.hosts, namespace)
    const { port, bind, captureMode } = listener
    if (!port) rest = hosts
    else if (
      captureMode === 'NONE' ||
      isHttpProxy(listener) ||
      port.number === undefined ||
      bind?.startsWith('unix://')
    )
      points.push(compilePoint({ ...listener, bind: bind ?? loopback }, hosts, false))
    else if (bind === undefined) byPort.set(port.number, hosts)
    else points.push(compilePoint(listener, hosts, true))
  }
  return { points, captured: { byPort, rest } }
}

const loopback = '127.0.0.1'

/** The filter of the services that captured connections to this port may mean. */
export const toHostsOn = ({ byPort, rest }: CapturedEgress, port: number): HostFilter | undefined =>
  byPort.get(port) ?? rest

/** The filters of the services that a route configuration of this scope is for. */
export const toHostsIn = ({ points, captured }: Egress, { name, port }: RouteScope): readonly HostFilter[] => {
  const point = points.find(({ scope }) => scope?.name === name)
  if (point) return point.hosts
  const hosts = captured && port !== undefined ? toHostsOn(captured, port) : undefined
  return hosts ? [hosts] : []
}

/** The points whose filters take a service of this namespace and host name. */
export const toPointsFor = ({ points }: Egress, namespace: string, hostname: string): EgressPoint[] =>
  points.filter(({ hosts }) => isTakenBy(hosts, namespace, hostname))

const isHttpProxy = ({ port }: EgressSettings): boolean => port?.protocol?.toLowerCase() === 'http_proxy'

const compilePoint = (listener: EgressSettings, hosts: HostFilter, isCaptured: boolean): EgressPoint => {
  const { port, bind } = listener
  const number = port?.number ?? 0
  const protocol = toPointProtocol(selectProtocol({ explicit: port?.protocol, name: port?.name ?? '', number }))
  const isProxy = isHttpProxy(listener) || number === 0
  const name = bind === undefined ? String(number) : `${bind}_${number}`.replaceAll('/', '_')
  return {
    bind,
    port: number,
    protocol,
    scope:
      protocol === 'http' || protocol === 'auto' ? { name, port: isProxy ? undefined : number, isCaptured } : undefined,
    hosts: [hosts],
    isCaptured,
  }
}

const toPointProtocol = (protocol: Protocol): EgressPoint['protocol'] => {
  if (isHttpProtocol(protocol)) return 'http'
  return protocol === 'auto' || protocol === 'tcp' ? protocol : 'tls'
}
