import type { X509Certificate } from '@peculiar/x509'
import { SecretSchema } from '#envoy/envoy/extensions/transport_sockets/tls/v3/secret_pb.ts'
import { SubjectAltNameMatcher_SanType as SanType } from '#envoy/envoy/extensions/transport_sockets/tls/v3/common_pb.ts'
import { toClusterDnsName } from '#mesh/identity.ts'
import type { ClusterName, TrustDomain } from '#mesh/names.ts'
import { encode } from '#xds/build/encode.ts'
import { secretNames, systemTrustSecret } from '#xds/proxy.ts'
import type { EncodedResource, ResourceUpdate } from '#xds/resource-set.ts'
import { typeUrls } from '#xds/type-url.ts'
import type { Leaf } from './issue-leaf.ts'

const inline = (value: string) => ({ specifier: { case: 'inlineString' as const, value } })

/** A proxy's leaf and key. */
export const buildIdentitySecret = (leaf: Leaf): ResourceUpdate => {
  const { resource } = encode(typeUrls.secret, SecretSchema, secretNames.identity, {
    name: secretNames.identity,
    type: {
      case: 'tlsCertificate',
      value: { certificateChain: inline(leaf.chainPem), privateKey: inline(leaf.privateKeyPem) },
    },
  })
  // Versions appear in logs and dumps: the serial says nothing about the key.
  return toUpdate({ ...resource, version: leaf.serial })
}

/** An intermediate that this agent has verified. */
export interface TrustedIntermediate {
  readonly cluster: ClusterName
  readonly certificate: X509Certificate
}

/**
 * Which external issuers are trusted here: with a matcher for listeners, and without one for clusters, which bring their own. `nobody`: the
 * anchor when none is.
 */
export const buildIssuerSecrets = (
  issuers: readonly X509Certificate[],
  domain: TrustDomain,
  nobody: X509Certificate,
): ResourceUpdate[] => {
  const anchors = toAnchors(issuers, nobody)
  const ofTrustDomain = {
    sanType: SanType.URI,
    matcher: { matchPattern: { case: 'prefix' as const, value: `spiffe://${domain}/ns/` } },
  }
  return [
    buildValidationSecret(secretNames.externalTrust, anchors),
    buildValidationSecret(secretNames.externalPeers, { ...anchors, matchTypedSubjectAltNames: [ofTrustDomain] }),
  ]
}

/** What proxies trust: with a matcher for listeners, and without one for clusters, which bring their own. `nobody`: the anchor when nothing is. */
export const buildTrustSecrets = (
  trusted: readonly TrustedIntermediate[],
  domain: TrustDomain,
  nobody: X509Certificate,
): ResourceUpdate[] => {
  const clusters = [...new Set(trusted.map(({ cluster }) => cluster))]
  const anchors = toAnchors(
    trusted.map(({ certificate }) => certificate),
    nobody,
  )
  const matchTypedSubjectAltNames = clusters.map((cluster) => ({
    sanType: SanType.DNS,
    matcher: { matchPattern: { case: 'exact' as const, value: toClusterDnsName(cluster, domain) } },
  }))
  return [
    buildValidationSecret(secretNames.trust, anchors),
    buildValidationSecret(secretNames.trustPeers, { ...anchors, matchTypedSubjectAltNames }),
  ]
}

const toAnchors = (certificates: readonly X509Certificate[], nobody: X509Certificate) => {
  const anchors = certificates.length > 0 ? certificates : [nobody]
  return { trustedCa: inline(anchors.map((certificate) => `${certificate.toString('pem')}\n`).join('')) }
}

/** What machines trust outside of the mesh. */
export const buildSystemTrustSecret = (certificatePems: readonly string[]): ResourceUpdate =>
  buildValidationSecret(systemTrustSecret, { trustedCa: inline(certificatePems.join('\n')) })

const buildValidationSecret = (name: string, value: ValidationContext): ResourceUpdate =>
  toUpdate(encode(typeUrls.secret, SecretSchema, name, { name, type: { case: 'validationContext', value } }).resource)

type ValidationContext = Extract<
  NonNullable<Parameters<typeof encode<typeof SecretSchema>>[3]['type']>,
  { case: 'validationContext' }
>['value']

const toUpdate = (resource: EncodedResource): ResourceUpdate => ({
  type: typeUrls.secret,
  name: resource.name,
  resource,
})
