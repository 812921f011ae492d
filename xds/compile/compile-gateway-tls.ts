import { cipherSuites, type ServerTls as TlsSettings } from '#mesh/config/schema/server-tls.ts'
import { parseSpiffeId, toWorkloadDnsName } from '#mesh/identity.ts'
import type { MeshView } from '#mesh/view.ts'
import type { CertificateSource, ClientVerification, FilterChain, ServerTls, TlsVersion } from '#xds/model/listener.ts'
import { isOfMesh } from './is-of-mesh.ts'
import { toSecretName } from './to-secret-name.ts'

type Termination = Pick<FilterChain, 'mtls' | 'tls'>

/** How a server terminates TLS; a text when it can not, which tells why. Istio reference: ServerTLSSettings. */
export const compileGatewayTls = (
  view: MeshView,
  settings: TlsSettings,
  proxyNamespace: string,
  alpn: readonly string[],
): Termination | string => {
  if (settings.mode === 'ISTIO_MUTUAL') return { mtls: { alpn, peers: 'mesh', ...toNames(view, settings) } }
  const certificates = toCertificates(settings, proxyNamespace)
  if (typeof certificates === 'string') return certificates
  const clients = settings.mode === 'SIMPLE' ? undefined : toClients(settings, proxyNamespace)
  if (typeof clients === 'string') return clients
  const maxVersion = toVersion(settings.maxProtocolVersion)
  const tls: ServerTls = {
    certificates,
    ...(clients && { clients }),
    alpn,
    minVersion: toVersion(settings.minProtocolVersion) ?? toDefaultMinimum(view, maxVersion),
    ...(maxVersion && { maxVersion }),
    cipherSuites: [...new Set(settings.cipherSuites)].filter((suite) => cipherSuites.includes(suite)),
  }
  return { tls }
}

const versions = { TLSV1_0: '1.0', TLSV1_1: '1.1', TLSV1_2: '1.2', TLSV1_3: '1.3' } as const

const toVersion = (version: TlsSettings['minProtocolVersion']): TlsVersion | undefined =>
  version === undefined || version === 'TLS_AUTO' ? undefined : versions[version]

/** Not above what the server says itself. Istio reference: MeshConfig.tlsDefaults. */
const toDefaultMinimum = (view: MeshView, maxVersion: TlsVersion | undefined): TlsVersion => {
  const byDefault = view.meshConfig().tlsDefaults.minProtocolVersion === 'TLSV1_3' ? '1.3' : '1.2'
  return maxVersion !== undefined && maxVersion < byDefault ? maxVersion : byDefault
}

/** A workload is known by its DNS name of the clusters that are in the mesh (docs/decisions/0003). */
const toNames = (view: MeshView, { subjectAltNames = [] }: TlsSettings): { names?: readonly string[] } => {
  if (subjectAltNames.length === 0) return {}
  const { trustDomain } = view.settings()
  const clusters = view.trust().intermediates.map(({ cluster }) => cluster)
  const names = subjectAltNames.flatMap((name) => {
    const identity = parseSpiffeId(name)
    return identity && isOfMesh(view, identity.trustDomain)
      ? clusters.map((cluster) => toWorkloadDnsName(identity, cluster, trustDomain))
      : []
  })
  return { names }
}

const toCertificates = (settings: TlsSettings, proxyNamespace: string): CertificateSource[] | string => {
  const named = settings.credentialNames?.length
    ? settings.credentialNames
    : settings.credentialName === undefined
      ? []
      : [settings.credentialName]
  if (named.length > 0) {
    const names = named.map((name) => toSecretName(name, proxyNamespace, 'certificate'))
    const fault = names.find((name) => 'fault' in name)
    if (fault) return fault.fault
    return names.flatMap((name) => ('secret' in name ? { kind: 'secret' as const, name: name.secret } : []))
  }
  const files = settings.tlsCertificates?.length ? settings.tlsCertificates : [settings]
  return files.flatMap(({ serverCertificate, privateKey }) =>
    serverCertificate !== undefined && privateKey !== undefined
      ? { kind: 'file' as const, chainFile: serverCertificate, keyFile: privateKey }
      : [],
  )
}

const toClients = (settings: TlsSettings, proxyNamespace: string): ClientVerification | string => {
  const authorities = toAuthorities(settings, proxyNamespace)
  if (typeof authorities === 'string') return authorities
  return {
    authorities,
    isRequired: settings.mode === 'MUTUAL' && settings.insecureSkipVerify !== true,
    acceptsUntrusted: settings.insecureSkipVerify === true,
    subjectAltNames: settings.subjectAltNames ?? [],
    spkiHashes: settings.verifyCertificateSpki ?? [],
    certificateHashes: settings.verifyCertificateHash ?? [],
  }
}

const toAuthorities = (
  { caCertCredentialName, credentialName, credentialNames, caCertificates, caCrl }: TlsSettings,
  proxyNamespace: string,
): ClientVerification['authorities'] | string => {
  const named = caCertCredentialName ?? credentialName ?? credentialNames?.[0]
  if (named !== undefined) {
    const name = toSecretName(named, proxyNamespace, 'authorities')
    return 'fault' in name ? name.fault : { kind: 'secret', name: name.secret }
  }
  if (caCertificates === undefined) return 'no authority of clients is named'
  return { kind: 'file', caFile: caCertificates, ...(caCrl !== undefined && { revocationFile: caCrl }) }
}
