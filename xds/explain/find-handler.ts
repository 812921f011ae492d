import type { FilterChain } from '#envoy/envoy/config/listener/v3/listener_components_pb.ts'
import type { VirtualHost } from '#envoy/envoy/config/route/v3/route_components_pb.ts'
import {
  HttpConnectionManager_PathWithEscapedSlashesAction as PathWithEscapedSlashesAction,
  HttpConnectionManagerSchema,
  type HttpConnectionManager,
  type HttpFilter,
} from '#envoy/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts'
import { TcpProxySchema } from '#envoy/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.ts'
import type { PathRules } from '#xds/judge/normalise-path.ts'
import { unpack, type Served } from './served.ts'

/** What is taken of the calls. */
export interface Share {
  readonly xdsCluster: string
  /** Out of 1. */
  readonly share: number
}

/** What a chain does with a connection. */
export type Handler =
  | {
      readonly kind: 'http'
      /** Name of the route configuration. */
      readonly routes: string
      readonly virtualHosts: readonly VirtualHost[]
      /** Whether the port that a request names counts for nothing. */
      readonly ignoresPort: boolean
      readonly filters: HttpConnectionManager['httpFilters']
      readonly paths: PathRules
      /** Whether its clients' word of where requests come from counts, that of the last one before it. */
      readonly believesForwarded: boolean
      /** How many proxies before it are believed beside. */
      readonly trustedHops: number
    }
  | { readonly kind: 'tcp'; readonly shares: readonly Share[] }
  /** Passes TLS on to the EnvoyCluster that its SNI names. */
  | { readonly kind: 'sni' }
  /** An EnvoyFilter's, perhaps. */
  | { readonly kind: 'unknown' }

export const findHandler = (chain: FilterChain, served: Served): Handler => {
  const configs = chain.filters.map(({ configType }) =>
    configType.case === 'typedConfig' ? configType.value : undefined,
  )
  const find = <Found>(read: (config: (typeof configs)[number]) => Found | undefined): Found | undefined =>
    configs.map(read).find((each) => each !== undefined)
  const http = find((config) => unpack(config, HttpConnectionManagerSchema))
  if (http) return toHttp(http, served)
  const tcp = find((config) => unpack(config, TcpProxySchema))
  if (chain.filters.some(({ name }) => name === 'envoy.filters.network.sni_cluster')) return { kind: 'sni' }
  if (!tcp) return { kind: 'unknown' }
  const { case: kind, value } = tcp.clusterSpecifier
  if (kind === 'cluster') return { kind: 'tcp', shares: [{ xdsCluster: value, share: 1 }] }
  return { kind: 'tcp', shares: kind === 'weightedClusters' ? toShares(value.clusters) : [] }
}

const toHttp = (manager: HttpConnectionManager, { routes, filters }: Served): Handler => {
  const { routeSpecifier, httpFilters } = manager
  const isInline = routeSpecifier.case === 'routeConfig'
  const name = isInline
    ? routeSpecifier.value.name
    : routeSpecifier.case === 'rds'
      ? routeSpecifier.value.routeConfigName
      : ''
  const { virtualHosts = [], ignorePortInHostMatching = false } =
    (isInline ? routeSpecifier.value : routes.get(name)) ?? {}
  return {
    kind: 'http',
    routes: name,
    virtualHosts,
    ignoresPort: ignorePortInHostMatching,
    filters: httpFilters.map((filter) => toServed(filter, filters)),
    paths: {
      normalises: manager.normalizePath ?? false,
      mergesSlashes: manager.mergeSlashes,
      decodesSlashes: manager.pathWithEscapedSlashesAction === PathWithEscapedSlashesAction.UNESCAPE_AND_FORWARD,
    },
    believesForwarded: !manager.useRemoteAddress,
    trustedHops: manager.xffNumTrustedHops,
  }
}

/** A filter that is in its listener by name alone, as it is served. */
const toServed = (filter: HttpFilter, filters: Served['filters']): HttpFilter => {
  const value = filter.configType.case === 'configDiscovery' ? filters.get(filter.name) : undefined
  return value ? { ...filter, configType: { case: 'typedConfig', value } } : filter
}

/** What weights come to; those of 0 take nothing. */
export const toShares = (
  weighted: readonly { readonly name: string; readonly weight?: number | undefined }[],
): readonly Share[] => {
  const total = weighted.reduce((sum, { weight = 0 }) => sum + weight, 0)
  return weighted
    .map(({ name, weight = 0 }) => ({ xdsCluster: name, share: weight / total }))
    .filter(({ share }) => share > 0)
}
