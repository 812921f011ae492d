import type { KeyAlgorithm } from '#mesh/key-algorithm.ts'
import { parseKmsSettings } from '#mesh/kms-settings.ts'
import { AwsKms } from './aws-kms.ts'

export interface KmsKey {
  readonly algorithm: KeyAlgorithm
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array<ArrayBuffer>
}

/** Somebody else's keeping of private keys: it signs with them and never gives them away. Rejects when it can't be reached, or refuses. */
export interface Kms {
  findKey(name: string): Promise<KmsKey>
  /** As WebCrypto signs (worker/ca/signer.ts). */
  sign(name: string, algorithm: KeyAlgorithm, toBeSigned: ArrayBuffer): Promise<ArrayBuffer>
}

/** The KMS of a plane, and which of its keys is whose: what the operator says, and no tenant. */
export interface MeshKms {
  readonly kms: Kms
  /** The key for this mesh's next root; undefined = its roots' keys are the plane's. */
  readonly keyFor: (meshId: string) => string | undefined
}

/** What the Error says in which the secret is not what it has to be: callers are told that there is something, and the log what (worker/problems.ts). */
export const KMS_SECRET = 'ATOLL_KMS'

/**
 * Reads the secret `ATOLL_KMS`.
 *
 * @throws Error when it is not what it has to be. The text does not contain it.
 */
export const readKms = (secret: string | undefined): MeshKms | undefined => {
  if (secret === undefined || secret === '') return undefined
  const parsed = parseKmsSettings(secret)
  if (!parsed.ok) throw new Error(`the secret ${KMS_SECRET} is not what it has to be: ${parsed.error} (docs/trust.md)`)
  const { keys, endpoint, ...credentials } = parsed.value
  const kms = new AwsKms({ credentials, endpoint, fetch: (request) => fetch(request), nowMs: () => Date.now() })
  return { kms, keyFor: (meshId) => (Object.hasOwn(keys, meshId) ? keys[meshId] : undefined) }
}
