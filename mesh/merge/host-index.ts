import type { ObjectMeta } from '../config-object.ts'
import { isWildcard } from '../config/schema/host-names.ts'
import { byAge } from './by-age.ts'
import { compareText } from './compare-text.ts'
import { isEqualData } from './equal-data.ts'
import { getOrAdd } from './get-or-add.ts'
import { MultiMap } from './multi-map.ts'
import { setOrDelete } from './set-or-delete.ts'

/** `age`: the oldest object first. `specificity`: those that name the exact host, then the longest wildcard …, each by age. */
export type HostOrder = 'age' | 'specificity'

interface Entry<T> {
  readonly object: T
  /** Full names, each possibly a wildcard. */
  readonly hosts: readonly string[]
}

/**
 * Which objects (VirtualServices, DestinationRules) name a host, exactly or by wildcard. It answers for the hosts that the mesh
 * knows: those of services, and those that an object names literally. So the answers that a change can alter are
 * countable, and `settle` names each of them.
 */
export class HostIndex<T extends { readonly metadata: ObjectMeta }> {
  readonly #order: HostOrder
  readonly #entries = new Map<string, Entry<T>>()
  readonly #serviceHosts = new Set<string>()
  /** Host as written, wildcards too → the objects that name it. */
  readonly #named = new MultiMap<string, T>()
  /** Wildcard in use → the known hosts that it matches. */
  readonly #matches = new Map<string, Set<string>>()
  /** Hosts that were named or not before something was said of them since the last time. */
  readonly #namedBefore = new Map<string, boolean>()
  #hosts: readonly string[] = []
  readonly #unsettled = new Set<string>()
  readonly #answers = new Map<string, readonly T[]>()

  constructor(order: HostOrder) {
    this.#order = order
  }

  find(host: string): readonly T[] {
    return this.#answers.get(host) ?? []
  }

  /** What objects name, wildcards too, sorted: another list when a host comes or goes. */
  hosts(): readonly string[] {
    return this.#hosts
  }

  set(key: string, entry: Entry<T> | null): void {
    const before = this.#entries.get(key)
    if (isEqualData(before ?? null, entry)) return
    if (before) for (const host of before.hosts) this.#unname(host, before.object)
    if (entry) for (const host of entry.hosts) this.#name(host, entry.object)
    setOrDelete(this.#entries, key, entry)
  }

  setServiceHost(host: string, exists: boolean): void {
    const wasKnown = this.#isKnown(host)
    if (exists) this.#serviceHosts.add(host)
    else this.#serviceHosts.delete(host)
    this.#updateKnown(host, wasKnown)
  }

  /** Answers anew where something has changed since the last time; the hosts whose answers differ. */
  settle(): ReadonlySet<string> {
    const changed = new Set<string>()
    for (const host of this.#unsettled) {
      const answer = this.#compute(host)
      if (isEqualData(this.find(host), answer)) continue
      changed.add(host)
      setOrDelete(this.#answers, host, answer.length > 0 ? answer : null)
    }
    this.#unsettled.clear()
    this.#settleHosts()
    return changed
  }

  #settleHosts(): void {
    const changed = [...this.#namedBefore].filter(([host, before]) => before !== this.#named.has(host))
    this.#namedBefore.clear()
    if (changed.length === 0) return
    const kept = this.#hosts.filter((host) => this.#named.has(host))
    const added = changed.filter(([, before]) => !before).map(([host]) => host)
    this.#hosts = [...kept, ...added].sort(compareText)
  }

  #compute(host: string): readonly T[] {
    if (!this.#isKnown(host)) return []
    const found = new Set<T>()
    for (const name of [host, ...this.#wildcardsFor(host)]) {
      for (const object of [...this.#named.get(name)].sort(byAge)) found.add(object)
    }
    return this.#order === 'age' ? [...found].sort(byAge) : [...found]
  }

  #isKnown(host: string): boolean {
    return this.#serviceHosts.has(host) || this.#named.has(host)
  }

  /** The wildcards in use that match a host, the longest first; not itself. */
  #wildcardsFor(host: string): readonly string[] {
    if (this.#matches.size === 0) return []
    const wildcards = Array.from({ length: host.length + 1 }, (_, start) => `*${host.slice(start)}`)
    return wildcards.filter((wildcard) => wildcard !== host && this.#matches.has(wildcard))
  }

  #name(host: string, object: T): void {
    const wasKnown = this.#isKnown(host)
    getOrAdd(this.#namedBefore, host, () => this.#named.has(host))
    this.#named.add(host, object)
    this.#updateKnown(host, wasKnown)
    if (isWildcard(host)) getOrAdd(this.#matches, host, () => this.#knownMatches(host))
    this.#unsettle(host)
  }

  #unname(host: string, object: T): void {
    this.#unsettle(host)
    const wasKnown = this.#isKnown(host)
    getOrAdd(this.#namedBefore, host, () => this.#named.has(host))
    this.#named.delete(host, object)
    if (!this.#named.has(host)) this.#matches.delete(host)
    this.#updateKnown(host, wasKnown)
  }

  #unsettle(host: string): void {
    this.#unsettled.add(host)
    for (const match of this.#matches.get(host) ?? []) this.#unsettled.add(match)
  }

  #knownMatches(wildcard: string): Set<string> {
    const suffix = wildcard.slice(1)
    const known = new Set([...this.#serviceHosts, ...this.#named.keys()])
    return new Set([...known].filter((host) => host !== wildcard && host.endsWith(suffix)))
  }

  /** Keeps the matches of wildcards in step when a host becomes known or unknown. */
  #updateKnown(host: string, wasKnown: boolean): void {
    const isKnown = this.#isKnown(host)
    if (isKnown === wasKnown) return
    for (const wildcard of this.#wildcardsFor(host)) {
      const matches = this.#matches.get(wildcard)
      if (isKnown) matches?.add(host)
      else matches?.delete(host)
    }
    this.#unsettled.add(host)
  }
}
