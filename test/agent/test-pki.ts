import 'reflect-metadata'
import { AsnConvert, OctetString } from '@peculiar/asn1-schema'
import {
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
  Pkcs10CertificateRequest,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509'
import { generateKeyPair, signingParametersOf } from '#agent/identity/certificate-key.ts'
import { createIntermediateCsr } from '#agent/identity/create-intermediate-csr.ts'
import type { LeafIssuer } from '#agent/identity/issue-leaf.ts'
import { toClusterDnsName } from '#mesh/identity.ts'
import { findKeyAlgorithm, type KeyAlgorithm } from '#mesh/key-algorithm.ts'
import { clusterName, trustDomain, type ClusterName } from '#mesh/names.ts'
import { toLocalSigner, type Signer } from '#worker/ca/signer.ts'

export const domain = trustDomain.parse('td.example')
export const east = clusterName.parse('east')
export const west = clusterName.parse('west')

const dayMilliseconds = 24 * 60 * 60_000
let serial = 1

interface Subtree {
  readonly uri?: string
  readonly dns?: string
}

/** How an intermediate may differ from what the plane would sign. */
export interface IntermediateWishes {
  readonly notBefore?: number
  readonly notAfter?: number
  readonly isCa?: boolean
  readonly pathLength?: number
  readonly permitted?: readonly Subtree[]
  readonly excluded?: readonly Subtree[]
  readonly areConstraintsCritical?: boolean
  /** Name constraints that are not even ASN.1. */
  readonly areConstraintsNonsense?: boolean
  /** What its own key is. */
  readonly key?: KeyAlgorithm
}

/** A root that signs whatever a test wants. */
export class TestRoot {
  readonly pem: string
  readonly #keys: Awaited<ReturnType<typeof generateKeyPair>>
  readonly #certificate: X509Certificate
  readonly #now: number

  private constructor(keys: Awaited<ReturnType<typeof generateKeyPair>>, certificate: X509Certificate, now: number) {
    this.#keys = keys
    this.#certificate = certificate
    this.#now = now
    this.pem = certificate.toString('pem')
  }

  static async create(now: number, name = 'root', algorithm: KeyAlgorithm = 'ecdsa-p256'): Promise<TestRoot> {
    const keys = await generateKeyPair(true, algorithm)
    const certificate = await X509CertificateGenerator.createSelfSigned({
      serialNumber: String(serial++).padStart(2, '0'),
      name: `O=test, CN=${name}`,
      notBefore: new Date(now - dayMilliseconds),
      notAfter: new Date(now + 3650 * dayMilliseconds),
      keys,
      signingAlgorithm: signingParametersOf(keys.privateKey),
      extensions: [
        new BasicConstraintsExtension(true, 1, true),
        new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
        await SubjectKeyIdentifierExtension.create(keys.publicKey),
      ],
    })
    return new TestRoot(keys, certificate, now)
  }

  /** For what the plane signs with a root's key. */
  get signer(): Signer {
    return toLocalSigner(this.pem, this.#keys.privateKey, findKeyAlgorithm(this.#keys.privateKey.algorithm))
  }

  /** Answers a request as the plane does. */
  async sign(csrPem: string, cluster: ClusterName, wishes: IntermediateWishes = {}): Promise<string> {
    const { publicKey } = new Pkcs10CertificateRequest(csrPem)
    const permitted = wishes.permitted ?? [{ uri: domain }, { dns: toClusterDnsName(cluster, domain) }]
    const certificate = await X509CertificateGenerator.create({
      serialNumber: String(serial++).padStart(4, '0'),
      subject: `O=test, OU=clusters, CN=${cluster}`,
      issuer: this.#certificate.subjectName,
      notBefore: new Date(wishes.notBefore ?? this.#now - 60 * 60_000),
      notAfter: new Date(wishes.notAfter ?? this.#now + 90 * dayMilliseconds),
      publicKey,
      signingKey: this.#keys.privateKey,
      signingAlgorithm: signingParametersOf(this.#keys.privateKey),
      extensions: [
        new BasicConstraintsExtension(wishes.isCa ?? true, wishes.pathLength ?? 0, true),
        new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
        await SubjectKeyIdentifierExtension.create(publicKey),
        await AuthorityKeyIdentifierExtension.create(this.#certificate.publicKey),
        wishes.areConstraintsNonsense
          ? new Extension(id_ce_nameConstraints, true, new TextEncoder().encode('nonsense'))
          : toNameConstraints(permitted, wishes.excluded ?? [], wishes.areConstraintsCritical ?? true),
      ],
    })
    return certificate.toString('pem')
  }
}

const toNameConstraints = (
  permitted: readonly Subtree[],
  excluded: readonly Subtree[],
  isCritical: boolean,
): Extension => {
  const constraints = new NameConstraints({
    ...(permitted.length > 0 && { permittedSubtrees: toSubtrees(permitted) }),
    ...(excluded.length > 0 && { excludedSubtrees: toSubtrees(excluded) }),
  })
  return new Extension(id_ce_nameConstraints, isCritical, new OctetString(AsnConvert.serialize(constraints)))
}

const toSubtrees = (names: readonly Subtree[]): GeneralSubtrees =>
  new GeneralSubtrees(
    names.map(
      ({ uri, dns }) =>
        new GeneralSubtree({
          base: new GeneralName(dns === undefined ? { uniformResourceIdentifier: uri ?? '' } : { dNSName: dns }),
        }),
    ),
  )

/** The certificate of an external issuer as the plane signs it, unless told otherwise. */
export const createIssuer = async (
  root: TestRoot,
  name: ClusterName,
  wishes: IntermediateWishes = {},
): Promise<string> => {
  const csr = await createIntermediateCsr(await generateKeyPair(true), name)
  const names = { permitted: [{ uri: domain }], excluded: [{ dns: `clusters.${domain}` }] }
  return root.sign(csr, name, { ...names, ...wishes })
}

export interface TestIntermediate extends LeafIssuer {
  readonly pem: string
}

/** A cluster's intermediate with its key. */
export const createIntermediate = async (
  root: TestRoot,
  cluster: ClusterName,
  wishes: IntermediateWishes = {},
): Promise<TestIntermediate> => {
  const keys = await generateKeyPair(true, wishes.key)
  const pem = await root.sign(await createIntermediateCsr(keys, cluster), cluster, wishes)
  return { pem, certificate: new X509Certificate(pem), privateKey: keys.privateKey }
}
