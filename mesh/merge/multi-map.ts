/** Sets of values by key; a key is there as long as it has a value. */
export class MultiMap<K, V> {
  readonly #sets = new Map<K, Set<V>>()

  get(key: K): ReadonlySet<V> {
    return this.#sets.get(key) ?? none
  }

  has(key: K): boolean {
    return this.#sets.has(key)
  }

  keys(): Iterable<K> {
    return this.#sets.keys()
  }

  add(key: K, value: V): void {
    const set = this.#sets.get(key)
    if (set) set.add(value)
    else this.#sets.set(key, new Set([value]))
  }

  delete(key: K, value: V): void {
    const set = this.#sets.get(key)
    set?.delete(value)
    if (set?.size === 0) this.#sets.delete(key)
  }
}

const none: ReadonlySet<never> = new Set<never>()
