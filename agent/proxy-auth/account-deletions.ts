import type { Log } from '#agent/log.ts'

export interface AccountDeletionsOptions {
  /** The uid of the account of this name; undefined = there is none. Rejects when that can't be known. */
  readonly findUid: (namespace: string, name: string) => Promise<string | undefined>
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly log: Log
  readonly maxAccounts?: number
}

const intervalMilliseconds = 2 * 60_000
/** One of a deleted account may be there again, under another uid. */
const goneIntervalMilliseconds = 5000

interface Account {
  /** null = there is none of this name; undefined = not known. */
  uid: string | null | undefined
  askedAt: number
}

/** Tells which service accounts are gone, of those that somebody asks about. Asking costs nothing: the API server is asked behind it. */
export class AccountDeletions {
  readonly #options: AccountDeletionsOptions
  /** By "<namespace>/<name>", who was not asked about for the longest first. */
  readonly #accounts = new Map<string, Account>()

  constructor(options: AccountDeletionsOptions) {
    this.#options = options
  }

  /** Whether the account of this uid was seen to be gone. An API server that is away deletes nobody. */
  isDeleted(namespace: string, name: string, uid: string): boolean {
    const { now, maxAccounts = 10_000 } = this.#options
    const key = `${namespace}/${name}`
    const account = this.#accounts.get(key) ?? { uid: undefined, askedAt: 0 }
    this.#accounts.delete(key)
    this.#accounts.set(key, account)
    const [oldest] = this.#accounts.keys()
    if (this.#accounts.size > maxAccounts && oldest !== undefined) this.#accounts.delete(oldest)
    const isDeleted = account.uid !== undefined && account.uid !== uid
    const interval = isDeleted ? goneIntervalMilliseconds : intervalMilliseconds
    if (now() >= account.askedAt + interval) void this.#ask(namespace, name, account)
    return isDeleted
  }

  async #ask(namespace: string, name: string, account: Account): Promise<void> {
    const { findUid, now, log } = this.#options
    account.askedAt = now()
    try {
      account.uid = (await findUid(namespace, name)) ?? null
    } catch (error) {
      log.debug({ err: error, namespace, name }, 'could not see whether a service account is still there')
    }
  }
}
