/** Segments that name one of many: numbers, UUIDs, digests, tokens. */
const ofOne = /^(?:\d+|[0-9a-f]{8}-[0-9a-f-]{27}|(?=[^/]*\d)[0-9a-f]{8,}|(?=[^/]*\d)[\w-]{20,})$/i

/** The path of a request without what tells one thing from another of its kind: "/users/7?x=y" and "/users/8" are "/users/*". */
export const toPathTemplate = (path: string): string =>
  path
    .replace(/[?#].*$/s, '')
    .split('/')
    .map((segment) => (ofOne.test(segment) ? '*' : segment))
    .join('/')
