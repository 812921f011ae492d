import { createPublicKey, verify, type KeyObject } from 'node:crypto'
import { z } from 'zod'
import type { Clock } from '#agent/clock.ts'
import type { Log } from '#agent/log.ts'
import { isEqualData } from '#mesh/merge/equal-data.ts'
import { decodeTokenPart, type TokenClaims, type TokenParts } from './service-account-token.ts'

/** RFC 7517 §4: of a key what tells it apart; the rest is for `createPublicKey`. */
const jsonWebKey = z.looseObject({ kid: z.string(), kty: z.enum(['RSA', 'EC']), use: z.literal('sig').optional() })

/** The issuer of a cluster's service account tokens: /.well-known/openid-configuration and /openid/v1/jwks. */
export const issuerDocument = z.object({ issuer: z.string().min(1), keys: z.array(jsonWebKey).max(100) })
export type IssuerDocument = z.infer<typeof issuerDocument>

export interface IssuerKeysOptions {
  readonly fetch: () => Promise<IssuerDocument>
  /** Where they are found again after a restart: they vouch until they can be fetched. */
  readonly kept?: { load(): IssuerDocument | undefined; save(document: IssuerDocument): void }
  readonly clock: Clock
  readonly log: Log
}

const refreshMilliseconds = 10 * 60_000
const retryMilliseconds = 30_000

/** RFC 7518 §3.1, of what Kubernetes signs with. */
const algorithms: Readonly<
  Record<string, { readonly kty: 'RSA' | 'EC'; readonly hash: string; readonly curve?: string }>
> = {
  RS256: { kty: 'RSA', hash: 'sha256' },
  ES256: { kty: 'EC', hash: 'sha256', curve: 'prime256v1' },
  ES384: { kty: 'EC', hash: 'sha384', curve: 'secp384r1' },
  ES512: { kty: 'EC', hash: 'sha512', curve: 'secp521r1' },
}
const tokenHeader = z.object({ alg: z.string(), kid: z.string() })

/** The keys that a cluster's tokens are signed with, as last fetched: they vouch for tokens while the API server is away. */
export class IssuerKeys {
  readonly #options: IssuerKeysOptions
  #document: IssuerDocument | undefined
  #keys: ReadonlyMap<string, KeyObject> = new Map()
  #cancel = (): void => {}
  #isStopped = false

  constructor(options: IssuerKeysOptions) {
    this.#options = options
    const kept = options.kept?.load()
    if (kept) this.#use(kept)
  }

  /** Fetches the keys, and again from time to time. */
  async start(): Promise<void> {
    const isFetched = await this.#refresh()
    if (this.#isStopped) return
    this.#cancel = this.#options.clock.after(
      isFetched ? refreshMilliseconds : retryMilliseconds,
      () => void this.start(),
    )
  }

  stop(): void {
    this.#isStopped = true
    this.#cancel()
  }

  /** Whether the issuer has signed this token. What the token says is not judged here, its issuer excepted. */
  verify(token: TokenParts, claims: TokenClaims): boolean {
    const header = tokenHeader.safeParse(decodeTokenPart(token.header)).data
    const algorithm = header && Object.hasOwn(algorithms, header.alg) ? algorithms[header.alg] : undefined
    const key = header && this.#keys.get(header.kid)
    if (!algorithm || !key || claims.issuer !== this.#document?.issuer || !isFor(key, algorithm)) return false
    const signed = Buffer.from(`${token.header}.${token.payload}`)
    const signature = Buffer.from(token.signature, 'base64url')
    return verify(algorithm.hash, signed, { key, dsaEncoding: 'ieee-p1363' }, signature)
  }

  /** False = they are the ones that were used already. @throws for a key that is none */
  #use(document: IssuerDocument): boolean {
    if (isEqualData(document, this.#document)) return false
    this.#keys = new Map(document.keys.map(({ kid, ...key }) => [kid, createPublicKey({ key, format: 'jwk' })]))
    this.#document = document
    return true
  }

  async #refresh(): Promise<boolean> {
    try {
      const document = await this.#options.fetch()
      if (this.#use(document)) this.#options.kept?.save(document)
      return true
    } catch (error) {
      this.#options.log.warn({ err: error }, "the issuer's keys of service account tokens can not be fetched")
      return false
    }
  }
}

const isFor = (key: KeyObject, { kty, curve }: { readonly kty: string; readonly curve?: string }): boolean =>
  kty === 'RSA'
    ? key.asymmetricKeyType === 'rsa'
    : key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === curve
