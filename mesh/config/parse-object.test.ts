import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { kinds } from '#mesh/config/kind-table.ts'
import { toApiVersion } from '#mesh/config/kind-definition.ts'
import { configuredAs, parseObject } from '#mesh/config/parse-object.ts'
import { destinationRule } from '#mesh/config/destination-rule.ts'

const options = { defaultNamespace: 'default' }
const rule = {
  apiVersion: 'networking.istio.io/v1',
  kind: 'DestinationRule',
  metadata: { name: 'a' },
  spec: { host: 'a' },
}
const problems = (value: unknown) => {
  const result = parseObject(value, options)
  return (result.ok ? result.value.warnings : result.error).map(
    ({ code, severity, path, message }) => `${severity} ${code} ${path}: ${message}`,
  )
}
const accepted = (value: unknown) => {
  const result = parseObject(value, options)
  if (!result.ok) throw new Error(JSON.stringify(result.error))
  return result.value
}

describe('the envelope', () => {
  it('gives an object its namespace, and drops what servers and kubectl add', () => {
    const { object, warnings } = accepted({
      ...rule,
      metadata: {
        name: 'a',
        uid: 'u',
        resourceVersion: '1',
        generation: 2,
        creationTimestamp: '2020-01-01T00:00:00Z',
        managedFields: [{}],
        labels: { app: 'a' },
        annotations: { 'kubectl.kubernetes.io/last-applied-configuration': '{}', note: 'b' },
      },
      status: { conditions: [] },
    })
    expect(object).toEqual({
      ...rule,
      metadata: { name: 'a', namespace: 'default', labels: { app: 'a' }, annotations: { note: 'b' } },
    })
    expect(warnings).toEqual([])
  })
  it('warns of metadata that it does not know', () => {
    expect(problems({ ...rule, metadata: { name: 'a', lables: {} } })).toEqual([
      'warning unknown_field metadata.lables: is not a field, and left out: did you mean "labels"?',
    ])
  })
  it.each<[string, unknown, string[]]>([
    ['nothing', undefined, ['error syntax : must be an object with apiVersion, kind, metadata, spec']],
    [
      'an empty object',
      {},
      ['error invalid apiVersion: is required, as a string', 'error invalid kind: is required, as a string'],
    ],
    ['no spec', { ...rule, spec: undefined }, ['error invalid spec.host: is required']],
    [
      'a spec that is a list',
      { ...rule, spec: [] },
      ['error invalid spec: must be an object', 'error invalid spec.host: is required'],
    ],
    ['no name', { ...rule, metadata: {} }, ['error invalid metadata.name: is required']],
    [
      'fields beside spec',
      { ...rule, host: 'a', metdata: {}, meta: {} },
      [
        'error unknown_field host: is not a field of an object: settings belong into spec',
        'error unknown_field metdata: is not a field: did you mean "metadata"?',
        'error unknown_field meta: is not a field: did you mean "metadata"?',
      ],
    ],
    [
      'a kind that is none',
      { ...rule, kind: 'DestinationRules' },
      ['error unknown_kind kind: there is no such kind: did you mean DestinationRule?'],
    ],
    ...[
      ['v1', 'ConfigMap'],
      ['apps/v1', 'Deployment'],
      ['rbac.authorization.k8s.io/v1', 'Role'],
    ].map(([apiVersion, kind]): [string, unknown, string[]] => [
      `a ${kind} of Kubernetes`,
      { ...rule, apiVersion, kind },
      ['error unknown_kind kind: goes to the cluster, with kubectl: the mesh has no such kind'],
    ]),
    [
      'a misspelt kind of the core group',
      { ...rule, apiVersion: 'v1', kind: 'Servce' },
      ['error unknown_kind kind: there is no such kind: did you mean Service?'],
    ],
    [
      'a kind that Istio has, and Atoll has not',
      { ...rule, apiVersion: 'extensions.istio.io/v1alpha1', kind: 'TrafficExtension' },
      [
        'error unsupported kind: TrafficExtension is not supported yet: write a WasmPlugin, or for scripts a ProxyExtension',
      ],
    ],
    [
      'a kind in another group',
      { ...rule, apiVersion: 'v1' },
      [
        'error unknown_kind kind: DestinationRule is taken as networking.istio.io/v1, networking.istio.io/v1beta1, networking.istio.io/v1alpha3',
      ],
    ],
  ])('refuses %s', (_, value, expected) => {
    expect(problems(value)).toEqual(expected)
  })
  it('knows the two ways in which kinds write selectors', () => {
    const filter = { apiVersion: 'networking.istio.io/v1alpha3', kind: 'EnvoyFilter' }
    const spec = { host: 'a', workloadSelector: { labels: { app: 'a' } } }
    expect([
      ...problems({ ...rule, ...filter, spec: { workloadSelector: { matchLabels: { app: 'a' } } } }),
      ...problems({ ...rule, spec }),
    ]).toEqual([
      'error unknown_field spec.workloadSelector.matchLabels: is not a field: did you mean "labels"?',
      'error unknown_field spec.workloadSelector.labels: is not a field: did you mean "matchLabels"?',
    ])
  })
  it.each([
    [{ name: 'A' }, 'metadata.name'],
    [{ name: 'a', namespace: 'a.b' }, 'metadata.namespace'],
    [{ name: 'a', labels: { 'a b': 'c' } }, 'metadata.labels["a b"]'],
    [{ name: 'a', labels: { a: 1 } }, 'metadata.labels.a'],
    [{ name: 'a', annotations: { a: 'x'.repeat(262_144) } }, 'metadata.annotations'],
  ])('refuses the metadata %o', (metadata, path) => {
    expect(problems({ ...rule, metadata }).map((problem) => problem.split(':')[0])).toEqual([`error invalid ${path}`])
  })
  it('names the object that a problem is of', () => {
    const result = parseObject({ ...rule, metadata: { name: 'b', namespace: 'shop' }, spec: {} }, options)
    expect(!result.ok && result.error[0]?.object).toEqual({ kind: 'DestinationRule', namespace: 'shop', name: 'b' })
  })
  it('reports at most 100 problems', () => {
    expect(problems({ ...rule, spec: { host: 'a', exportTo: Array.from({ length: 500 }, () => 1) } })).toHaveLength(100)
  })
})

describe('configuredAs', () => {
  it('gives the spec with its defaults', () => {
    const { object } = accepted({ ...rule, spec: { host: 'a', trafficPolicy: { tls: {} } } })
    expect(configuredAs(destinationRule, object)).toEqual({
      ok: true,
      value: { ...object, spec: { host: 'a', trafficPolicy: { tls: { mode: 'DISABLE' } } } },
    })
  })
  it('says what is wrong with an object that is not accepted any more', () => {
    const { object } = accepted(rule)
    const result = configuredAs(destinationRule, { ...object, spec: { hosts: 'a' } })
    expect(!result.ok && result.error.map((problem) => problem.path)).toEqual(['spec.host', 'spec.hosts'])
  })
})

describe('anything at all', () => {
  const names = fc.constantFrom(
    'host',
    'hosts',
    'http',
    'tcp',
    'route',
    'match',
    'destination',
    'uri',
    'exact',
    'regex',
    'port',
    'number',
    'ports',
    'name',
    'subsets',
    'labels',
    'trafficPolicy',
    'loadBalancer',
    'simple',
    'consistentHash',
    'endpoints',
    'address',
    'egress',
    'ingress',
    'bind',
    'exportTo',
    'timeout',
    '__proto__',
  )
  const value = fc.oneof(
    fc.jsonValue({ maxDepth: 4 }),
    fc.object({
      key: fc.oneof(names, fc.string()),
      maxDepth: 6,
      values: [fc.string(), fc.double(), fc.boolean(), fc.constant(null), fc.constantFrom('10s', '*', 'a.org', 'v1')],
    }),
  )
  const object = fc.oneof(
    value,
    fc.record({
      apiVersion: fc.constantFrom(...kinds.map((kind) => toApiVersion(kind, kind.versions[0] ?? ''))),
      kind: fc.constantFrom(...kinds.map((kind) => kind.kind)),
      metadata: fc.oneof(fc.constant({ name: 'a' }), value),
      spec: value,
    }),
  )
  it('is accepted or refused with a reason, never thrown at', () => {
    fc.assert(
      fc.property(object, (given) => {
        const result = parseObject(given, options)
        expect(
          result.ok || result.error.some((problem) => problem.severity === 'error' && problem.message !== ''),
        ).toBe(true)
      }),
      { numRuns: 3000 },
    )
  })
  it('that was accepted once is accepted as it was stored', () => {
    fc.assert(
      fc.property(object, (given) => {
        const first = parseObject(given, options)
        if (!first.ok) return
        expect(parseObject(structuredClone(first.value.object), options)).toMatchObject({
          ok: true,
          value: { object: first.value.object },
        })
      }),
      { numRuns: 1000 },
    )
  })
})
