import { createPublicKey, type JsonWebKey } from 'node:crypto'
import { z } from 'zod'
import { discoverySuffix } from '#mesh/security/key-source.ts'
import { parseKeySet, type KeySet } from '#mesh/security/key-set.ts'
import { parseJson } from '#mesh/parse-json.ts'
import type { Fetching } from '#agent/outside/fetch-bytes.ts'
import { fetchDocument } from './fetch-document.ts'

export interface FetchedKeySet extends KeySet {
  readonly maxAgeSeconds: number | undefined
}

/** OpenID Connect Discovery 1.0 §3. */
const discoveryDocument = z.object({ issuer: z.string(), jwks_uri: z.url() })

/** Fetches the keys that are at a URL, or of the issuer whose discovery document is there. Throws an error whose message is for people. */
export const fetchKeySet = async (
  source: string,
  timeoutMilliseconds: number,
  fetching: Fetching,
): Promise<FetchedKeySet> => {
  const place = source.endsWith(discoverySuffix) ? await discover(source, timeoutMilliseconds, fetching) : source
  const { text, maxAgeSeconds } = await fetchDocument(new URL(place), timeoutMilliseconds, fetching)
  const parsed = parseKeySet(text)
  if (!parsed.ok) throw new Error(`${place === source ? '' : 'the keys: '}${parsed.error}`)
  if (!hasRealKey(parsed.value.jwks)) throw new Error('has no key that is one: points that are not on their curves')
  return { ...parsed.value, maxAgeSeconds }
}

const discover = async (source: string, timeoutMilliseconds: number, fetching: Fetching): Promise<string> => {
  const { text } = await fetchDocument(new URL(source), timeoutMilliseconds, fetching)
  const document = discoveryDocument.safeParse(parseJson(text))
  if (!document.success) throw new Error('is no discovery document: "issuer" and "jwks_uri" are required')
  // §4.3: "MUST be identical to the Issuer URL that was used as the prefix".
  const issuer = source.slice(0, -discoverySuffix.length)
  if (document.data.issuer.replace(/\/$/, '') !== issuer) throw new Error("is another issuer's discovery document")
  return document.data.jwks_uri
}

const keys = z.object({ keys: z.array(z.custom<JsonWebKey>()) })

const hasRealKey = (jwks: string): boolean =>
  keys.parse(JSON.parse(jwks)).keys.some((key) => {
    try {
      createPublicKey({ key, format: 'jwk' })
      return true
    } catch {
      return false
    }
  })
