import 'reflect-metadata'
import { AsnConvert, OctetString } from '@peculiar/asn1-schema'
import {
  Certificate,
  GeneralName,
  GeneralSubtree,
  GeneralSubtrees,
  id_ce_nameConstraints,
  NameConstraints,
} from '@peculiar/asn1-x509'
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509'
import type { JsonName, PublicKey } from '@peculiar/x509'
import { toKeyParameters, toSignatureBytes } from '#mesh/key-algorithm.ts'
import { toHex } from '../encode-bytes.ts'
import type { Profile } from './profile.ts'
import type { Signer } from './signer.ts'

/** A certificate that has been signed, and what is written down of it. */
export interface IssuedCertificate {
  readonly pem: string
  readonly notBeforeMs: number
  readonly notAfterMs: number
  /** Lower-case hex SHA-256 of the DER form. */
  readonly fingerprint: string
}

/** What a CA may sign for: URIs of one host, and DNS names below one name, or all but those below one. */
type NameLimits = { readonly permittedUri: string } & (
  | { readonly permittedDns: string }
  | { readonly excludedDns: string }
)

interface CaFacts {
  readonly serial: string
  readonly subject: JsonName
  readonly trustDomain: string
  readonly publicKey: PublicKey
  readonly profile: Profile
  /** RFC 5280 §4.2.1.10 subtrees; absent = no constraints. */
  readonly names?: NameLimits
  readonly nowMs: number
}

/** 128 random bits, positive, never zero (RFC 5280 §4.1.2.2). */
export const newSerial = (random: (bytes: number) => Uint8Array): string => {
  const bytes = random(16)
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40
  return toHex(bytes)
}

/** Signs a CA certificate. It never outlives the certificate of who signs it. */
export const signCaCertificate = async (facts: CaFacts, signer: Signer | SelfSigner): Promise<IssuedCertificate> => {
  const issuer = signer.certificatePem === null ? null : new X509Certificate(signer.certificatePem)
  const lifetimeEndMs = facts.nowMs + facts.profile.lifetimeMs
  const notBeforeMs = facts.nowMs - facts.profile.backdateMs
  const notAfterMs = Math.min(lifetimeEndMs, issuer?.notAfter.getTime() ?? lifetimeEndMs)
  const parameters = {
    serialNumber: facts.serial,
    subject: facts.subject,
    issuer: issuer?.subjectName ?? facts.subject,
    notBefore: new Date(notBeforeMs),
    notAfter: new Date(notAfterMs),
    publicKey: facts.publicKey,
    signingAlgorithm: toKeyParameters(signer.algorithm),
    extensions: [
      new BasicConstraintsExtension(true, facts.profile.pathLength, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      new SubjectAlternativeNameExtension([{ type: 'url', value: `spiffe://${facts.trustDomain}` }]),
      await SubjectKeyIdentifierExtension.create(facts.publicKey),
      await toAuthorityKeyIdentifier(issuer, facts.publicKey),
      ...(facts.names ? [toNameConstraints(facts.names)] : []),
    ],
  }
  // The signer sees only bytes: they are made with an empty signature first, and put together again with the real one.
  const unsigned = await X509CertificateGenerator.create({
    ...parameters,
    signature: new Uint8Array(toSignatureBytes(signer.algorithm)),
  })
  const signature = await signer.sign(
    AsnConvert.serialize(AsnConvert.parse(unsigned.rawData, Certificate).tbsCertificate),
  )
  const certificate = await X509CertificateGenerator.create({ ...parameters, signature })
  return {
    pem: certificate.toString('pem'),
    notBeforeMs: certificate.notBefore.getTime(),
    notAfterMs: certificate.notAfter.getTime(),
    fingerprint: toHex(new Uint8Array(await certificate.getThumbprint('SHA-256'))),
  }
}

/** By the name that the issuer has for its own key, which may be another than ours would be: whoever follows the chain compares the two. */
const toAuthorityKeyIdentifier = async (
  issuer: X509Certificate | null,
  own: PublicKey,
): Promise<AuthorityKeyIdentifierExtension> => {
  const keyId = issuer?.getExtension(SubjectKeyIdentifierExtension)?.keyId
  return keyId === undefined
    ? AuthorityKeyIdentifierExtension.create(issuer?.publicKey ?? own)
    : new AuthorityKeyIdentifierExtension(keyId)
}

/** A signer that has no certificate yet: it makes its own. */
export type SelfSigner = Omit<Signer, 'certificatePem'> & { readonly certificatePem: null }

const toNameConstraints = (limits: NameLimits): Extension => {
  const permitted = [
    new GeneralSubtree({ base: new GeneralName({ uniformResourceIdentifier: limits.permittedUri }) }),
    ...('permittedDns' in limits ? [toDnsSubtree(limits.permittedDns)] : []),
  ]
  const constraints = new NameConstraints({
    permittedSubtrees: new GeneralSubtrees(permitted),
    ...('excludedDns' in limits && { excludedSubtrees: new GeneralSubtrees([toDnsSubtree(limits.excludedDns)]) }),
  })
  return new Extension(id_ce_nameConstraints, true, new OctetString(AsnConvert.serialize(constraints)))
}

const toDnsSubtree = (dNSName: string): GeneralSubtree => new GeneralSubtree({ base: new GeneralName({ dNSName }) })
