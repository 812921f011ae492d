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
  BasicConstraintsExtension,
  Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  Pkcs10CertificateRequest,
  X509CertificateGenerator,
} from '@peculiar/x509'
import type { PublicKey, X509Certificate } from '@peculiar/x509'
import { toKeyParameters } from '#mesh/key-algorithm.ts'
import type { KeyAlgorithm } from '#mesh/key-algorithm.ts'

const dayMilliseconds = 24 * 60 * 60_000

type Keys = Awaited<ReturnType<typeof generate>>

const generate = async (algorithm: KeyAlgorithm) => {
  const parameters = toKeyParameters(algorithm)
  const keys = await crypto.subtle.generateKey(parameters, true, ['sign', 'verify'])
  if (!('privateKey' in keys)) throw new Error('these are pairs of keys')
  return keys
}

/** How a CA may differ from one that may be a mesh's root. */
export interface CaWishes {
  readonly name?: string
  readonly algorithm?: KeyAlgorithm
  readonly hash?: string
  /** null = no limit. */
  readonly pathLength?: number | null
  readonly isCa?: boolean
  readonly days?: number
  /** Milliseconds since the epoch. */
  readonly notBefore?: number
  readonly permitted?: readonly object[]
  readonly excluded?: readonly object[]
  readonly extensions?: readonly Extension[]
}

/** A CA of somebody else's: an offline root, or one below it. */
export class OwnCa {
  readonly certificate: X509Certificate
  readonly keys: Keys
  readonly #issuer: OwnCa | undefined
  readonly #algorithm: KeyAlgorithm

  private constructor(certificate: X509Certificate, keys: Keys, algorithm: KeyAlgorithm, issuer: OwnCa | undefined) {
    this.certificate = certificate
    this.keys = keys
    this.#algorithm = algorithm
    this.#issuer = issuer
  }

  static async create(issuer?: OwnCa, wishes: CaWishes = {}): Promise<OwnCa> {
    const { algorithm = 'ecdsa-p256', name = issuer ? 'O=Acme, CN=Mesh CA' : 'O=Acme, CN=Acme root' } = wishes
    const keys = await generate(algorithm)
    const signing = issuer ? { ...issuer.#signing, name: issuer.certificate.subject } : undefined
    const own = { key: keys.privateKey, parameters: toKeyParameters(algorithm), name }
    const pathLength = wishes.pathLength ?? (issuer ? 1 : 2)
    const certificate = await certify(keys.publicKey, name, signing ?? own, { ...wishes, pathLength })
    return new OwnCa(certificate, keys, algorithm, issuer)
  }

  get #signing() {
    return { key: this.keys.privateKey, parameters: toKeyParameters(this.#algorithm) }
  }

  /** Signs what the plane asks for. */
  async sign(csrPem: string, wishes: CaWishes = {}): Promise<string> {
    const { publicKey, subject } = new Pkcs10CertificateRequest(csrPem)
    const signing = { ...this.#signing, name: this.certificate.subject }
    const certificate = await certify(publicKey, subject, signing, { pathLength: 1, ...wishes })
    return certificate.toString('pem')
  }

  /** With those above it, itself first. */
  get chainPem(): string {
    return [this.certificate.toString('pem'), ...(this.#issuer ? [this.#issuer.chainPem] : [])].join('\n')
  }

  async keyPem(): Promise<string> {
    const pkcs8 = await crypto.subtle.exportKey('pkcs8', this.keys.privateKey)
    if (!(pkcs8 instanceof ArrayBuffer)) throw new Error('PKCS#8 is bytes')
    return PemConverter.encode(pkcs8, PemConverter.PrivateKeyTag)
  }
}

const certify = (
  publicKey: Keys['publicKey'] | PublicKey,
  subject: string,
  issuer: {
    readonly key: Keys['privateKey']
    readonly parameters: ReturnType<typeof toKeyParameters>
    readonly name: string
  },
  wishes: CaWishes,
): Promise<X509Certificate> => {
  const { isCa = true, pathLength, days = 900, notBefore = Date.now() - 60_000 } = wishes
  const { permitted = [], excluded = [], extensions = [], hash } = wishes
  return X509CertificateGenerator.create({
    subject,
    issuer: issuer.name,
    publicKey,
    notBefore: new Date(notBefore),
    notAfter: new Date(Date.now() + days * dayMilliseconds),
    signingKey: issuer.key,
    signingAlgorithm: { ...issuer.parameters, ...(hash !== undefined && { hash }) },
    extensions: [
      new BasicConstraintsExtension(isCa, pathLength ?? undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      ...(permitted.length + excluded.length > 0 ? [toNameConstraints(permitted, excluded)] : []),
      ...extensions,
    ],
  })
}

const toNameConstraints = (permitted: readonly object[], excluded: readonly object[]): Extension => {
  const toSubtrees = (names: readonly object[]) =>
    new GeneralSubtrees(names.map((name) => new GeneralSubtree({ base: new GeneralName(name) })))
  const constraints = new NameConstraints({
    ...(permitted.length > 0 && { permittedSubtrees: toSubtrees(permitted) }),
    ...(excluded.length > 0 && { excludedSubtrees: toSubtrees(excluded) }),
  })
  return new Extension(id_ce_nameConstraints, true, new OctetString(AsnConvert.serialize(constraints)))
}
