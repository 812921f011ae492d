import { clone } from '@bufbuild/protobuf'
import { anyPack, anyUnpack } from '@bufbuild/protobuf/wkt'
import { FilterSchema, type Filter, type FilterChain } from '#envoy/envoy/config/listener/v3/listener_components_pb.ts'
import {
  HttpConnectionManagerSchema,
  HttpFilterSchema,
  type HttpConnectionManager,
} from '#envoy/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts'
import { mergeFilter } from './merge-filter.ts'
import { ofPart, type Patch } from './patch.ts'
import { patchList } from './patch-list.ts'
import { patchRouteConfiguration } from './patch-route-configuration.ts'

/** Changes the filters of a chain, and those of HTTP in them. The patches are those that match the chain. */
export const patchNetworkFilters = (chain: FilterChain, patches: readonly Patch[]): void => {
  const own = ofPart(patches, 'NETWORK_FILTER')
  for (const { operation, match, value } of own) {
    const wanted = match.listener?.filterChain?.filter
    chain.filters = patchList(chain.filters, {
      operation,
      make: () => clone(FilterSchema, value),
      selects: wanted && ((filter) => filter.name === wanted.name),
    })
  }
  for (const filter of chain.filters) {
    for (const patch of own)
      if (patch.operation === 'MERGE' && matchesFilter(filter, patch)) mergeFilter(filter, patch.value)
    patchHttp(filter, patches)
  }
}

const matchesFilter = ({ name }: Filter, { match }: Patch): boolean => {
  const wanted = match.listener?.filterChain?.filter
  return wanted === undefined || wanted.name === name
}

const patchHttp = (filter: Filter, patches: readonly Patch[]): void => {
  if (filter.configType.case !== 'typedConfig') return
  const manager = anyUnpack(filter.configType.value, HttpConnectionManagerSchema)
  if (!manager) return
  patchHttpFilters(
    manager,
    ofPart(patches, 'HTTP_FILTER').filter((patch) => matchesFilter(filter, patch)),
  )
  if (manager.routeSpecifier.case === 'routeConfig') patchRouteConfiguration(manager.routeSpecifier.value, patches)
  filter.configType.value = anyPack(HttpConnectionManagerSchema, manager)
}

const patchHttpFilters = (manager: HttpConnectionManager, patches: readonly Patch<'HTTP_FILTER'>[]): void => {
  for (const { operation, match, value } of patches) {
    const wanted = match.listener?.filterChain?.filter?.subFilter
    manager.httpFilters = patchList(manager.httpFilters, {
      operation,
      make: () => clone(HttpFilterSchema, value),
      selects: wanted && ((filter) => filter.name === wanted.name),
    })
  }
  for (const { operation, match, value } of patches) {
    const wanted = match.listener?.filterChain?.filter?.subFilter
    if (operation !== 'MERGE') continue
    for (const filter of manager.httpFilters)
      if (wanted === undefined || wanted.name === filter.name) mergeFilter(filter, value)
  }
}
