import { clone } from '@bufbuild/protobuf'
import {
  FilterChainSchema,
  ListenerFilterSchema,
  type FilterChain,
} from '#envoy/envoy/config/listener/v3/listener_components_pb.ts'
import { ListenerSchema, type Listener } from '#envoy/envoy/config/listener/v3/listener_pb.ts'
import { matchesChain, matchesListener } from './match-listener.ts'
import { mergeFilter } from './merge-filter.ts'
import { mergeMessage } from './merge-message.ts'
import { mergeTransportSocket } from './merge-transport-socket.ts'
import { ofPart, type Patch } from './patch.ts'
import { isAdded, isMerge, patchList, toMergeOptions } from './patch-list.ts'
import { patchNetworkFilters } from './patch-network-filters.ts'

/**
 * Changes a listener as these patches say, which are of its context and in their order. Tells whether it is still there.
 * Istio: first the listener itself, then its filters, then its chains with all that is in them, then new chains.
 */
export const patchListener = (listener: Listener, patches: readonly Patch[]): boolean => {
  const own = patches.filter((patch) => matchesListener(listener, patch))
  for (const { operation, value } of ofPart(own, 'LISTENER')) {
    if (operation === 'REMOVE') return false
    if (isMerge(operation)) mergeMessage(ListenerSchema, listener, value, toMergeOptions(operation))
  }
  patchListenerFilters(listener, own)
  const survives = (chain: FilterChain): boolean => patchChain(listener, chain, own)
  listener.filterChains = listener.filterChains.filter(survives)
  if (listener.defaultFilterChain && !survives(listener.defaultFilterChain)) delete listener.defaultFilterChain
  for (const { operation, value } of ofPart(own, 'FILTER_CHAIN'))
    if (isAdded(operation)) listener.filterChains.push(clone(FilterChainSchema, value))
  return true
}

const patchListenerFilters = (listener: Listener, patches: readonly Patch[]): void => {
  for (const { operation, match, value } of ofPart(patches, 'LISTENER_FILTER')) {
    const name = match.listener?.listenerFilter
    const selects = name === undefined ? undefined : (filter: { name: string }) => filter.name === name
    listener.listenerFilters = patchList(listener.listenerFilters, {
      operation,
      make: () => clone(ListenerFilterSchema, value),
      selects,
    })
    if (operation === 'MERGE' && selects)
      for (const filter of listener.listenerFilters.filter(selects)) mergeFilter(filter, value)
  }
}

/** Tells whether the chain is still there. */
const patchChain = (listener: Listener, chain: FilterChain, patches: readonly Patch[]): boolean => {
  const own = patches.filter((patch) => matchesChain(listener, chain, patch))
  for (const { operation, value } of ofPart(own, 'FILTER_CHAIN')) {
    if (operation === 'REMOVE') return false
    if (!isMerge(operation)) continue
    if (value.transportSocket && chain.transportSocket?.name === value.transportSocket.name)
      chain.transportSocket = mergeTransportSocket(chain.transportSocket, value.transportSocket)
    else mergeMessage(FilterChainSchema, chain, value, toMergeOptions(operation))
  }
  patchNetworkFilters(chain, own)
  return true
}
