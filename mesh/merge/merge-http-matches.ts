import { resolveGatewayName } from '../config/schema/gateway-names.ts'
import type { HttpMatch } from '../config/schema/http-match.ts'
import type { StringMatch } from '../config/schema/string-match.ts'

type Matches = readonly HttpMatch[]

/**
 * The matches of a delegate's route within those of the route that delegates to it; undefined when one of the delegate's fits into none
 * of the root's. Istio reference: HTTPRoute.delegate; its words on conflicts are those of its implementation.
 */
export const mergeHttpMatches = (root: Matches, delegate: Matches): Matches | undefined => {
  if (root.length === 0) return delegate
  if (delegate.length === 0) return root
  const merged = delegate.map((leaf) =>
    root.filter((each) => !isConflict(each, leaf)).map((each) => mergeMatch(each, leaf)),
  )
  return merged.some(({ length }) => length === 0) ? undefined : merged.flat()
}

/** With the names of gateways in full: objects of different namespaces mean different ones by the same short name. */
export const resolveMatches = (matches: Matches, namespace: string): Matches =>
  matches.map((match) =>
    match.gateways ? { ...match, gateways: match.gateways.map((name) => resolveGatewayName(name, namespace)) } : match,
  )

/** What the delegate says stands before what the root says. */
const mergeMatch = (root: HttpMatch, leaf: HttpMatch): HttpMatch => ({
  ...root,
  ...Object.fromEntries(Object.entries(leaf).filter(([, value]) => value !== undefined)),
  ...mergeFields('headers', root, leaf),
  ...mergeFields('withoutHeaders', root, leaf),
  ...mergeFields('queryParams', root, leaf),
  ...mergeFields('sourceLabels', root, leaf),
  ...mergeNames(root.name, leaf.name),
  gateways: leaf.gateways?.length ? leaf.gateways : root.gateways,
})

/** "<root's>-<delegate's>", or the only one. */
export const mergeNames = (root: string | undefined, leaf: string | undefined): { readonly name?: string } => {
  const name = [root, leaf].filter(Boolean).join('-')
  return name === '' ? {} : { name }
}

const mergeFields = <Field extends 'headers' | 'withoutHeaders' | 'queryParams' | 'sourceLabels'>(
  field: Field,
  root: HttpMatch,
  leaf: HttpMatch,
) => (root[field] || leaf[field] ? { [field]: { ...root[field], ...leaf[field] } } : {})

const isConflict = (root: HttpMatch, leaf: HttpMatch): boolean =>
  (['uri', 'scheme', 'method', 'authority'] as const).some((field) => isTextConflict(root[field], leaf[field])) ||
  (['headers', 'withoutHeaders', 'queryParams'] as const).some((field) =>
    Object.entries(leaf[field] ?? {}).some(([name, match]) => isTextConflict(root[field]?.[name], match)),
  ) ||
  (root.ignoreUriCase ?? false) !== (leaf.ignoreUriCase ?? false) ||
  (root.port !== undefined && leaf.port !== undefined && root.port !== leaf.port) ||
  (root.sourceNamespace !== undefined && root.sourceNamespace !== leaf.sourceNamespace) ||
  Object.entries(leaf.sourceLabels ?? {}).some(([label, value]) => (root.sourceLabels?.[label] ?? value) !== value) ||
  isGatewayConflict(root.gateways ?? [], leaf.gateways ?? [])

const isGatewayConflict = (root: readonly string[], leaf: readonly string[]): boolean =>
  root.length > 0 && leaf.length > 0 && (root.length < leaf.length || leaf.some((name) => !root.includes(name)))

/** Whether what the leaf matches is not known to be a part of what the root matches. */
const isTextConflict = (root: StringMatch | undefined, leaf: StringMatch | undefined): boolean => {
  if (!root || !leaf) return false
  if (root.regex || leaf.regex) return true
  if (root.exact) return Boolean(leaf.prefix) || leaf.exact !== root.exact
  const text = leaf.prefix || leaf.exact
  return !root.prefix || !text || !text.startsWith(root.prefix)
}
