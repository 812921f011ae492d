import { fromBase64, toBase64, toUtf8 } from '../encode-bytes.ts'
import { ecdsaP256, ecdsaSha256 } from '../ca/signer.ts'

/** An agent's identity key (ECDSA P-256): what a cluster's replicas sign the uplink's nonces with. */

const pemShape = /^-----BEGIN PUBLIC KEY-----\s+([A-Za-z0-9+/=\s]+?)\s+-----END PUBLIC KEY-----\s*$/

const importIdentityKey = async (spki: Uint8Array<ArrayBuffer>): Promise<CryptoKey | undefined> => {
  try {
    return await crypto.subtle.importKey('spki', spki, ecdsaP256, true, ['verify'])
  } catch {
    return undefined
  }
}

/** The key of a PEM as it is stored: SubjectPublicKeyInfo in base64. Undefined when it is not a P-256 key. */
export const parseIdentityKey = async (pem: string): Promise<string | undefined> => {
  const spki = fromBase64(pemShape.exec(pem)?.[1]?.replaceAll(/\s/g, '') ?? '')
  const key = spki && (await importIdentityKey(spki))
  return key && toBase64(new Uint8Array((await crypto.subtle.exportKey('spki', key)) as ArrayBuffer))
}

/** Whether `signature` (base64url, IEEE P1363) is this key's over the text. */
export const verifyIdentity = async (identityKey: string, signature: string, payload: string): Promise<boolean> => {
  const spki = fromBase64(identityKey)
  const bytes = fromBase64(signature)
  const key = spki && (await importIdentityKey(spki))
  return key !== undefined && bytes !== undefined && crypto.subtle.verify(ecdsaSha256, key, bytes, toUtf8(payload))
}
