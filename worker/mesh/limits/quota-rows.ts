import { toLimitNamespace } from '#mesh/limits/limit-terms.ts'
import {
  countQuotaUses,
  countQuotaUsesOf,
  dropOldestQuotaUses,
  MAX_QUOTA_USES,
  MAX_QUOTA_USES_OF_NAMESPACE,
  pruneQuotaUses,
} from './quota-uses.ts'

/** How many rows of quotas there are, without counting them each time. */
export class QuotaRows {
  readonly #sql: SqlStorage
  #all: number | undefined
  /** Of the limits of each namespace, on one day. */
  readonly #ofNamespaces = new Map<string, number>()
  #day = 0

  constructor(sql: SqlStorage) {
    this.#sql = sql
  }

  /** Before a row is written for a limit and a day: whether it may be. Days that are over give way. */
  take(limit: string, day: number): boolean {
    const namespace = toLimitNamespace(limit)
    if (day !== this.#day) this.#ofNamespaces.clear()
    this.#day = day
    const own = this.#ofNamespaces.get(namespace) ?? countQuotaUsesOf(this.#sql, day, namespace)
    this.#ofNamespaces.set(namespace, own)
    if (own >= MAX_QUOTA_USES_OF_NAMESPACE) return false
    this.#all ??= countQuotaUses(this.#sql)
    if (this.#all >= MAX_QUOTA_USES && dropOldestQuotaUses(this.#sql, day)) this.#all = countQuotaUses(this.#sql)
    if (this.#all >= MAX_QUOTA_USES) return false
    this.#ofNamespaces.set(namespace, own + 1)
    this.#all += 1
    return true
  }

  /** Forgets days that nobody asks for any more. */
  prune(today: number): void {
    if (pruneQuotaUses(this.#sql, today)) this.#all = undefined
  }
}
