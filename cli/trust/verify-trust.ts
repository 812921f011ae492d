import 'reflect-metadata'
import { AsnConvert } from '@peculiar/asn1-schema'
import { id_ce_nameConstraints, NameConstraints, type GeneralSubtree } from '@peculiar/asn1-x509'
import { BasicConstraintsExtension, X509Certificate } from '@peculiar/x509'
import type { Trust } from '#api/schemas/trust.ts'
import { toClusterDnsName, toClustersDnsName } from '#mesh/identity.ts'

export interface Finding {
  readonly what: string
  readonly fingerprint: string
  /** What is wrong with it; empty = it is sound. */
  readonly faults: readonly string[]
}

/** Checks what the mesh trusts against the rules of its certificates (RFC 5280 §6; docs/decisions/0003). Never throws. */
export const verifyTrust = async (trust: Trust, nowMs: number): Promise<Finding[]> => {
  const roots = trust.roots.map((root) => ({ ...root, certificate: parseCertificate(root.pem) }))
  const findings: Finding[] = []
  for (const { certificate, fingerprint, above } of roots) {
    const faults =
      certificate === undefined
        ? ['is not a certificate']
        : [...timeFaults(certificate, nowMs), ...(await chainFaults(certificate, above.map(parseCertificate), nowMs))]
    findings.push({ what: 'root', fingerprint, faults })
  }
  for (const { cluster, pem, fingerprint } of trust.intermediates) {
    const certificate = parseCertificate(pem)
    const issuers = roots.flatMap((root) => root.certificate ?? [])
    const faults =
      certificate === undefined
        ? ['is not a certificate']
        : [
            ...timeFaults(certificate, nowMs),
            ...((await isSignedByAny(certificate, issuers, nowMs)) ? [] : ['is not signed by a root']),
            ...bindingFaults(certificate, trust.trustDomain, {
              permittedDns: toClusterDnsName(cluster, trust.trustDomain),
            }),
          ]
    findings.push({ what: `intermediate of ${cluster}`, fingerprint, faults })
  }
  for (const { name, pem, fingerprint } of trust.issuers) {
    const certificate = parseCertificate(pem)
    const authorities = roots.flatMap((root) => root.certificate ?? [])
    const faults =
      certificate === undefined
        ? ['is not a certificate']
        : [
            ...timeFaults(certificate, nowMs),
            ...((await isSignedByAny(certificate, authorities, nowMs)) ? [] : ['is not signed by a root']),
            ...bindingFaults(certificate, trust.trustDomain, { excludedDns: toClustersDnsName(trust.trustDomain) }),
          ]
    findings.push({ what: `issuer ${name}`, fingerprint, faults })
  }
  return findings
}

const parseCertificate = (pem: string): X509Certificate | undefined => {
  try {
    return new X509Certificate(pem)
  } catch {
    return undefined
  }
}

const timeFaults = ({ notBefore, notAfter }: X509Certificate, nowMs: number): string[] => [
  ...(nowMs < notBefore.getTime() ? [`is not valid before ${notBefore.toISOString()}`] : []),
  ...(nowMs > notAfter.getTime() ? [`expired at ${notAfter.toISOString()}`] : []),
]

/** A root has signed itself, or those above it have signed each other up to one that has. */
const chainFaults = async (
  root: X509Certificate,
  above: readonly (X509Certificate | undefined)[],
  nowMs: number,
): Promise<string[]> => {
  let below = root
  for (const [place, issuer] of [...above, above.at(-1) ?? root].entries()) {
    if (issuer === undefined) return [`has something above it that is not a certificate, in place ${place + 1}`]
    const isOwn = issuer === below
    if (!(await isSignedBy(below, issuer, nowMs)))
      return [
        isOwn && below === root ? 'is not signed by itself' : `has a chain above it that breaks at "${issuer.subject}"`,
      ]
    const [fault] = isOwn ? [] : timeFaults(issuer, nowMs)
    if (fault !== undefined) return [`has "${issuer.subject}" above it, which ${fault}`]
    below = issuer
  }
  return []
}

const isSignedBy = (certificate: X509Certificate, issuer: X509Certificate, nowMs: number): Promise<boolean> =>
  // Times have findings of their own.
  certificate.verify({ publicKey: issuer.publicKey, signatureOnly: true, date: new Date(nowMs) })

const isSignedByAny = async (
  certificate: X509Certificate,
  issuers: readonly X509Certificate[],
  nowMs: number,
): Promise<boolean> => {
  for (const issuer of issuers)
    if (certificate.issuer === issuer.subject && (await isSignedBy(certificate, issuer, nowMs))) return true
  return false
}

/** What makes a stolen intermediate worthless for other clusters' names, and a stolen issuer for those of all. */
const bindingFaults = (
  certificate: X509Certificate,
  trustDomain: string,
  limit: { readonly permittedDns: string } | { readonly excludedDns: string },
): string[] => {
  const basic = certificate.getExtension(BasicConstraintsExtension)
  const names = certificate.getExtension(id_ce_nameConstraints)
  const constraints = names === null ? undefined : AsnConvert.parse(names.value, NameConstraints)
  const permitted = toNames(constraints?.permittedSubtrees)
  const excluded = toNames(constraints?.excludedSubtrees)
  const isOnly = (found: readonly string[], ...wanted: readonly string[]) => found.join() === wanted.join()
  return [
    ...(basic?.ca === true && basic.pathLength === 0 ? [] : ['may sign other authorities (path length is not 0)']),
    ...(names?.critical === true ? [] : ['has no critical name constraints']),
    ...(isOnly(permitted.uris, trustDomain) ? [] : [`is not confined to trust domain ${trustDomain}`]),
    ...('permittedDns' in limit && !isOnly(permitted.dnsNames, limit.permittedDns)
      ? [`is not confined to ${limit.permittedDns}`]
      : []),
    ...('excludedDns' in limit && !(isOnly(permitted.dnsNames) && isOnly(excluded.dnsNames, limit.excludedDns))
      ? [`is not excluded from ${limit.excludedDns}`]
      : []),
  ]
}

const toNames = (subtrees: Iterable<GeneralSubtree> = []) => {
  const bases = [...subtrees].map(({ base }) => base)
  return {
    uris: bases.flatMap((base) => base.uniformResourceIdentifier ?? []),
    dnsNames: bases.flatMap((base) => base.dNSName ?? []),
  }
}
