import { expect, it } from 'vitest'
import { makeObject } from '#test/mesh/records.ts'
import { defaultMeshConfig } from '../config/mesh-config.ts'
import { toAnalyzedObjects } from './analyzed-objects.ts'
import { findSecurityProblems } from './security-policies.ts'

const object = (kind: string, spec: Record<string, unknown>, namespace = 'shop', name = 'a') => ({
  ...makeObject(kind, name, spec, { namespace }),
  ...(kind !== 'Service' && { apiVersion: 'security.istio.io/v1' }),
})
const told = (...objects: ReturnType<typeof object>[]) =>
  findSecurityProblems(toAnalyzedObjects(objects), { domainSuffix: 'cluster.local', hasHost: () => true }).map(
    ({ code, object: of, path, message }) => `${code} ${of?.kind} ${path}: ${message}`,
  )

const peers = (...ports: number[]) =>
  object('PeerAuthentication', {
    selector: { matchLabels: { app: 'a', version: 'v1' } },
    portLevelMtls: Object.fromEntries(ports.map((port) => [port, { mode: 'DISABLE' }])),
  })
const service = (ports: object[], selector: object = { app: 'a' }, namespace = 'shop') =>
  object('Service', { selector, ports }, namespace)

it("tells of ports of a Service where its workloads' are meant", () => {
  const ports = [
    { name: 'http', port: 80, targetPort: 8080 },
    { name: 'same', port: 81 },
  ]
  expect(told(peers(80, 81, 8080, 9090), service(ports))).toEqual([
    'dangling_reference PeerAuthentication spec.portLevelMtls["80"]: is a port of Service shop/a, that leads to port 8080 of its workloads: it is their ports that are meant here',
  ])
})

it.each([
  ['another namespace', service([{ port: 80, targetPort: 8080 }], { app: 'a' }, 'other')],
  ['other workloads', service([{ port: 80, targetPort: 8080 }], { app: 'a', version: 'v2' })],
  ['a name, which may be that port', service([{ port: 80, targetPort: 'web' }])],
  ['no selector', service([{ port: 80, targetPort: 8080 }], {})],
])('says nothing of %s', (_, each) => {
  expect(told(peers(80), each)).toEqual([])
})

const policy = (rule: object, namespace?: string) => object('AuthorizationPolicy', { rules: [rule] }, namespace)
const tokens = (namespace?: string) =>
  object('RequestAuthentication', { jwtRules: [{ issuer: 'https://a.example' }] }, namespace)
const principals = policy({ from: [{ source: { namespaces: ['b'] } }, { source: { requestPrincipals: ['*'] } }] })
const { rootNamespace } = defaultMeshConfig

it('tells of policies that ask of tokens which nothing reads', () => {
  const message = 'no RequestAuthentication is for its workloads: no request has a token that was checked'
  expect(told(principals)).toEqual([
    `ineffective AuthorizationPolicy spec.rules[0].from[1].source.requestPrincipals: ${message}`,
  ])
  const claims = policy({ when: [{ key: 'request.auth.claims[a]', values: ['b'] }] })
  expect(told(claims, tokens('other'), object('RequestAuthentication', {}))).toEqual([
    `ineffective AuthorizationPolicy spec.rules[0].when[0].key: ${message}`,
  ])
})

it.each([
  ['its namespace', [principals, tokens()]],
  ['the root namespace', [principals, tokens(rootNamespace)]],
  [
    'any, which a policy of the root namespace is for',
    [policy({ when: [{ key: 'request.auth.principal', values: ['*'] }] }, rootNamespace), tokens('other')],
  ],
  ['none, where tokens are not asked for', [policy({ from: [{ source: { namespaces: ['b'] } }] })]],
])('says nothing where they are read in %s', (_, objects) => {
  expect(told(...objects)).toEqual([])
})
