import { z } from 'zod'
import { isFields } from '../../is-fields.ts'
import {
  base64UrlForm,
  edwardsCurve,
  ellipticCurves,
  hasPrivatePart,
  secretKeyType,
  type EllipticCurve,
} from '../../json-web-key.ts'
import { parseJson } from '../../parse-json.ts'

const maxKeys = 256

const base64url = z.string().regex(base64UrlForm, 'is not base64url')
const common = {
  kid: z.string().optional(),
  use: z.string().optional(),
  alg: z.string().optional(),
  key_ops: z.array(z.string()).optional(),
}

/** RFC 7518 and 8037, as far as proxies can verify a signature with one: their public members. */
const publicKey = z.discriminatedUnion(
  'kty',
  [
    z.object({ kty: z.literal('RSA'), ...common, n: base64url, e: base64url }),
    z.object({
      kty: z.literal('EC'),
      ...common,
      crv: z.enum(Object.keys(ellipticCurves) as [EllipticCurve, ...EllipticCurve[]]),
      x: base64url,
      y: base64url,
    }),
    z.object({ kty: z.literal('OKP'), ...common, crv: z.literal(edwardsCurve), x: base64url }),
  ],
  {
    error: ({ input }) =>
      isSymmetric(input)
        ? 'is oct, a secret: whoever reads it here could make tokens. Proxies are given public keys alone'
        : 'must be RSA, EC or OKP',
  },
)
export type PublicKey = z.output<typeof publicKey>

const isSymmetric = (key: unknown): boolean => isFields(key) && key['kty'] === secretKeyType

const keySet = z.object({ keys: z.array(publicKey).max(maxKeys) })

/** Why a text is not a set of JSON Web Keys by which proxies can verify. */
export const jsonWebKeysFault = (text: string): string | undefined => {
  const json = parseJson(text)
  if (json === undefined) return 'is not JSON'
  const [issue] = keySet.safeParse(json, { reportInput: true }).error?.issues ?? []
  if (!issue) return undefined
  const [field, index, ...member] = issue.path
  if (field !== 'keys' || index === undefined) return 'must be a set of JSON Web Keys: {"keys": [...]}'
  return `key ${String(index)}${member.length > 0 ? `: ${member.join('.')}` : ''} ${issue.message}`
}

/** The keys of a set, which was checked before, with their public members alone. */
export const readPublicKeys = (text: string): readonly PublicKey[] => keySet.safeParse(parseJson(text)).data?.keys ?? []

const anyKeys = z.object({ keys: z.array(z.record(z.string(), z.unknown())) })

/** Places of the keys that hold their private half, too. */
export const findPrivateKeys = (text: string): readonly number[] =>
  (anyKeys.safeParse(parseJson(text)).data?.keys ?? []).flatMap((key, index) => (hasPrivatePart(key) ? [index] : []))
