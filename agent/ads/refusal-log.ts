import type { Clock } from '#agent/clock.ts'
import type { Log } from '#agent/log.ts'
import type { CredentialRefusal } from '#agent/proxy-auth/proxy-authenticator.ts'

const intervalMilliseconds = 10_000
const maxNamed = 100
const others = 'others'

/**
 * Tells the log of refused credentials, which anybody can send as fast as they like: of one address and reason at most once in ten
 * seconds, of all addresses beyond a hundred together. Each line says how many refusals of any kind went unsaid since the one before.
 */
export class RefusalLog {
  readonly #clock: Clock
  readonly #log: Log
  /** When each address and reason was told of last (milliseconds since the epoch): the oldest first. */
  readonly #toldAt = new Map<string, number>()
  #unsaid = 0
  #notUnderstoodAt = Number.NEGATIVE_INFINITY

  constructor(clock: Clock, log: Log) {
    this.#clock = clock
    this.#log = log
  }

  /** `peer` = "address:port": a client that tries again comes from another port. */
  refused(peer: string, refusal: CredentialRefusal): void {
    const now = this.#clock.now()
    for (const [key, at] of this.#toldAt) {
      if (now - at < intervalMilliseconds) break
      this.#toldAt.delete(key)
    }
    const address = peer.slice(0, peer.lastIndexOf(':'))
    const isNamed = this.#toldAt.size < maxNamed || this.#toldAt.has(`${address} ${refusal}`)
    const told = isNamed ? address : others
    const key = `${told} ${refusal}`
    if (this.#toldAt.has(key)) {
      this.#unsaid++
      return
    }
    this.#toldAt.set(key, now)
    this.#log.warn({ peer: told, refusal, unsaid: this.#unsaid }, 'refused the credential of a proxy')
    this.#unsaid = 0
  }

  /** What a proxy has told, which it may do as fast, too: once in ten seconds. */
  notUnderstood(peer: string, method: string, error: unknown): void {
    const now = this.#clock.now()
    if (now - this.#notUnderstoodAt < intervalMilliseconds) return
    this.#notUnderstoodAt = now
    this.#log.warn({ err: error, method, peer }, 'could not take what a proxy tells')
  }
}
