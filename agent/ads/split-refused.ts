/**
 * The names of a refused response in two parts, to be tried apart. Envoy names the culprits among clusters and listeners: those it
 * names go into a part of their own. It does not among routes, virtual hosts and endpoints: halves.
 */
export const splitRefused = (names: readonly string[], message: string): (readonly string[])[] => {
  const named = names.filter((name) => message.includes(name))
  if (named.length > 0 && named.length < names.length) {
    const blamed = new Set(named)
    return [names.filter((name) => !blamed.has(name)), named]
  }
  const middle = Math.ceil(names.length / 2)
  return [names.slice(0, middle), names.slice(middle)].filter((part) => part.length > 0)
}
