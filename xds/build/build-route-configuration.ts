import { create } from '@bufbuild/protobuf'
import { RouteConfigurationSchema, type RouteConfiguration } from '#envoy/envoy/config/route/v3/route_pb.ts'
import { maxBodyBytes } from '#mesh/config/schema/http-route.ts'
import type { UnitResource } from '#xds/incremental/unit.ts'
import type { VirtualHost } from '#xds/model/virtual-host.ts'
import { typeUrls } from '#xds/type-url.ts'
import { buildVirtualHost } from './build-virtual-host.ts'
import { adsSource } from './config-source.ts'
import { encode } from './encode.ts'

/**
 * A route configuration that RDS serves: its virtual hosts come by VHDS, each a resource named "<name>/<virtual host>". `inline`
 * are those that are always there.
 */
export const buildRouteConfigurationResource = (
  name: string,
  inline: readonly VirtualHost[],
  /** `ignoresPort`: a port that a request names with its host does not matter. */
  { ignoresPort = false }: { readonly ignoresPort?: boolean } = {},
): UnitResource =>
  encode(typeUrls.route, RouteConfigurationSchema, name, {
    name,
    ...(ignoresPort && { ignorePortInHostMatching: true }),
    virtualHosts: inline.map(buildVirtualHost),
    maxDirectResponseBodySizeBytes: maxBodyBytes,
    vhds: { configSource: adsSource },
  })

/** A route configuration inside its listener. */
export const buildInlineRouteConfiguration = (name: string, virtualHosts: readonly VirtualHost[]): RouteConfiguration =>
  create(RouteConfigurationSchema, {
    name,
    virtualHosts: virtualHosts.map(buildVirtualHost),
    // Else Envoy refuses the listener when it arrives before its EnvoyClusters.
    validateClusters: false,
  })
