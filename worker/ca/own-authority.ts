import 'reflect-metadata'
import { AsnConvert } from '@peculiar/asn1-schema'
import { id_ce_nameConstraints, NameConstraints } from '@peculiar/asn1-x509'
import type { GeneralSubtree } from '@peculiar/asn1-x509'
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  X509Certificate,
} from '@peculiar/x509'
import { toClustersDnsName } from '#mesh/identity.ts'
import { findKeyAlgorithm, toKeyParameters } from '#mesh/key-algorithm.ts'
import type { KeyAlgorithm } from '#mesh/key-algorithm.ts'
import type { TrustDomain } from '#mesh/names.ts'
import { err, ok } from '#mesh/result.ts'
import type { Result } from '#mesh/result.ts'
import type { WebCryptoKey } from './signer.ts'

/** A CA that somebody else has made, and that may be a mesh's root: what clusters' intermediates are signed by. */
export interface OwnAuthority {
  readonly certificate: X509Certificate
  readonly algorithm: KeyAlgorithm
  /** Who signed it, who signed that, and so on, to who signed itself. Nobody trusts them: PEM. */
  readonly above: readonly string[]
}

/** A mesh's root, an authority above it, one above that, and theirs. */
export const MAX_CHAIN = 4
/** With less, clusters would be renewing all the time; its successor would have to be there already. */
export const MIN_LEFT_DAYS = 30

const DAY_MS = 24 * 60 * 60 * 1000

const anyUsage = '2.5.29.37.0'
const tlsUsages: readonly string[] = [ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth]

/** What this version understands of what a certificate says must be understood (RFC 5280 §4.2). */
const understood = new Set(['2.5.29.15', '2.5.29.17', '2.5.29.19', '2.5.29.30', '2.5.29.32', '2.5.29.37'])

/**
 * Checks a chain of certificates in PEM, the CA first, as whoever verifies a workload with it would (RFC 5280 §6.1): each is a CA, is signed by the next
 * one, has room below it for a cluster's intermediate, is within its time, and permits the names of the mesh; the last one has signed itself.
 */
export const verifyOwnAuthority = async (
  chainPem: string,
  trustDomain: TrustDomain,
  nowMs: number,
): Promise<Result<OwnAuthority, string>> => {
  const chain = parseChain(chainPem)
  if (!chain) return err('the chain is not certificates in PEM')
  const [certificate] = chain
  if (!certificate) return err('the chain has no certificate')
  if (chain.length > MAX_CHAIN) return err(`the chain has ${chain.length} certificates: at most ${MAX_CHAIN} may be`)
  for (const [place, each] of chain.entries()) {
    const wrong =
      findWrongPower(each, place + 1) ??
      findWrongTime(each, nowMs) ??
      findWrongExtension(each) ??
      findWrongName(each, trustDomain) ??
      (await findWrongSignature(each, chain[place + 1]))
    if (wrong !== undefined) return err(`${toPlace(place, each)} ${wrong}`)
  }
  if (certificate.subject === '') return err(`${toPlace(0, certificate)} has no subject`)
  if (certificate.notAfter.getTime() - nowMs < MIN_LEFT_DAYS * DAY_MS)
    return err(
      `${toPlace(0, certificate)} ends at ${certificate.notAfter.toISOString()}: at least ${MIN_LEFT_DAYS} days must be left`,
    )
  const algorithm = findKeyAlgorithm(certificate.publicKey.algorithm)
  if (algorithm === undefined)
    return err(
      `${toPlace(0, certificate)} has a key of another kind than ECDSA on P-256 or P-384, or RSA of 2048, 3072 or 4096 bits`,
    )
  return ok({ certificate, algorithm, above: chain.slice(1).map((each) => each.toString('pem')) })
}

/** Whether a private key (PKCS#8) is that of the CA: tried, not compared. Undefined when it is not. */
export const importKeyOf = async (
  { certificate, algorithm }: OwnAuthority,
  privateKeyPem: string,
): Promise<WebCryptoKey | undefined> => {
  const parameters = toKeyParameters(algorithm)
  try {
    const [pkcs8] = PemConverter.decode(privateKeyPem)
    if (!pkcs8) return undefined
    const key = await crypto.subtle.importKey('pkcs8', pkcs8, parameters, true, ['sign'])
    const publicKey = await crypto.subtle.importKey('spki', certificate.publicKey.rawData, parameters, true, ['verify'])
    const probe = new TextEncoder().encode('atoll')
    const signature = await crypto.subtle.sign(parameters, key, probe)
    return (await crypto.subtle.verify(parameters, publicKey, signature, probe)) ? key : undefined
  } catch {
    return undefined
  }
}

const toPlace = (place: number, { subject }: X509Certificate): string =>
  place === 0 ? `the CA "${subject}"` : `certificate ${place + 1} of the chain, "${subject}",`

const parseChain = (pem: string): X509Certificate[] | undefined => {
  try {
    const blocks = PemConverter.decodeWithHeaders(pem)
    return blocks.every(({ type }) => type === PemConverter.CertificateTag)
      ? blocks.map(({ rawData }) => new X509Certificate(rawData))
      : undefined
  } catch {
    return undefined
  }
}

/** `below`: how many CAs stand between it and a leaf, a cluster's intermediate included. */
const findWrongPower = (certificate: X509Certificate, below: number): string | undefined => {
  const constraints = certificate.getExtension(BasicConstraintsExtension)
  if (!constraints?.ca) return 'is not a CA'
  if (!constraints.critical) return 'has basic constraints that are not critical'
  if (constraints.pathLength !== undefined && constraints.pathLength < below)
    return `has the path length ${constraints.pathLength}: it has to be ${below} or more, or not limited, for below it are ${below} CAs, a cluster's intermediate the last`
  const usages = certificate.getExtension(KeyUsagesExtension)?.usages
  if (usages !== undefined && (usages & KeyUsageFlags.keyCertSign) === 0) return 'may not sign certificates (key usage)'
  const extended = certificate.getExtension(ExtendedKeyUsageExtension)?.usages.map(String)
  const isForBoth =
    extended === undefined || extended.includes(anyUsage) || tlsUsages.every((usage) => extended.includes(usage))
  return isForBoth ? undefined : 'is not for certificates of both TLS servers and clients (extended key usage)'
}

const findWrongTime = ({ notBefore, notAfter }: X509Certificate, nowMs: number): string | undefined => {
  if (nowMs < notBefore.getTime()) return `is not valid before ${notBefore.toISOString()}`
  return nowMs >= notAfter.getTime() ? `expired at ${notAfter.toISOString()}` : undefined
}

const findWrongExtension = ({ extensions }: X509Certificate): string | undefined => {
  const strange = extensions.find(({ critical, type }) => critical && !understood.has(type))
  return strange && `has the critical extension ${strange.type}, which is not understood`
}

const findWrongSignature = async (
  certificate: X509Certificate,
  next: X509Certificate | undefined,
): Promise<string | undefined> => {
  const issuer = next ?? certificate
  if (next === undefined && certificate.issuer !== certificate.subject)
    return `is signed by "${certificate.issuer}", which is not in the chain: the chain goes up to the certificate that has signed itself`
  if (certificate.issuer !== issuer.subject)
    return `is signed by "${certificate.issuer}", and the next in the chain is "${issuer.subject}"`
  if (!isStrong(certificate)) return `is signed in another way than ${strongSignatures}`
  const isSigned = await certificate.verify({ publicKey: issuer, signatureOnly: true }).catch(() => false)
  return isSigned ? undefined : `is not signed by "${issuer.subject}"`
}

const strongSignatures = 'with SHA-256, SHA-384 or SHA-512, or Ed25519'

/** Nobody but the plane ever verifies them: offline roots may have keys that the mesh has none of. */
const isStrong = ({ signatureAlgorithm }: X509Certificate): boolean => {
  // Its type has a hash always; of Ed25519 and of what is not known there is none.
  const { name, hash }: { readonly name?: string; readonly hash?: { readonly name: string } } = signatureAlgorithm
  return name === 'Ed25519' || /^SHA-(256|384|512)$/.test(hash?.name ?? '')
}

/** That the mesh's SPIFFE IDs and the DNS names of its clusters are within what it may sign for (RFC 5280 §4.2.1.10). */
const findWrongName = (certificate: X509Certificate, trustDomain: TrustDomain): string | undefined => {
  const extension = certificate.getExtension(id_ce_nameConstraints)
  if (!extension) return undefined
  const constraints = parseNameConstraints(extension.value)
  if (!constraints) return 'has name constraints that can not be read'
  const permitted = [...(constraints.permittedSubtrees ?? [])]
  const excluded = [...(constraints.excludedSubtrees ?? [])]
  const all = [...permitted, ...excluded]
  if (all.some(({ minimum, maximum }) => minimum !== 0 || maximum !== undefined))
    return 'has name constraints with a minimum or a maximum, which nobody understands'
  if (all.some(({ base }) => base.directoryName !== undefined))
    return 'constrains subjects (directory names): those of the certificates of clusters would not be permitted'
  const clusters = toClustersDnsName(trustDomain)
  const [uris, dnsNames] = [basesOf(permitted, 'uniformResourceIdentifier'), basesOf(permitted, 'dNSName')]
  if (uris.length > 0 && !uris.some((base) => holdsHost(base, trustDomain)))
    return `permits URIs of ${uris.join(', ')} alone, and not those of the trust domain ${trustDomain}`
  if (dnsNames.length > 0 && !dnsNames.some((base) => holdsDns(base, clusters)))
    return `permits DNS names of ${dnsNames.join(', ')} alone, and not those below ${clusters}`
  if (basesOf(excluded, 'uniformResourceIdentifier').some((base) => holdsHost(base, trustDomain)))
    return `excludes URIs of the trust domain ${trustDomain}`
  // Also where it takes a part of them away: a cluster of that name would be refused.
  const takesAway = (base: string) => holdsDns(base, clusters) || holdsDns(clusters, base.replace(/^\./, ''))
  if (basesOf(excluded, 'dNSName').some(takesAway)) return `excludes DNS names below ${clusters}`
  return undefined
}

const parseNameConstraints = (value: ArrayBuffer): NameConstraints | undefined => {
  try {
    return AsnConvert.parse(value, NameConstraints)
  } catch {
    return undefined
  }
}

const basesOf = (subtrees: readonly GeneralSubtree[], kind: 'uniformResourceIdentifier' | 'dNSName'): string[] =>
  subtrees.flatMap(({ base }) => base[kind]?.toLowerCase() ?? [])

/** Of URIs: a host is itself alone, and one with a dot before it all that are below it, and not itself. */
const holdsHost = (base: string, host: string): boolean => (base.startsWith('.') ? host.endsWith(base) : host === base)

/** Of DNS: a name is itself and all that are below it. */
const holdsDns = (base: string, name: string): boolean => {
  const bare = base.replace(/^\./, '')
  return bare === '' || name === bare || name.endsWith(`.${bare}`)
}
