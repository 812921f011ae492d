import 'reflect-metadata'
import { findKeyAlgorithm, toKeyParameters } from '#mesh/key-algorithm.ts'
import type { KeyAlgorithm } from '#mesh/key-algorithm.ts'
import { X509Certificate } from '@peculiar/x509'
import type { Signer } from '../signer.ts'
import type { Kms, KmsKey } from './kms.ts'

/** What the Errors begin with that tell of a KMS: callers are told that there was one, and the log what it says (worker/problems.ts). */
export const KMS_FAILED = 'the KMS'

/**
 * Signs with a key that a KMS keeps. What it answers is verified before it is used: a wrong signature would be found out only by the agents.
 *
 * @throws Error that begins with `KMS_FAILED`.
 */
export const signByKms = async (
  kms: Kms,
  name: string,
  { algorithm, spki }: KmsKey,
  toBeSigned: ArrayBuffer,
): Promise<ArrayBuffer> => {
  const signature = await kms.sign(name, algorithm, toBeSigned).catch((error: unknown) => {
    throw toKmsError(name, error)
  })
  const parameters = toKeyParameters(algorithm)
  const key = await crypto.subtle.importKey('spki', spki, parameters, false, ['verify'])
  if (!(await crypto.subtle.verify(parameters, key, signature, toBeSigned)))
    throw new Error(`${KMS_FAILED} has signed with another key than ${name}`)
  return signature
}

export const findKmsKey = async (kms: Kms, name: string): Promise<KmsKey> =>
  kms.findKey(name).catch((error: unknown) => {
    throw toKmsError(name, error)
  })

const toKmsError = (name: string, cause: unknown): Error => {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new Error(
    reason.startsWith(KMS_FAILED) ? reason : `${KMS_FAILED} did not answer for the key ${name}: ${reason}`,
    {
      cause,
    },
  )
}

/** The signer of a root whose key is in a KMS. */
export const toKmsSigner = (kms: Kms, name: string, certificatePem: string): Signer => {
  const { publicKey } = new X509Certificate(certificatePem)
  const algorithm: KeyAlgorithm = findKeyAlgorithm(publicKey.algorithm) ?? 'ecdsa-p256'
  const key = { algorithm, spki: new Uint8Array(publicKey.rawData) }
  return { certificatePem, algorithm, sign: (toBeSigned) => signByKms(kms, name, key, toBeSigned) }
}
