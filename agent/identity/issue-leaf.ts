import 'reflect-metadata'
import type { webcrypto } from 'node:crypto'
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
  type X509Certificate,
} from '@peculiar/x509'
import {
  toAgentDnsName,
  toClusterDnsName,
  toSpiffeId,
  toWorkloadDnsName,
  type WorkloadIdentity,
} from '#mesh/identity.ts'
import type { KeyAlgorithm } from '#mesh/key-algorithm.ts'
import type { ClusterName, TrustDomain } from '#mesh/names.ts'
import { exportPrivateKeyPem, generateKeyPair, signingParametersOf } from './certificate-key.ts'

const hourMilliseconds = 60 * 60_000

/** What a leaf is like, beside whom it is for. */
const leafProfile = {
  lifetimeMilliseconds: 24 * hourMilliseconds,
  /** How far `notBefore` lies back, for peers whose clock is slow, or where ours is fast: as far as that of intermediates. */
  backdateMilliseconds: hourMilliseconds,
}

/** What a leaf says. */
export interface LeafNames {
  /** Organizational units of its subject (docs/decisions/0020). Absent = the subject is empty. */
  readonly units?: readonly string[]
  readonly spiffeId?: string
  readonly dnsNames: readonly string[]
  readonly usages: readonly ExtendedKeyUsage[]
}

/** Who signs: a cluster's intermediate. */
export interface LeafIssuer {
  readonly certificate: X509Certificate
  readonly privateKey: webcrypto.CryptoKey
}

export interface Leaf {
  /** The leaf and the intermediate that signed it. */
  readonly chainPem: string
  readonly privateKeyPem: string
  /** Lower-case hex. */
  readonly serial: string
  readonly issuedAt: number
  readonly notAfter: number
  /** Who signed it. */
  readonly issuer: X509Certificate
  /** Of its own key. */
  readonly keyAlgorithm: KeyAlgorithm
}

const maxDnsName = 253
const maxDnsLabel = 63

/** A workload's names, or why it can't have any (docs/decisions/0003). */
export const toWorkloadNames = (
  identity: WorkloadIdentity,
  cluster: ClusterName,
  domain: TrustDomain,
  units: readonly string[] = [],
): LeafNames | { readonly problem: string } => {
  const name = toWorkloadDnsName(identity, cluster, domain)
  if (name.length > maxDnsName || name.split('.').some((label) => label.length > maxDnsLabel || label === ''))
    return { problem: `the service account's DNS name ${name} is not one: 253 characters at most, 63 in each label` }
  return {
    units,
    spiffeId: toSpiffeId(domain, identity),
    dnsNames: [toClusterDnsName(cluster, domain), name],
    usages: [ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth],
  }
}

/** The names of the agent's xDS server. */
export const toAgentNames = (cluster: ClusterName, domain: TrustDomain): LeafNames => ({
  dnsNames: [toAgentDnsName(cluster, domain)],
  usages: [ExtendedKeyUsage.serverAuth],
})

/** Makes a key and signs a leaf for it, valid for a day and never longer than its issuer. */
export const issueLeaf = async (
  issuer: LeafIssuer,
  names: LeafNames,
  nowMilliseconds: number,
  keyAlgorithm: KeyAlgorithm = 'ecdsa-p256',
): Promise<Leaf> => {
  const keys = await generateKeyPair(true, keyAlgorithm)
  const notBefore = Math.max(nowMilliseconds - leafProfile.backdateMilliseconds, issuer.certificate.notBefore.getTime())
  const notAfter = Math.min(nowMilliseconds + leafProfile.lifetimeMilliseconds, issuer.certificate.notAfter.getTime())
  const units = names.units ?? []
  const certificate = await X509CertificateGenerator.create({
    serialNumber: newSerial(),
    subject: units.map((unit) => ({ OU: [unit] })),
    issuer: issuer.certificate.subjectName,
    notBefore: new Date(notBefore),
    notAfter: new Date(notAfter),
    publicKey: keys.publicKey,
    signingKey: issuer.privateKey,
    signingAlgorithm: signingParametersOf(issuer.privateKey),
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([...names.usages]),
      // Critical where the subject is empty, and only there (RFC 5280 §4.2.1.6).
      new SubjectAlternativeNameExtension(
        [
          ...(names.spiffeId === undefined ? [] : [{ type: 'url' as const, value: names.spiffeId }]),
          ...names.dnsNames.map((value) => ({ type: 'dns' as const, value })),
        ],
        units.length === 0,
      ),
      await AuthorityKeyIdentifierExtension.create(issuer.certificate.publicKey),
    ],
  })
  return {
    chainPem: `${certificate.toString('pem')}\n${issuer.certificate.toString('pem')}\n`,
    privateKeyPem: await exportPrivateKeyPem(keys.privateKey),
    serial: certificate.serialNumber,
    issuedAt: nowMilliseconds,
    notAfter: certificate.notAfter.getTime(),
    issuer: issuer.certificate,
    keyAlgorithm,
  }
}

/** 128 bits, positive, never zero (RFC 5280 §4.1.2.2). */
const newSerial = (): string => {
  const bytes = crypto.getRandomValues(Buffer.alloc(16))
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40
  return bytes.toString('hex')
}
