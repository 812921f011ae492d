import type { Cluster } from '#envoy/envoy/config/cluster/v3/cluster_pb.ts'
import type { TransportSocket } from '#envoy/envoy/config/core/v3/base_pb.ts'
import type { LbEndpoint } from '#envoy/envoy/config/endpoint/v3/endpoint_components_pb.ts'
import { ProxyProtocolUpstreamTransportSchema } from '#envoy/envoy/extensions/transport_sockets/proxy_protocol/v3/upstream_proxy_protocol_pb.ts'
import { UpstreamTlsContextSchema } from '#envoy/envoy/extensions/transport_sockets/tls/v3/tls_pb.ts'
import { HttpProtocolOptionsSchema } from '#envoy/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.ts'
import { transportSocketMatch } from '#xds/build/metadata.ts'
import { secretNames } from '#xds/proxy.ts'
import { unpack } from './served.ts'

/** How a proxy speaks to an endpoint. */
export interface Transport {
  /** `external`: mesh mTLS with a peer of an external issuer. `originated`: TLS with a server outside of the mesh. */
  readonly kind: 'plaintext' | 'mesh' | 'external' | 'originated'
  readonly sni: string
  /** Names of which the server has to prove one; empty = any will do. */
  readonly names: readonly string[]
  /** Whether the proxy shows its own certificate. */
  readonly showsIdentity: boolean
  /** What it offers; of HTTP and of other connections. */
  readonly alpn: { readonly http: readonly string[]; readonly others: readonly string[] }
}

export const plaintext: Transport = {
  kind: 'plaintext',
  sni: '',
  names: [],
  showsIdentity: false,
  alpn: { http: [], others: [] },
}

/** The transport of an EnvoyCluster to one of its endpoints; of its own socket where none is given. */
export const readTransport = (xdsCluster: Cluster, endpoint: Pick<LbEndpoint, 'metadata'> | undefined): Transport => {
  const mark = endpoint?.metadata?.filterMetadata[transportSocketMatch]
  const chosen = mark && xdsCluster.transportSocketMatches.find(({ match }) => match && isWithin(match, mark))
  const socket = chosen ? chosen.transportSocket : xdsCluster.transportSocket
  return readSocket(socket, xdsCluster)
}

const isWithin = (match: object, mark: object): boolean => {
  const has = new Map(Object.entries(mark))
  return Object.entries(match).every(([key, value]) => has.get(key) === value)
}

const readSocket = (socket: TransportSocket | undefined, xdsCluster: Cluster): Transport => {
  const config = socket?.configType.case === 'typedConfig' ? socket.configType.value : undefined
  const wrapped = unpack(config, ProxyProtocolUpstreamTransportSchema)
  if (wrapped) return readSocket(wrapped.transportSocket, xdsCluster)
  const context = unpack(config, UpstreamTlsContextSchema)
  if (!context) return plaintext
  const { commonTlsContext, sni } = context
  const validation = commonTlsContext?.validationContextType
  const combined = validation?.case === 'combinedValidationContext' ? validation.value : undefined
  const trust = combined?.validationContextSdsSecretConfig?.name
  const [certificate] = commonTlsContext?.tlsCertificateSdsSecretConfigs ?? []
  const names = combined?.defaultValidationContext?.matchTypedSubjectAltNames ?? []
  const alpn = commonTlsContext?.alpnProtocols ?? []
  return {
    kind: trust === secretNames.trust ? 'mesh' : trust === secretNames.externalTrust ? 'external' : 'originated',
    sni,
    names: names.flatMap(({ matcher }) => (matcher?.matchPattern.case === 'exact' ? [matcher.matchPattern.value] : [])),
    showsIdentity: certificate?.name === secretNames.identity,
    alpn: { http: alpn.length > 0 ? alpn : readProtocols(xdsCluster), others: alpn },
  }
}

/** What HTTP clients offer where nothing else is said (Envoy: automatic ALPN). */
const readProtocols = ({ typedExtensionProtocolOptions }: Cluster): readonly string[] => {
  const options = unpack(
    typedExtensionProtocolOptions['envoy.extensions.upstreams.http.v3.HttpProtocolOptions'],
    HttpProtocolOptionsSchema,
  )?.upstreamProtocolOptions
  if (options?.case === 'explicitHttpConfig')
    return options.value.protocolConfig.case === 'http2ProtocolOptions' ? ['h2'] : ['http/1.1']
  return options?.case === 'useDownstreamProtocolConfig' ? ['http/1.1'] : []
}
