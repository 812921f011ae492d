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
import { buildConnectionFilters } from './build-access.ts'
import { networkPluginFilters } from './build-wasm-plugin.ts'
import { buildHttpConnectionManager } from './build-http-connection-manager.ts'
import { buildTcpLogs } from './build-logs.ts'
import { buildSniGate } from './build-sni-gate.ts'
import type { Reporter } from './peer-operators.ts'
import { toDuration } from './duration.ts'
import { toSniForwardProxy } from './forward-proxy.ts'
import type { MessageFields } from './message-fields.ts'

export interface ChainPlace {
  /** On which side of a call the proxy is. Who passes TLS through has itself called. */
  readonly reporter: Reporter
  /** Whether the chain's TLS ends here. */
  readonly endsTls: boolean
}

export const buildNetworkFilters = (
  handler: FilterChain['handler'],
  defaults: ListenerDefaults,
  { reporter, endsTls }: ChainPlace,
): Filter[] => {
  const before = networkPluginFilters(defaults.plugins, 'authn', 'authz').map(toFilter)
  const after = networkPluginFilters(defaults.plugins, 'stats', 'last').map(toFilter)
  switch (handler.kind) {
    case 'http':
      return [
        ...before,
        ...after,
        filter(
          'envoy.filters.network.http_connection_manager',
          buildHttpConnectionManager(handler, defaults, reporter),
        ),
      ]
    case 'tcp':
      return [
        ...before,
        ...(handler.access ? buildConnectionFilters(handler.access, handler.statPrefix) : []).map(({ name, config }) =>
          filter(name, config),
        ),
        ...after,
        ...(handler.forwardsTo
          ? [filter('envoy.filters.network.sni_dynamic_forward_proxy', toSniForwardProxy(handler.forwardsTo.port))]
          : []),
        filter(
          'envoy.filters.network.tcp_proxy',
          toAny(TcpProxySchema, {
            ...buildTcpProxy(handler, defaults, { reporter, endsTls }),
            ...(endsTls && afterHandshake),
          }),
        ),
      ]
    case 'sni':
      return [
        ...before,
        filter('envoy.filters.network.rbac', buildSniGate(handler)),
        ...after,
        filter('envoy.filters.network.sni_cluster', toAny(SniClusterSchema, {})),
        filter('envoy.filters.network.tcp_proxy', buildSniProxy(handler, defaults)),
      ]
  }
}

/** At least what a client says before it waits for an answer. */
const firstBytes = 65_536

const filter = (name: string, typedConfig: Any): Filter =>
  create(FilterSchema, { name, configType: { case: 'typedConfig', value: typedConfig } })

const toFilter = (init: MessageFields<typeof FilterSchema>): Filter => create(FilterSchema, init)

const buildTcpProxy = (
  { statPrefix, destinations, hashesSourceIp, idleTimeoutMs, maxDurationMs, tunnel }: TcpHandler,
  defaults: ListenerDefaults,
  place: ChainPlace,
): MessageFields<typeof TcpProxySchema> => ({
  statPrefix,
  ...buildTcpLogs(defaults, place),
  ...buildDestinations(destinations),
  ...(hashesSourceIp && { hashPolicy: [{ policySpecifier: { case: 'sourceIp', value: {} } }] }),
  ...(idleTimeoutMs !== undefined && { idleTimeout: toDuration(idleTimeoutMs) }),
  ...(maxDurationMs !== undefined && { maxDownstreamConnectionDuration: toDuration(maxDurationMs) }),
  ...(tunnel && { tunnelingConfig: { hostname: tunnel.target, usePost: tunnel.method === 'POST' } }),
})

/** Nobody is connected before the client has shown who it is: so it is also known from the connection's beginning. */
const afterHandshake: MessageFields<typeof TcpProxySchema> = {
  upstreamConnectMode: UpstreamConnectMode.ON_DOWNSTREAM_TLS_HANDSHAKE,
  maxEarlyDataBytes: firstBytes,
}

const buildDestinations = (destinations: TcpHandler['destinations']): MessageFields<typeof TcpProxySchema> => {
  const [only, ...others] = destinations
  if (only && others.length === 0) return { clusterSpecifier: { case: 'cluster', value: only.upstream } }
  const clusters = destinations.map(({ upstream, weight }) => ({ name: upstream, weight }))
  return { clusterSpecifier: { case: 'weightedClusters', value: { clusters } } }
}

/** There is no such upstream: a connection without SNI is closed. */
const noUpstream = 'no-sni'

const uncounted = { client: [], server: [] }

/** It tells of connections, and counts none: they are those of two other proxies, which do. */
const buildSniProxy = ({ statPrefix }: SniHandler, defaults: ListenerDefaults): Any =>
  toAny(TcpProxySchema, {
    statPrefix,
    ...buildTcpLogs({ ...defaults, metrics: uncounted }, { reporter: 'source', endsTls: false }),
    clusterSpecifier: { case: 'cluster', value: noUpstream },
    // Whoever is turned away is not to have connected to anybody. The gate judges with the first bytes; they are TLS, so the client speaks first.
    upstreamConnectMode: UpstreamConnectMode.ON_DOWNSTREAM_DATA,
    maxEarlyDataBytes: firstBytes,
  })
