import { isEqualData } from '#mesh/merge/equal-data.ts'
import { setOrDelete } from '#mesh/merge/set-or-delete.ts'

/** Keys of removed values that are kept for whoever has not heard: who is further behind is told everything. */
const MAX_REMOVED = 10_000

/**
 * Values by key, every change of them with the next number: what changed since the number that the plane has is one query, which is at once
 * coalescing, resuming and retransmitting.
 */
export class KeyedChanges<Key extends string, Value> {
  readonly #values = new Map<Key, Value>()
  /** The number of each key's last change, in order; removed ones stay until the plane has heard of it. */
  readonly #changedAt = new Map<Key, number>()
  /** Those of them that are gone, in order. */
  readonly #removed = new Set<Key>()
  #forgottenUntil = 0
  #version = 0

  /** The number of the last change. */
  get version(): number {
    return this.#version
  }

  get(key: Key): Value | undefined {
    return this.#values.get(key)
  }

  /** Takes values, undefined = gone. Those that are as they were don't count. */
  set(values: readonly (readonly [Key, Value | undefined])[]): void {
    const changes = values.filter(([key, value]) => !isEqualData(this.#values.get(key), value))
    if (changes.length > 0) this.#version += 1
    for (const [key, value] of changes) {
      setOrDelete(this.#values, key, value)
      this.#changedAt.delete(key) // re-inserted at the end: the map stays in order of change
      this.#changedAt.set(key, this.#version)
      this.#removed.delete(key)
      if (value === undefined) this.#removed.add(key)
    }
    this.#boundRemoved()
  }

  /** A replica that never reports hears of nothing that was acknowledged. */
  #boundRemoved(): void {
    for (const key of this.#removed) {
      if (this.#removed.size <= MAX_REMOVED) return
      this.#forgottenUntil = Math.max(this.#forgottenUntil, this.#changedAt.get(key) ?? 0)
      this.#changedAt.delete(key)
      this.#removed.delete(key)
    }
  }

  /** Something else has changed: its number. */
  advance(): number {
    return (this.#version += 1)
  }

  /** Whether it can be told what changed since then. */
  reachesBack(version: number): boolean {
    return version <= this.#version && version >= this.#forgottenUntil
  }

  /** The number from which it can be told what changed; undefined = everything has to be told. */
  reachable(version: number | undefined): number | undefined {
    return version !== undefined && this.reachesBack(version) ? version : undefined
  }

  /** The keys that changed since then, those that are gone among them; all there are without a number. */
  since(version: number | undefined): Key[] {
    if (version === undefined) return [...this.#values.keys()]
    return [...this.#changedAt].filter(([, changedAt]) => changedAt > version).map(([key]) => key)
  }

  forgetUntil(version: number): void {
    this.#forgottenUntil = Math.max(this.#forgottenUntil, version)
    for (const [key, changedAt] of this.#changedAt) {
      if (changedAt > version) return
      this.#changedAt.delete(key)
      this.#removed.delete(key)
    }
  }
}
