const toNames = (place: 'http' | 'network' | 'listener', names: Readonly<Record<string, string>>) =>
  new Map(Object.entries(names).map(([old, name]) => [old, `envoy.filters.${place}.${name}`]))

/**
 * What Envoy's filters were called before its release 1.14 → what they are called. Istio's validation warns of the old names, and its
 * matches have not known them since 1.19.
 */
export const oldFilterNames = {
  http: toNames('http', {
    'envoy.buffer': 'buffer',
    'envoy.cors': 'cors',
    'envoy.csrf': 'csrf',
    'envoy.ext_authz': 'ext_authz',
    'envoy.fault': 'fault',
    'envoy.grpc_http1_bridge': 'grpc_http1_bridge',
    'envoy.grpc_json_transcoder': 'grpc_json_transcoder',
    'envoy.grpc_web': 'grpc_web',
    'envoy.gzip': 'gzip',
    'envoy.health_check': 'health_check',
    'envoy.http_dynamo_filter': 'dynamo',
    'envoy.ip_tagging': 'ip_tagging',
    'envoy.lua': 'lua',
    'envoy.rate_limit': 'ratelimit',
    'envoy.router': 'router',
    'envoy.squash': 'squash',
  }),
  network: toNames('network', {
    'envoy.client_ssl_auth': 'client_ssl_auth',
    'envoy.ext_authz': 'ext_authz',
    'envoy.http_connection_manager': 'http_connection_manager',
    'envoy.mongo_proxy': 'mongo_proxy',
    'envoy.ratelimit': 'ratelimit',
    'envoy.redis_proxy': 'redis_proxy',
    'envoy.tcp_proxy': 'tcp_proxy',
  }),
  listener: toNames('listener', {
    'envoy.listener.http_inspector': 'http_inspector',
    'envoy.listener.original_dst': 'original_dst',
    'envoy.listener.original_src': 'original_src',
    'envoy.listener.proxy_protocol': 'proxy_protocol',
    'envoy.listener.tls_inspector': 'tls_inspector',
  }),
} as const
