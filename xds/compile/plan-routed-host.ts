import { isWildcard } from '#mesh/config/schema/host-names.ts'
import { resolveHost } from '#mesh/merge/resolve-host.ts'
import { splitServiceKey } from '#mesh/names.ts'
import type { Service } from '#mesh/service.ts'
import type { MeshView } from '#mesh/view.ts'
import { toHostsOn, type Egress } from './compile-egress.ts'
import { isHeadless } from './compile-upstreams.ts'
import { isMaybeHttp, webPort } from './compile-virtual-host.ts'
import { isExcludedBy, isTakenBy, type HostFilter } from './host-filter.ts'
import { matchesHost } from '#mesh/merge/host-specificity.ts'
import { toCapturedScope, type RouteScope } from './route-scope.ts'
import { findByShortName, resolveAlias, selectService } from './select-service.ts'
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
  return toScopes(view, egress, routed).flatMap(({ scope, hosts }) => {
    const virtualService = selectVirtualService(view, host, { namespace: clientNamespace, hosts })
    if (!virtualService || isExcludedBy(hosts, virtualService.metadata.namespace, host)) return []
    if (isServed(view, routed, scope.port, hosts)) return []
    const known = toHttpPorts(view, virtualService, clientNamespace, hosts)
    return toPorts(scope, known).map((port) => ({ scope, port, virtualService }))
  })
}

/** Whether some host that no service has at all is routed where captured connections to port 80 are. */
export const hasRoutedHosts = (view: MeshView, egress: Egress, clientNamespace: string): boolean => {
  const hosts = egress.captured && toHostsOn(egress.captured, webPort)
  return (
    hosts !== undefined &&
    view.routedHosts().some((host) => {
      const routed = { host, clientNamespace }
      return (
        !isServed(view, routed, undefined, [hosts]) &&
        planRoutedHost(view, egress, routed).some(({ scope }) => scope.isCaptured && scope.port === webPort)
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

const toScopes = (view: MeshView, egress: Egress, { host, clientNamespace }: RoutedHost): FilteredScope[] => {
  const { captured } = egress
  const ofPoints = egress.points.flatMap(({ scope, hosts }) => (scope ? [{ scope, hosts }] : []))
  if (!captured) return ofPoints
  const beside = view
    .virtualServicesFor(host)
    .flatMap((virtualService) => toHttpPorts(view, virtualService, clientNamespace, undefined))
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

/** Whether a service that clients there know has the host on this port (undefined = on any), or a part of the wildcard that it is. */
const isServed = (
  view: MeshView,
  { host, clientNamespace }: RoutedHost,
  port: number | undefined,
  hosts: readonly HostFilter[],
): boolean =>
  toServices(view, host, clientNamespace, hosts).some(
    ({ ports }) => port === undefined || ports.some(({ number }) => number === port),
  )

/** The ports for HTTP of the services that a VirtualService names, of those that the filters take. */
const toHttpPorts = (
  view: MeshView,
  { metadata, spec }: VirtualService,
  clientNamespace: string,
  hosts: readonly HostFilter[] | undefined,
): readonly number[] => {
  const { domainSuffix } = view.settings()
  const ports = spec.hosts
    .map((host) => resolveHost(host, metadata.namespace, domainSuffix))
    .flatMap((host) => toServices(view, host, clientNamespace, hosts))
    .flatMap((service) => service.ports.filter(isMaybeHttp).map(({ number }) => number))
  return [...new Set(ports)]
}

/** The services of a host, or of a wildcard, that clients may call. */
const toServices = (
  view: MeshView,
  host: string,
  clientNamespace: string,
  hosts: readonly HostFilter[] | undefined,
): Service[] => {
  const hostnames = isWildcard(host)
    ? new Set(
        view
          .serviceKeys()
          .map((key) => splitServiceKey(key).hostname)
          .filter((hostname) => matchesHost(host, hostname)),
      )
    : [host]
  return [...hostnames].flatMap((hostname) => {
    const service = selectService(view, view.servicesByHostname(hostname), clientNamespace)
    return service && (!hosts || isTakenBy(hosts, service.namespace, hostname))
      ? resolveAlias(view, service, clientNamespace)
      : []
  })
}
