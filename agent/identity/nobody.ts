import 'reflect-metadata'
import { BasicConstraintsExtension, X509CertificateGenerator, type X509Certificate } from '@peculiar/x509'
import { ecdsaP256, generateKeyPair } from './certificate-key.ts'

let nobody: Promise<X509Certificate> | undefined

/**
 * A CA that vouches for nobody, for where Envoy demands some CA: its key is not kept, and its time was over before it began. Envoy takes a
 * context without a CA for "trust everybody", and refuses one that has a SAN matcher and no CA: whoever was trusted before would stay so.
 */
export const createNobody = (): Promise<X509Certificate> => (nobody ??= makeNobody())

const makeNobody = async (): Promise<X509Certificate> => {
  const keys = await generateKeyPair(false)
  return X509CertificateGenerator.createSelfSigned({
    name: 'CN=nobody',
    serialNumber: '01',
    notBefore: new Date(0),
    notAfter: new Date(1000),
    keys,
    signingAlgorithm: ecdsaP256,
    extensions: [new BasicConstraintsExtension(true, 0, true)],
  })
}
