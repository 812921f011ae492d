import { fromBase64, toBase64, toUtf8 } from '../encode-bytes.ts'
import { ecdsaP256 } from './signer.ts'

/** Which key it is. Bound into the seal, so that a sealed key can't be moved to another org, mesh or row. */
export interface KeyName {
  readonly orgId: string
  readonly meshId: string
  readonly keyId: string
}

const KEK_BYTES = 32
const IV_BYTES = 12
const VERSION = 'v1'

/**
 * The key-encryption key of one org, derived (HKDF-SHA-256) from the plane's secret `ATOLL_KEK`: 32 bytes in base64.
 *
 * @throws Error when the secret is missing or not that. The text of the error does not contain it.
 */
export const deriveOrgKek = async (secret: string | undefined, orgId: string): Promise<CryptoKey> => {
  const bytes = fromBase64(secret ?? '')
  if (bytes?.length !== KEK_BYTES) throw new Error(`the secret ATOLL_KEK must be ${KEK_BYTES} bytes in base64`)
  const master = await crypto.subtle.importKey('raw', bytes, 'HKDF', false, ['deriveKey'])
  return crypto.subtle.deriveKey(
    { name: 'HKDF', hash: 'SHA-256', salt: toUtf8(orgId), info: toUtf8('atoll org key-encryption key') },
    master,
    { name: 'AES-GCM', length: 256 },
    false,
    ['encrypt', 'decrypt'],
  )
}

const toAdditionalData = ({ orgId, meshId, keyId }: KeyName) => toUtf8([VERSION, orgId, meshId, keyId].join('\n'))

/** A private key as text that only the org's key-encryption key opens: AES-256-GCM over PKCS#8. */
export const sealKey = async (
  kek: CryptoKey,
  name: KeyName,
  privateKey: CryptoKey,
  random: (bytes: number) => Uint8Array<ArrayBuffer>,
): Promise<string> => {
  const iv = random(IV_BYTES)
  const pkcs8 = (await crypto.subtle.exportKey('pkcs8', privateKey)) as ArrayBuffer
  const sealed = await crypto.subtle.encrypt(
    { name: 'AES-GCM', iv, additionalData: toAdditionalData(name) },
    kek,
    pkcs8,
  )
  return [VERSION, toBase64(iv), toBase64(new Uint8Array(sealed))].join('.')
}

/**
 * Opens a sealed key for signing; it can't be exported again.
 *
 * @throws Error when the seal is broken or was made for another key.
 */
export const openKey = async (kek: CryptoKey, name: KeyName, sealed: string): Promise<CryptoKey> => {
  const [version, ivText = '', sealedText = ''] = sealed.split('.')
  const iv = fromBase64(ivText)
  const bytes = fromBase64(sealedText)
  if (version !== VERSION || !iv || !bytes) throw new Error(`the sealed key ${name.keyId} is damaged`)
  const pkcs8 = await crypto.subtle.decrypt({ name: 'AES-GCM', iv, additionalData: toAdditionalData(name) }, kek, bytes)
  return crypto.subtle.importKey('pkcs8', pkcs8, ecdsaP256, false, ['sign'])
}
