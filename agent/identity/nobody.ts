import 'reflect-metadata'
import type { webcrypto } from 'node:crypto'
import { BasicConstraintsExtension, X509CertificateGenerator, type X509Certificate } from '@peculiar/x509'
import type { TlsCredential } from '#agent/credentials/parse-credential.ts'
import { ecdsaP256, exportPrivateKeyPem, generateKeyPair } from './certificate-key.ts'

let nobody: Promise<X509Certificate> | undefined

/**
 * A CA that vouches for nobody, for where Envoy demands some CA: its key is not kept, and its time was over before it began. Envoy takes a
 * context without a CA for "trust everybody", and refuses one that has a SAN matcher and no CA: whoever was trusted before would stay so.
 */
export const createNobody = (): Promise<X509Certificate> =>
  (nobody ??= generateKeyPair(false).then((keys) => toNobody(keys, true)))

/** Nobody as a CA, and a certificate with its key that nobody vouches for: they take the place of what a proxy is to have no more. */
export const createNobodysCredential = async (): Promise<TlsCredential> => {
  const keys = await generateKeyPair(true)
  const certificate = await toNobody(keys, false)
  return {
    certificate: { chainPem: certificate.toString('pem'), keyPem: await exportPrivateKeyPem(keys.privateKey) },
    authorities: { caPem: (await createNobody()).toString('pem') },
  }
}

const toNobody = (keys: webcrypto.CryptoKeyPair, isCa: boolean): Promise<X509Certificate> =>
  X509CertificateGenerator.createSelfSigned({
    name: 'CN=nobody',
    serialNumber: '01',
    notBefore: new Date(0),
    notAfter: new Date(1000),
    keys,
    signingAlgorithm: ecdsaP256,
    extensions: [new BasicConstraintsExtension(isCa, isCa ? 0 : undefined, true)],
  })
