import { toKeyParameters } from '#mesh/key-algorithm.ts'
import type { KeyAlgorithm } from '#mesh/key-algorithm.ts'

/**
 * Signs with one private key, wherever that key is: in this process, in a KMS, behind somebody else's service. It is shown the
 * bytes to sign and nothing else.
 */
export interface Signer {
  /** The certificate of the key, PEM: issuer of what it signs. */
  readonly certificatePem: string
  /** What the key is. */
  readonly algorithm: KeyAlgorithm
  /** As WebCrypto signs: ECDSA in the form of IEEE P1363 (r and s side by side), RSA in that of PKCS#1 v1.5. */
  readonly sign: (toBeSigned: ArrayBuffer) => Promise<ArrayBuffer>
}

/** A WebCrypto key, by a name that every runtime's types have. */
export type WebCryptoKey = Parameters<typeof crypto.subtle.sign>[1]

/** What agents' identity keys are. */
export const ecdsaP256 = { name: 'ECDSA', namedCurve: 'P-256' } as const
export const ecdsaSha256 = { name: 'ECDSA', hash: 'SHA-256' } as const

/** Signs with a key that this process holds. */
export const toLocalSigner = (
  certificatePem: string,
  privateKey: WebCryptoKey,
  algorithm: KeyAlgorithm = 'ecdsa-p256',
): Signer => ({
  certificatePem,
  algorithm,
  sign: (toBeSigned) => crypto.subtle.sign(toKeyParameters(algorithm), privateKey, toBeSigned),
})
