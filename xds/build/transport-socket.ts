import { create } from '@bufbuild/protobuf'
import type { Any } from '@bufbuild/protobuf/wkt'
import { TransportSocketSchema, type TransportSocket } from '#envoy/envoy/config/core/v3/base_pb.ts'
import { ProxyProtocolConfig_Version as ProxyProtocolVersion } from '#envoy/envoy/config/core/v3/proxy_protocol_pb.ts'
import { ProxyProtocolUpstreamTransportSchema } from '#envoy/envoy/extensions/transport_sockets/proxy_protocol/v3/upstream_proxy_protocol_pb.ts'
import { RawBufferSchema } from '#envoy/envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer_pb.ts'
import {
  SubjectAltNameMatcher_SanType as SanType,
  TlsParameters_TlsProtocol as TlsProtocol,
} from '#envoy/envoy/extensions/transport_sockets/tls/v3/common_pb.ts'
import {
  SdsSecretConfigSchema,
  type SdsSecretConfig,
} from '#envoy/envoy/extensions/transport_sockets/tls/v3/secret_pb.ts'
import {
  type CommonTlsContextSchema,
  DownstreamTlsContextSchema,
  UpstreamTlsContextSchema,
} from '#envoy/envoy/extensions/transport_sockets/tls/v3/tls_pb.ts'
import { isIpAddress } from '#mesh/config/schema/host-names.ts'
import type { CertificateSource, FilterChain } from '#xds/model/listener.ts'
import type { TlsLimits } from '#xds/model/listener-defaults.ts'
import type { UpstreamProtocol, UpstreamTls } from '#xds/model/upstream.ts'
import { secretNames, systemTrustSecret } from '#xds/proxy.ts'
import { toAny } from './any.ts'
import { adsSource } from './config-source.ts'
import type { MessageFields } from './message-fields.ts'

/** RFC 6761: no certificate is ever issued for a name below it. */
const impossibleName = 'nobody.invalid'

export const tlsSocket = (typedConfig: Any): TransportSocket =>
  create(TransportSocketSchema, {
    name: 'envoy.transport_sockets.tls',
    configType: { case: 'typedConfig', value: typedConfig },
  })

export const rawBufferSocket = create(TransportSocketSchema, {
  name: 'envoy.transport_sockets.raw_buffer',
  configType: { case: 'typedConfig', value: toAny(RawBufferSchema, {}) },
})

/** Tells the server by the PROXY protocol who the connection is from. */
export const buildProxyProtocolSocket = (inner: TransportSocket, version: 'V1' | 'V2'): TransportSocket =>
  create(TransportSocketSchema, {
    name: 'envoy.transport_sockets.upstream_proxy_protocol',
    configType: {
      case: 'typedConfig',
      value: toAny(ProxyProtocolUpstreamTransportSchema, {
        config: { version: ProxyProtocolVersion[version] },
        transportSocket: inner,
      }),
    },
  })

export const secret = (name: string): SdsSecretConfig => create(SdsSecretConfigSchema, { name, sdsConfig: adsSource })

const identity = [secret(secretNames.identity)]
const tlsParams = { tlsMinimumProtocolVersion: TlsProtocol.TLSv1_2 }
/** Envoy's own maximum is 1.3 for a server and 1.2 for a client. */
const clientTlsParams = { ...tlsParams, tlsMaximumProtocolVersion: TlsProtocol.TLSv1_3 }

const buildServerLimits = ({ atLeast, curves = [], cipherSuites = [] }: TlsLimits) => ({
  tlsMinimumProtocolVersion: atLeast === '1.3' ? TlsProtocol.TLSv1_3 : TlsProtocol.TLSv1_2,
  // Envoy's own maximum, below which a minimum has to be.
  ...(atLeast === '1.3' && { tlsMaximumProtocolVersion: TlsProtocol.TLSv1_3 }),
  ecdhCurves: [...curves],
  cipherSuites: [...cipherSuites],
})

/** mTLS as a sidecar serves it: the client has to prove that some cluster of the mesh, or an external issuer, vouches for it. */
export const buildDownstreamMtls = (
  { alpn, peers, names }: NonNullable<FilterChain['mtls']>,
  limits: TlsLimits,
): TransportSocket =>
  tlsSocket(
    toAny(DownstreamTlsContextSchema, {
      requireClientCertificate: true,
      commonTlsContext: {
        tlsParams: buildServerLimits(limits),
        alpnProtocols: [...alpn],
        tlsCertificateSdsSecretConfigs: identity,
        validationContextType: names
          ? buildNamedPeers(names, secretNames.trust)
          : {
              case: 'validationContextSdsSecretConfig',
              value: secret(peers === 'mesh' ? secretNames.trustPeers : secretNames.externalPeers),
            },
      },
    }),
  )

/** TLS towards an upstream. No workload known = nobody is believed. */
export const buildUpstreamTls = (
  tls: Exclude<UpstreamTls, { mode: 'none' }>,
  protocol: UpstreamProtocol,
): TransportSocket => tlsSocket(buildTlsContext(tls, protocol))

const buildTlsContext = (tls: Exclude<UpstreamTls, { mode: 'none' }>, protocol: UpstreamProtocol): Any => {
  switch (tls.mode) {
    case 'mesh':
      return buildMeshTls({ sni: tls.sni, names: tls.workloads, trust: secretNames.trust, alpn: [] })
    case 'external':
      return buildMeshTls({ sni: tls.sni, names: tls.spiffeIds, trust: secretNames.externalTrust, alpn: tls.alpn })
    case 'originate':
      return buildOriginatedTls(tls, protocol)
    case 'unverified':
      return toAny(UpstreamTlsContextSchema, { commonTlsContext: { tlsParams: clientTlsParams } })
  }
}

/** Those with one of these names that the anchors of a secret vouch for. */
const buildNamedPeers = (names: readonly string[], trust: string) => ({
  case: 'combinedValidationContext' as const,
  value: {
    defaultValidationContext: {
      matchTypedSubjectAltNames: toSanMatchers(names.length > 0 ? names : [impossibleName]),
    },
    validationContextSdsSecretConfig: secret(trust),
  },
})

interface MeshTls {
  readonly sni: string
  /** Of the server: one of them is demanded. */
  readonly names: readonly string[]
  /** Name of the secret with the anchors. */
  readonly trust: string
  readonly alpn: readonly string[]
}

const buildMeshTls = ({ sni, names, trust, alpn }: MeshTls): Any =>
  toAny(UpstreamTlsContextSchema, {
    sni,
    commonTlsContext: {
      tlsParams: clientTlsParams,
      alpnProtocols: [...alpn],
      tlsCertificateSdsSecretConfigs: identity,
      validationContextType: buildNamedPeers(names, trust),
    },
  })

type OriginatedTls = Extract<UpstreamTls, { mode: 'originate' }>

const buildOriginatedTls = (
  { sni, verification, certificate, handshake: { curves = [], cipherSuites = [] } }: OriginatedTls,
  protocol: UpstreamProtocol,
): Any =>
  toAny(UpstreamTlsContextSchema, {
    ...(sni !== undefined && {
      sni,
      autoSniSanValidation: verification !== 'none' && verification.subjectAltNames.length === 0,
    }),
    commonTlsContext: {
      tlsParams: { ...clientTlsParams, ecdhCurves: [...curves], cipherSuites: [...cipherSuites] },
      ...(protocol === 'http2' && { alpnProtocols: ['h2'] }),
      ...(certificate && buildCertificates([certificate])),
      ...(verification !== 'none' && { validationContextType: buildVerification(verification) }),
    },
  })

const buildVerification = ({
  authorities,
  crlFile,
  subjectAltNames,
}: Exclude<OriginatedTls['verification'], 'none'>) => {
  const context = {
    matchTypedSubjectAltNames: toSanMatchers(subjectAltNames),
    ...(crlFile !== undefined && { crl: toFile(crlFile) }),
  }
  if (authorities.kind === 'file')
    return { case: 'validationContext' as const, value: { ...context, trustedCa: toFile(authorities.caFile) } }
  // Envoy 1.40 takes `system_root_certs` and then verifies nothing.
  return {
    case: 'combinedValidationContext' as const,
    value: {
      defaultValidationContext: context,
      validationContextSdsSecretConfig: secret(authorities.kind === 'secret' ? authorities.name : systemTrustSecret),
    },
  }
}

export const buildCertificates = (
  sources: readonly CertificateSource[],
): MessageFields<typeof CommonTlsContextSchema> => ({
  tlsCertificateSdsSecretConfigs: sources.flatMap((source) => (source.kind === 'secret' ? secret(source.name) : [])),
  tlsCertificates: sources.flatMap((source) =>
    source.kind === 'file' ? { certificateChain: toFile(source.chainFile), privateKey: toFile(source.keyFile) } : [],
  ),
})

export const toFile = (filename: string) => ({ specifier: { case: 'filename' as const, value: filename } })

export const toSanMatchers = (names: readonly string[]) =>
  names.map((name) => ({
    sanType: toSanType(name),
    matcher: { matchPattern: { case: 'exact' as const, value: name } },
  }))

const toSanType = (name: string): SanType => {
  if (name.includes('://')) return SanType.URI
  if (name.includes('@')) return SanType.EMAIL
  return isIpAddress(name) ? SanType.IP_ADDRESS : SanType.DNS
}
