import 'reflect-metadata'
import { PublicKey } from '@peculiar/x509'
import { toKeyParameters } from '#mesh/key-algorithm.ts'
import type { KeyAlgorithm } from '#mesh/key-algorithm.ts'
import type { MeshName, TrustDomain } from '#mesh/names.ts'
import { signCaCertificate } from './certificate.ts'
import type { IssuedCertificate, SelfSigner } from './certificate.ts'
import { rootProfile } from './profile.ts'
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

/** A new key for a root; extractable, so that it can be sealed. */
export const generateRootKeys = async (algorithm: KeyAlgorithm): Promise<KeyPair> =>
  (await crypto.subtle.generateKey(toKeyParameters(algorithm), true, ['sign', 'verify'])) as KeyPair

interface RootMesh {
  readonly name: MeshName
  readonly trustDomain: TrustDomain
}

/** Makes a root of trust: a key and its self-signed certificate. */
export const createRoot = async (
  mesh: RootMesh,
  serial: string,
  nowMs: number,
  algorithm: KeyAlgorithm = 'ecdsa-p256',
): Promise<NewRoot> => {
  const keys = await generateRootKeys(algorithm)
  const sign = (toBeSigned: ArrayBuffer) => crypto.subtle.sign(toKeyParameters(algorithm), keys.privateKey, toBeSigned)
  const publicKey = await PublicKey.create(keys.publicKey)
  const certificate = await certifyRoot(mesh, serial, nowMs, { algorithm, publicKey, sign })
  return { certificate, privateKey: keys.privateKey }
}

/** The certificate of a root whose key signs wherever it is. */
export const certifyRoot = (
  mesh: RootMesh,
  serial: string,
  nowMs: number,
  { publicKey, ...signer }: Omit<SelfSigner, 'certificatePem'> & { readonly publicKey: PublicKey },
): Promise<IssuedCertificate> =>
  signCaCertificate(
    {
      serial,
      // The serial tells two roots of one mesh apart while one follows the other.
      subject: [{ O: [mesh.name] }, { CN: [`root ${serial.slice(0, 8)}`] }],
      trustDomain: mesh.trustDomain,
      publicKey,
      profile: rootProfile,
      nowMs,
    },
    { ...signer, certificatePem: null },
  )
