import type { ClientTls } from '#mesh/config/schema/client-tls.ts'
import { isWildcard } from '#mesh/config/schema/host-names.ts'
import { parseSpiffeId, toWorkloadDnsName } from '#mesh/identity.ts'
import { compareText } from '#mesh/merge/compare-text.ts'
import { getOrAdd } from '#mesh/merge/get-or-add.ts'
import type { ClusterName } from '#mesh/names.ts'
import type { Service, ServicePort } from '#mesh/service.ts'
import type { MeshView } from '#mesh/view.ts'
import type { UpstreamProtocol, UpstreamTls } from '#xds/model/upstream.ts'
import { compileTlsHandshake } from './compile-tls-handshake.ts'
import { toExternalIds, toIstioAlpn } from './external-peers.ts'
import { isOfMesh } from './is-of-mesh.ts'
import type { Report } from './report.ts'
import type { ReachableEndpoints } from './service-endpoints.ts'
import { toServiceSni } from './resource-names.ts'
import { toSecretName } from './to-secret-name.ts'

/** By the cluster that they run in; '' = not known. */
type ServiceAccounts = ReadonlyMap<ClusterName, ReadonlySet<string>>

/** Who proves to be one of a service's endpoints, before a DestinationRule says otherwise. */
interface MeshPeers {
  /** Of those that take mesh mTLS. */
  readonly marked: ServiceAccounts
  /** Of all: gateways take mesh mTLS where a server of theirs says so, which a DestinationRule knows. */
  readonly all: ServiceAccounts
  readonly externalIds: readonly string[]
}

interface UpstreamSubset {
  readonly service: Service
  readonly port: ServicePort
  /** '' = the whole service. */
  readonly subset: string
  readonly peers: MeshPeers
}

/** Health does not count, so that an endpoint which comes and goes changes EDS alone. */
export const findMeshPeers = (view: MeshView, service: Service, { direct, remote }: ReachableEndpoints): MeshPeers => {
  const [marked, all] = [new Map<ClusterName, Set<string>>(), new Map<ClusterName, Set<string>>()]
  const add = (to: Map<ClusterName, Set<string>>, cluster: ClusterName, account: string) =>
    getOrAdd(to, cluster, () => new Set<string>()).add(account)
  for (const { cluster: own, clusters = [own], tls, issuer, serviceAccount = '' } of direct) {
    if (issuer !== undefined) continue
    for (const cluster of clusters) {
      add(all, cluster, serviceAccount)
      if (tls === 'mutual') add(marked, cluster, serviceAccount)
    }
  }
  for (const { clusters, groups } of remote) {
    for (const account of groups.flatMap((group) => [...group.serviceAccounts])) {
      for (const cluster of clusters) {
        add(all, cluster, account)
        add(marked, cluster, account)
      }
    }
  }
  return { marked, all, externalIds: toExternalIds(view, service) }
}

/** Istio reference: ClientTLSSettings; without settings it is mesh mTLS with all endpoints that speak it. */
export const compileUpstreamTls = (
  view: MeshView,
  upstream: UpstreamSubset,
  settings: ClientTls | undefined,
  protocol: UpstreamProtocol,
  /** The namespace whose Secrets the client is given; absent = none. */
  secretsOf: string | undefined,
  report: Report,
): UpstreamTls => {
  const { service } = upstream
  switch (settings?.mode) {
    case 'DISABLE':
      return { mode: 'none' }
    case 'SIMPLE':
    case 'MUTUAL': {
      if (settings.credentialName === undefined) return toOriginated(view, service, settings, toFiles(settings))
      const secrets =
        secretsOf === undefined
          ? {
              fault: 'its credentialName is for gateways, and for sidecars that a workloadSelector of its rule selects',
            }
          : toSecrets(settings.mode, settings.credentialName, secretsOf)
      if (!('fault' in secrets)) return toOriginated(view, service, settings, secrets)
      report(`Service/${service.key}`, `is not reached: ${secrets.fault}`)
      return toNobody(service.hostname)
    }
    case 'ISTIO_MUTUAL':
    case undefined: {
      if (!settings && service.location === 'mesh-external') return { mode: 'none' }
      return toMesh(view, upstream, settings, protocol, report)
    }
  }
}

type Originated = Extract<UpstreamTls, { mode: 'originate' }>
type Sources = {
  readonly authorities: Exclude<Originated['verification'], 'none'>['authorities']
  readonly certificate: Originated['certificate']
}

const toOriginated = (
  view: MeshView,
  service: Service,
  settings: ClientTls,
  { authorities, certificate }: Sources,
): UpstreamTls => ({
  mode: 'originate',
  sni: settings.sni ?? (isWildcard(service.hostname) ? undefined : (service.aliasOf ?? service.hostname)),
  verification: settings.insecureSkipVerify
    ? 'none'
    : {
        authorities,
        crlFile: settings.caCrl,
        subjectAltNames: settings.subjectAltNames ?? service.subjectAltNames,
      },
  certificate: settings.mode === 'MUTUAL' ? certificate : undefined,
  handshake: compileTlsHandshake(view.meshConfig().tlsDefaults),
})

const toFiles = ({ caCertificates, clientCertificate, privateKey }: ClientTls): Sources => ({
  authorities: caCertificates === undefined ? { kind: 'system' } : { kind: 'file', caFile: caCertificates },
  certificate:
    clientCertificate !== undefined && privateKey !== undefined
      ? { kind: 'file', chainFile: clientCertificate, keyFile: privateKey }
      : undefined,
})

/** Istio: the authorities are those of "<name>-cacert", or the Secret's own. */
const toSecrets = (
  mode: ClientTls['mode'],
  credential: string,
  secretsOf: string,
): Sources | { readonly fault: string } => {
  const authorities = toSecretName(
    credential,
    secretsOf,
    mode === 'MUTUAL' ? 'mutual-authorities' : 'client-authorities',
  )
  if ('fault' in authorities) return authorities
  const certificate = toSecretName(credential, secretsOf, 'client-certificate')
  if ('fault' in certificate) return certificate
  return {
    authorities: { kind: 'secret', name: authorities.secret },
    certificate: { kind: 'secret', name: certificate.secret },
  }
}

/** No server is believed. */
const toNobody = (sni: string): UpstreamTls => ({ mode: 'mesh', sni, workloads: [], plaintext: 'never' })

const toMesh = (
  view: MeshView,
  { service, port, subset, peers }: UpstreamSubset,
  settings: ClientTls | undefined,
  protocol: UpstreamProtocol,
  report: Report,
): UpstreamTls => {
  const only = settings?.subjectAltNames
  const spiffeIds = peers.externalIds.filter((id) => only?.includes(id) ?? true)
  return {
    mode: 'mesh',
    sni: settings?.sni ?? toServiceSni(port.number, subset, service.hostname),
    workloads: toWorkloadNames(view, service, settings ? peers.all : peers.marked, only, report),
    plaintext: settings ? 'never' : 'marked',
    ...(spiffeIds.length > 0 && { external: { spiffeIds, alpn: toIstioAlpn(protocol) } }),
  }
}

/**
 * The DNS names that prove to be one of the service's endpoints: each service account in each cluster that it runs in
 * (docs/decisions/0003); those that the rule names instead, where it names some.
 */
const toWorkloadNames = (
  view: MeshView,
  service: Service,
  serviceAccounts: ServiceAccounts,
  only: ClientTls['subjectAltNames'],
  report: Report,
): readonly string[] => {
  const { trustDomain } = view.settings()
  const names = new Set<string>()
  for (const [cluster, ofCluster] of only ? [] : serviceAccounts) {
    for (const serviceAccount of ofCluster) {
      if (serviceAccount === '') continue
      names.add(toWorkloadDnsName({ namespace: service.namespace, serviceAccount }, cluster, trustDomain))
    }
  }
  for (const name of only ?? service.subjectAltNames) {
    const identity = parseSpiffeId(name)
    if (!identity || !isOfMesh(view, identity.trustDomain)) continue
    for (const cluster of serviceAccounts.keys()) names.add(toWorkloadDnsName(identity, cluster, trustDomain))
  }
  if (names.size === 0 && serviceAccounts.size > 0) {
    report(
      `Service/${service.key}`,
      'no service account of its mutual TLS endpoints is known: nobody is believed to be one',
    )
  }
  return [...names].sort(compareText)
}
