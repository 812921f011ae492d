import { z } from 'zod'
import { parseJson } from '#mesh/parse-json.ts'
import { fromBase64, toBase64Url, toUtf8 } from '../encode-bytes.ts'
import { deriveMacKey, readPlaneSecret } from '../seal.ts'
import { place, retention } from './place.ts'

/**
 * What an agent sends telemetry with: `atoll_ingest_<claims>.<HMAC-SHA-256 of them>`. A Worker verifies it without asking anybody; that its cluster has been
 * evicted since is told by the cluster's store.
 */
const claims = z.object({ place, retention, issuedAtMs: z.int(), expiresAtMs: z.int() })
export type IngestClaims = Readonly<z.infer<typeof claims>>

const prefix = 'atoll_ingest_'
const shape = /^atoll_ingest_([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]{43})$/

const deriveKey = (secret: string | undefined): Promise<CryptoKey> =>
  deriveMacKey(readPlaneSecret('ATOLL_KEK', secret), { purpose: 'atoll telemetry ingest' })

/** `secret`: the plane's ATOLL_KEK. */
export const mintIngestToken = async (secret: string | undefined, token: IngestClaims): Promise<string> => {
  const payload = toBase64Url(toUtf8(JSON.stringify(token)))
  const signature = await crypto.subtle.sign('HMAC', await deriveKey(secret), toUtf8(payload))
  return `${prefix}${payload}.${toBase64Url(new Uint8Array(signature))}`
}

export const isIngestToken = (text: string): boolean => text.startsWith(prefix)

/** What the token says, or undefined when it is not one of this plane or has expired. WebCrypto compares in constant time. */
export const verifyIngestToken = async (
  secret: string | undefined,
  text: string,
  nowMs: number,
): Promise<IngestClaims | undefined> => {
  const [, payload, signature] = shape.exec(text) ?? []
  const bytes = fromBase64(signature ?? '')
  if (payload === undefined || bytes === undefined) return undefined
  if (!(await crypto.subtle.verify('HMAC', await deriveKey(secret), bytes, toUtf8(payload)))) return undefined
  const { data } = claims.safeParse(parseJson(new TextDecoder().decode(fromBase64(payload))))
  return data && data.expiresAtMs > nowMs ? data : undefined
}
