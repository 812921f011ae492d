import { generateKeyPairSync, sign, type JsonWebKey, type KeyObject } from 'node:crypto'

const toText = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')

/** A JWT by its parts, whatever they are (RFC 7515 §3.1). */
export const toToken = (header: unknown, claims: unknown, toSignature: (signed: string) => Buffer | string): string => {
  const signed = `${toText(header)}.${toText(claims)}`
  return `${signed}.${Buffer.from(toSignature(signed)).toString('base64url')}`
}

const algorithms = {
  RS256: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
  PS256: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
  ES256: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  ES384: () => generateKeyPairSync('ec', { namedCurve: 'P-384' }),
  ES512: () => generateKeyPairSync('ec', { namedCurve: 'P-521' }),
  EdDSA: () => generateKeyPairSync('ed25519'),
} as const
export type Algorithm = keyof typeof algorithms

/** Who issues tokens, with one key. */
export class TokenSigner {
  readonly issuer: string
  readonly #algorithm: Algorithm
  readonly #kid: string
  readonly #keys: { readonly publicKey: KeyObject; readonly privateKey: KeyObject }

  constructor(issuer: string, kid: string, algorithm: Algorithm) {
    this.issuer = issuer
    this.#kid = kid
    this.#algorithm = algorithm
    this.#keys = algorithms[algorithm]()
  }

  get jwk(): JsonWebKey {
    return { ...this.#keys.publicKey.export({ format: 'jwk' }), kid: this.#kid, use: 'sig' }
  }

  get publicPem(): string {
    return String(this.#keys.publicKey.export({ type: 'spki', format: 'pem' }))
  }

  /** Good for an hour, unless it is said otherwise. */
  sign(claims: Readonly<Record<string, unknown>> = {}, header: Readonly<Record<string, unknown>> = {}): string {
    const exp = Math.floor(Date.now() / 1000) + 3600
    return toToken(
      { alg: this.#algorithm, kid: this.#kid, typ: 'JWT', ...header },
      { iss: this.issuer, sub: 'alice', exp, ...claims },
      (signed) => this.#sign(Buffer.from(signed)),
    )
  }

  #sign(signed: Buffer): Buffer {
    const { privateKey: key } = this.#keys
    if (this.#algorithm === 'EdDSA') return sign(null, signed, key)
    const hash = `sha${this.#algorithm.slice(2)}`
    if (this.#algorithm === 'PS256') return sign(hash, signed, { key, padding: 6, saltLength: 32 })
    // RFC 7518 §3.4: both numbers, one after the other.
    return this.#algorithm === 'RS256'
      ? sign(hash, signed, key)
      : sign(hash, signed, { key, dsaEncoding: 'ieee-p1363' })
  }
}

export const toJwks = (...signers: readonly TokenSigner[]): string =>
  JSON.stringify({ keys: signers.map(({ jwk }) => jwk) })
