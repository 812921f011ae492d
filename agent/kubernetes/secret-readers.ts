import type { Clock } from '#agent/clock.ts'
import { toKnownAccess, type SecretAccess } from '#agent/credentials/credential-source.ts'
import { toErrorMessage } from '#mesh/error-message.ts'
import { isEqualData } from '#mesh/merge/equal-data.ts'

export interface SecretReadersOptions {
  /** Whether an account may read the Secrets of its namespace; `failure` = why nobody lets us ask. Rejects when nobody answers. */
  readonly review: (
    namespace: string,
    serviceAccount: string,
  ) => Promise<'allowed' | 'refused' | { readonly failure: string }>
  readonly clock: Pick<Clock, 'after'>
  /** In [0, 1). */
  readonly random: () => number
  /** `accessOf` says something else. */
  readonly onChange: () => void
}

/** Who may read is not soon taken out, and who may not is being let in by somebody who waits for it. */
const allowedMilliseconds = 60_000
const otherMilliseconds = 10_000
/** All are to be known soon after a start, and the API server has others to answer. */
const maxConcurrent = 4

interface Reader {
  access: SecretAccess
  cancel: () => void
}

/** Which service accounts may read Secrets, of those that somebody wants to know it of. They are asked about again and again. */
export class SecretReaders {
  readonly #options: SecretReadersOptions
  /** By "<namespace>/<name>". */
  readonly #readers = new Map<string, Reader>()
  /** Those whose turn has come, the longest first. */
  readonly #due = new Map<string, Reader>()
  #underWay = 0

  constructor(options: SecretReadersOptions) {
    this.#options = options
  }

  want(accounts: ReadonlySet<string>): void {
    for (const [account, { cancel }] of this.#readers) {
      if (accounts.has(account)) continue
      cancel()
      this.#readers.delete(account)
      this.#due.delete(account)
    }
    for (const account of accounts) {
      if (this.#readers.has(account)) continue
      const reader: Reader = { access: 'asked', cancel: () => {} }
      this.#readers.set(account, reader)
      this.#await(account, reader)
    }
  }

  accessOf(account: string): SecretAccess {
    return this.#readers.get(account)?.access ?? 'asked'
  }

  stop(): void {
    this.want(new Set())
  }

  #await(account: string, reader: Reader): void {
    this.#due.set(account, reader)
    this.#askDue()
  }

  #askDue(): void {
    for (const [account, reader] of this.#due) {
      if (this.#underWay >= maxConcurrent) return
      this.#due.delete(account)
      void this.#ask(account, reader)
    }
  }

  async #ask(account: string, reader: Reader): Promise<void> {
    const { clock, random, onChange } = this.#options
    this.#underWay += 1
    const access = await this.#review(account, reader.access)
    this.#underWay -= 1
    this.#askDue()
    if (this.#readers.get(account) !== reader) return
    const isOther = !isEqualData(access, reader.access)
    reader.access = access
    const delay = access === 'allowed' ? allowedMilliseconds : otherMilliseconds
    reader.cancel = clock.after(delay * (0.5 + 0.5 * random()), () => this.#await(account, reader))
    if (isOther) onChange()
  }

  /** What was said before goes on while nobody answers, and while nobody lets us ask, which is told: it does not pass by itself. */
  async #review(account: string, before: SecretAccess): Promise<SecretAccess> {
    const [namespace = '', name = ''] = account.split('/')
    const known = toKnownAccess(before)
    try {
      const answer = await this.#options.review(namespace, name)
      return typeof answer === 'object' && known !== undefined ? { ...answer, before: known } : answer
    } catch (error) {
      return known === undefined ? { failure: toErrorMessage(error) } : before
    }
  }
}
