/** What is looked up by a key: a Map, or a WeakMap. */
interface Lookup<K, V> {
  get(key: K): V | undefined
  set(key: K, value: V): unknown
}

/** The value of a key, made and put into the map when there is none. */
export const getOrAdd = <K, V>(map: Lookup<K, V>, key: K, make: () => V): V => {
  const found = map.get(key)
  if (found !== undefined) return found
  const made = make()
  map.set(key, made)
  return made
}
