import 'reflect-metadata'
import { AsnConvert } from '@peculiar/asn1-schema'
import { id_ce_nameConstraints, NameConstraints, type GeneralSubtree } from '@peculiar/asn1-x509'
import { BasicConstraintsExtension, KeyUsageFlags, KeyUsagesExtension, X509Certificate } from '@peculiar/x509'
import { toClusterDnsName, toClustersDnsName } from '#mesh/identity.ts'
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
  const permitted = [`uri ${anchors.trustDomain}`, `dns ${toClusterDnsName(cluster, anchors.trustDomain)}`]
  return verifyAuthority(pem, { permitted, excluded: [] }, anchors, nowMilliseconds)
}

/**
 * Whether a certificate is that of an external issuer: as an intermediate is, but for the names. It has all of the trust domain's SPIFFE
 * IDs, and none of the DNS names by which clusters, workloads and agents are known (docs/decisions/0013).
 */
export const verifyIssuer = (
  pem: string,
  anchors: TrustAnchors,
  nowMilliseconds: number,
): Promise<Result<X509Certificate, string>> => {
  const { trustDomain } = anchors
  const names = { permitted: [`uri ${trustDomain}`], excluded: [`dns ${toClustersDnsName(trustDomain)}`] }
  return verifyAuthority(pem, names, anchors, nowMilliseconds)
}

/** Subtrees as `describeSubtree` gives them. */
interface NameLimits {
  readonly permitted: readonly string[]
  readonly excluded: readonly string[]
}

const verifyAuthority = async (
  pem: string,
  limits: NameLimits,
  { roots }: TrustAnchors,
  nowMilliseconds: number,
): Promise<Result<X509Certificate, string>> => {
  const certificate = parseCertificate(pem)
  if (!certificate) return err('it is not a certificate in PEM')
  const wrong =
    findWrongTime(certificate, nowMilliseconds) ??
    findWrongPower(certificate) ??
    findWrongConstraint(certificate, limits)
  if (wrong !== undefined) return err(wrong)
  const isSigned = await isSignedByOne(certificate, roots, nowMilliseconds)
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

const findWrongConstraint = (certificate: X509Certificate, limits: NameLimits): string | undefined => {
  const excluded = limits.excluded.length > 0 ? ` without ${limits.excluded.join(', ')}` : ''
  const message = `its name constraints are not exactly ${limits.permitted.join(', ')}${excluded}`
  const extension = certificate.getExtension(id_ce_nameConstraints)
  if (!extension?.critical) return message
  const constraints = parseNameConstraints(extension.value)
  if (!constraints) return message
  const { permittedSubtrees = [], excludedSubtrees = [] } = constraints
  const isExact = areExactly(permittedSubtrees, limits.permitted) && areExactly(excludedSubtrees, limits.excluded)
  return isExact ? undefined : message
}

const areExactly = (subtrees: readonly GeneralSubtree[], expected: readonly string[]): boolean => {
  const found = subtrees.map(describeSubtree)
  return found.length === expected.length && expected.every((subtree) => found.includes(subtree))
}

const describeSubtree = ({ base, minimum, maximum }: GeneralSubtree): string => {
  if (minimum !== 0 || maximum !== undefined) return 'bounded'
  const kinds = Object.values(base).filter((value) => value !== undefined)
  if (kinds.length !== 1) return 'unclear'
  if (base.uniformResourceIdentifier !== undefined) return `uri ${base.uniformResourceIdentifier}`
  return base.dNSName === undefined ? 'other' : `dns ${base.dNSName}`
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
