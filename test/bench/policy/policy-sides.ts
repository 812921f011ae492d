import { TokenSigner, toJwks } from '#test/harness/token-signer.ts'
import { accessFilters, delegationFilters } from '#xds/build/access-filters.ts'
import { admissionFilter } from '#xds/build/build-admission.ts'
import { admittedFilter, attemptsFilter } from '#xds/build/build-client-attempts.ts'
import { extensionFilter } from '#xds/build/build-extension.ts'
import { meshLimitFilters } from '#xds/build/build-mesh-limits.ts'
import { requestLimitFilter } from '#xds/build/build-request-limits.ts'
import { tokenFilter } from '#xds/build/token-filter.ts'

export interface PolicyObject {
  readonly kind: string
  readonly name: string
  /** YAML of all but kind and metadata; it is of namespace default. */
  readonly rest: string
}

export const toYaml = ({ kind, name, rest }: PolicyObject): string =>
  `kind: ${kind}\nmetadata: {name: ${name}, namespace: default}\n${rest}`

/** A way to measure a request: the objects that are applied for it, and what it is sent with. */
export interface PolicySide {
  readonly name: string
  readonly objects: readonly PolicyObject[]
  readonly headers?: Readonly<Record<string, string>>
}

const discovered = [
  attemptsFilter,
  admissionFilter,
  admittedFilter,
  ...delegationFilters,
  tokenFilter,
  ...accessFilters,
  requestLimitFilter,
  ...meshLimitFilters,
  extensionFilter,
].map(({ name }) => name)

/** Takes away the filters of access that all called HTTP chains have: what is left is what there was before there were policies. */
export const withoutFilters: PolicyObject = {
  kind: 'EnvoyFilter',
  name: 'bare',
  rest: `apiVersion: networking.istio.io/v1alpha3
spec:
  configPatches:
${discovered
  .map(
    (name) => `  - applyTo: HTTP_FILTER
    match:
      context: SIDECAR_INBOUND
      listener: {filterChain: {filter: {name: envoy.filters.network.http_connection_manager, subFilter: {name: ${name}}}}}
    patch: {operation: REMOVE}
`,
  )
  .join('')}`,
}

const toPolicy = (name: string, rule: string): PolicyObject => ({
  kind: 'AuthorizationPolicy',
  name,
  rest: `apiVersion: security.istio.io/v1\nspec: {action: ALLOW, rules: [${rule}]}\n`,
})

const ofFrontend =
  '{from: [{source: {principals: ["*/ns/default/sa/frontend"]}}], to: [{operation: {methods: [GET], paths: ["/reviews/*"]}}]}'
const toStranger = (index: number): string =>
  `{from: [{source: {principals: ["*/ns/team-${index}/sa/client-${index}"]}}], to: [{operation: {methods: [GET], paths: ["/team-${index}/*"]}}]}`

const toLimit = (scope: 'PROXY' | 'MESH'): PolicyObject => ({
  kind: 'RateLimit',
  name: 'bench',
  rest: `apiVersion: policy.atoll.dev/v1alpha1
spec:
  limits: [{name: all, scope: ${scope}, requests: 100000, per: 1s, by: [{peer: PRINCIPAL}]}]
`,
})

/** From nothing to each kind of policy, one at a time. */
export const toPolicySides = (): readonly PolicySide[] => {
  const signer = new TokenSigner('https://issuer.bench', 'key', 'RS256')
  const requestAuthentication: PolicyObject = {
    kind: 'RequestAuthentication',
    name: 'bench',
    rest: `apiVersion: security.istio.io/v1
spec: {jwtRules: [{issuer: "${signer.issuer}", jwks: '${toJwks(signer)}'}]}
`,
  }
  const strangers = Array.from({ length: 99 }, (_, index) => toPolicy(`stranger-${index}`, toStranger(index)))
  return [
    { name: 'withoutFilters', objects: [withoutFilters] },
    { name: 'withoutPolicy', objects: [] },
    { name: 'allowPolicy', objects: [toPolicy('frontend', ofFrontend)] },
    { name: 'hundredAllowPolicies', objects: [...strangers, toPolicy('z-frontend', ofFrontend)] },
    {
      name: 'token',
      objects: [requestAuthentication, toPolicy('token', `{from: [{source: {requestPrincipals: ["*"]}}]}`)],
      headers: { authorization: `Bearer ${signer.sign()}` },
    },
    { name: 'limitOfProxy', objects: [toLimit('PROXY')] },
    { name: 'limitOfMesh', objects: [toLimit('MESH')] },
  ]
}
