/** How often something reads a property of a value, or of what is in it: work that can be told from the same work on more. */
export const countReads = <Value extends object>(value: Value, read: (counted: Value) => void): number => {
  let reads = 0
  const wrapped = new WeakMap<object, object>()
  const wrap = <Inner extends object>(inner: Inner): Inner => {
    const known = wrapped.get(inner)
    if (known) return known as Inner
    const proxy = new Proxy(inner, {
      get(target, name) {
        reads += 1
        const found: unknown = Reflect.get(target, name)
        return typeof found === 'object' && found !== null ? wrap(found) : found
      },
    })
    wrapped.set(inner, proxy)
    return proxy
  }
  read(wrap(value))
  return reads
}
