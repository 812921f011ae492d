import type { TransportSocket } from '#envoy/envoy/config/core/v3/base_pb.ts'
import {
  type CertificateValidationContextSchema,
  CertificateValidationContext_TrustChainVerification as TrustChainVerification,
  TlsParameters_TlsProtocol as TlsProtocol,
} from '#envoy/envoy/extensions/transport_sockets/tls/v3/common_pb.ts'
import {
  type CommonTlsContextSchema,
  DownstreamTlsContextSchema,
} from '#envoy/envoy/extensions/transport_sockets/tls/v3/tls_pb.ts'
import type { ClientVerification, ServerTls, TlsVersion } from '#xds/model/listener.ts'
import type { TlsHandshake } from '#xds/model/listener-defaults.ts'
import { toAny } from './any.ts'
import type { MessageFields } from './message-fields.ts'
import { buildCertificates, secret, tlsSocket, toFile, toSanMatchers } from './transport-socket.ts'

type CommonTls = MessageFields<typeof CommonTlsContextSchema>

const versions: Readonly<Record<TlsVersion, TlsProtocol>> = {
  '1.0': TlsProtocol.TLSv1_0,
  '1.1': TlsProtocol.TLSv1_1,
  '1.2': TlsProtocol.TLSv1_2,
  '1.3': TlsProtocol.TLSv1_3,
}

/** TLS as a gateway serves it to the world outside. */
export const buildServerTls = (tls: ServerTls, defaults: TlsHandshake): TransportSocket =>
  tlsSocket(
    toAny(DownstreamTlsContextSchema, {
      requireClientCertificate: tls.clients?.isRequired ?? false,
      commonTlsContext: {
        tlsParams: {
          tlsMinimumProtocolVersion: versions[tls.minVersion],
          ...(tls.maxVersion && { tlsMaximumProtocolVersion: versions[tls.maxVersion] }),
          cipherSuites: [...(tls.cipherSuites.length > 0 ? tls.cipherSuites : (defaults.cipherSuites ?? []))],
          ecdhCurves: [...(defaults.curves ?? [])],
        },
        alpnProtocols: [...tls.alpn],
        ...buildCertificates(tls.certificates),
        ...(tls.clients && buildVerification(tls.clients)),
      },
    }),
  )

const buildVerification = (clients: ClientVerification): CommonTls => {
  const { authorities } = clients
  const context: MessageFields<typeof CertificateValidationContextSchema> = {
    matchTypedSubjectAltNames: toSanMatchers(clients.subjectAltNames),
    verifyCertificateSpki: [...clients.spkiHashes],
    verifyCertificateHash: [...clients.certificateHashes],
    ...(clients.acceptsUntrusted && { trustChainVerification: TrustChainVerification.ACCEPT_UNTRUSTED }),
  }
  return authorities.kind === 'secret'
    ? {
        validationContextType: {
          case: 'combinedValidationContext',
          value: {
            defaultValidationContext: context,
            validationContextSdsSecretConfig: secret(authorities.name),
          },
        },
      }
    : {
        validationContextType: {
          case: 'validationContext',
          value: {
            ...context,
            trustedCa: toFile(authorities.caFile),
            ...(authorities.revocationFile !== undefined && { crl: toFile(authorities.revocationFile) }),
          },
        },
      }
}
