import { isWildcard } from '#mesh/config/schema/host-names.ts'
import { getOrAdd } from '#mesh/merge/get-or-add.ts'
import { resolveHost } from '#mesh/merge/resolve-host.ts'
import type { MeshView } from '#mesh/view.ts'
import { toHostsOn, type Egress } from './compile-egress.ts'
import { isHeadless } from './compile-upstreams.ts'
import { isMaybeHttp, webPort } from './compile-virtual-host.ts'
import { isExcludedBy, isTakenBy, type HostFilter } from './host-filter.ts'
import { toCapturedScope, type RouteScope } from './route-scope.ts'
import { findByShortName, resolveAlias, selectService, type NamedService } from './select-service.ts'
import { selectVirtualService, type VirtualService } from './select-virtual-service.ts'

/** Where clients have routes for a host that no service there has, and whose. */
export interface RoutedPlace {
  readonly scope: RouteScope
  /** By which the host is asked for. */
  readonly port: number
  readonly virtualService: VirtualService
}

/** A host that VirtualServices name, which may be a wildcard, to the clients of a namespace. */
export interface RoutedHost {
  readonly host: string
  readonly clientNamespace: string
}

/**
 * Where a host of VirtualServices is routed that no service has. As in Istio: on port 80, and on the ports for HTTP of the services that
 * its VirtualService names beside it. An HTTP proxy without such services takes it for port 80 (Istio's does not know it).
 */
export const planRoutedHost = (view: MeshView, egress: Egress, routed: RoutedHost): RoutedPlace[] => {
  const { host, clientNamespace } = routed
  if (view.virtualServicesFor(host).length === 0) return []
  // A wildcard looks at all services that it means: once, not for each scope.
  const found = new Map<string, readonly NamedService[]>()
  const servicesOf: ServicesOf = (each) => getOrAdd(found, each, () => findServices(view, each, clientNamespace))
  return toScopes(view, egress, host, servicesOf).flatMap(({ scope, hosts }) => {
    const virtualService = selectVirtualService(view, host, { namespace: clientNamespace, hosts })
    if (!virtualService || isExcludedBy(hosts, virtualService.metadata.namespace, host)) return []
    if (isServed(servicesOf(host), scope.port, hosts)) return []
    const known = toHttpPorts(toServices(view, virtualService, servicesOf).filter(isIn(hosts)))
    return toPorts(scope, known).map((port) => ({ scope, port, virtualService }))
  })
}

/** Whether some host that no service has at all is routed where captured connections to port 80 are. */
export const hasRoutedHosts = (view: MeshView, egress: Egress, clientNamespace: string): boolean => {
  const hosts = egress.captured && toHostsOn(egress.captured, webPort)
  const { name } = toCapturedScope(webPort)
  return (
    hosts !== undefined &&
    view.routedHosts().some((host) => {
      const routed = { host, clientNamespace }
      return (
        !isServed(findServices(view, host, clientNamespace), undefined, [hosts]) &&
        planRoutedHost(view, egress, routed).some(({ scope }) => scope.name === name)
      )
    })
  )
}

/** Whether clients mean a service by this name, though it is not its host: its virtual host has the name. */
export const isNameOfService = (view: MeshView, { host, clientNamespace }: RoutedHost): boolean => {
  if (!isWildcard(host))
    return view.servicesAt(host).length > 0 || findByShortName(view, host, clientNamespace) !== undefined
  const name = host.slice('*.'.length)
  const services = [
    ...view.servicesByHostname(name).map((key) => view.service(key)),
    findByShortName(view, name, clientNamespace),
  ]
  return services.some((service) => service && isHeadless(service))
}

interface FilteredScope {
  readonly scope: RouteScope
  readonly hosts: readonly HostFilter[]
}

type ServicesOf = (host: string) => readonly NamedService[]

const toScopes = (view: MeshView, egress: Egress, host: string, servicesOf: ServicesOf): FilteredScope[] => {
  const { captured } = egress
  const ofPoints = egress.points.flatMap(({ scope, hosts }) => (scope ? [{ scope, hosts }] : []))
  if (!captured) return ofPoints
  const beside = view
    .virtualServicesFor(host)
    .flatMap((virtualService) => toHttpPorts(toServices(view, virtualService, servicesOf)))
  const ofPorts = [...new Set([webPort, ...beside])].flatMap((port) => {
    const hosts = toHostsOn(captured, port)
    return hosts ? [{ scope: toCapturedScope(port), hosts: [hosts] }] : []
  })
  return [...ofPoints, ...ofPorts]
}

const toPorts = ({ port }: RouteScope, known: readonly number[]): readonly number[] => {
  if (port === undefined) return known.length > 0 ? known : [webPort]
  return port === webPort || known.includes(port) ? [port] : []
}

/** Whether a service of the host, of those that the filters take, is on this port (undefined = on any). */
const isServed = (services: readonly NamedService[], port: number | undefined, hosts: readonly HostFilter[]): boolean =>
  services
    .filter(isIn(hosts))
    .some(({ service }) => port === undefined || service.ports.some(({ number }) => number === port))

const toHttpPorts = (services: readonly NamedService[]): readonly number[] => [
  ...new Set(services.flatMap(({ service }) => service.ports.filter(isMaybeHttp).map(({ number }) => number))),
]

const isIn =
  (hosts: readonly HostFilter[]) =>
  ({ named }: NamedService): boolean =>
    isTakenBy(hosts, named.namespace, named.hostname)

/** The services that a VirtualService names. */
const toServices = (view: MeshView, { metadata, spec }: VirtualService, servicesOf: ServicesOf): NamedService[] => {
  const { domainSuffix } = view.settings()
  return spec.hosts.flatMap((host) => servicesOf(resolveHost(host, metadata.namespace, domainSuffix)))
}

/** The services of a host, or of a wildcard, that clients may call. */
const findServices = (view: MeshView, host: string, clientNamespace: string): NamedService[] =>
  toHostnames(view, host).flatMap((hostname) => {
    const named = selectService(view, view.servicesByHostname(hostname), clientNamespace)
    return named ? { named, service: resolveAlias(view, named, clientNamespace) } : []
  })

const toHostnames = (view: MeshView, host: string): readonly string[] =>
  isWildcard(host) ? view.serviceHostsUnder(host) : [host]
