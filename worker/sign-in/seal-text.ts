import { parseJson } from '#mesh/parse-json.ts'
import { fromBase64, toBase64Url, toUtf8 } from '../encode-bytes.ts'
import { randomBytes } from '../random-bytes.ts'

const KEY_BYTES = 32
const IV_BYTES = 12

/** A key for one purpose alone, from the plane's secret. */
const deriveKey = async (secret: string | undefined, purpose: string): Promise<CryptoKey> => {
  const bytes = fromBase64(secret ?? '')
  if (bytes?.length !== KEY_BYTES) throw new Error(`the secret ATOLL_KEK must be ${KEY_BYTES} bytes in base64`)
  const master = await crypto.subtle.importKey('raw', bytes, 'HKDF', false, ['deriveKey'])
  return crypto.subtle.deriveKey(
    { name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(), info: toUtf8(`atoll sign-in: ${purpose}`) },
    master,
    { name: 'AES-GCM', length: 256 },
    false,
    ['encrypt', 'decrypt'],
  )
}

/**
 * A value as text that only this plane makes and reads, and only for this purpose: AES-256-GCM. For what is good for minutes: what is kept is sealed with
 * the org's own key (client-secret.ts), and anew when that is replaced.
 */
export const sealValue = async (secret: string | undefined, purpose: string, value: unknown): Promise<string> => {
  const iv = randomBytes(IV_BYTES)
  const key = await deriveKey(secret, purpose)
  const sealed = await crypto.subtle.encrypt({ name: 'AES-GCM', iv }, key, toUtf8(JSON.stringify(value)))
  return `${toBase64Url(iv)}.${toBase64Url(new Uint8Array(sealed))}`
}

type Secrets = Pick<Cloudflare.Env, 'ATOLL_KEK' | 'ATOLL_KEK_PREVIOUS'>

/** What was sealed for this purpose, with the plane's secret or the one before; undefined = it was not. */
export const openValue = async (secrets: Secrets, purpose: string, text: string): Promise<unknown> => {
  const { ATOLL_KEK, ATOLL_KEK_PREVIOUS } = secrets
  const opened = await openWith(ATOLL_KEK, purpose, text)
  return opened === undefined && ATOLL_KEK_PREVIOUS !== undefined ? openWith(ATOLL_KEK_PREVIOUS, purpose, text) : opened
}

const openWith = async (secret: string | undefined, purpose: string, text: string): Promise<unknown> => {
  const [iv, sealed] = text.split('.').map((part) => fromBase64(part))
  if (!iv || iv.length !== IV_BYTES || !sealed) return undefined
  const key = await deriveKey(secret, purpose)
  try {
    return parseJson(new TextDecoder().decode(await crypto.subtle.decrypt({ name: 'AES-GCM', iv }, key, sealed)))
  } catch {
    return undefined
  }
}
