/** Operators of a path template: one segment, and any number of them. */
const oneSegment = '{*}'
const anySegments = '{**}'

/** RFC 3986 pchar, less what is encoded: what Envoy takes between two slashes of a template. */
const literal = /^[a-zA-Z0-9\-._~%!$&'()+,;:@=]+$/

/** Whether a path of an AuthorizationPolicy is a template for Envoy, and no pattern. */
export const isPathTemplate = (path: string): boolean => path.includes(oneSegment) || path.includes(anySegments)

/** What is wrong with the braces of a path (Istio reference: Operation.paths). */
export const pathTemplateFault = (path: string): string | undefined => {
  const isTemplate = isPathTemplate(path)
  const segments = path.replaceAll(/^\/+|\/+$/g, '').split('/')
  const last = segments.indexOf(anySegments)
  for (const [index, segment] of segments.entries()) {
    if (segment === oneSegment || segment === anySegments) {
      if (last !== -1 && index > last) return `${anySegments} must be the last operator`
    } else if (/[{}]/.test(segment)) return `"${segment}" has braces that are not ${oneSegment} or ${anySegments} alone`
    else if (isTemplate && !literal.test(segment))
      return segment === ''
        ? 'a template has no empty segments'
        : `"${segment}" is not a segment of a template: other characters than those of paths, or a "*" without braces`
  }
  return isTemplate && !path.startsWith('/') ? 'a template begins with "/"' : undefined
}
