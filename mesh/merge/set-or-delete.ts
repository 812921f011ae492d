/** Sets a key's value; null or undefined takes the key out. */
export const setOrDelete = <K, V>(map: Map<K, V>, key: K, value: V | null | undefined): void => {
  if (value === null || value === undefined) map.delete(key)
  else map.set(key, value)
}
