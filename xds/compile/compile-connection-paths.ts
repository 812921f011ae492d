import type { L4Destinations } from '#mesh/config/schema/l4-route.ts'
import { toMilliseconds } from '#mesh/config/schema/duration.ts'
import type { Tunnel } from '#mesh/config/schema/traffic-policy.ts'
import type { Service, ServicePort } from '#mesh/service.ts'
import type { MeshView } from '#mesh/view.ts'
import type { TcpHandler } from '#xds/model/listener.ts'
import { compileDestination, type ReachedService } from './compile-destination.ts'
import { isRelevantMatch, type RequestOrigin } from './compile-http-match.ts'
import { toEffectivePolicy, type EffectivePolicy } from './compile-traffic-policy.ts'
import type { Report } from './report.ts'
import { toUpstreamName } from './resource-names.ts'
import type { DestinationPolicy } from './select-destination-policy.ts'
import { toVirtualServiceKey, type VirtualService } from './select-virtual-service.ts'

/** Which connections to a port of a service go a way. */
export interface ConnectionMatch {
  /** Those of TLS that ask for one of these hosts, names or wildcards; empty = all. */
  readonly serverNames: readonly string[]
  /** Those that were made to one of these addresses or CIDR blocks; empty = all. */
  readonly subnets: readonly string[]
}

/** A way that connections to a port of a service go. */
export interface ConnectionPath extends ConnectionMatch {
  readonly destinations: readonly { readonly upstream: string; readonly weight: number }[]
  readonly hashesSourceIp: boolean
  readonly idleTimeoutMs: number | undefined
  readonly maxDurationMs: number | undefined
  readonly tunnel: TcpHandler['tunnel']
  /** The route that says so; undefined = none does. */
  readonly writtenAt: TcpHandler['writtenAt']
  /** The services that it leads to, beside its own. */
  readonly reached: readonly ReachedService[]
}

export interface ConnectionRouting extends Omit<RequestOrigin, 'port'> {
  readonly virtualService: VirtualService
}

/**
 * Where connections to a service's port go: as the routes of the VirtualService say, by `tls` where the port's protocol is TLS and by `tcp`
 * elsewhere. What no TCP route takes goes to the service; with TLS routes for a port, what none of them takes goes nowhere (as in Istio).
 */
export const compileConnectionPaths = (
  view: MeshView,
  source: { readonly service: Service; readonly policy: DestinationPolicy },
  port: ServicePort,
  routing: ConnectionRouting | undefined,
  report: Report,
): ConnectionPath[] => {
  if (!routing) return [toOwnPath(source, port)]
  const { virtualService, ...client } = routing
  const origin = { ...client, port: port.number }
  const routes = isTlsPort(port) ? selectTls(virtualService, origin) : selectTcp(virtualService, origin)
  const paths = routes.map(({ match, to, writtenAt }) => ({
    ...match,
    ...compileRoute(view, virtualService, to, origin, report),
    writtenAt,
  }))
  const isComplete = isTlsPort(port) ? paths.length > 0 : paths.at(-1)?.subnets.length === 0
  return isComplete ? paths : [...paths, toOwnPath(source, port)]
}

/** Whether its connections say which host they are for, and are passed on as they are. */
export const isTlsPort = ({ protocol }: ServicePort): boolean => protocol === 'tls' || protocol === 'https'

/** A route whose matches hold for connections of an origin. */
export interface SelectedRoute {
  readonly match: ConnectionMatch
  readonly to: L4Destinations
  readonly writtenAt: TcpHandler['writtenAt']
}

/** The TLS routes that connections of this origin can meet, one for each of their matches. */
export const selectTls = (virtualService: VirtualService, origin: RequestOrigin): SelectedRoute[] =>
  (virtualService.spec.tls ?? []).flatMap(({ match, route }, index) =>
    match
      .filter((each) => isRelevantMatch(each, origin))
      .map(({ sniHosts, destinationSubnets = [] }) => ({
        match: { serverNames: sniHosts.map((host) => host.toLowerCase()), subnets: destinationSubnets },
        to: route,
        writtenAt: { object: toVirtualServiceKey(virtualService), path: `tls[${index}]` },
      })),
  )

/** The TCP routes that connections of this origin can meet, up to the first that takes every one. */
export const selectTcp = (virtualService: VirtualService, origin: RequestOrigin): SelectedRoute[] => {
  const selected: SelectedRoute[] = []
  for (const [index, { match, route }] of (virtualService.spec.tcp ?? []).entries()) {
    const matches = match?.filter((each) => isRelevantMatch(each, origin)) ?? []
    if (match?.length && matches.length === 0) continue
    const subnets = matches.map(({ destinationSubnets = [] }) => destinationSubnets)
    const isForAll = subnets.length === 0 || subnets.some((each) => each.length === 0)
    selected.push({
      match: { serverNames: [], subnets: isForAll ? [] : subnets.flat() },
      to: route,
      writtenAt: { object: toVirtualServiceKey(virtualService), path: `tcp[${index}]` },
    })
    if (isForAll) break
  }
  return selected
}

/** Where a route leads to. */
export type Way = Omit<ConnectionPath, keyof ConnectionMatch | 'writtenAt'>

export const compileRoute = (
  view: MeshView,
  virtualService: VirtualService,
  to: L4Destinations,
  origin: RequestOrigin,
  report: Report,
): Way => {
  const used = to.length > 1 ? to.filter(({ weight }) => (weight ?? 0) > 0) : to
  const compiled = used.map(({ destination }) => compileDestination(view, virtualService, destination, origin, report))
  return {
    destinations: compiled.map(({ upstream }, index) => ({ upstream, weight: used[index]?.weight || 1 })),
    reached: compiled.flatMap(({ reached }) => reached ?? []),
    ...compileConnections(compiled.map(({ effective }) => effective)),
  }
}

const toOwnPath = (
  { service, policy }: { readonly service: Service; readonly policy: DestinationPolicy },
  { number }: ServicePort,
): ConnectionPath => ({
  serverNames: [],
  subnets: [],
  destinations: [{ upstream: toUpstreamName(number, '', service.hostname), weight: 1 }],
  reached: [],
  writtenAt: undefined,
  ...compileConnections([toEffectivePolicy(policy.trafficPolicy, undefined, number)]),
})

const compileConnections = (policies: readonly EffectivePolicy[]) => {
  const idleTimeout = policies.map(({ connectionPool }) => connectionPool?.tcp?.idleTimeout).find(Boolean)
  const maxDuration = policies.map(({ connectionPool }) => connectionPool?.tcp?.maxConnectionDuration).find(Boolean)
  const tunnel = policies.map((policy) => policy.tunnel).find(Boolean)
  return {
    hashesSourceIp: policies.some(({ loadBalancer }) => loadBalancer?.consistentHash?.useSourceIp === true),
    idleTimeoutMs: idleTimeout && toMilliseconds(idleTimeout),
    maxDurationMs: maxDuration && toMilliseconds(maxDuration),
    tunnel: tunnel && compileTunnel(tunnel),
  }
}

/** Istio reference: TrafficPolicy.TunnelSettings. */
const compileTunnel = ({ protocol = 'CONNECT', targetHost, targetPort }: Tunnel): TcpHandler['tunnel'] => ({
  target: `${targetHost.includes(':') ? `[${targetHost}]` : targetHost}:${targetPort}`,
  method: protocol,
})
