import type { Clock } from '#agent/clock.ts'
import type { SecretAccess } from '#agent/credentials/credential-source.ts'
import { toErrorMessage } from '#mesh/error-message.ts'
import { isEqualData } from '#mesh/merge/equal-data.ts'

export interface SecretReadersOptions {
  /** Whether an account may read the Secrets of its namespace. Rejects when that can't be known. */
  readonly review: (namespace: string, serviceAccount: string) => Promise<boolean>
  readonly clock: Pick<Clock, 'after'>
  /** `accessOf` says something else. */
  readonly onChange: () => void
}

/** Who may read is not soon taken out, and who may not is being let in by somebody who waits for it. */
const allowedMilliseconds = 60_000
const otherMilliseconds = 10_000

interface Reader {
  access: SecretAccess
  cancel: () => void
}

/** Which service accounts may read Secrets, of those that somebody wants to know it of. They are asked about again and again. */
export class SecretReaders {
  readonly #options: SecretReadersOptions
  /** By "<namespace>/<name>". */
  readonly #readers = new Map<string, Reader>()

  constructor(options: SecretReadersOptions) {
    this.#options = options
  }

  want(accounts: ReadonlySet<string>): void {
    for (const [account, { cancel }] of this.#readers) {
      if (accounts.has(account)) continue
      cancel()
      this.#readers.delete(account)
    }
    for (const account of accounts) {
      if (this.#readers.has(account)) continue
      const reader: Reader = { access: 'asked', cancel: () => {} }
      this.#readers.set(account, reader)
      void this.#ask(account, reader)
    }
  }

  accessOf(account: string): SecretAccess {
    return this.#readers.get(account)?.access ?? 'asked'
  }

  stop(): void {
    this.want(new Set())
  }

  async #ask(account: string, reader: Reader): Promise<void> {
    const { clock, onChange } = this.#options
    const access = await this.#review(account, reader.access)
    if (this.#readers.get(account) !== reader) return
    const isOther = !isEqualData(access, reader.access)
    reader.access = access
    const delay = access === 'allowed' ? allowedMilliseconds : otherMilliseconds
    reader.cancel = clock.after(delay, () => void this.#ask(account, reader))
    if (isOther) onChange()
  }

  /** What was said before goes on while nobody answers. */
  async #review(account: string, before: SecretAccess): Promise<SecretAccess> {
    const [namespace = '', name = ''] = account.split('/')
    try {
      return (await this.#options.review(namespace, name)) ? 'allowed' : 'refused'
    } catch (error) {
      return before === 'allowed' || before === 'refused' ? before : { failure: toErrorMessage(error) }
    }
  }
}
