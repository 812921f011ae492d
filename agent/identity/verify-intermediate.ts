import 'reflect-metadata'
import { AsnConvert } from '@peculiar/asn1-schema'
import { id_ce_nameConstraints, NameConstraints } from '@peculiar/asn1-x509'
import { BasicConstraintsExtension, KeyUsageFlags, KeyUsagesExtension, X509Certificate } from '@peculiar/x509'
import { toClusterDnsName } from '#mesh/identity.ts'
import type { ClusterName, TrustDomain } from '#mesh/names.ts'
import { err, ok, type Result } from '#mesh/result.ts'

/** What an intermediate is verified against. */
export interface TrustAnchors {
  readonly trustDomain: TrustDomain
  readonly roots: readonly X509Certificate[]
}

/** Certificates out of PEM; what can't be read is left out. */
export const parseCertificates = (pems: readonly string[]): X509Certificate[] =>
  pems.flatMap((pem) => {
    const certificate = parseCertificate(pem)
    return certificate ? [certificate] : []
  })

const parseCertificate = (pem: string): X509Certificate | undefined => {
  try {
    return new X509Certificate(pem)
  } catch {
    return undefined
  }
}

/**
 * Whether a certificate is the intermediate of a cluster, and of nothing else: signed by a root of the mesh, within its time, a CA
 * for leaves only, constrained to the trust domain and the cluster's names (RFC 5280 §4.2.1.9, §4.2.1.10). The control plane says
 * so; we look ourselves, because proxies trust an intermediate as it is, without its root.
 */
export const verifyIntermediate = async (
  pem: string,
  cluster: ClusterName,
  anchors: TrustAnchors,
  nowMilliseconds: number,
): Promise<Result<X509Certificate, string>> => {
  const certificate = parseCertificate(pem)
  if (!certificate) return err('it is not a certificate in PEM')
  const wrong =
    findWrongTime(certificate, nowMilliseconds) ??
    findWrongPower(certificate) ??
    findWrongConstraint(certificate, cluster, anchors)
  if (wrong !== undefined) return err(wrong)
  const isSigned = await isSignedByOne(certificate, anchors.roots, nowMilliseconds)
  return isSigned ? ok(certificate) : err('it is not signed by a root of the mesh')
}

const findWrongTime = ({ notBefore, notAfter }: X509Certificate, nowMilliseconds: number): string | undefined => {
  if (nowMilliseconds < notBefore.getTime()) return `it is not valid before ${notBefore.toISOString()}`
  if (nowMilliseconds >= notAfter.getTime()) return `it expired at ${notAfter.toISOString()}`
  return undefined
}

const findWrongPower = (certificate: X509Certificate): string | undefined => {
  const constraints = certificate.getExtension(BasicConstraintsExtension)
  if (!constraints?.critical || !constraints.ca || constraints.pathLength !== 0)
    return 'it is not a CA with path length 0'
  const usages = certificate.getExtension(KeyUsagesExtension)?.usages ?? 0
  return usages & KeyUsageFlags.keyCertSign ? undefined : 'it may not sign certificates'
}

const findWrongConstraint = (
  certificate: X509Certificate,
  cluster: ClusterName,
  { trustDomain }: TrustAnchors,
): string | undefined => {
  const dnsName = toClusterDnsName(cluster, trustDomain)
  const message = `its name constraints are not exactly ${trustDomain} and ${dnsName}`
  const extension = certificate.getExtension(id_ce_nameConstraints)
  if (!extension?.critical) return message
  const constraints = parseNameConstraints(extension.value)
  if (!constraints) return message
  const { permittedSubtrees = [], excludedSubtrees } = constraints
  const permitted = permittedSubtrees.map(({ base, minimum, maximum }) =>
    minimum === 0 && maximum === undefined
      ? `${base.uniformResourceIdentifier ?? ''} ${base.dNSName ?? ''}`
      : 'bounded',
  )
  const expected = [`${trustDomain} `, ` ${dnsName}`]
  const isExact = permitted.length === expected.length && expected.every((subtree) => permitted.includes(subtree))
  return isExact && excludedSubtrees === undefined ? undefined : message
}

const parseNameConstraints = (value: ArrayBuffer): NameConstraints | undefined => {
  try {
    return AsnConvert.parse(value, NameConstraints)
  } catch {
    return undefined
  }
}

const isSignedByOne = async (
  certificate: X509Certificate,
  roots: readonly X509Certificate[],
  nowMilliseconds: number,
): Promise<boolean> => {
  for (const root of roots) {
    if (root.subject !== certificate.issuer || findWrongTime(root, nowMilliseconds) !== undefined) continue
    const isSigned = await certificate.verify({ publicKey: root, signatureOnly: true }).catch(() => false)
    if (isSigned) return true
  }
  return false
}
