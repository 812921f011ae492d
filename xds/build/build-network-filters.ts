import { create } from '@bufbuild/protobuf'
import type { Any } from '@bufbuild/protobuf/wkt'
import { FilterSchema, type Filter } from '#envoy/envoy/config/listener/v3/listener_components_pb.ts'
import { SniClusterSchema } from '#envoy/envoy/extensions/filters/network/sni_cluster/v3/sni_cluster_pb.ts'
import {
  TcpProxySchema,
  UpstreamConnectMode,
} from '#envoy/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.ts'
import type { ListenerDefaults } from '#xds/model/listener-defaults.ts'
import type { FilterChain, SniHandler, TcpHandler } from '#xds/model/listener.ts'
import { toAny } from './any.ts'
import { buildAccessLogs } from './build-access-log.ts'
import { buildHttpConnectionManager } from './build-http-connection-manager.ts'
import { buildSniGate } from './build-sni-gate.ts'
import { toDuration } from './duration.ts'
import { toSniForwardProxy } from './forward-proxy.ts'
import type { MessageFields } from './message-fields.ts'

export const buildNetworkFilters = (handler: FilterChain['handler'], defaults: ListenerDefaults): Filter[] => {
  switch (handler.kind) {
    case 'http':
      return [filter('envoy.filters.network.http_connection_manager', buildHttpConnectionManager(handler, defaults))]
    case 'tcp':
      return [
        ...(handler.forwardsTo
          ? [filter('envoy.filters.network.sni_dynamic_forward_proxy', toSniForwardProxy(handler.forwardsTo.port))]
          : []),
        filter('envoy.filters.network.tcp_proxy', buildTcpProxy(handler, defaults)),
      ]
    case 'sni':
      return [
        filter('envoy.filters.network.rbac', buildSniGate(handler)),
        filter('envoy.filters.network.sni_cluster', toAny(SniClusterSchema, {})),
        filter('envoy.filters.network.tcp_proxy', buildSniProxy(handler, defaults)),
      ]
  }
}

const filter = (name: string, typedConfig: Any): Filter =>
  create(FilterSchema, { name, configType: { case: 'typedConfig', value: typedConfig } })

const buildTcpProxy = (
  { statPrefix, destinations, hashesSourceIp, idleTimeoutMs, maxDurationMs, tunnel }: TcpHandler,
  { accessLog }: ListenerDefaults,
): Any =>
  toAny(TcpProxySchema, {
    statPrefix,
    accessLog: buildAccessLogs(accessLog),
    ...buildDestinations(destinations),
    ...(hashesSourceIp && { hashPolicy: [{ policySpecifier: { case: 'sourceIp', value: {} } }] }),
    ...(idleTimeoutMs !== undefined && { idleTimeout: toDuration(idleTimeoutMs) }),
    ...(maxDurationMs !== undefined && { maxDownstreamConnectionDuration: toDuration(maxDurationMs) }),
    ...(tunnel && { tunnelingConfig: { hostname: tunnel.target, usePost: tunnel.method === 'POST' } }),
  })

const buildDestinations = (destinations: TcpHandler['destinations']): MessageFields<typeof TcpProxySchema> => {
  const [only, ...others] = destinations
  if (only && others.length === 0) return { clusterSpecifier: { case: 'cluster', value: only.upstream } }
  const clusters = destinations.map(({ upstream, weight }) => ({ name: upstream, weight }))
  return { clusterSpecifier: { case: 'weightedClusters', value: { clusters } } }
}

/** There is no such upstream: a connection without SNI is closed. */
const noUpstream = 'no-sni'

/** At least what a client says before it waits for an answer. */
const firstBytes = 65_536

const buildSniProxy = ({ statPrefix }: SniHandler, { accessLog }: ListenerDefaults): Any =>
  toAny(TcpProxySchema, {
    statPrefix,
    accessLog: buildAccessLogs(accessLog),
    clusterSpecifier: { case: 'cluster', value: noUpstream },
    // Whoever is turned away is not to have connected to anybody. The gate judges with the first bytes; they are TLS, so the client speaks first.
    upstreamConnectMode: UpstreamConnectMode.ON_DOWNSTREAM_DATA,
    maxEarlyDataBytes: firstBytes,
  })
