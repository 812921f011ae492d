import { parseJson } from '#mesh/parse-json.ts'
import { toBase64Url, toUtf8 } from '../encode-bytes.ts'
import { randomBytes } from '../random-bytes.ts'
import { deriveSealingKey, openText, readPlaneSecret, seal, toSealedText } from '../seal.ts'
import type { PlaneSecret } from '../seal.ts'

/** A key for one purpose alone, from the plane's secret. */
const deriveKey = (name: PlaneSecret, secret: string | undefined, purpose: string): Promise<CryptoKey> =>
  deriveSealingKey(readPlaneSecret(name, secret), { purpose: `atoll sign-in: ${purpose}` })

const placeOf = (purpose: string) => ['sign-in', purpose]

/**
 * A value as text that only this plane makes and reads, and only for this purpose: AES-256-GCM. For what is good for minutes: what is kept is sealed with
 * the org's own key (client-secret.ts), and anew when that is replaced.
 */
export const sealValue = async (secret: string | undefined, purpose: string, value: unknown): Promise<string> => {
  const key = await deriveKey('ATOLL_KEK', secret, purpose)
  return toSealedText(await seal(key, placeOf(purpose), toUtf8(JSON.stringify(value)), randomBytes), toBase64Url)
}

type Secrets = Pick<Cloudflare.Env, 'ATOLL_KEK' | 'ATOLL_KEK_PREVIOUS'>

/** What was sealed for this purpose, with the plane's secret or the one before; undefined = it was not. */
export const openValue = async (secrets: Secrets, purpose: string, text: string): Promise<unknown> => {
  const { ATOLL_KEK, ATOLL_KEK_PREVIOUS } = secrets
  const opened = await openWith('ATOLL_KEK', ATOLL_KEK, purpose, text)
  return opened === undefined && ATOLL_KEK_PREVIOUS !== undefined
    ? openWith('ATOLL_KEK_PREVIOUS', ATOLL_KEK_PREVIOUS, purpose, text)
    : opened
}

const openWith = async (
  name: PlaneSecret,
  secret: string | undefined,
  purpose: string,
  text: string,
): Promise<unknown> => {
  const opened = await openText(await deriveKey(name, secret, purpose), placeOf(purpose), text)
  return opened && parseJson(new TextDecoder().decode(opened))
}
