import { create } from '@bufbuild/protobuf'
import { anyPack, StringValueSchema } from '@bufbuild/protobuf/wkt'
import {
  ApplicationProtocolInputSchema,
  DestinationIPInputSchema,
  ServerNameInputSchema,
  TransportProtocolInputSchema,
} from '#envoy/envoy/extensions/matching/common_inputs/network/v3/network_inputs_pb.ts'
import { TypedExtensionConfigSchema } from '#envoy/xds/core/v3/extension_pb.ts'
import { IPMatcherSchema } from '#envoy/xds/type/matcher/v3/ip_pb.ts'
import {
  type Matcher,
  type Matcher_OnMatch as OnMatch,
  Matcher_OnMatchSchema as OnMatchSchema,
  MatcherSchema,
} from '#envoy/xds/type/matcher/v3/matcher_pb.ts'
import type { ChainSelection } from '#xds/model/listener.ts'
import { toAny } from './any.ts'

/** What the HTTP inspector calls what it has seen. */
const plaintextHttp = ["'http/1.0'", "'http/1.1'", "'h2c'"]

/**
 * Envoy's `filter_chain_matcher` (xDS unified matcher). What is found nowhere takes the default chain. An inner matcher that finds
 * nothing ends the search, so that each goes on by itself to what comes after it.
 */
export const buildChainSelection = ({ byServerName, http, byAddress }: ChainSelection): Matcher | undefined => {
  const address = byAddress.length > 0 ? buildByAddress(byAddress, undefined) : undefined
  const plain = buildByText(
    applicationProtocol,
    http === undefined ? [] : plaintextHttp.map((text) => [text, toChain(http)]),
    address,
  )
  if (byServerName.length === 0) return plain
  const tls = buildByServerName(byServerName, address)
  return buildByText(transportProtocol, tls ? [['tls', toMatcher(tls)]] : [], plain)
}

const input = (name: string, typedConfig: ReturnType<typeof toAny>) =>
  create(TypedExtensionConfigSchema, { name, typedConfig })
const applicationProtocol = input('application-protocol', toAny(ApplicationProtocolInputSchema, {}))
const destinationIp = input('destination-ip', toAny(DestinationIPInputSchema, {}))
const serverName = input('server-name', toAny(ServerNameInputSchema, {}))
const transportProtocol = input('transport-protocol', toAny(TransportProtocolInputSchema, {}))

const toChain = (name: string): OnMatch =>
  create(OnMatchSchema, {
    onMatch: {
      case: 'action',
      value: { name, typedConfig: anyPack(StringValueSchema, create(StringValueSchema, { value: name })) },
    },
  })

const toMatcher = (matcher: Matcher): OnMatch => create(OnMatchSchema, { onMatch: { case: 'matcher', value: matcher } })

const orElse = (next: Matcher | undefined) => next && { onNoMatch: toMatcher(next) }

const buildByText = (
  from: typeof serverName,
  entries: readonly (readonly [string, OnMatch])[],
  next: Matcher | undefined,
): Matcher | undefined => {
  if (entries.length === 0) return next
  const map = Object.fromEntries(entries)
  return create(MatcherSchema, {
    matcherType: {
      case: 'matcherTree',
      value: { input: from, treeType: { case: 'exactMatchMap', value: { map } } },
    },
    ...orElse(next),
  })
}

type ServerName = ChainSelection['byServerName'][number]

const buildByServerName = (names: readonly ServerName[], next: Matcher | undefined): Matcher | undefined => {
  const byHost = Map.groupBy(names, ({ host }) => host)
  const toEntry = ([host, ofHost]: readonly [string, readonly ServerName[]]) =>
    [host, buildOfServerName(ofHost, next)] as const
  const exact = [...byHost].filter(([host]) => !host.startsWith('*'))
  const below = [...byHost]
    .filter(([host]) => host.startsWith('*'))
    .toSorted(([left], [right]) => right.length - left.length)
  const suffixes =
    below.length === 0
      ? next
      : create(MatcherSchema, {
          matcherType: {
            case: 'matcherList',
            value: {
              matchers: below.map(toEntry).map(([host, onMatch]) => ({
                predicate: {
                  matchType: {
                    case: 'singlePredicate' as const,
                    value: {
                      input: serverName,
                      matcher: {
                        case: 'valueMatch' as const,
                        value: { matchPattern: { case: 'suffix' as const, value: host.slice(1) } },
                      },
                    },
                  },
                },
                onMatch,
              })),
            },
          },
          ...orElse(next),
        })
  return buildByText(serverName, exact.map(toEntry), suffixes)
}

/** What becomes of connections that ask for one host. */
const buildOfServerName = (names: readonly ServerName[], next: Matcher | undefined): OnMatch => {
  const unconditional = names.find(({ addresses }) => !addresses)
  const byAddress = names.flatMap(({ addresses, chain }) => (addresses ? [{ addresses, chain }] : []))
  if (unconditional && byAddress.length === 0) return toChain(unconditional.chain)
  return toMatcher(buildByAddress(byAddress, unconditional ? toChain(unconditional.chain) : next && toMatcher(next)))
}

const buildByAddress = (byAddress: ChainSelection['byAddress'], onNoMatch: OnMatch | undefined): Matcher =>
  create(MatcherSchema, {
    matcherType: {
      case: 'matcherTree',
      value: {
        input: destinationIp,
        treeType: {
          case: 'customMatch',
          value: {
            name: 'addresses',
            typedConfig: toAny(IPMatcherSchema, {
              rangeMatchers: byAddress.map(({ addresses, chain }) => ({
                ranges: addresses.map(toRange),
                onMatch: toChain(chain),
              })),
            }),
          },
        },
      },
    },
    ...(onNoMatch && { onNoMatch }),
  })

const toRange = (address: string) => {
  const [addressPrefix = '', length = '32'] = address.split('/')
  return { addressPrefix, prefixLen: Number(length) }
}
