import { objectKeyOf, type ConfigObject } from '#mesh/config-object.ts'
import { makeObject } from '#test/mesh/records.ts'
import type { CalledProxy } from '#xds/foretell/called-proxy.ts'
import { foretellEffect } from '#xds/foretell/foretell-effect.ts'
import { proposeMesh } from '#xds/foretell/proposal.ts'
import type { RecordedCall } from '#xds/foretell/read-record.ts'
import { ExplainedScene } from './explain.ts'

const workloads = `
about: ''
services:
  - {host: reviews, ports: [http:80, tcp:90], endpoints: {server-1: {address: 10.0.0.2, ports: {http: 8080, tcp: 9090}, labels: {app: reviews}}}}
  - {host: front, ports: [http:80], endpoints: {gateway-1: {address: 10.0.0.3, ports: {http: 18080}}}}
workloads:
  server-1: {address: 10.0.0.2, labels: {app: reviews}}
  gateway-1: {address: 10.0.0.3, labels: {istio: ingressgateway}}
config:
  - apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: front, namespace: default}
    spec:
      selector: {istio: ingressgateway}
      servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}, {port: {number: 18090, name: tcp, protocol: TCP}, hosts: ['*']}]
  - apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: front, namespace: default}
    spec: {hosts: ['*'], gateways: [front], http: [{route: [{destination: {host: reviews}}]}], tcp: [{match: [{port: 18090}], route: [{destination: {host: reviews, port: {number: 90}}}]}]}
`

const web = 'spiffe://td.example/ns/default/sa/web'
export const mutual: RecordedCall = {
  request_protocol: 'http',
  connection_security_policy: 'mutual_tls',
  source_principal: web,
  source_cluster: 'east',
  source_address: '10.0.0.1:4000',
  upstream_host: '127.0.0.1:8080',
  method: 'GET',
  authority: 'reviews',
  path: '/a/1?x=y',
  revision: 7,
}
const { source_principal: _principal, ...nobody } = mutual
export const plain: RecordedCall = { ...nobody, connection_security_policy: 'none' }
export const connection: RecordedCall = {
  request_protocol: 'tcp',
  connection_security_policy: 'mutual_tls',
  source_principal: web,
  source_address: '10.0.0.1:4000',
  upstream_host: '10.0.0.2:9090',
  revision: 7,
}
/** As a gateway tells it, which is on the source's side. */
export const outside: RecordedCall = {
  request_protocol: 'http',
  source_address: '203.0.113.7:4000',
  forwarded_for: '203.0.113.7',
  upstream_host: '10.0.0.2:8080',
  method: 'GET',
  authority: 'shop.example.com',
  path: '/a//b',
  revision: 7,
}

export const make = (kind: string, name: string, spec: object): ConfigObject => makeObject(kind, name, { ...spec })
export const allow = (rules: readonly object[], name = 'p') => make('AuthorizationPolicy', name, { rules })
export const deny = (rules: readonly object[], name = 'p') =>
  make('AuthorizationPolicy', name, { action: 'DENY', rules })
export const peers = (mode: string, more: object = {}) => make('PeerAuthentication', 'p', { mtls: { mode }, ...more })
export const issuer = (name = 'idp', more: object = {}) =>
  make('RequestAuthentication', 'r', {
    jwtRules: [{ issuer: `https://${name}.example`, jwks: '{"keys":[]}', ...more }],
  })
export const keys = make('ClientAuthentication', 'keys', { apiKeys: { secretName: 'keys' } })
export const paths = (...all: readonly string[]) => ({ to: [{ operation: { paths: all } }] })
export const ports = (...all: readonly string[]) => ({ to: [{ operation: { ports: all } }] })
export const from = (source: object) => ({ from: [{ source }] })
export const header = { when: [{ key: 'request.headers[x-role]', values: ['admin'] }] }
export const claim = { when: [{ key: 'request.auth.claims[groups]', values: ['a'] }] }

export interface World {
  readonly present?: readonly ConfigObject[]
  readonly ofCluster?: readonly ConfigObject[]
  readonly settings?: string
  readonly role?: 'sidecar' | 'gateway'
  /** Of an agent that is older than this. */
  readonly isOld?: boolean
}

const toProxy = ({ present = [], ofCluster = [], settings = '{}', role = 'sidecar', isOld = false }: World) => {
  const name = role === 'gateway' ? 'gateway/default/gateway-1' : 'sidecar/default/server-1'
  const explained = new ExplainedScene(`${workloads}proxies: [${name}]\nsettings: ${settings}\n`)
  const { store, proxies } = explained.scene
  for (const [origin, objects] of [
    ['mesh', present],
    ['cluster', ofCluster],
  ] as const)
    store.apply(objects.map((value) => ({ kind: 'config', origin, key: objectKeyOf(value), value })))
  const [proxy] = proxies
  if (!proxy) throw new Error('nobody is called')
  const { served, policies } = new ExplainedScene(explained.scene).serve(proxy)
  if (!policies) throw new Error('it has no workload')
  const { ownPeers: _own, ...older } = policies
  const called: CalledProxy = {
    role,
    namespace: 'default',
    cluster: store.localCluster,
    revision: 7,
    served,
    policies: isOld ? older : policies,
  }
  return { called, settings: store.settings() }
}

/** "denied by …" where that is another answer than now, and what is missing where it is not known; undefined: nothing changes for the proxy. */
export const foretell = (
  world: World,
  then: readonly ConfigObject[] | string,
  record: RecordedCall,
): string | undefined => {
  const { called, settings } = toProxy(world)
  const proposal = typeof then === 'string' ? { objects: [], deleted: [then] } : { objects: then, deleted: [] }
  const effect = foretellEffect(proposeMesh(settings, world.present ?? [], proposal), called)?.(record)
  if (!effect) return undefined
  const { before, after, by, missing } = effect
  if (after === 'not-known') return `${before}, then not known: ${missing.join('; ')}`
  if (after === before) return 'same'
  return `${after} by ${by.map(({ object, path }) => `${object} ${path ?? ''}`).join(', ')}`
}

export type Row = readonly [
  title: string,
  world: World,
  then: readonly ConfigObject[] | string,
  record: RecordedCall,
  expected: string | undefined,
]

export const policy = 'AuthorizationPolicy/default/p'
export const peer = 'PeerAuthentication/default/p'
export const permissive = { present: [peers('PERMISSIVE')] }
export const told = { response_details: 'jwt_authn_access_denied{Jwt_is_expired}' }
export const denied = { upstream_host: undefined, policy_verdict: 'denied:none' }
