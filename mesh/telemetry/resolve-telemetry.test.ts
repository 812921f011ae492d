import { describe, expect, it, test } from 'vitest'
import { objectKeyOf, type Configured } from '#mesh/config-object.ts'
import { readMeshConfig, type WrittenMeshConfig } from '#mesh/config/mesh-config.ts'
import { telemetry, type TelemetrySpec } from '#mesh/config/telemetry.ts'
import { east, network1 } from '#test/mesh/records.ts'
import { resolveTelemetry } from './resolve-telemetry.ts'
import { findTelemetries, selectTelemetries } from './select-telemetries.ts'

const json = { name: 'json', envoyFileAccessLog: { logFormat: { labels: { a: 'b' } } } }
const zipkin = { name: 'Zipkin', zipkin: { service: 'zipkin.obs', port: 9411, maxTagLength: 9 } }
const dynatrace = {
  name: 'dynatrace',
  opentelemetry: { service: 'otel.obs', port: 443, http: {}, dynatraceSampler: { tenant: 'a' } },
}
const extensionProviders = [json, zipkin, dynatrace, { name: 'my-prom', prometheus: {} }]

const resolve = (specs: readonly object[], settings: WrittenMeshConfig = {}) =>
  resolveTelemetry(
    readMeshConfig({ extensionProviders, ...settings }),
    specs.map((spec) => ({ spec: telemetry.schema.parse(spec) })),
  )

describe('access logs', () => {
  const logs = (...accessLogging: readonly object[]) => ({ accessLogging })
  const to = (...names: readonly string[]) => ({ providers: names.map((name) => ({ name })) })
  const client = { match: { mode: 'CLIENT' } }
  const server = { match: { mode: 'SERVER' } }
  const errors = { filter: { expression: 'response.code >= 500' } }
  const byEnvoy = { defaultProviders: { accessLogging: ['envoy'] } }
  const byFile = { accessLogFile: '/dev/stdout' }

  /** "client | server", each logger as its name, with "?" where it has a filter. */
  const tell = (specs: readonly object[], settings: WrittenMeshConfig = {}) => {
    const resolved = resolve(specs, settings)
    const toText = (side: 'client' | 'server') =>
      resolved[side].accessLogging
        .map(({ to: whom, filter }) => `${typeof whom === 'object' ? whom.name : whom}${filter ? '?' : ''}`)
        .join(' ')
    return `${toText('client')} | ${toText('server')}`
  }

  it.each<[string, readonly object[], WrittenMeshConfig, string]>([
    ['nothing is said', [], {}, 'own | own'],
    ['there is a default', [], byEnvoy, 'own envoy | own envoy'],
    ['there is a file', [], byFile, 'own mesh-file | own mesh-file'],
    ['there are a file and a default', [], { ...byEnvoy, ...byFile }, 'own envoy | own envoy'],
    ['one is named', [logs(to('envoy'))], {}, 'own envoy | own envoy'],
    ['the name has another case', [logs(to('JSON'))], {}, 'own json | own json'],
    ['one is named in place of the default', [logs(to('json'))], byEnvoy, 'own json | own json'],
    ['one is named in place of the file', [logs(to('json'))], byFile, 'own json | own json'],
    ['one is named for clients', [logs({ ...to('envoy'), ...client })], {}, 'own envoy | own'],
    ['one is named for servers, with a default', [logs({ ...to('json'), ...server })], byEnvoy, 'own envoy | own json'],
    [
      'each side has its own',
      [logs({ ...to('envoy'), ...server }, { ...to('json'), ...client })],
      {},
      'own json | own envoy',
    ],
    ['parents are replaced', [logs(to('envoy')), logs(to('json'))], {}, 'own json | own json'],
    ['one object names two', [logs(to('envoy')), logs(to('envoy'), to('json'))], {}, 'own envoy json | own envoy json'],
    ['a rule is empty', [logs(to('envoy')), logs({})], {}, 'own envoy | own envoy'],
    ['an object says nothing of logs', [logs(to('envoy')), { metrics: [{}] }], byFile, 'own envoy | own envoy'],
    ['one is not there', [logs(to('custom'))], byEnvoy, 'own | own'],
    ['one takes no logs', [logs(to('zipkin', 'stackdriver'))], {}, 'own | own'],
    ['all is disabled', [logs(to('envoy')), logs({ disabled: true })], {}, ' | '],
    ['all is disabled, of a default', [logs({ disabled: true })], byEnvoy, ' | '],
    ['all is disabled, of a file', [logs({ disabled: true })], byFile, ' | '],
    ['servers are disabled', [logs({ disabled: true, ...server })], byFile, 'own mesh-file | '],
    [
      'one is disabled',
      [logs(to('envoy')), logs({ ...to('envoy'), disabled: true, ...client })],
      {},
      'own | own envoy',
    ],
    ['one of two is disabled', [logs(to('envoy'), { ...to('json'), disabled: true })], {}, 'own envoy | own envoy'],
    [
      'one is disabled after it was named',
      [logs({ ...to('envoy'), ...server }, { ...to('envoy'), disabled: true })],
      {},
      'own | own',
    ],
    ['what is disabled is named again', [logs({ disabled: true }), logs(to('envoy'))], {}, 'envoy | envoy'],
    [
      'what is disabled is on again by a rule for all',
      [logs(to('json')), logs({ disabled: true }), logs({ ...errors })],
      {},
      'own? json? | own? json?',
    ],
    [
      'what a wider object disables is on again',
      [logs({ disabled: true }), logs({})],
      byEnvoy,
      'own envoy | own envoy',
    ],
    [
      'the store that is disabled by name stays so',
      [logs({ ...to('atoll'), disabled: true }), logs(errors)],
      byEnvoy,
      'envoy? | envoy?',
    ],
    [
      'the store is enabled with all',
      [logs({ ...to('atoll'), disabled: true }), logs({ disabled: false })],
      byEnvoy,
      'own envoy | own envoy',
    ],
    [
      'what is disabled is enabled',
      [logs({ disabled: true }), logs({ disabled: false })],
      byEnvoy,
      'own envoy | own envoy',
    ],
    ['the store alone is disabled', [logs({ ...to('atoll'), disabled: true })], byEnvoy, 'envoy | envoy'],
    [
      'the store is named beside the default',
      [logs({ ...to('Atoll'), ...errors })],
      byEnvoy,
      'own? envoy | own? envoy',
    ],
    ['a filter is of one', [logs({ ...to('envoy'), ...errors }, to('json'))], {}, 'own envoy? json | own envoy? json'],
    ['a filter is of all', [logs(errors)], byFile, 'own? mesh-file? | own? mesh-file?'],
    ['a filter is inherited', [logs({ ...to('envoy'), ...errors }), logs({})], {}, 'own envoy? | own envoy?'],
    ['a filter is gone', [logs({ ...to('envoy'), ...errors }), logs(to('envoy'))], {}, 'own envoy | own envoy'],
  ])('where %s', (_, specs, settings, expected) => {
    expect(tell(specs, settings)).toBe(expected)
  })
})

describe('metrics', () => {
  const metrics = (...overrides: readonly object[]) => ({ metrics: [{ overrides }] })
  const count = { match: { metric: 'REQUEST_COUNT' } }
  const tag = (value: string) => ({ tagOverrides: { a: { value }, b: { operation: 'REMOVE' } } })
  const ofClient = (...specs: readonly object[]) => resolve(specs).client.metrics
  const names = (overrides: object) => Object.keys(overrides).length

  test('are the standard where nothing is said, or something of others', () => {
    const ofOthers = { metrics: [{ providers: [{ name: 'stackdriver' }], overrides: [{ disabled: true }] }] }
    const custom = metrics({ match: { customMetric: 'mine' }, disabled: true })
    expect(ofClient(ofOthers, custom)).toEqual({ overrides: {} })
  })
  test('are those of any provider of their kind', () => {
    const ofMine = { metrics: [{ providers: [{ name: 'My-Prom' }], overrides: [{ disabled: true }] }] }
    expect(names(ofClient(ofMine).overrides)).toBe(10)
  })
  test('are disabled all at once, and enabled one by one, for one side', () => {
    const { client, server } = resolve([
      metrics({ disabled: true, match: { mode: 'CLIENT' } }),
      metrics({ ...count, disabled: false }),
    ])
    expect(names(client.metrics.overrides)).toBe(10)
    expect(client.metrics.overrides.requests_total).toEqual({ disabled: false, tags: {} })
    expect(client.metrics.overrides.tcp_sent_bytes_total).toEqual({ disabled: true, tags: {} })
    expect(server.metrics.overrides).toEqual({ requests_total: { disabled: false, tags: {} } })
  })
  test('that are disabled stay so where nothing says that they are not', () => {
    expect(ofClient(metrics({ disabled: true }), metrics({ ...count, ...tag('1') })).overrides.requests_total).toEqual({
      disabled: true,
      tags: { a: '1', b: undefined },
    })
  })
  test('have the labels that the last rule says', () => {
    const { overrides } = ofClient(
      metrics(tag('1'), { ...count, tagOverrides: { a: { value: '2' }, '': { value: '3' } } }),
      {
        metrics: [
          { providers: [{ name: 'Prometheus' }], overrides: [{ ...count, tagOverrides: { b: { value: 'x' } } }] },
        ],
      },
    )
    expect(overrides.requests_total?.tags).toEqual({ a: '2', b: 'x' })
    expect(overrides.response_bytes?.tags).toEqual({ a: '1', b: undefined })
  })
})

describe('traces', () => {
  const trace = (...tracing: readonly object[]) => ({ tracing })
  const to = (name: string) => ({ providers: [{ name }] })
  const sample = (randomSamplingPercentage: number) => ({ randomSamplingPercentage })
  const ofClient = (specs: readonly object[], settings?: WrittenMeshConfig) => resolve(specs, settings).client.tracing
  const byZipkin = { defaultProviders: { tracing: ['zipkin', 'dynatrace'] } }
  const ofProxies = (tracing: object) => ({ defaultConfig: { tracing } })

  test('are Istio’s where nothing is said', () => {
    expect(ofClient([])).toEqual({
      samplingPercentage: 1,
      customTags: {},
      usesRequestIdForSampling: true,
      hasIstioTags: true,
      propagates: true,
    })
  })
  it.each<[string, readonly object[], WrittenMeshConfig, object]>([
    [
      'the default provider',
      [trace(sample(3))],
      byZipkin,
      { provider: { name: 'Zipkin' }, samplingPercentage: 3, maxPathTagLength: 9 },
    ],
    [
      'the first provider of the last rule',
      [trace(to('dynatrace')), trace({ providers: [{ name: 'zipkin' }, { name: 'x' }] }, sample(5))],
      {},
      { provider: { name: 'Zipkin' }, samplingPercentage: 5 },
    ],
    ['a sampler of its own', [trace({ ...to('dynatrace'), ...sample(5) })], {}, { samplingPercentage: 100 }],
    ['no samples', [trace(sample(0))], ofProxies({ sampling: 7 }), { samplingPercentage: 0 }],
    [
      'what proxies have',
      [trace({ customTags: {} })],
      ofProxies({
        sampling: 7,
        enableIstioTags: false,
        maxPathTagLength: 3,
        customTags: { a: { literal: { value: 'b' } } },
      }),
      {
        samplingPercentage: 7,
        hasIstioTags: false,
        maxPathTagLength: 3,
        customTags: { a: { literal: { value: 'b' } } },
      },
    ],
    ['more samples than there are', [], ofProxies({ sampling: 1000 }), { samplingPercentage: 1 }],
    [
      'tags in place of others',
      [
        trace({ customTags: { a: { literal: { value: 'b' } } } }),
        trace({ customTags: { c: { header: { name: 'd' } } } }),
      ],
      {},
      { customTags: { c: { header: { name: 'd' } } } },
    ],
    [
      'all else',
      [trace({ useRequestIdForTraceSampling: false, enableIstioTags: false, disableContextPropagation: true })],
      {},
      { usesRequestIdForSampling: false, hasIstioTags: false, propagates: false },
    ],
  ])('with %s', (_, specs, settings, expected) => {
    expect(ofClient(specs, settings)).toMatchObject(expected)
  })
  it.each<[string, readonly object[]]>([
    ['spans are not reported', [trace({ disableSpanReporting: true })]],
    ['the provider is none', [trace(to('nobody'))]],
    ['the provider takes no traces', [trace(to('json'))]],
    ['the provider is the store', [trace(to('atoll'))]],
  ])('go to nobody else where %s', (_, specs) => {
    expect(ofClient(specs, byZipkin)).not.toHaveProperty('provider')
  })
  test('are told of again below', () => {
    expect(
      ofClient([trace({ disableSpanReporting: true }), trace({ disableSpanReporting: false })], byZipkin),
    ).toMatchObject({ provider: { name: 'Zipkin' } })
  })
  test('of one side are not of the other', () => {
    const { client, server } = resolve([trace({ ...sample(3), match: { mode: 'SERVER' } })])
    expect([client.tracing.samplingPercentage, server.tracing.samplingPercentage]).toEqual([1, 3])
  })
})

describe('a proxy', () => {
  const make = (namespace: string, name: string, spec: object): Configured<TelemetrySpec> => ({
    apiVersion: 'telemetry.istio.io/v1',
    kind: 'Telemetry',
    metadata: { namespace, name, labels: {}, annotations: {} },
    spec: telemetry.schema.parse(spec),
  })
  const target = { group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'edge' }
  const objects = [
    make('root', 'wide', {}),
    make('root', 'wide-too', {}),
    make('root', 'of-a', { selector: { matchLabels: { app: 'a' } } }),
    make('shop', 'second-of-a', { selector: { matchLabels: { app: 'a' } } }),
    make('shop', 'of-b', { selector: { matchLabels: { app: 'b' } } }),
    make('shop', 'of-east', { selector: { matchLabels: { 'topology.istio.io/cluster': 'east' } } }),
    make('shop', 'wide', { selector: {} }),
    make('shop', 'of-edge', { targetRefs: [{ kind: 'Service', name: 'edge' }, target] }),
  ]
  const view = {
    meshConfig: () => readMeshConfig({ rootNamespace: 'root' }),
    telemetries: (namespace: string) => objects.filter(({ metadata }) => metadata.namespace === namespace),
    telemetry: (key: string) => objects.find((each) => objectKeyOf(each) === key),
  }
  const select = (namespace: string, labels: Record<string, string>) =>
    selectTelemetries(view, namespace, { locality: '', network: network1, cluster: east, labels })

  it.each<[string, string, Record<string, string>, string[]]>([
    ['of another namespace', 'bank', { app: 'a' }, ['root/wide']],
    ['of the root namespace', 'root', { app: 'a' }, ['root/wide', 'root/of-a']],
    ['that is selected twice', 'shop', { app: 'a' }, ['root/wide', 'shop/wide', 'shop/second-of-a', 'shop/of-east']],
    [
      'of a Gateway',
      'shop',
      { 'gateway.networking.k8s.io/gateway-name': 'edge' },
      ['root/wide', 'shop/wide', 'shop/of-east', 'shop/of-edge'],
    ],
  ])('%s has the oldest wide ones and all that select it', (_, namespace, labels, expected) => {
    const key = select(namespace, labels)
    expect(key).toBe(expected.map((each) => `Telemetry/${each}`).join(','))
    expect(findTelemetries(view, key)).toHaveLength(expected.length)
  })
})
