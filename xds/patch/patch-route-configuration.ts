import { clone } from '@bufbuild/protobuf'
import { RouteSchema, VirtualHostSchema, type VirtualHost } from '#envoy/envoy/config/route/v3/route_components_pb.ts'
import { RouteConfigurationSchema, type RouteConfiguration } from '#envoy/envoy/config/route/v3/route_pb.ts'
import { matchesRoute, matchesRoutes, matchesVirtualHost } from './match-routes.ts'
import { mergeMessage } from './merge-message.ts'
import { ofPart, type Patch } from './patch.ts'
import { isAdded, isMerge, patchList, toMergeOptions } from './patch-list.ts'

/** Changes a route configuration, and the virtual hosts in it. */
export const patchRouteConfiguration = (routes: RouteConfiguration, patches: readonly Patch[]): void => {
  const { name } = routes
  const own = patches.filter((patch) => matchesRoutes(name, patch))
  for (const { operation, value } of ofPart(own, 'ROUTE_CONFIGURATION'))
    if (isMerge(operation)) mergeMessage(RouteConfigurationSchema, routes, value, toMergeOptions(operation))
  routes.virtualHosts = routes.virtualHosts.flatMap((virtualHost) => patchVirtualHost(name, virtualHost, own) ?? [])
  for (const { operation, value } of ofPart(own, 'VIRTUAL_HOST'))
    if (isAdded(operation)) routes.virtualHosts.push(clone(VirtualHostSchema, value))
}

/** The virtual host of this route configuration as it is afterwards; undefined = removed. */
export const patchVirtualHost = (
  routes: string,
  original: VirtualHost,
  patches: readonly Patch[],
): VirtualHost | undefined => {
  let virtualHost = original
  const matches = (patch: Patch): boolean =>
    matchesRoutes(routes, patch) && matchesVirtualHost(routes, virtualHost, patch)
  for (const patch of ofPart(patches, 'VIRTUAL_HOST')) {
    if (!matches(patch)) continue
    const { operation, value } = patch
    if (operation === 'REMOVE') return undefined
    if (operation === 'REPLACE') virtualHost = clone(VirtualHostSchema, value)
    else if (isMerge(operation)) mergeMessage(VirtualHostSchema, virtualHost, value, toMergeOptions(operation))
  }
  patchRoutes(virtualHost, ofPart(patches, 'HTTP_ROUTE').filter(matches))
  return virtualHost
}

/** Istio: first what changes or removes routes, then what adds some. */
const patchRoutes = (virtualHost: VirtualHost, patches: readonly Patch<'HTTP_ROUTE'>[]): void => {
  virtualHost.routes = virtualHost.routes.filter((route) => {
    for (const patch of patches) {
      if (!matchesRoute(route, patch)) continue
      if (patch.operation === 'REMOVE') return false
      if (isMerge(patch.operation)) mergeMessage(RouteSchema, route, patch.value, toMergeOptions(patch.operation))
    }
    return true
  })
  for (const patch of patches) {
    const { operation, match, value } = patch
    if (operation === 'REMOVE' || operation === 'REPLACE') continue
    const wanted = match.routeConfiguration?.vhost?.route
    // Only a virtual host that has the route gets one before all others.
    if (operation === 'INSERT_FIRST' && wanted && !virtualHost.routes.some((route) => matchesRoute(route, patch)))
      continue
    virtualHost.routes = patchList(virtualHost.routes, {
      operation,
      make: () => clone(RouteSchema, value),
      selects: wanted && ((route) => matchesRoute(route, patch)),
    })
  }
}
