import { createHash } from 'node:crypto'
import type { Log } from '#agent/log.ts'
import { Turns } from '#mesh/turns.ts'

/** undefined = the API server does not know the token. Rejects when it can't be asked. */
export type ReviewToken<Identity> = (token: string) => Promise<Identity | undefined>

export interface TokenReviewsOptions<Identity> {
  readonly review: ReviewToken<Identity>
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly log: Log
  readonly maxTokens?: number
}

export type ReviewOutcome<Identity> =
  | { readonly kind: 'proven'; readonly identity: Identity }
  | { readonly kind: 'refused' | 'unavailable' }

/** A token is asked about again a moment before it runs out. */
const marginMilliseconds = 10_000
const refusalMilliseconds = 5000
/** A server that did not answer is left alone for this long. */
const awayMilliseconds = 5000
const maxRefusals = 1000
const maxAtOnce = 32

interface Kept<Value> {
  readonly value: Value
  readonly until: number
}

/**
 * What the API server said of tokens, by their SHA-256: each is asked about once, also when it comes many times at once, and holds until
 * shortly before it runs out. What was refused is remembered only for as long as a flood lasts.
 */
export class TokenReviews<Identity> {
  readonly #options: TokenReviewsOptions<Identity>
  readonly #proven: KeptFew<Identity>
  /** Apart from the others, so that nobody can push those out with nonsense. */
  readonly #refused: KeptFew<true>
  readonly #underWay = new Map<string, Promise<ReviewOutcome<Identity>>>()
  readonly #turns = new Turns(maxAtOnce)
  #awayUntil = 0

  constructor(options: TokenReviewsOptions<Identity>) {
    this.#options = options
    this.#proven = new KeptFew(options.maxTokens ?? 20_000, options.now)
    this.#refused = new KeptFew(maxRefusals, options.now)
  }

  /** `expiresAt`: milliseconds since the epoch, as the token says. */
  async review(token: string, expiresAt: number): Promise<ReviewOutcome<Identity>> {
    const hash = createHash('sha256').update(token).digest('base64url')
    const identity = this.#proven.get(hash)
    if (identity !== undefined) return { kind: 'proven', identity }
    if (this.#refused.get(hash)) return { kind: 'refused' }
    const underWay = this.#underWay.get(hash)
    if (underWay) return underWay
    const asking = this.#turns.take(() => this.#ask(hash, token, expiresAt)).finally(() => this.#underWay.delete(hash))
    this.#underWay.set(hash, asking)
    return asking
  }

  async #ask(hash: string, token: string, expiresAt: number): Promise<ReviewOutcome<Identity>> {
    const { review, now, log } = this.#options
    if (now() < this.#awayUntil) return { kind: 'unavailable' }
    try {
      const identity = await review(token)
      if (identity === undefined) {
        this.#refused.set(hash, { value: true, until: now() + refusalMilliseconds })
        return { kind: 'refused' }
      }
      this.#proven.set(hash, { value: identity, until: expiresAt - marginMilliseconds })
      return { kind: 'proven', identity }
    } catch (error) {
      if (now() >= this.#awayUntil) log.warn({ err: error }, 'tokens of proxies can not be reviewed')
      this.#awayUntil = now() + awayMilliseconds
      return { kind: 'unavailable' }
    }
  }
}

/** A map of limited size: what has not been asked for the longest goes first. */
class KeptFew<Value> {
  readonly #entries = new Map<string, Kept<Value>>()
  readonly #max: number
  readonly #now: () => number

  constructor(max: number, now: () => number) {
    this.#max = max
    this.#now = now
  }

  get(key: string): Value | undefined {
    const kept = this.#entries.get(key)
    if (!kept) return undefined
    this.#entries.delete(key)
    if (kept.until <= this.#now()) return undefined
    this.#entries.set(key, kept)
    return kept.value
  }

  set(key: string, kept: Kept<Value>): void {
    this.#entries.set(key, kept)
    const [oldest] = this.#entries.keys()
    if (this.#entries.size > this.#max && oldest !== undefined) this.#entries.delete(oldest)
  }
}
