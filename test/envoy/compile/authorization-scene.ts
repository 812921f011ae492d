import { TokenSigner, toJwks } from '#test/harness/token-signer.ts'
import { callers } from './authorization-calls.ts'
import { providers } from './authorization-providers.ts'
import { tokens } from './authorization-rows.ts'
import type { Authorizers } from './authorizers.ts'
import { serverAddress } from './theatre.ts'

const issuers = [...new Set(Object.values(tokens).map(({ iss }) => iss))].map(
  (issuer) => new TokenSigner(issuer, issuer, 'ES256'),
)

/** "{a: [b]}" as Lua writes it. */
const toLua = (value: unknown): string =>
  JSON.stringify(value)
    .replace(/"(\w+)":/g, '$1=')
    .replaceAll('[', '{')
    .replaceAll(']', '}')

/** Says of a request what a filter that verifies tokens would: the claims of whom a header names. */
const noteToken = `
function envoy_on_request(handle)
  local name = handle:headers():get("x-token")
  if name == nil then return end
  local tokens = ${toLua(tokens)}
  handle:streamInfo():dynamicMetadata():set("envoy.filters.http.jwt_authn", "payload", tokens[name])
end`

/** Another filter's notes. */
const noteMark = `
function envoy_on_request(handle)
  local mark = handle:headers():get("x-mark")
  if mark == nil then return end
  handle:streamInfo():dynamicMetadata():set("envoy.filters.http.marks", "mark", mark)
  handle:streamInfo():dynamicMetadata():set("envoy.filters.http.marks", "marks", {"any", mark})
end`

const filter = (name: string, script: string) => `
        - applyTo: HTTP_FILTER
          match: {context: SIDECAR_INBOUND, listener: {filterChain: {filter: {name: envoy.filters.network.http_connection_manager}}}}
          patch:
            operation: INSERT_FIRST
            value:
              name: ${name}
              typed_config:
                '@type': type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua
                default_source_code: {inline_string: ${JSON.stringify(script)}}`

/** Two callers and a server, whose requests say by headers which token they have, and who is asked what. */
export const scene = (
  applications: { readonly http: number; readonly tcp: number },
  asked: Pick<Authorizers, 'http' | 'grpc'> & { readonly processor: number },
) => `
about: ''
settings:
  meshConfig:
    rootNamespace: root
    trustDomainAliases: [old.example]
    extensionProviders: ${JSON.stringify(providers)}
services:
  - host: authz
    namespace: policy
    ports: [http:80, grpc:90, http-down:92:http, grpc-down:93:grpc, processor:94:grpc]
    fields: {exportTo: ['.']}
    endpoints: {authz-1: {address: 127.0.0.1, ports: {http: ${asked.http}, grpc: ${asked.grpc}, http-down: 1, grpc-down: 1, processor: ${asked.processor}}, tls: none}}
  - host: server
    ports: [http:80, tcp:9000]
    endpoints: {server-1: {address: ${serverAddress}, ports: {http: ${applications.http}, tcp: ${applications.tcp}}, serviceAccount: server}}
workloads:
  client-1: {address: ${callers.web}, serviceAccount: web}
  client-2: {address: ${callers.cart}, namespace: shop, serviceAccount: cart}
  server-1: {address: ${serverAddress}, serviceAccount: server, labels: {app: server}}
config:
  - apiVersion: networking.istio.io/v1alpha3
    kind: EnvoyFilter
    metadata: {name: tokens, namespace: default}
    spec:
      workloadSelector: {labels: {app: server}}
      configPatches: ${filter('tokens', noteToken)}${filter('marks', noteMark)}
  - apiVersion: security.istio.io/v1
    kind: RequestAuthentication
    metadata: {name: tokens, namespace: default}
    spec:
      selector: {matchLabels: {app: server}}
      jwtRules: ${JSON.stringify(issuers.map((issuer) => ({ issuer: issuer.issuer, jwks: toJwks(issuer), fromHeaders: [{ name: 'x-unused' }] })))}
proxies: [sidecar/default/client-1/web, sidecar/shop/client-2/cart, sidecar/default/server-1/server]
`
