import { create } from '@bufbuild/protobuf'
import { Cluster_DnsLookupFamily as DnsLookupFamily } from '#envoy/envoy/config/cluster/v3/cluster_pb.ts'
import { ClusterConfigSchema } from '#envoy/envoy/extensions/clusters/dynamic_forward_proxy/v3/cluster_pb.ts'
import { DnsCacheConfigSchema } from '#envoy/envoy/extensions/common/dynamic_forward_proxy/v3/dns_cache_pb.ts'
import { FilterConfigSchema } from '#envoy/envoy/extensions/filters/http/dynamic_forward_proxy/v3/dynamic_forward_proxy_pb.ts'
import { FilterConfigSchema as SniFilterConfigSchema } from '#envoy/envoy/extensions/filters/network/sni_dynamic_forward_proxy/v3/sni_dynamic_forward_proxy_pb.ts'
import { toAny } from './any.ts'

/** One cache for the filter, which resolves a request's host, and the EnvoyClusters, which connect to it. */
const dnsCacheConfig = create(DnsCacheConfigSchema, {
  name: 'forward-proxy',
  dnsLookupFamily: DnsLookupFamily.V4_PREFERRED,
})

export const forwardProxyClusterType = {
  name: 'envoy.clusters.dynamic_forward_proxy',
  typedConfig: toAny(ClusterConfigSchema, {
    clusterImplementationSpecifier: { case: 'dnsCacheConfig', value: dnsCacheConfig },
  }),
}

/** Resolves the host that TLS asks for. */
export const toSniForwardProxy = (port: number) =>
  toAny(SniFilterConfigSchema, { dnsCacheConfig, portSpecifier: { case: 'portValue', value: port } })

export const forwardProxyFilter = {
  name: 'envoy.filters.http.dynamic_forward_proxy',
  typedConfig: toAny(FilterConfigSchema, {
    implementationSpecifier: { case: 'dnsCacheConfig', value: dnsCacheConfig },
  }),
}
