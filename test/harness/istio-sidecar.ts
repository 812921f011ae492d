import type { LeafFiles } from './istio-ca.ts'

/** The ALPN of Istio's sidecars: of its clients for HTTP/1.1 and TCP, and of its servers' chains (istio.io/istio, pilot/pkg/networking). */
const clientAlpn = { http: ['istio-http/1.1', 'istio', 'http/1.1'], tcp: ['istio-peer-exchange', 'istio'] }
const chainAlpn = { http: ['istio-http/1.0', 'istio-http/1.1', 'istio-h2'], tcp: ['istio-peer-exchange', 'istio'] }
const serverAlpn = { http: ['h2', 'http/1.1'], tcp: ['istio-peer-exchange', 'h2', 'http/1.1'] }

export interface IstioSidecarOptions {
  readonly leaf: LeafFiles
  /** File with the roots: Istio's proxies trust whatever is below them. */
  readonly roots: string
  readonly trustDomain: string
}

/** Any of Envoy's resources, as in a bootstrap of YAML. */
export type Json = { readonly [key: string]: unknown }

const typed = (type: string, fields: Json): Json => ({ '@type': `type.googleapis.com/${type}`, ...fields })
const tls = 'envoy.extensions.transport_sockets.tls.v3'
const network = 'envoy.extensions.filters.network'

/** Parts of an Envoy that is configured by hand as istiod configures a sidecar, for tests without istiod. */
export class IstioSidecar {
  readonly #options: IstioSidecarOptions

  constructor(options: IstioSidecarOptions) {
    this.#options = options
  }

  /** Chains for one port: mesh mTLS with Istio's ALPN, nothing else (PeerAuthentication STRICT). */
  inboundChains(cluster: string, match: Json = {}): Json[] {
    return (['http', 'tcp'] as const).map((kind) => ({
      filter_chain_match: { ...match, transport_protocol: 'tls', application_protocols: chainAlpn[kind] },
      filters: [kind === 'http' ? this.http(`inbound_${kind}`, cluster, true) : this.tcp(`inbound_${kind}`, cluster)],
      transport_socket: {
        name: 'envoy.transport_sockets.tls',
        typed_config: typed(`${tls}.DownstreamTlsContext`, {
          require_client_certificate: true,
          common_tls_context: this.#context(serverAlpn[kind], { prefix: `spiffe://${this.#options.trustDomain}/` }),
        }),
      },
    }))
  }

  /** The transport socket of a cluster: the exact account is demanded of the server. */
  clientSocket(kind: 'http' | 'tcp', sni: string, serverId: string): Json {
    return {
      name: 'envoy.transport_sockets.tls',
      typed_config: typed(`${tls}.UpstreamTlsContext`, {
        sni,
        common_tls_context: this.#context(clientAlpn[kind], { exact: serverId }),
      }),
    }
  }

  http(statPrefix: string, name: string, isServer = false): Json {
    return this.httpByHost(statPrefix, [{ domains: ['*'], cluster: name }], isServer)
  }

  httpByHost(
    statPrefix: string,
    hosts: readonly { readonly domains: readonly string[]; readonly cluster: string }[],
    isServer = false,
  ): Json {
    const toRoute = (name: string) => ({ cluster: name, ...(!isServer && { retry_policy: retries }) })
    return {
      name: 'envoy.filters.network.http_connection_manager',
      typed_config: typed(`${network}.http_connection_manager.v3.HttpConnectionManager`, {
        stat_prefix: statPrefix,
        ...(isServer && {
          forward_client_cert_details: 'APPEND_FORWARD',
          set_current_client_cert_details: { uri: true, dns: true },
        }),
        route_config: {
          virtual_hosts: hosts.map((host) => ({
            name: host.cluster,
            domains: host.domains,
            routes: [{ match: { prefix: '/' }, route: toRoute(host.cluster) }],
          })),
        },
        http_filters: [
          {
            name: 'envoy.filters.http.router',
            typed_config: typed('envoy.extensions.filters.http.router.v3.Router', {}),
          },
        ],
      }),
    }
  }

  tcp(statPrefix: string, cluster: string): Json {
    return {
      name: 'envoy.filters.network.tcp_proxy',
      typed_config: typed(`${network}.tcp_proxy.v3.TcpProxy`, { stat_prefix: statPrefix, cluster }),
    }
  }

  listenerFilter(name: 'tls_inspector' | 'original_dst'): Json {
    const type = name === 'tls_inspector' ? 'TlsInspector' : 'OriginalDst'
    return {
      name: `envoy.filters.listener.${name}`,
      typed_config: typed(`envoy.extensions.filters.listener.${name}.v3.${type}`, {}),
    }
  }

  #context(alpn: readonly string[], uri: Json): Json {
    const { leaf, roots } = this.#options
    return {
      alpn_protocols: alpn,
      tls_params: { tls_minimum_protocol_version: 'TLSv1_2', tls_maximum_protocol_version: 'TLSv1_3' },
      tls_certificates: [{ certificate_chain: { filename: leaf.certificate }, private_key: { filename: leaf.key } }],
      validation_context: {
        trusted_ca: { filename: roots },
        match_typed_subject_alt_names: [{ san_type: 'URI', matcher: uri }],
      },
    }
  }
}

/** Istio's default (its reference: HTTPRetry). */
const retries = { retry_on: 'connect-failure,refused-stream,unavailable,cancelled', num_retries: 2 }

export const socketAddress = (address: string, port: number): Json => ({
  socket_address: { address, port_value: port },
})

/** A cluster with fixed or resolved addresses. */
export const cluster = (name: string, address: string, port: number, more: Json = {}): Json => ({
  name,
  type: 'STATIC',
  connect_timeout: '5s',
  load_assignment: {
    cluster_name: name,
    endpoints: [{ lb_endpoints: [{ endpoint: { address: socketAddress(address, port) } }] }],
  },
  ...more,
})
