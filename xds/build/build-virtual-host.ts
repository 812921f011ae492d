import { create } from '@bufbuild/protobuf'
import {
  RouteSchema,
  VirtualHost_TlsRequirementType as TlsRequirement,
  VirtualHostSchema,
  type Route as EnvoyRoute,
  type VirtualHost as EnvoyVirtualHost,
} from '#envoy/envoy/config/route/v3/route_components_pb.ts'
import type { UnitResource } from '#xds/incremental/unit.ts'
import type { Route, VirtualHost } from '#xds/model/virtual-host.ts'
import { typeUrls } from '#xds/type-url.ts'
import { buildHeaderChanges } from './build-header-changes.ts'
import { buildRetryPolicy } from './build-retry-policy.ts'
import { buildRouteAction } from './build-route-action.ts'
import { buildRouteFilters } from './build-route-filters.ts'
import { buildRouteMatch } from './build-route-match.ts'
import { encode } from './encode.ts'
import { buildMetadata } from './metadata.ts'
import { undeliveredHeader } from './undelivered-header.ts'

/** A virtual host that VHDS serves by itself: its name begins with its route configuration's. */
export const buildVirtualHostResource = (virtualHost: VirtualHost): UnitResource =>
  encode(typeUrls.virtualHost, VirtualHostSchema, virtualHost.name, buildVirtualHost(virtualHost))

export const buildVirtualHost = ({
  name,
  domains,
  routes,
  requiresTls,
  retries,
  called,
}: VirtualHost): EnvoyVirtualHost =>
  create(VirtualHostSchema, {
    name,
    domains: [...domains],
    routes: routes.map(buildRoute),
    ...(requiresTls && { requireTls: TlsRequirement.ALL }),
    // Nobody but the proxy beside the application says it, in replies of its own: they get it after this.
    responseHeadersToRemove: [undeliveredHeader],
    ...(retries && { retryPolicy: buildRetryPolicy(retries), includeRequestAttemptCount: true }),
    ...buildMetadata({ called }),
  })

const buildRoute = (route: Route): EnvoyRoute => {
  const { name, writtenAt, match, action, requestHeaders, responseHeaders, statPrefix } = route
  const typedPerFilterConfig = buildRouteFilters(route)
  return create(RouteSchema, {
    ...(name !== undefined && { name }),
    ...(writtenAt && buildMetadata(writtenAt)),
    match: buildRouteMatch(match),
    action: buildRouteAction(action, match.path.kind === 'connect'),
    ...buildHeaderChanges(requestHeaders, responseHeaders),
    ...(statPrefix !== undefined && { statPrefix }),
    ...(typedPerFilterConfig && { typedPerFilterConfig }),
  })
}
