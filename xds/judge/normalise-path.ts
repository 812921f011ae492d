/** What a proxy does to paths before anybody looks at them. */
export interface PathRules {
  readonly normalises: boolean
  readonly mergesSlashes: boolean
  /** "%2F" is "/". */
  readonly decodesSlashes: boolean
}

/** Of a path with other letters Envoy's reading is not foretold. */
const foretold = /^\/(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/\\]|%[0-9A-Fa-f]{2})*$/

/** A path as it is after normalisation (Envoy: normalize_path, merge_slashes, path_with_escaped_slashes_action). Undefined = it is not known. */
export const normalisePath = (
  whole: string,
  { normalises, mergesSlashes, decodesSlashes }: PathRules,
): string | undefined => {
  const at = whole.indexOf('?')
  const path = at === -1 ? whole : whole.slice(0, at)
  const query = at === -1 ? '' : whole.slice(at)
  if (!foretold.test(path)) return undefined
  const decoded = decodesSlashes ? path.replace(/%2f/gi, '/').replace(/%5c/gi, '\\') : path
  const canonical = normalises ? canonicalise(decoded) : decoded
  return (mergesSlashes ? canonical.replace(/\/{2,}/g, '/') : canonical) + query
}

/** RFC 3986 §6.2.2, and a backslash is a slash, as it is to browsers. */
const canonicalise = (path: string): string => {
  const readable = path.replaceAll('\\', '/').replace(/%([0-9A-Fa-f]{2})/g, (escaped, code: string) => {
    const letter = String.fromCharCode(Number.parseInt(code, 16))
    return /[A-Za-z0-9\-._~]/.test(letter) ? letter : escaped
  })
  const segments = readable.split('/').slice(1)
  const kept: string[] = []
  for (const [index, segment] of segments.entries()) {
    const isLast = index === segments.length - 1
    if (segment === '..') kept.pop()
    else if (segment !== '.') kept.push(segment)
    if (isLast && (segment === '.' || segment === '..')) kept.push('')
  }
  return `/${kept.join('/')}`
}
