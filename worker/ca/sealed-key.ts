import { toKeyParameters } from '#mesh/key-algorithm.ts'
import type { KeyAlgorithm } from '#mesh/key-algorithm.ts'
import { fromBase64, toBase64, toHex, toUtf8 } from '../encode-bytes.ts'
import { deriveSealingKey, open, readPlaneSecret, seal } from '../seal.ts'
import type { PlaneSecret } from '../seal.ts'

/** Which key it is. Bound into the seal, so that a sealed key can't be moved to another org, mesh or row. */
export interface KeyName {
  readonly orgId: string
  readonly meshId: string
  readonly keyId: string
}

/** The key-encryption keys of one org, the one that seals first. */
export interface OrgKek {
  readonly current: Kek
  /** Those that only open, until everything is sealed anew. */
  readonly previous: readonly Kek[]
}

interface Kek {
  /** Of the plane's secret, which it does not tell. */
  readonly id: string
  readonly key: CryptoKey
}

const ID_CHARS = 8
/** `v2.<id of the key-encryption key>.<iv>.<sealed>`; `v1.<iv>.<sealed>` is what older versions sealed. */
const VERSION = 'v2'
const OLDER = 'v1'

/** What the Error says in which a key-encryption key is not there or the wrong one: it is answered as it is (worker/problems.ts). */
export const KEK_SECRET = 'ATOLL_KEK'

/** Names a secret without telling it: the beginning of a hash of its 256 random bits. */
export const toKekId = async (secret: string | undefined, name: PlaneSecret = KEK_SECRET): Promise<string> => {
  const text = `atoll key-encryption key id\n${toBase64(readPlaneSecret(name, secret))}`
  return toHex(new Uint8Array(await crypto.subtle.digest('SHA-256', toUtf8(text)))).slice(0, ID_CHARS)
}

const deriveKek = async (name: PlaneSecret, secret: string | undefined, orgId: string): Promise<Kek> => ({
  id: await toKekId(secret, name),
  key: await deriveSealingKey(readPlaneSecret(name, secret), {
    purpose: 'atoll org key-encryption key',
    salt: orgId,
  }),
})

/**
 * The key-encryption keys of one org, derived (HKDF-SHA-256) from the plane's secrets: each 32 bytes in base64. `previous`: the secret that was the
 * current one before.
 *
 * @throws Error when a secret is missing or not that. The text of the error does not contain it.
 */
export const deriveOrgKek = async (secret: string | undefined, orgId: string, previous?: string): Promise<OrgKek> => ({
  current: await deriveKek('ATOLL_KEK', secret, orgId),
  previous: previous === undefined ? [] : [await deriveKek('ATOLL_KEK_PREVIOUS', previous, orgId)],
})

/** What is sealed, and where it belongs. */
export interface SealedPlace {
  /** What it is called when it can't be opened. */
  readonly what: string
  /** Bound into the seal: it opens nowhere else. */
  readonly parts: readonly string[]
}

const placeOf = ({ orgId, meshId, keyId }: KeyName): SealedPlace => ({
  what: `key ${keyId}`,
  parts: [orgId, meshId, keyId],
})

/** Bytes as text that only the org's key-encryption key opens, in this place: AES-256-GCM. */
export const sealBytes = async (
  { current: { id, key } }: OrgKek,
  place: SealedPlace,
  bytes: BufferSource,
  random: (bytes: number) => Uint8Array<ArrayBuffer>,
): Promise<string> => {
  const sealed = await seal(key, [VERSION, id, ...place.parts], bytes, random)
  return [VERSION, id, toBase64(sealed.iv), toBase64(sealed.bytes)].join('.')
}

/** A private key as text that only the org's key-encryption key opens: AES-256-GCM over PKCS#8. */
export const sealKey = async (
  kek: OrgKek,
  name: KeyName,
  privateKey: CryptoKey,
  random: (bytes: number) => Uint8Array<ArrayBuffer>,
): Promise<string> =>
  sealBytes(kek, placeOf(name), (await crypto.subtle.exportKey('pkcs8', privateKey)) as ArrayBuffer, random)

/** Whether something is sealed with the current key-encryption key. */
export const isSealedWith = (currentId: string, sealed: string): boolean =>
  sealed.startsWith(`${VERSION}.${currentId}.`)

const parseSealed = (sealed: string) => {
  const [version, ...parts] = sealed.split('.')
  const [ivText = '', sealedText = ''] = parts.slice(-2)
  const [iv, bytes] = [fromBase64(ivText), fromBase64(sealedText)]
  if (!iv || !bytes) return undefined
  if (version === OLDER && parts.length === 2) return { version: [OLDER], id: undefined, iv, bytes }
  const [id] = parts
  return version === VERSION && parts.length === 3 ? { version: [VERSION, id ?? ''], id, iv, bytes } : undefined
}

/**
 * What `sealBytes` has sealed.
 *
 * @throws Error when the seal is broken or was made for another place, or with a key-encryption key that is not there.
 */
export const openBytes = async (
  { current, previous }: OrgKek,
  place: SealedPlace,
  sealed: string,
): Promise<ArrayBuffer> => {
  const parsed = parseSealed(sealed)
  if (!parsed) throw new Error(`the sealed ${place.what} is damaged`)
  const { version, id, iv, bytes } = parsed
  // What older versions sealed does not say by which key.
  const keks = [current, ...previous].filter((kek) => id === undefined || kek.id === id)
  if (keks.length === 0)
    throw new Error(`the ${place.what} is sealed with ${id}: neither ATOLL_KEK nor ATOLL_KEK_PREVIOUS is that one`)
  for (const { key } of keks) {
    const opened = await open(key, [...version, ...place.parts], { iv, bytes })
    if (opened) return opened
  }
  throw new Error(
    `ATOLL_KEK does not decrypt the ${place.what}: it is another secret, or the sealed ${place.what} is damaged`,
  )
}

/**
 * Opens a sealed key for signing; it can't be exported again.
 *
 * @throws Error when the seal is broken or was made for another key, or with a key-encryption key that is not there.
 */
export const openKey = async (
  kek: OrgKek,
  name: KeyName,
  sealed: string,
  algorithm: KeyAlgorithm = 'ecdsa-p256',
): Promise<CryptoKey> =>
  crypto.subtle.importKey('pkcs8', await openBytes(kek, placeOf(name), sealed), toKeyParameters(algorithm), false, [
    'sign',
  ])

/** The same key, sealed with the current key-encryption key. Throws as `openKey` does. */
export const resealKey = async (
  kek: OrgKek,
  name: KeyName,
  sealed: string,
  random: (bytes: number) => Uint8Array<ArrayBuffer>,
): Promise<string> => sealBytes(kek, placeOf(name), await openBytes(kek, placeOf(name), sealed), random)
