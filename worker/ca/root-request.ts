import 'reflect-metadata'
import {
  BasicConstraintsExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  Pkcs10CertificateRequestGenerator,
  SubjectAlternativeNameExtension,
} from '@peculiar/x509'
import { toKeyParameters } from '#mesh/key-algorithm.ts'
import type { KeyAlgorithm } from '#mesh/key-algorithm.ts'
import type { MeshName, TrustDomain } from '#mesh/names.ts'
import { rootProfile } from './profile.ts'
import { generateRootKeys } from './root.ts'
import type { WebCryptoKey } from './signer.ts'

/**
 * A key for a root, and a request (PKCS#10) for a certificate that somebody else signs: an offline root. It asks for what the plane gives a root of its own;
 * whoever signs decides, and the plane looks at what comes back.
 */
export const createRootRequest = async (
  mesh: { readonly name: MeshName; readonly trustDomain: TrustDomain },
  name: string,
  algorithm: KeyAlgorithm,
): Promise<{ readonly csrPem: string; readonly privateKey: WebCryptoKey }> => {
  const keys = await generateRootKeys(algorithm)
  const request = await Pkcs10CertificateRequestGenerator.create({
    name: [{ O: [mesh.name] }, { CN: [name] }],
    keys,
    signingAlgorithm: toKeyParameters(algorithm),
    extensions: [
      new BasicConstraintsExtension(true, rootProfile.pathLength, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      new SubjectAlternativeNameExtension([{ type: 'url', value: `spiffe://${mesh.trustDomain}` }]),
    ],
  })
  return { csrPem: request.toString('pem'), privateKey: keys.privateKey }
}
