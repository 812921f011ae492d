import { isMatchableHeader } from './header-operations.ts'

/** Attributes that have no part to name (Istio reference: Authorization Policy Conditions; `source.cluster` is Atoll's own). */
export const plainAttributes = [
  'source.ip',
  'remote.ip',
  'source.namespace',
  'source.serviceAccount',
  'source.principal',
  'source.trustDomain',
  'source.cluster',
  'request.auth.principal',
  'request.auth.audiences',
  'request.auth.presenter',
  'destination.ip',
  'destination.port',
  'connection.sni',
] as const
export type PlainAttribute = (typeof plainAttributes)[number]

/** What a condition looks at. */
export type ConditionKey =
  | { readonly attribute: PlainAttribute }
  | { readonly attribute: 'request.headers'; readonly header: string }
  /** The claims from the outermost on. */
  | { readonly attribute: 'request.auth.claims'; readonly claims: readonly [string, ...string[]] }
  /** What a filter of Envoy's says of a connection or request, by the filter's full name. */
  | { readonly attribute: 'experimental.envoy.filters'; readonly filter: string; readonly key: string }

/** For a "did you mean", with the form of those that have a part to name. */
export const knownKeys: readonly string[] = [
  ...plainAttributes,
  'request.headers[name]',
  'request.auth.claims[name]',
  'experimental.envoy.filters.name[key]',
]

const headerKey = /^request\.headers\[([^[\]]+)\]$/
const claimsKey = /^request\.auth\.claims((?:\[[^[\]]+\])+)$/
const filterKey = /^experimental\.(envoy\.filters\.[^[\]]+)\[([^[\]]+)\]$/

/** Istio's way to say why an attribute of its first API is none any more. */
const replaced: readonly (readonly [attribute: RegExp, message: string])[] = [
  [/^destination\.namespace$/, 'is said by the namespace of the object'],
  [/^destination\.labels/, 'is said by the selector of the object'],
  [/^destination\.(?:name|user)$/, "was an attribute of Istio's v1alpha1 alone"],
]

export type ParsedConditionKey =
  | { readonly key: ConditionKey }
  /** `isUnknown`: it is no attribute at all. */
  | { readonly fault: string; readonly isUnknown: boolean }

export const parseConditionKey = (text: string): ParsedConditionKey => {
  const plain = plainAttributes.find((each) => each === text)
  if (plain !== undefined) return { key: { attribute: plain } }
  const header = headerKey.exec(text)?.[1]
  if (header !== undefined)
    return isMatchableHeader(header)
      ? { key: { attribute: 'request.headers', header: header.toLowerCase() } }
      : { fault: `"${header}" is not a header name`, isUnknown: false }
  const [claim, ...nested] = claimsKey.exec(text)?.[1]?.slice(1, -1).split('][') ?? []
  if (claim !== undefined) return { key: { attribute: 'request.auth.claims', claims: [claim, ...nested] } }
  const [, filter, key] = filterKey.exec(text) ?? []
  if (filter !== undefined && key !== undefined)
    return { key: { attribute: 'experimental.envoy.filters', filter, key } }
  const instead = replaced.find(([attribute]) => attribute.test(text))
  if (instead) return { fault: instead[1], isUnknown: false }
  const [, singular, part] = /^(request\.header|request\.auth\.claim)((?:\[[^[\]]+\])+)$/.exec(text) ?? []
  if (singular !== undefined)
    return { fault: `is not an attribute: did you mean "${singular}s${part}"?`, isUnknown: false }
  if (/^(?:request\.headers|request\.auth\.claims|experimental\.envoy\.filters\.)/.test(text))
    return { fault: 'names what it is about in brackets: request.headers[x-user]', isUnknown: false }
  return { fault: 'is not an attribute', isUnknown: true }
}
