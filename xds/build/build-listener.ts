import { create } from '@bufbuild/protobuf'
import type { Any } from '@bufbuild/protobuf/wkt'
import { TrafficDirection } from '#envoy/envoy/config/core/v3/base_pb.ts'
import {
  FilterChainMatchSchema,
  FilterChainSchema,
  type FilterChain as EnvoyFilterChain,
  type ListenerFilter,
  type ListenerFilterChainMatchPredicate,
  ListenerFilterChainMatchPredicateSchema,
  ListenerFilterSchema,
} from '#envoy/envoy/config/listener/v3/listener_components_pb.ts'
import { ListenerSchema } from '#envoy/envoy/config/listener/v3/listener_pb.ts'
import { HttpInspectorSchema } from '#envoy/envoy/extensions/filters/listener/http_inspector/v3/http_inspector_pb.ts'
import { OriginalDstSchema } from '#envoy/envoy/extensions/filters/listener/original_dst/v3/original_dst_pb.ts'
import { TlsInspectorSchema } from '#envoy/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector_pb.ts'
import type { UnitResource } from '#xds/incremental/unit.ts'
import { isCalled } from '#xds/model/is-called.ts'
import type { FilterChain, Inspector, Listener } from '#xds/model/listener.ts'
import type { ListenerDefaults } from '#xds/model/listener-defaults.ts'
import { typeUrls } from '#xds/type-url.ts'
import { buildAddress } from './address.ts'
import { toAny } from './any.ts'
import { buildChainSelection } from './build-chain-selection.ts'
import { buildUnmatchedLogs } from './build-logs.ts'
import { buildNetworkFilters } from './build-network-filters.ts'
import type { Reporter } from './peer-operators.ts'
import { toDuration } from './duration.ts'
import { encode } from './encode.ts'
import type { MessageFields } from './message-fields.ts'
import { buildMetadata } from './metadata.ts'
import { selectPlugins } from './select-plugins.ts'
import { buildServerTls } from './server-tls-socket.ts'
import { buildDownstreamMtls } from './transport-socket.ts'

const listenerFilter = (name: string, typedConfig: Any, filterDisabled?: ListenerFilterChainMatchPredicate) =>
  create(ListenerFilterSchema, {
    name: `envoy.filters.listener.${name}`,
    configType: { case: 'typedConfig', value: typedConfig },
    ...(filterDisabled && { filterDisabled }),
  })

const originalDestination = listenerFilter('original_dst', toAny(OriginalDstSchema, {}))
const tlsInspector = toAny(TlsInspectorSchema, {})
const httpInspector = toAny(HttpInspectorSchema, {})

export const buildListener = (listener: Listener, defaults: ListenerDefaults): UnitResource =>
  encode(typeUrls.listener, ListenerSchema, listener.name, {
    name: listener.name,
    address: buildAddress(listener.address, listener.port),
    trafficDirection: listener.direction === 'inbound' ? TrafficDirection.INBOUND : TrafficDirection.OUTBOUND,
    ...(listener.role === 'gate' && { useOriginalDst: true }),
    ...(listener.role === 'inner' && { bindToPort: false }),
    listenerFilters: [
      ...(listener.role === 'capture' ? [originalDestination] : []),
      ...listener.inspectors.map(buildInspector),
    ],
    ...(listener.sniffTimeoutMs !== undefined && {
      listenerFiltersTimeout: toDuration(listener.sniffTimeoutMs),
      continueOnListenerFiltersTimeout: true,
    }),
    ...(listener.selection && { filterChainMatcher: buildChainSelection(listener.selection) }),
    filterChains: listener.chains.map((chain) => buildChain(chain, listener, defaults)),
    ...(listener.defaultChain && { defaultFilterChain: buildChain(listener.defaultChain, listener, defaults) }),
    accessLog: buildUnmatchedLogs(toTold(listener, defaults), toReporter(listener)),
    ...buildMetadata({ object: listener.scopedBy, trustEpoch: listener.trustEpoch }),
  })

const buildInspector = ({ kind, ports }: Inspector): ListenerFilter => {
  const isElsewhere = ports && buildOtherPorts(ports)
  return kind === 'tls'
    ? listenerFilter('tls_inspector', tlsInspector, isElsewhere)
    : listenerFilter('http_inspector', httpInspector, isElsewhere)
}

const buildOtherPorts = (ports: readonly number[]): ListenerFilterChainMatchPredicate => {
  const [only, ...others] = ports.map((port) =>
    toPredicate({ case: 'destinationPortRange', value: { start: port, end: port + 1 } }),
  )
  const isOneOf =
    only && others.length > 0 ? toPredicate({ case: 'orMatch', value: { rules: [only, ...others] } }) : only
  return isOneOf ? toPredicate({ case: 'notMatch', value: isOneOf }) : toPredicate({ case: 'anyMatch', value: true })
}

const toPredicate = (
  rule: NonNullable<MessageFields<typeof ListenerFilterChainMatchPredicateSchema>['rule']>,
): ListenerFilterChainMatchPredicate => create(ListenerFilterChainMatchPredicateSchema, { rule })

/** Nobody wants to read of every probe and every scrape, and no plugin is for them. */
const toTold = (
  { serves }: Listener,
  { records, accessLogs, unmatchedLogs, metrics, tracing, plugins, ...defaults }: ListenerDefaults,
): ListenerDefaults =>
  serves
    ? { ...defaults, accessLogs: [], unmatchedLogs: [] }
    : {
        ...defaults,
        accessLogs,
        unmatchedLogs,
        ...(records && { records }),
        ...(metrics && { metrics }),
        ...(tracing && { tracing }),
        ...(plugins && { plugins }),
      }

const toReporter = (listener: Listener): Reporter => (isCalled(listener) ? 'destination' : 'source')

const buildChain = (chain: FilterChain, listener: Listener, defaults: ListenerDefaults): EnvoyFilterChain => {
  const told = toTold(listener, defaults)
  const plugins = told.plugins && selectPlugins(told.plugins, listener, chain)
  return buildFilterChain(chain, plugins ? { ...told, plugins } : told, toReporter(listener))
}

const buildFilterChain = (
  { name, object, match, mtls, tls, handler }: FilterChain,
  defaults: ListenerDefaults,
  reporter: Reporter,
): EnvoyFilterChain =>
  create(FilterChainSchema, {
    ...(name !== undefined && { name }),
    ...buildMetadata(object === undefined && handler.kind === 'tcp' ? (handler.writtenAt ?? {}) : { object }),
    ...(Object.keys(match).length > 0 && {
      filterChainMatch: create(FilterChainMatchSchema, {
        ...(match.destinationPort !== undefined && { destinationPort: match.destinationPort }),
        ...(match.transport && { transportProtocol: match.transport }),
        applicationProtocols: [...(match.applicationProtocols ?? [])],
        serverNames: [...(match.serverNames ?? [])],
      }),
    }),
    ...(mtls && { transportSocket: buildDownstreamMtls(mtls, defaults.meshTls) }),
    ...(tls && { transportSocket: buildServerTls(tls, defaults.serverTls) }),
    filters: buildNetworkFilters(handler, defaults, {
      reporter: tls !== undefined && reporter === 'destination' ? 'front' : reporter,
      endsTls: mtls !== undefined || tls !== undefined,
    }),
  })
