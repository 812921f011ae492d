import { create, type MessageInitShape } from '@bufbuild/protobuf'
import { ClusterSchema, Cluster_DiscoveryType as DiscoveryType } from '#envoy/envoy/config/cluster/v3/cluster_pb.ts'
import { ClusterLoadAssignmentSchema } from '#envoy/envoy/config/endpoint/v3/endpoint_pb.ts'
import { ListenerSchema } from '#envoy/envoy/config/listener/v3/listener_pb.ts'
import { RBACSchema as RulesSchema } from '#envoy/envoy/config/rbac/v3/rbac_pb.ts'
import { VirtualHostSchema } from '#envoy/envoy/config/route/v3/route_components_pb.ts'
import { RouteConfigurationSchema } from '#envoy/envoy/config/route/v3/route_pb.ts'
import { RBACSchema } from '#envoy/envoy/extensions/filters/http/rbac/v3/rbac_pb.ts'
import { RouterSchema } from '#envoy/envoy/extensions/filters/http/router/v3/router_pb.ts'
import { HttpConnectionManagerSchema } from '#envoy/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts'
import { accessFilterNames, accessFilters } from '#xds/build/access-filters.ts'
import { buildDiscovered } from '#xds/build/discovered-filter.ts'
import { buildAddress } from '#xds/build/address.ts'
import { toAny } from '#xds/build/any.ts'
import { adsSource } from '#xds/build/config-source.ts'
import { encode } from '#xds/build/encode.ts'
import { buildDownstreamMtls, buildUpstreamTls } from '#xds/build/transport-socket.ts'
import type { ResourceUpdate } from '#xds/resource-set.ts'
import { typeUrls } from '#xds/type-url.ts'

const toUpdate = ({ type, resource }: ReturnType<typeof encode>): ResourceUpdate => ({
  type,
  name: resource.name,
  resource,
})

/** An HTTP listener whose routes come by RDS; `epoch` changes nothing but the listener. `isGuarded`: `accessFilter` says who may call. */
export const listener = (
  port: number,
  route: string,
  options: { readonly mtls?: boolean; readonly epoch?: number; readonly isGuarded?: boolean } = {},
): ResourceUpdate =>
  toUpdate(
    encode(typeUrls.listener, ListenerSchema, `l${port}`, {
      name: `l${port}`,
      address: buildAddress('127.0.0.1', port),
      metadata: { filterMetadata: { atoll: { epoch: options.epoch ?? 0 } } },
      filterChains: [
        {
          ...(options.mtls
            ? { transportSocket: buildDownstreamMtls({ alpn: ['http/1.1'], peers: 'mesh' }, { atLeast: '1.2' }) }
            : {}),
          filters: [
            {
              name: 'envoy.filters.network.http_connection_manager',
              configType: {
                case: 'typedConfig',
                value: toAny(HttpConnectionManagerSchema, {
                  statPrefix: 'test',
                  routeSpecifier: { case: 'rds', value: { routeConfigName: route, configSource: adsSource } },
                  httpFilters: [
                    ...(options.isGuarded ? accessFilters : []),
                    {
                      name: 'envoy.filters.http.router',
                      configType: { case: 'typedConfig', value: toAny(RouterSchema, {}) },
                    },
                  ],
                }),
              },
            },
          ],
        },
      ],
    }),
  )

/** What one of the filters does that a guarded listener names; without rules it lets everybody through. */
export const accessFilter = (
  name: keyof typeof accessFilterNames,
  rules?: MessageInitShape<typeof RulesSchema>,
): ResourceUpdate => {
  const config = rules ? { rules: create(RulesSchema, rules) } : {}
  return toUpdate(buildDiscovered(accessFilterNames[name], RBACSchema, config))
}

/** A route configuration whose virtual hosts come by VHDS. */
export const routeConfiguration = (name: string): ResourceUpdate =>
  toUpdate(encode(typeUrls.route, RouteConfigurationSchema, name, { name, vhds: { configSource: adsSource } }))

const toVirtualHost = (
  name: string,
  domain: string,
  action: number | string,
): MessageInitShape<typeof VirtualHostSchema> => ({
  name,
  domains: [domain],
  routes: [
    {
      match: { pathSpecifier: { case: 'prefix', value: '/' } },
      action:
        typeof action === 'number'
          ? { case: 'directResponse', value: { status: action } }
          : { case: 'route', value: { clusterSpecifier: { case: 'cluster', value: action } } },
    },
  ],
})

/** Answers for a host name: with a status, or from a cluster. */
export const virtualHost = (route: string, host: string, action: number | string, domain = host): ResourceUpdate => {
  const name = `${route}/${host}`
  return toUpdate(encode(typeUrls.virtualHost, VirtualHostSchema, name, toVirtualHost(name, domain, action)))
}

/** A route configuration that has its one virtual host in it. */
export const fullRouteConfiguration = (name: string, host: string, action: number | string): ResourceUpdate =>
  toUpdate(
    encode(typeUrls.route, RouteConfigurationSchema, name, { name, virtualHosts: [toVirtualHost(host, host, action)] }),
  )

/** `server`: the SPIFFE ID of the one workload that it believes, over mTLS. */
export const cluster = (name: string, server?: string): ResourceUpdate =>
  toUpdate(
    encode(typeUrls.cluster, ClusterSchema, name, {
      name,
      clusterDiscoveryType: { case: 'type', value: DiscoveryType.EDS },
      edsClusterConfig: { edsConfig: adsSource },
      ...(server !== undefined && {
        transportSocket: buildUpstreamTls(
          { mode: 'mesh', sni: 'test', workloads: [server], plaintext: 'never' },
          'tcp',
        ),
      }),
    }),
  )

export const endpoints = (name: string, port: number): ResourceUpdate =>
  toUpdate(
    encode(typeUrls.endpoint, ClusterLoadAssignmentSchema, name, {
      clusterName: name,
      endpoints: [
        {
          lbEndpoints: [{ hostIdentifier: { case: 'endpoint', value: { address: buildAddress('127.0.0.1', port) } } }],
        },
      ],
    }),
  )
