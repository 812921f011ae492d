const prefix = '@request.auth.claims'

/** Whether a match of headers is of something else, which Istio writes as a header. */
export const isClaimName = (name: string): boolean => name.startsWith('@')

/**
 * The claims, from the outermost on, that a match of headers names: `@request.auth.claims.realm.org`, or in brackets where names have dots:
 * `@request.auth.claims[realm][example.org/team]`. Undefined: it names none. Istio: JWT claim based routing.
 */
export const parseClaimName = (name: string): readonly [string, ...string[]] | undefined => {
  const text = name.slice(prefix.length)
  if (!name.startsWith(prefix)) return undefined
  const claims = /^\[.+\]$/.test(text)
    ? text.slice(1, -1).split('][')
    : text.startsWith('.')
      ? text.slice(1).split('.')
      : []
  const [first, ...nested] = claims
  return first === undefined || claims.some((claim) => claim === '' || /[[\]]/.test(claim))
    ? undefined
    : [first, ...nested]
}
