import 'reflect-metadata'
import { PublicKey } from '@peculiar/x509'
import type { MeshName, TrustDomain } from '#mesh/names.ts'
import { signCaCertificate } from './certificate.ts'
import type { IssuedCertificate } from './certificate.ts'
import { rootProfile } from './profile.ts'
import { ecdsaP256, ecdsaSha256 } from './signer.ts'
import type { WebCryptoKey } from './signer.ts'

export interface NewRoot {
  readonly certificate: IssuedCertificate
  /** To be sealed at once; extractable only for that. */
  readonly privateKey: WebCryptoKey
}

interface KeyPair {
  readonly publicKey: WebCryptoKey
  readonly privateKey: WebCryptoKey
}

/** Makes a root of trust: a key and its self-signed certificate. */
export const createRoot = async (
  mesh: { readonly name: MeshName; readonly trustDomain: TrustDomain },
  serial: string,
  nowMs: number,
): Promise<NewRoot> => {
  const keys = (await crypto.subtle.generateKey(ecdsaP256, true, ['sign', 'verify'])) as KeyPair
  const certificate = await signCaCertificate(
    {
      serial,
      // The serial tells two roots of one mesh apart while one follows the other.
      subject: [{ O: [mesh.name] }, { CN: [`root ${serial.slice(0, 8)}`] }],
      trustDomain: mesh.trustDomain,
      publicKey: await PublicKey.create(keys.publicKey),
      profile: rootProfile,
      nowMs,
    },
    { certificatePem: null, sign: (toBeSigned) => crypto.subtle.sign(ecdsaSha256, keys.privateKey, toBeSigned) },
  )
  return { certificate, privateKey: keys.privateKey }
}
