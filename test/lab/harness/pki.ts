import 'reflect-metadata'
import { randomBytes, webcrypto } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
  type Extension,
  type JsonGeneralName,
} from '@peculiar/x509'
import type { ClusterPlan } from './lab-plan.ts'

export interface KeyPair {
  readonly certificate: string
  readonly key: string
}

/** The keys of one cluster; in files for the programs that want files. */
export interface ClusterPki {
  readonly directory: string
  readonly ca: string
  readonly admin: KeyPair
  readonly controllerManager: KeyPair
}

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const
const dayMilliseconds = 24 * 60 * 60_000

/** A CA, the API server's certificate, those of its first users, and the key that signs service account tokens. */
export const createPki = async (directory: string, cluster: ClusterPlan): Promise<ClusterPki> => {
  const authority = await Authority.create(`${cluster.name} lab CA`)
  const names: JsonGeneralName[] = [
    ...['localhost', 'kubernetes', 'kubernetes.default', 'kubernetes.default.svc'].map(dnsName),
    dnsName('kubernetes.default.svc.cluster.local'),
    ...['127.0.0.1', cluster.apiServer.address, cluster.apiServiceAddress].map((value): JsonGeneralName => ({
      type: 'ip',
      value,
    })),
  ]
  const serviceAccounts = await generateKeys()
  const [apiServer, admin, controllerManager] = await Promise.all([
    authority.issue('CN=kube-apiserver', ExtendedKeyUsage.serverAuth, names),
    authority.issue('O=system:masters, CN=lab-admin', ExtendedKeyUsage.clientAuth),
    authority.issue('CN=system:kube-controller-manager', ExtendedKeyUsage.clientAuth),
  ])
  await mkdir(directory, { recursive: true })
  const files = {
    'ca.crt': authority.pem,
    'apiserver.crt': apiServer.certificate,
    'apiserver.key': apiServer.key,
    'sa.pub': PemConverter.encode(await webcrypto.subtle.exportKey('spki', serviceAccounts.publicKey), 'PUBLIC KEY'),
    'sa.key': await toKeyPem(serviceAccounts.privateKey),
  }
  await Promise.all(
    Object.entries(files).map(([name, text]) => writeFile(join(directory, name), text, { mode: 0o600 })),
  )
  return { directory, ca: authority.pem, admin, controllerManager }
}

const dnsName = (value: string): JsonGeneralName => ({ type: 'dns', value })

const generateKeys = (): Promise<webcrypto.CryptoKeyPair> =>
  webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])

const toKeyPem = async (key: webcrypto.CryptoKey): Promise<string> =>
  PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY')

class Authority {
  readonly pem: string
  readonly #subject: string
  readonly #keys: webcrypto.CryptoKeyPair

  private constructor(subject: string, keys: webcrypto.CryptoKeyPair, pem: string) {
    this.#subject = subject
    this.#keys = keys
    this.pem = pem
  }

  static async create(name: string): Promise<Authority> {
    const keys = await generateKeys()
    const certificate = await X509CertificateGenerator.createSelfSigned({
      ...terms(),
      name: `CN=${name}`,
      keys,
      extensions: [
        new BasicConstraintsExtension(true, undefined, true),
        new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      ],
    })
    return new Authority(`CN=${name}`, keys, certificate.toString('pem'))
  }

  async issue(subject: string, usage: ExtendedKeyUsage, names: JsonGeneralName[] = []): Promise<KeyPair> {
    const keys = await generateKeys()
    const extensions: Extension[] = [
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([usage]),
    ]
    if (names.length > 0) extensions.push(new SubjectAlternativeNameExtension(names))
    const certificate = await X509CertificateGenerator.create({
      ...terms(),
      subject,
      issuer: this.#subject,
      publicKey: keys.publicKey,
      signingKey: this.#keys.privateKey,
      extensions,
    })
    return { certificate: certificate.toString('pem'), key: await toKeyPem(keys.privateKey) }
  }
}

const terms = () => ({
  serialNumber: randomBytes(8).toString('hex').replace(/^./, '1'),
  notBefore: new Date(Date.now() - dayMilliseconds),
  notAfter: new Date(Date.now() + 365 * dayMilliseconds),
  signingAlgorithm: algorithm,
})
