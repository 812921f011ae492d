import fc from 'fast-check'
import { expect, test } from 'vitest'
import { analyze } from '#mesh/analysis/analyze.ts'
import { selectRelated, toRelatedObject } from '#mesh/analysis/related-objects.ts'
import { configObject, toObjectKey } from '#mesh/config-object.ts'
import type { ConfigObject } from '#mesh/config-object.ts'
import type { Problem } from '#mesh/problem.ts'

const domainSuffix = 'cluster.local'
const known = { domainSuffix, hasHost: (hostname: string) => hostname.startsWith('known') }

const host = fc.constantFrom(
  'reviews',
  'reviews.shop.svc.cluster.local',
  'known.shop.svc.cluster.local',
  'a.example.org',
  '*.example.org',
)
const subset = fc.constantFrom('v1', 'v2')
const exportTo = fc.constantFrom(['*'], ['.'])

const arbitrarySpec: fc.Arbitrary<{ readonly kind: string; readonly spec: object }> = fc.oneof(
  fc.record({ host, subsets: fc.uniqueArray(subset), exportTo }).map(({ host: name, subsets, exportTo: to }) => ({
    kind: 'DestinationRule',
    spec: { host: name, subsets: subsets.map((each) => ({ name: each, labels: { version: each } })), exportTo: to },
  })),
  fc.record({ host, destination: host, subset, exportTo }).map(({ host: name, destination, ...rest }) => ({
    kind: 'VirtualService',
    spec: {
      hosts: [name],
      http: [{ route: [{ destination: { host: destination.replace('*', 'b'), subset: rest.subset } }] }],
      exportTo: rest.exportTo,
    },
  })),
  fc
    .record({ host, exportTo, delegate: fc.constantFrom('reviews', 'other'), isRoot: fc.boolean() })
    .map(({ host: name, exportTo: to, delegate, isRoot }) => ({
      kind: 'VirtualService',
      spec: isRoot
        ? { hosts: [name], http: [{ match: [{ port: 80 }], delegate: { name: delegate, namespace: 'shop' } }] }
        : { http: [{ match: [{ port: 81 }], route: [{ destination: { host: 'known' } }] }], exportTo: to },
    })),
  fc
    .record({ host: fc.constantFrom('a.example.org', '*.example.org', 'reviews.shop.svc.cluster.local'), exportTo })
    .map(({ host: name, exportTo: to }) => ({
      kind: 'ServiceEntry',
      spec: { hosts: [name], ports: [{ number: 80, name: 'http', protocol: 'HTTP' }], exportTo: to },
    })),
  fc.constantFrom('a', 'b').map((app) => ({
    kind: 'ServiceEntry',
    spec: {
      hosts: ['b.example.org'],
      resolution: 'STATIC',
      ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
      workloadSelector: { labels: { app } },
    },
  })),
  fc.constant({ kind: 'WorkloadEntry', spec: { address: '10.0.0.1', labels: { app: 'a' } } }),
  fc.constantFrom(
    { kind: 'Service', spec: { ports: [{ port: 80 }], selector: { app: 'a' } } },
    { kind: 'Service', spec: { ports: [{ port: 80, targetPort: 8080 }], selector: { app: 'a' } } },
  ),
  fc.constant({ kind: 'Sidecar', spec: { egress: [{ hosts: ['*/*'] }] } }),
  fc.constantFrom(
    { kind: 'Telemetry', spec: {} },
    { kind: 'Telemetry', spec: { selector: { matchLabels: { app: 'a' } } } },
    { kind: 'PeerAuthentication', spec: {} },
    {
      kind: 'PeerAuthentication',
      spec: { selector: { matchLabels: { app: 'a' } }, portLevelMtls: { 80: { mode: 'DISABLE' } } },
    },
    { kind: 'RequestAuthentication', spec: { jwtRules: [{ issuer: 'https://a.example' }] } },
    { kind: 'AuthorizationPolicy', spec: { rules: [{ from: [{ source: { requestPrincipals: ['*'] } }] }] } },
  ),
)

const apiVersions: Readonly<Record<string, string>> = {
  Service: 'v1',
  Telemetry: 'telemetry.istio.io/v1',
  PeerAuthentication: 'security.istio.io/v1',
  RequestAuthentication: 'security.istio.io/v1',
  AuthorizationPolicy: 'security.istio.io/v1',
}

const arbitraryObject: fc.Arbitrary<ConfigObject> = fc
  .record({
    body: arbitrarySpec,
    name: fc.constantFrom('reviews', 'other', 'third'),
    namespace: fc.constantFrom('shop', 'client'),
  })
  .map(({ body, name, namespace }) =>
    configObject.parse({
      apiVersion: apiVersions[body.kind] ?? 'networking.istio.io/v1',
      kind: body.kind,
      metadata: { name, namespace, creationTimestamp: '2026-01-01T00:00:00Z' },
      spec: body.spec,
    }),
  )

const keyOf = ({ kind, metadata }: ConfigObject): string => toObjectKey(kind, metadata.namespace, metadata.name)
const byKey = (objects: readonly ConfigObject[]) => new Map(objects.map((object) => [keyOf(object), object]))

/** What a write is told: problems of the written objects, and new errors of others. */
const judge = (before: readonly Problem[], after: readonly Problem[], written: ReadonlySet<string>): string[] => {
  const old = new Set(before.map((problem) => JSON.stringify(problem)))
  const isOfWritten = ({ object }: Problem) =>
    object !== undefined && written.has(toObjectKey(object.kind, object.namespace, object.name))
  return after
    .filter((problem) => isOfWritten(problem) || (problem.severity === 'error' && !old.has(JSON.stringify(problem))))
    .map((problem) => JSON.stringify(problem))
    .toSorted()
}

test('the analysis of what a write is related to says of it what the analysis of everything says', () => {
  fc.assert(
    fc.property(
      fc.array(arbitraryObject, { maxLength: 12 }),
      fc.array(arbitraryObject, { maxLength: 3 }),
      fc.nat(2),
      (stored, upserts, deleted) => {
        const before = byKey(stored)
        const deletes = [...before.keys()].slice(0, deleted)
        const after = new Map([...before, ...byKey(upserts)])
        for (const key of deletes) after.delete(key)
        const written = new Set([...byKey(upserts).keys()].filter((key) => after.has(key)))
        const involved = [...upserts, ...[...written, ...deletes].flatMap((key) => before.get(key) ?? [])].map(
          (object) => toRelatedObject(object, domainSuffix),
        )
        const related = (objects: ReadonlyMap<string, ConfigObject>) =>
          selectRelated(
            [...objects.values()].map((object) => toRelatedObject(object, domainSuffix)),
            involved,
          )
        expect(judge(analyze(related(before), known), analyze(related(after), known), written)).toEqual(
          judge(analyze([...before.values()], known), analyze([...after.values()], known), written),
        )
      },
    ),
    { numRuns: 2_000 },
  )
})

test('what shares no host is left out', () => {
  const toRule = (name: string) =>
    configObject.parse({
      apiVersion: 'networking.istio.io/v1',
      kind: 'DestinationRule',
      metadata: { name, namespace: 'shop' },
      spec: { host: name },
    })
  const objects = ['a', 'b', 'c'].map((name) => toRelatedObject(toRule(name), domainSuffix))
  expect(selectRelated(objects, objects.slice(0, 1)).map(({ metadata }) => metadata.name)).toEqual(['a'])
})

test('a delegate without a namespace is of the same namespace, also when null says so', () => {
  const toRoute = (name: string, spec: object) =>
    toRelatedObject(
      configObject.parse({
        apiVersion: 'networking.istio.io/v1',
        kind: 'VirtualService',
        metadata: { name, namespace: 'shop' },
        spec,
      }),
      domainSuffix,
    )
  const objects = [
    toRoute('root', { hosts: ['reviews'], http: [{ delegate: { name: 'part', namespace: null } }] }),
    toRoute('part', { http: [{ route: [{ destination: { host: 'ratings' } }] }] }),
  ]
  expect(selectRelated(objects, objects.slice(0, 1))).toHaveLength(2)
})
