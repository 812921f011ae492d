import { isWildcard } from '../config/schema/host-names.ts'
import { compareText } from './compare-text.ts'
import { getOrAdd } from './get-or-add.ts'
import { matchesHost } from './host-specificity.ts'
import { setOrDelete } from './set-or-delete.ts'

/** Which hosts wildcards mean, of the wildcards that are in use. A host that comes or goes costs what those mean that mean it. */
export class WildcardIndex {
  readonly #hosts = new Set<string>()
  #inUse: readonly string[] = []
  readonly #wildcards = new Set<string>()
  /** Wildcard → hosts, sorted; none = no entry. */
  readonly #found = new Map<string, readonly string[]>()
  /** Wildcard → hosts that came or went since the last time. */
  readonly #unsettled = new Map<string, Set<string>>()

  find(wildcard: string): readonly string[] {
    return this.#found.get(wildcard) ?? []
  }

  setHost(host: string, exists: boolean): void {
    if (this.#hosts.has(host) === exists) return
    if (exists) this.#hosts.add(host)
    else this.#hosts.delete(host)
    if (this.#wildcards.size === 0) return
    for (let start = 0; start <= host.length; start++) {
      const wildcard = `*${host.slice(start)}`
      if (this.#wildcards.has(wildcard)) getOrAdd(this.#unsettled, wildcard, () => new Set<string>()).add(host)
    }
    if (this.#wildcards.has(host)) getOrAdd(this.#unsettled, host, () => new Set<string>()).add(host)
  }

  /** `inUse`: names and wildcards, another list when they are others. Returns the wildcards that mean other hosts than the last time. */
  settle(inUse: readonly string[]): ReadonlySet<string> {
    if (inUse !== this.#inUse) this.#use(inUse)
    const changed = new Set<string>()
    for (const [wildcard, hosts] of this.#unsettled) {
      const before = this.find(wildcard)
      const isIn = (host: string): boolean => this.#wildcards.has(wildcard) && this.#hosts.has(host)
      const added = [...hosts].filter(isIn)
      const kept = before.filter((host) => !hosts.has(host))
      const after = [...kept, ...added].sort(compareText)
      if (after.length === before.length && after.every((host, index) => host === before[index])) continue
      changed.add(wildcard)
      setOrDelete(this.#found, wildcard, after.length > 0 ? after : null)
    }
    this.#unsettled.clear()
    return changed
  }

  #use(inUse: readonly string[]): void {
    this.#inUse = inUse
    const used = new Set(inUse.filter(isWildcard))
    for (const wildcard of used)
      if (!this.#wildcards.has(wildcard))
        this.#unsettled.set(wildcard, new Set([...this.#hosts].filter((host) => matchesHost(wildcard, host))))
    for (const wildcard of this.#wildcards)
      if (!used.has(wildcard)) this.#unsettled.set(wildcard, new Set(this.find(wildcard)))
    this.#wildcards.clear()
    for (const wildcard of used) this.#wildcards.add(wildcard)
  }
}
