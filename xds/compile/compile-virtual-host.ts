import { isHttpProtocol, type Service, type ServicePort } from '#mesh/service.ts'
import type { MeshView } from '#mesh/view.ts'
import type { Route, VirtualHost } from '#xds/model/virtual-host.ts'
import type { ReachedService } from './compile-destination.ts'
import { compileConnectionPaths, type ConnectionRouting } from './compile-connection-paths.ts'
import { anyRequest } from './compile-http-match.ts'
import { compileHttpRoutes } from './compile-http-routes.ts'
import { compileDefaultRetries } from './compile-retries.ts'
import { isHeadless } from './compile-upstreams.ts'
import { compileHashPolicy, toEffectivePolicy } from './compile-traffic-policy.ts'
import { matchesHost, toSpecificity } from '#mesh/merge/host-specificity.ts'
import type { Report } from './report.ts'
import { isIpv4Address } from './ip-address.ts'
import { toUpstreamName } from './resource-names.ts'
import type { RouteScope } from './route-scope.ts'
import type { DestinationPolicy } from './select-destination-policy.ts'
import { isTakenShortName } from './select-service.ts'

/** One port of a service in one route configuration, and what decides on its routes. */
export interface VirtualHostSource {
  readonly scope: RouteScope
  readonly service: Service
  /** What clients call it by: the service itself, or an alias of it. */
  readonly named: Service
  readonly port: ServicePort
  readonly policy: DestinationPolicy
  /** Whether its name alone means this service to the clients. */
  readonly isOwnNamespace: boolean
  readonly routing: ConnectionRouting | undefined
}

export interface CompiledVirtualHost {
  readonly virtualHost: VirtualHost
  /** The services that its routes lead to, beside its own. */
  readonly reached: readonly ReachedService[]
}

/** Whether a route configuration of this scope has a virtual host for the port: for what is not HTTP only behind a proxy, by CONNECT. */
export const hasVirtualHost = (scope: RouteScope, port: ServicePort): boolean =>
  scope.port === undefined || (scope.port === port.number && isMaybeHttp(port))

/** Whether requests may come by a port. */
export const isMaybeHttp = ({ protocol }: ServicePort): boolean => isHttpProtocol(protocol) || protocol === 'auto'

export const compileVirtualHost = (view: MeshView, source: VirtualHostSource, report: Report): CompiledVirtualHost => {
  const { scope, named, service, port } = source
  const tunnel = scope.port === undefined && !isHttpProtocol(port.protocol) ? compileTunnel(view, source, report) : none
  const http = isMaybeHttp(port) ? compileHttp(view, source, report) : none
  return {
    virtualHost: {
      name: `${scope.name}/${named.hostname}:${port.number}`,
      domains: compileDomains(view, source),
      routes: [...tunnel.routes, ...http.routes],
      retries: http === none ? undefined : compileDefaultRetries(view.meshConfig(), false),
      called: { service: service.key, port: port.number },
    },
    reached: [...tunnel.reached, ...http.reached],
  }
}

interface Routes {
  readonly routes: readonly Route[]
  readonly reached: readonly ReachedService[]
}
const none: Routes = { routes: [], reached: [] }

const compileHttp = (view: MeshView, { service, port, policy, routing }: VirtualHostSource, report: Report): Routes => {
  const ruled = routing && compileHttpRoutes(view, routing.virtualService, { ...routing, port: port.number }, report)
  // Istio: one that has no route for this client is none to it.
  if (ruled && ruled.routes.length > 0) return ruled
  const { loadBalancer } = toEffectivePolicy(policy.trafficPolicy, undefined, port.number)
  const hashPolicy = compileHashPolicy(loadBalancer)
  const destinations = [{ upstream: toUpstreamName(port.number, '', service.hostname), weight: 1 }]
  return {
    routes: [
      {
        match: anyRequest,
        action: { kind: 'forward', destinations, timeoutMs: 0, ...(hashPolicy && { hashPolicies: [hashPolicy] }) },
      },
    ],
    reached: [],
  }
}

/**
 * What a CONNECT request opens is forwarded as TCP, to where connections go that were made to no address. What TLS inside of it asks for can't
 * be seen: it is taken to be the host that the request names.
 */
const compileTunnel = (view: MeshView, source: VirtualHostSource, report: Report): Routes => {
  const { service, port, routing } = source
  const [path] = compileConnectionPaths(view, source, port, routing, report)
    .filter(({ subnets }) => subnets.length === 0)
    .map((each) => ({ ...each, closeness: toCloseness(each.serverNames, service.hostname) }))
    .filter(({ closeness }) => closeness > 0)
    .toSorted((one, other) => other.closeness - one.closeness)
  if (!path) return none
  if (path.tunnel) {
    report(`Service/${service.key}`, 'is behind a tunnel: the HTTP proxy port can not open one in it')
    return none
  }
  const match = { ...anyRequest, path: { kind: 'connect' as const } }
  const { destinations, reached } = path
  return { routes: [{ match, action: { kind: 'forward', destinations, timeoutMs: 0 } }], reached }
}

/** How closely the closest of these hosts names the host; 0 = none does. */
const toCloseness = (serverNames: readonly string[], hostname: string): number =>
  serverNames.length === 0
    ? 1
    : Math.max(0, ...serverNames.filter((name) => matchesHost(name, hostname)).map(toSpecificity))

/** The names by which clients may ask for the port: without a number where it goes without saying. */
const compileDomains = (view: MeshView, { scope, named, port, isOwnNamespace }: VirtualHostSource): string[] => {
  const names = [named.hostname, ...toShortNames(view, named, isOwnNamespace)]
  const captured = scope.isCaptured ? toCapturedNames(view, named, names) : []
  return toDomains([...names, ...captured], port.number, scope)
}

/** The port that requests are made to when no other is said. */
export const webPort = 80

/** Names as clients ask for them on a port, in a route configuration of this scope. */
export const toDomains = (names: readonly string[], port: number, scope: RouteScope): string[] => {
  const goesWithoutSaying = scope.port !== undefined || port === webPort
  return names.flatMap((name) => (goesWithoutSaying ? [name, `${name}:${port}`] : [`${name}:${port}`]))
}

/** How clients name a service that resolve it themselves: by a virtual address that is its, or by an endpoint of a headless one (a StatefulSet's pod). */
const toCapturedNames = (view: MeshView, service: Service, names: readonly string[]): string[] => {
  const addresses = service.addresses.filter((each) => isIpv4Address(each) && isOnlyOneAt(view, each, service))
  const captured = isHeadless(service) ? names.map((name) => `*.${name}`) : addresses
  return captured.filter((name) => view.servicesByHostname(name).length === 0)
}

/** Whether no other service has this address; what a ServiceEntry says of the address of a `Service` does not count. */
const isOnlyOneAt = (view: MeshView, address: string, { key, source }: Service): boolean =>
  view
    .servicesAt(address)
    .every((other) => other === key || (source === 'service' && view.service(other)?.source === 'service-entry'))

/** As in Kubernetes' search domains; a name that is the host of a service of the same namespace means that one. */
const toShortNames = (view: MeshView, { hostname, namespace, source }: Service, isOwnNamespace: boolean): string[] => {
  const suffix = `.${namespace}.svc.${view.settings().domainSuffix}`
  if (source !== 'service' || !hostname.endsWith(suffix)) return []
  const name = hostname.slice(0, -suffix.length)
  if (name.includes('.')) return []
  const shortNames = [`${name}.${namespace}.svc`, `${name}.${namespace}`, ...(isOwnNamespace ? [name] : [])]
  return shortNames.filter((shortName) => !isTakenShortName(view, shortName, namespace))
}
