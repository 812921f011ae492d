import { toBase64Url, toHex, toUtf8 } from './encode-bytes.ts'

/**
 * The secrets that people and agents hold: `atoll_<kind>_<id>_<secret>`. The id finds the record, the secret is 256 random bits,
 * of which only the SHA-256 is stored: with that much entropy a slow hash would add nothing.
 */
export type TokenKind = 'token' | 'session' | 'join' | 'machine' | 'setup'

export interface NewToken {
  readonly id: string
  /** The whole token, to be shown once. */
  readonly text: string
  readonly secretHash: string
}

const ID_BYTES = 8
const SECRET_BYTES = 32
const shape = /^atoll_([a-z]+)_((?:[0-9a-f]{16}){1,2})_([A-Za-z0-9_-]{43})$/

export const sha256Hex = async (secret: string): Promise<string> =>
  toHex(new Uint8Array(await crypto.subtle.digest('SHA-256', toUtf8(secret))))

/** 64 random bits, as hex. */
export const newId = (random: (bytes: number) => Uint8Array): string => toHex(random(ID_BYTES))

/** `idPrefix`: an id that the token's own is to begin with. */
export const newToken = async (
  kind: TokenKind,
  random: (bytes: number) => Uint8Array,
  idPrefix = '',
): Promise<NewToken> => {
  return newTokenOf(kind, `${idPrefix}${newId(random)}`, random)
}

/** A token whose id is known already. */
export const newTokenOf = async (
  kind: TokenKind,
  id: string,
  random: (bytes: number) => Uint8Array,
): Promise<NewToken> => {
  const secret = toBase64Url(random(SECRET_BYTES))
  return { id, text: `atoll_${kind}_${id}_${secret}`, secretHash: await sha256Hex(secret) }
}

/** The parts of a token's text, or undefined when it is not a token of this kind. */
export const parseToken = (
  kind: TokenKind,
  text: string,
): { readonly id: string; readonly secret: string } | undefined => {
  const [, foundKind, id, secret] = shape.exec(text) ?? []
  return foundKind === kind && id !== undefined && secret !== undefined ? { id, secret } : undefined
}

/** Compares in time that does not depend on where the texts differ. Both are hashes, so that their length tells nothing. */
export const equalsInConstantTime = (a: string, b: string): boolean => {
  const left = toUtf8(a)
  const right = toUtf8(b)
  let difference = left.length ^ right.length
  for (let index = 0; index < left.length; index += 1) difference |= (left[index] ?? 0) ^ (right[index] ?? 0)
  return difference === 0
}
