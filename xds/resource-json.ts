import { createRegistry, fromBinary, toJson, type DescMessage, type JsonObject } from '@bufbuild/protobuf'
import { StringValueSchema } from '@bufbuild/protobuf/wkt'
import { ClusterSchema } from '#envoy/envoy/config/cluster/v3/cluster_pb.ts'
import { ClusterLoadAssignmentSchema } from '#envoy/envoy/config/endpoint/v3/endpoint_pb.ts'
import { ListenerSchema } from '#envoy/envoy/config/listener/v3/listener_pb.ts'
import { VirtualHostSchema } from '#envoy/envoy/config/route/v3/route_components_pb.ts'
import { RouteConfigurationSchema } from '#envoy/envoy/config/route/v3/route_pb.ts'
import { file_envoy_extensions_clusters_dynamic_forward_proxy_v3_cluster } from '#envoy/envoy/extensions/clusters/dynamic_forward_proxy/v3/cluster_pb.ts'
import { file_envoy_extensions_filters_http_cors_v3_cors } from '#envoy/envoy/extensions/filters/http/cors/v3/cors_pb.ts'
import { file_envoy_extensions_filters_http_dynamic_forward_proxy_v3_dynamic_forward_proxy } from '#envoy/envoy/extensions/filters/http/dynamic_forward_proxy/v3/dynamic_forward_proxy_pb.ts'
import { file_envoy_extensions_filters_http_fault_v3_fault } from '#envoy/envoy/extensions/filters/http/fault/v3/fault_pb.ts'
import { file_envoy_extensions_filters_http_health_check_v3_health_check } from '#envoy/envoy/extensions/filters/http/health_check/v3/health_check_pb.ts'
import { file_envoy_extensions_filters_http_router_v3_router } from '#envoy/envoy/extensions/filters/http/router/v3/router_pb.ts'
import { file_envoy_extensions_filters_listener_http_inspector_v3_http_inspector } from '#envoy/envoy/extensions/filters/listener/http_inspector/v3/http_inspector_pb.ts'
import { file_envoy_extensions_filters_listener_original_dst_v3_original_dst } from '#envoy/envoy/extensions/filters/listener/original_dst/v3/original_dst_pb.ts'
import { file_envoy_extensions_filters_listener_tls_inspector_v3_tls_inspector } from '#envoy/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector_pb.ts'
import { file_envoy_extensions_filters_network_http_connection_manager_v3_http_connection_manager } from '#envoy/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts'
import { file_envoy_extensions_filters_network_sni_cluster_v3_sni_cluster } from '#envoy/envoy/extensions/filters/network/sni_cluster/v3/sni_cluster_pb.ts'
import { file_envoy_extensions_filters_network_sni_dynamic_forward_proxy_v3_sni_dynamic_forward_proxy } from '#envoy/envoy/extensions/filters/network/sni_dynamic_forward_proxy/v3/sni_dynamic_forward_proxy_pb.ts'
import { file_envoy_extensions_filters_network_tcp_proxy_v3_tcp_proxy } from '#envoy/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.ts'
import { file_envoy_extensions_matching_common_inputs_network_v3_network_inputs } from '#envoy/envoy/extensions/matching/common_inputs/network/v3/network_inputs_pb.ts'
import { file_envoy_extensions_retry_host_previous_hosts_v3_previous_hosts } from '#envoy/envoy/extensions/retry/host/previous_hosts/v3/previous_hosts_pb.ts'
import { file_envoy_extensions_retry_priority_previous_priorities_v3_previous_priorities_config } from '#envoy/envoy/extensions/retry/priority/previous_priorities/v3/previous_priorities_config_pb.ts'
import { file_envoy_extensions_transport_sockets_proxy_protocol_v3_upstream_proxy_protocol } from '#envoy/envoy/extensions/transport_sockets/proxy_protocol/v3/upstream_proxy_protocol_pb.ts'
import { file_envoy_extensions_transport_sockets_raw_buffer_v3_raw_buffer } from '#envoy/envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer_pb.ts'
import { file_envoy_extensions_transport_sockets_tls_v3_tls } from '#envoy/envoy/extensions/transport_sockets/tls/v3/tls_pb.ts'
import { file_envoy_extensions_upstreams_http_v3_http_protocol_options } from '#envoy/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.ts'
import { file_xds_type_matcher_v3_ip } from '#envoy/xds/type/matcher/v3/ip_pb.ts'
import type { EncodedResource } from './resource-set.ts'
import { typeUrls, type TypeUrl } from './type-url.ts'

/** What the compiler puts into an `Any`. */
const extensions = createRegistry(
  StringValueSchema,
  file_envoy_extensions_clusters_dynamic_forward_proxy_v3_cluster,
  file_envoy_extensions_filters_http_cors_v3_cors,
  file_envoy_extensions_filters_http_dynamic_forward_proxy_v3_dynamic_forward_proxy,
  file_envoy_extensions_filters_http_fault_v3_fault,
  file_envoy_extensions_filters_http_health_check_v3_health_check,
  file_envoy_extensions_filters_http_router_v3_router,
  file_envoy_extensions_filters_listener_http_inspector_v3_http_inspector,
  file_envoy_extensions_filters_listener_original_dst_v3_original_dst,
  file_envoy_extensions_filters_listener_tls_inspector_v3_tls_inspector,
  file_envoy_extensions_filters_network_http_connection_manager_v3_http_connection_manager,
  file_envoy_extensions_filters_network_sni_cluster_v3_sni_cluster,
  file_envoy_extensions_filters_network_sni_dynamic_forward_proxy_v3_sni_dynamic_forward_proxy,
  file_envoy_extensions_filters_network_tcp_proxy_v3_tcp_proxy,
  file_envoy_extensions_matching_common_inputs_network_v3_network_inputs,
  file_envoy_extensions_retry_host_previous_hosts_v3_previous_hosts,
  file_envoy_extensions_retry_priority_previous_priorities_v3_previous_priorities_config,
  file_envoy_extensions_transport_sockets_proxy_protocol_v3_upstream_proxy_protocol,
  file_envoy_extensions_transport_sockets_raw_buffer_v3_raw_buffer,
  file_envoy_extensions_transport_sockets_tls_v3_tls,
  file_envoy_extensions_upstreams_http_v3_http_protocol_options,
  file_xds_type_matcher_v3_ip,
)

/** Secrets are not among them: nobody is to read those. */
const readable: ReadonlyMap<TypeUrl, DescMessage> = new Map<TypeUrl, DescMessage>([
  [typeUrls.listener, ListenerSchema],
  [typeUrls.route, RouteConfigurationSchema],
  [typeUrls.virtualHost, VirtualHostSchema],
  [typeUrls.cluster, ClusterSchema],
  [typeUrls.endpoint, ClusterLoadAssignmentSchema],
])

/** The types that `toResourceJson` can show. */
export const readableTypes: readonly TypeUrl[] = [...readable.keys()]

/** A resource for people to read, in protobuf's JSON form with the names of the .proto files. Throws for a secret. */
export const toResourceJson = (type: TypeUrl, { body }: Pick<EncodedResource, 'body'>): JsonObject => {
  const schema = readable.get(type)
  if (schema === undefined) throw new Error(`${type} is not for reading`)
  return toJson(schema, fromBinary(schema, body), { registry: extensions, useProtoFieldName: true }) as JsonObject
}
