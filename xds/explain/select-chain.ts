import { StringValueSchema } from '@bufbuild/protobuf/wkt'
import type {
  FilterChain,
  FilterChainMatch,
  ListenerFilterChainMatchPredicate,
} from '#envoy/envoy/config/listener/v3/listener_components_pb.ts'
import type { Listener } from '#envoy/envoy/config/listener/v3/listener_pb.ts'
import {
  ApplicationProtocolInputSchema,
  DestinationIPInputSchema,
  ServerNameInputSchema,
  TransportProtocolInputSchema,
} from '#envoy/envoy/extensions/matching/common_inputs/network/v3/network_inputs_pb.ts'
import type { TypedExtensionConfig } from '#envoy/xds/core/v3/extension_pb.ts'
import { IPMatcherSchema } from '#envoy/xds/type/matcher/v3/ip_pb.ts'
import type {
  Matcher,
  Matcher_MatcherTree as Tree,
  Matcher_OnMatch as OnMatch,
} from '#envoy/xds/type/matcher/v3/matcher_pb.ts'
import { isInBlock } from '#xds/compile/ip-address.ts'
import { unpack } from './served.ts'

/** What of a connection listeners look at. */
export interface Connection {
  /** Undefined = not known. */
  readonly address: string | undefined
  readonly port: number
  readonly isTls: boolean
  /** The SNI; "" = none. */
  readonly serverName: string
  /** By ALPN or, without TLS, what it is seen to speak. */
  readonly protocols: readonly string[]
}

/** The chain of a listener that takes a connection; undefined: it is closed. */
export const selectChain = (listener: Listener, connection: Connection): FilterChain | undefined => {
  const seen = toSeen(listener, connection)
  if (!listener.filterChainMatcher) return narrow(listener.filterChains, seen) ?? listener.defaultFilterChain
  const name = evaluate(listener.filterChainMatcher, seen)
  return listener.filterChains.find((chain) => chain.name === name) ?? listener.defaultFilterChain
}

/** What nothing looks for is not seen. */
const toSeen = (listener: Listener, connection: Connection): Connection => {
  const looksFor = (inspector: string) =>
    listener.listenerFilters.some(
      ({ name, filterDisabled }) =>
        name === `envoy.filters.listener.${inspector}` &&
        !(filterDisabled && isDisabled(filterDisabled, connection.port)),
    )
  const isTls = connection.isTls && looksFor('tls_inspector')
  return {
    ...connection,
    isTls,
    serverName: isTls ? connection.serverName : '',
    protocols: isTls || (!connection.isTls && looksFor('http_inspector')) ? connection.protocols : [],
  }
}

const isDisabled = ({ rule }: ListenerFilterChainMatchPredicate, port: number): boolean => {
  switch (rule.case) {
    case 'anyMatch':
      return rule.value
    case 'notMatch':
      return !isDisabled(rule.value, port)
    case 'orMatch':
      return rule.value.rules.some((each) => isDisabled(each, port))
    case 'andMatch':
      return rule.value.rules.every((each) => isDisabled(each, port))
    case 'destinationPortRange':
      return port >= rule.value.start && port < rule.value.end
    case undefined:
      return false
  }
}

/** Envoy's FilterChainMatch: criterion after criterion the closest of what is left, never going back. */
const narrow = (chains: readonly FilterChain[], seen: Connection): FilterChain | undefined => {
  const criteria: readonly ((match: FilterChainMatch | undefined) => number | undefined)[] = [
    (match) => rank(match?.destinationPort, (port) => port === seen.port),
    (match) =>
      rankList(match?.prefixRanges, (range) =>
        seen.address !== undefined && isInBlock(seen.address, range) ? (range.prefixLen ?? 0) + 1 : 0,
      ),
    (match) => rankList(match?.serverNames, (name) => toCloseness(name, seen.serverName)),
    (match) => rank(match?.transportProtocol || undefined, (transport) => (transport === 'tls') === seen.isTls),
    (match) => rankList(match?.applicationProtocols, (protocol) => (seen.protocols.includes(protocol) ? 1 : 0)),
  ]
  const left = criteria.reduce((rest, toRank) => {
    const ranked = rest.flatMap((chain) => {
      const value = toRank(chain.filterChainMatch)
      return value === undefined ? [] : [{ chain, value }]
    })
    const best = Math.max(...ranked.map(({ value }) => value))
    return ranked.filter(({ value }) => value === best).map(({ chain }) => chain)
  }, chains)
  return left[0]
}

/** 0 = says nothing; undefined = does not match. */
const rank = <Value>(wanted: Value | undefined, matches: (wanted: Value) => boolean): number | undefined =>
  wanted === undefined ? 0 : matches(wanted) ? 1 : undefined

const rankList = <Wanted>(
  wanted: readonly Wanted[] | undefined,
  toRank: (wanted: Wanted) => number,
): number | undefined => {
  if (!wanted?.length) return 0
  const best = Math.max(...wanted.map((each) => toRank(each)))
  return best > 0 ? best : undefined
}

const toCloseness = (name: string, serverName: string): number => {
  if (name === serverName) return Number.POSITIVE_INFINITY
  return name.startsWith('*.') && serverName.endsWith(name.slice(1)) ? name.length : 0
}

/** xDS' unified matcher, as far as `buildChainSelection` uses it. */
const evaluate = ({ matcherType, onNoMatch }: Matcher, seen: Connection): string | undefined => {
  const found = matcherType.case === 'matcherTree' ? lookUp(matcherType.value, seen) : findInList(matcherType, seen)
  return follow(found ?? onNoMatch, seen)
}

const follow = (on: OnMatch | undefined, seen: Connection): string | undefined => {
  if (on?.onMatch.case === 'matcher') return evaluate(on.onMatch.value, seen)
  return on?.onMatch.case === 'action' ? unpack(on.onMatch.value.typedConfig, StringValueSchema)?.value : undefined
}

const lookUp = ({ input, treeType }: Tree, seen: Connection): OnMatch | undefined => {
  if (treeType.case === 'exactMatchMap') return treeType.value.map[read(input, seen)]
  if (treeType.case !== 'customMatch' || seen.address === undefined) return undefined
  const { address } = seen
  const ranges = unpack(treeType.value.typedConfig, IPMatcherSchema)?.rangeMatchers ?? []
  const fitting = ranges.flatMap(({ ranges: blocks, onMatch }) =>
    blocks.filter((block) => isInBlock(address, block)).map(({ prefixLen = 0 }) => ({ prefixLen, onMatch })),
  )
  return fitting.toSorted((one, other) => other.prefixLen - one.prefixLen)[0]?.onMatch
}

const findInList = ({ case: kind, value }: Matcher['matcherType'], seen: Connection): OnMatch | undefined => {
  if (kind !== 'matcherList') return undefined
  return value.matchers.find(({ predicate }) => {
    if (predicate?.matchType.case !== 'singlePredicate') return false
    const { input, matcher } = predicate.matchType.value
    if (matcher.case !== 'valueMatch') return false
    const { matchPattern } = matcher.value
    const text = read(input, seen)
    return (
      (matchPattern.case === 'suffix' && text.endsWith(matchPattern.value)) ||
      (matchPattern.case === 'exact' && text === matchPattern.value)
    )
  })?.onMatch
}

const read = (input: TypedExtensionConfig | undefined, seen: Connection): string => {
  switch (input?.typedConfig?.typeUrl.split('/')[1]) {
    case TransportProtocolInputSchema.typeName:
      return seen.isTls ? 'tls' : 'raw_buffer'
    case ServerNameInputSchema.typeName:
      return seen.serverName
    case ApplicationProtocolInputSchema.typeName:
      return seen.protocols.map((protocol) => `'${protocol}'`).join(',')
    case DestinationIPInputSchema.typeName:
      return seen.address ?? ''
    default:
      return ''
  }
}
