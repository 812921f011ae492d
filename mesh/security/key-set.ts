import { z } from 'zod'
import {
  base64UrlForm,
  edwardsCurve,
  ellipticCurves,
  hasPrivatePart,
  secretKeyType,
  type EllipticCurve,
} from '../json-web-key.ts'
import { parseJson } from '../parse-json.ts'
import { err, ok, type Result } from '../result.ts'

/** What a key set comes to. */
export interface KeySet {
  /** The JSON of a JWK Set (RFC 7517 §5) with the usable keys alone: equal texts are equal sets. */
  readonly jwks: string
  /** One line each of keys that nobody should have published there. */
  readonly warnings: readonly string[]
}

const maxKeys = 100
/** NIST SP 800-131A: shorter ones don't protect; longer ones than this cost more to verify by than they are worth. */
const rsaBits = { min: 2048, max: 8192 }
const maxExponentBits = 33

const text = z.string().max(2048)
const number = text.regex(base64UrlForm).transform((encoded) => encoded.replace(/=+$/, ''))
/** The members that count (RFC 7517 §4, RFC 7518 §6); the others are let go. */
const publicKey = z.object({
  kty: text,
  use: text.optional(),
  key_ops: z.array(text).max(16).optional(),
  alg: text.optional(),
  kid: text.optional(),
  n: number.optional(),
  e: number.optional(),
  crv: text.optional(),
  x: number.optional(),
  y: number.optional(),
})
type PublicKey = z.output<typeof publicKey>

const keySet = z.object({ keys: z.array(z.unknown()) })

const rsaAlgorithms = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512']

/**
 * The keys of a JWK Set by which tokens can be verified: public ones for signatures, of the algorithms that proxies know. A shared secret is none of
 * them: whoever verifies by one could sign, and so could whoever reads the set. Fails when no key is left.
 */
export const parseKeySet = (json: string): Result<KeySet, string> => {
  const parsed = keySet.safeParse(parseJson(json))
  if (!parsed.success) return err('is no JSON with a list of "keys"')
  if (parsed.data.keys.length > maxKeys) return err(`has more than ${maxKeys} keys`)
  const judged = parsed.data.keys.map(judge)
  const keys = judged.flatMap(({ key }) => (key ? [key] : []))
  const warnings = [...new Set(judged.flatMap(({ warning }) => warning ?? []))]
  if (keys.length > 0) return ok({ jwks: toJwks(keys), warnings })
  return err(['has no public key to verify by', ...warnings].join('; '))
}

/**
 * A key that nobody has the private part of: its octets are a hash (of "Atoll: a key that nobody has", by SHA-256). A set that has none but it
 * verifies nothing, where Envoy refuses a set that has none at all.
 */
const nobodysKey =
  '{"kty":"OKP","kid":"nobody","alg":"EdDSA","crv":"Ed25519","x":"XihnPVGU9-NekjKmJwbLCJ4-9eJUWUz4Byhu3L1Gw-w"}'

/** A set that a proxy takes, whatever its keys are worth; undefined = nobody knows which they are. */
export const toServedKeySet = (jwks: string | undefined): string =>
  jwks === undefined ? `{"keys":[${nobodysKey}]}` : jwks.replace(/\]\}$/, `,${nobodysKey}]}`)

interface Judged {
  readonly key?: Readonly<Record<string, string>>
  /** Absent = it is left out in silence: of another use, or of an algorithm that nobody knows. */
  readonly warning?: string
}

const judge = (value: unknown): Judged => {
  const parsed = publicKey.safeParse(value)
  if (!parsed.success) return {}
  const { kty, kid } = parsed.data
  const name = kid === undefined ? 'a key' : `key ${JSON.stringify(kid.slice(0, 100))}`
  if (kty === secretKeyType) return { warning: `${name} is a shared secret: it is not used` }
  if (hasPrivatePart(value as object)) return { warning: `${name} is published with its private part: it is not used` }
  if (!isForSignatures(parsed.data)) return {}
  if (kty === 'RSA') return judgeRsa(parsed.data, name)
  if (kty === 'EC') return judgeCurve(parsed.data)
  return kty === 'OKP' ? judgeEdwards(parsed.data) : {}
}

const isForSignatures = ({ use, key_ops: operations }: PublicKey): boolean =>
  (use === undefined || use === 'sig') && (operations === undefined || operations.includes('verify'))

const judgeRsa = ({ n, e, alg, kid }: PublicKey, name: string): Judged => {
  if (n === undefined || e === undefined || (alg !== undefined && !rsaAlgorithms.includes(alg))) return {}
  const bits = toBits(n)
  if (bits < rsaBits.min) return { warning: `${name} has ${bits} bits, of which ${rsaBits.min} are the least` }
  const exponentBits = toBits(e)
  if (bits > rsaBits.max || exponentBits < 2 || exponentBits > maxExponentBits || !isOdd(e)) return {}
  return { key: { kty: 'RSA', ...named(kid, alg), n, e } }
}

const judgeCurve = ({ crv = '', x, y, alg, kid }: PublicKey): Judged => {
  const curve = Object.hasOwn(ellipticCurves, crv) ? ellipticCurves[crv as EllipticCurve] : undefined
  if (!curve || x === undefined || y === undefined || (alg !== undefined && alg !== curve.alg)) return {}
  if (toOctets(x) !== curve.octets || toOctets(y) !== curve.octets) return {}
  return { key: { kty: 'EC', ...named(kid, curve.alg), crv, x, y } }
}

const judgeEdwards = ({ crv, x, alg, kid }: PublicKey): Judged => {
  if (crv !== edwardsCurve || x === undefined || toOctets(x) !== 32) return {}
  if (alg !== undefined && alg !== 'EdDSA' && alg !== 'Ed25519') return {}
  return { key: { kty: 'OKP', ...named(kid, 'EdDSA'), crv, x } }
}

const named = (kid: string | undefined, alg: string | undefined) => ({
  ...(kid !== undefined && { kid }),
  ...(alg !== undefined && { alg }),
})

/** In one order and each once: issuers list them as they please. */
const toJwks = (keys: readonly Readonly<Record<string, string>>[]): string => {
  const texts = [...new Set(keys.map((key) => JSON.stringify(key)))].toSorted()
  return `{"keys":[${texts.join(',')}]}`
}

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
const toOctets = (encoded: string): number => Math.floor((encoded.length * 6) / 8)

/** Of a number in base64url, without the zeros that it begins with. */
const toBits = (encoded: string): number => {
  const significant = encoded.replace(/^A+/, '')
  if (significant === '') return 0
  const unused = (encoded.length * 6) % 8
  const leading = 32 - Math.clz32(alphabet.indexOf(significant.charAt(0)))
  return (significant.length - 1) * 6 + leading - unused
}

const isOdd = (encoded: string): boolean => {
  const unused = (encoded.length * 6) % 8
  return ((alphabet.indexOf(encoded.at(-1) ?? 'A') >> unused) & 1) === 1
}
