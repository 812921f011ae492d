import { fromBase64, toUtf8 } from './encode-bytes.ts'

/**
 * How the worker derives keys and seals: HKDF-SHA-256 with a purpose that nothing else has, and AES-256-GCM bound to the place of what is sealed. What a
 * sealed text looks like is its owner's affair.
 */

const SECRET_BYTES = 32
const IV_BYTES = 12

export type PlaneSecret = 'ATOLL_KEK' | 'ATOLL_KEK_PREVIOUS'

/**
 * A secret of the plane: 32 bytes in base64.
 *
 * @throws Error when it is missing or not that. The text of the error does not contain it.
 */
export const readPlaneSecret = (name: PlaneSecret, secret: string | undefined): Uint8Array<ArrayBuffer> => {
  const bytes = fromBase64(secret ?? '')
  if (bytes?.length !== SECRET_BYTES) throw new Error(`the secret ${name} must be ${SECRET_BYTES} bytes in base64`)
  return bytes
}

export interface Purpose {
  /** In the text of HKDF's `info`: nothing else is derived with it. */
  readonly purpose: string
  /** Whose it is, where each has a key of its own. */
  readonly salt?: string
}

const importMaterial = (material: Uint8Array<ArrayBuffer>, usage: 'deriveKey' | 'deriveBits'): Promise<CryptoKey> =>
  crypto.subtle.importKey('raw', material, 'HKDF', false, [usage])

const toHkdf = ({ purpose, salt = '' }: Purpose) => ({
  name: 'HKDF',
  hash: 'SHA-256',
  salt: toUtf8(salt),
  info: toUtf8(purpose),
})

/** A key that seals and opens. */
export const deriveSealingKey = async (material: Uint8Array<ArrayBuffer>, purpose: Purpose): Promise<CryptoKey> => {
  const master = await importMaterial(material, 'deriveKey')
  const kind = { name: 'AES-GCM', length: 256 }
  return crypto.subtle.deriveKey(toHkdf(purpose), master, kind, false, ['encrypt', 'decrypt'])
}

/** A key that signs and verifies by HMAC-SHA-256. */
export const deriveMacKey = async (material: Uint8Array<ArrayBuffer>, purpose: Purpose): Promise<CryptoKey> => {
  const master = await importMaterial(material, 'deriveKey')
  const kind = { name: 'HMAC', hash: 'SHA-256', length: 256 }
  return crypto.subtle.deriveKey(toHkdf(purpose), master, kind, false, ['sign', 'verify'])
}

/** The seed of a key of another kind. */
export const deriveBits = async (
  material: Uint8Array<ArrayBuffer>,
  purpose: Purpose,
  bytes: number,
): Promise<Uint8Array> =>
  new Uint8Array(
    await crypto.subtle.deriveBits(toHkdf(purpose), await importMaterial(material, 'deriveBits'), bytes * 8),
  )

export interface Sealed {
  readonly iv: Uint8Array<ArrayBuffer>
  readonly bytes: Uint8Array<ArrayBuffer>
}

/** It opens with the same `place` alone: what the bytes are, and where they belong. */
export const seal = async (
  key: CryptoKey,
  place: readonly string[],
  bytes: BufferSource,
  random: (bytes: number) => Uint8Array<ArrayBuffer>,
): Promise<Sealed> => {
  const iv = random(IV_BYTES)
  const algorithm = { name: 'AES-GCM', iv, additionalData: toUtf8(place.join('\n')) }
  return { iv, bytes: new Uint8Array(await crypto.subtle.encrypt(algorithm, key, bytes)) }
}

/** `place` undefined: sealed by an older version, without one. Answers undefined when it is damaged, of another key or of another place. */
export const open = async (
  key: CryptoKey,
  place: readonly string[] | undefined,
  { iv, bytes }: Sealed,
): Promise<ArrayBuffer | undefined> => {
  const additionalData = place && { additionalData: toUtf8(place.join('\n')) }
  try {
    return await crypto.subtle.decrypt({ name: 'AES-GCM', iv, ...additionalData }, key, bytes)
  } catch {
    return undefined
  }
}

/** Before the two parts of a text that is bound to its place; what older versions sealed has the two alone. */
const BOUND = 'v2'

/** As a text; with toBase64Url one that a URL and a cookie take. */
export const toSealedText = ({ iv, bytes }: Sealed, encode: (bytes: Uint8Array) => string): string =>
  [BOUND, encode(iv), encode(bytes)].join('.')

export const openText = async (
  key: CryptoKey,
  place: readonly string[],
  text: string,
): Promise<ArrayBuffer | undefined> => {
  const parts = text.split('.')
  const [iv, bytes] = parts.slice(-2).map(fromBase64)
  const isBound = parts.length === 3 && parts[0] === BOUND
  if (iv?.length !== IV_BYTES || !bytes || (!isBound && parts.length !== 2)) return undefined
  return open(key, isBound ? place : undefined, { iv, bytes })
}
