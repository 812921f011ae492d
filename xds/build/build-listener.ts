import { create } from '@bufbuild/protobuf'
import { TrafficDirection } from '#envoy/envoy/config/core/v3/base_pb.ts'
import {
  FilterChainMatchSchema,
  FilterChainSchema,
  type FilterChain as EnvoyFilterChain,
} from '#envoy/envoy/config/listener/v3/listener_components_pb.ts'
import { ListenerSchema } from '#envoy/envoy/config/listener/v3/listener_pb.ts'
import { HttpInspectorSchema } from '#envoy/envoy/extensions/filters/listener/http_inspector/v3/http_inspector_pb.ts'
import { TlsInspectorSchema } from '#envoy/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector_pb.ts'
import type { UnitResource } from '#xds/incremental/unit.ts'
import type { FilterChain, Listener } from '#xds/model/listener.ts'
import { typeUrls } from '#xds/type-url.ts'
import { buildAddress } from './address.ts'
import { toAny } from './any.ts'
import { buildNetworkFilters } from './build-network-filters.ts'
import { encode } from './encode.ts'
import { buildEpochMetadata } from './metadata.ts'
import { buildDownstreamMtls } from './transport-socket.ts'

const inspectors = {
  tls: {
    name: 'envoy.filters.listener.tls_inspector',
    configType: { case: 'typedConfig' as const, value: toAny(TlsInspectorSchema, {}) },
  },
  http: {
    name: 'envoy.filters.listener.http_inspector',
    configType: { case: 'typedConfig' as const, value: toAny(HttpInspectorSchema, {}) },
  },
}

export const buildListener = (listener: Listener): UnitResource =>
  encode(typeUrls.listener, ListenerSchema, listener.name, {
    name: listener.name,
    address: buildAddress(listener.address, listener.port),
    trafficDirection: listener.direction === 'inbound' ? TrafficDirection.INBOUND : TrafficDirection.OUTBOUND,
    listenerFilters: listener.inspectors.map((inspector) => inspectors[inspector]),
    filterChains: listener.chains.map(buildFilterChain),
    ...(listener.defaultChain && { defaultFilterChain: buildFilterChain(listener.defaultChain) }),
    ...buildEpochMetadata(listener.trustEpoch),
  })

const buildFilterChain = ({ match, mtls, handler }: FilterChain): EnvoyFilterChain =>
  create(FilterChainSchema, {
    ...(Object.keys(match).length > 0 && {
      filterChainMatch: create(FilterChainMatchSchema, {
        ...(match.transport && { transportProtocol: match.transport }),
        applicationProtocols: [...(match.applicationProtocols ?? [])],
        serverNames: [...(match.serverNames ?? [])],
      }),
    }),
    ...(mtls && { transportSocket: buildDownstreamMtls(mtls.alpn) }),
    filters: buildNetworkFilters(handler),
  })
