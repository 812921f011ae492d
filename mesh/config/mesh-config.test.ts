import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { isClusterLocal } from '#mesh/cluster-local.ts'
import { describeSchema } from '#mesh/support/describe-fields.ts'
import { meshSettings, withOlderFields } from '#mesh/settings.ts'
import { stateChange } from '#mesh/state.ts'
import { examineMeshConfig } from './examine-mesh-config.ts'
import {
  defaultMeshConfig,
  meshConfigSchema,
  findStrangeFields,
  readMeshConfig,
  withChangedFields,
} from './mesh-config.ts'
import { proxySettings } from './schema/proxy-settings.ts'

const examine = (written: Record<string, unknown>) =>
  examineMeshConfig(written, { name: 'prod', trustDomain: 'prod.test' }).map(
    ({ code, path, message }) => `${code} ${path}: ${message}`,
  )

const readUpstream = (file: string): readonly string[] =>
  readFileSync(new URL(`../support/testdata/${file}`, import.meta.url), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .toSorted()

describe('MeshConfig', () => {
  it("has Istio's defaults", () => {
    expect(defaultMeshConfig).toMatchObject({
      outboundTrafficPolicy: { mode: 'ALLOW_ANY' },
      connectTimeout: '10s',
      accessLogEncoding: 'TEXT',
      pathNormalization: { normalization: 'DEFAULT' },
      h2UpgradePolicy: 'DO_NOT_UPGRADE',
      meshMTLS: { minProtocolVersion: 'TLS_AUTO' },
    })
  })
  it.each([
    [{}],
    [{ outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' }, rootNamespace: 'istio-system', proxyListenPort: 15001 }],
    [{ accessLogFile: '/dev/stdout', accessLogEncoding: 'JSON', accessLogFormat: '{"a": "%PROTOCOL%"}' }],
    [{ localityLbSetting: { failover: [{ from: 'eu', to: 'us' }] }, defaultHttpRetryPolicy: { attempts: 0 } }],
    [{ trustDomain: 'prod.test', trustDomainAliases: ['old.test', 'cluster.local.'], enableAutoMtls: true }],
    [
      {
        enableTracing: false,
        disableEnvoyListenerLog: true,
        defaultConfig: { statNameLength: null, tracing: { sampling: 10, customTags: {} } },
      },
    ],
    [
      {
        defaultProviders: { accessLogging: ['envoy', 'json', 'ATOLL'], metrics: ['prometheus'], tracing: ['otel'] },
        extensionProviders: [
          {
            name: 'otel',
            opentelemetry: {
              service: 'obs/otel.example',
              port: '443',
              http: { path: '/v1/traces', timeout: '10s', headers: [{ name: 'x-key', value: 'Basic%20k %' }] },
              resourceDetectors: { environment: {} },
              dynatraceSampler: { tenant: 'a', clusterId: 12 },
            },
          },
          { name: 'grpc', opentelemetry: { service: 'otel', port: 4317, grpc: { initialMetadata: [{ name: 'a' }] } } },
          { name: 'zipkin', zipkin: { service: 'zipkin', port: 9411, enable64bitTraceId: true, maxTagLength: 9 } },
          { name: 'sky', skywalking: { service: 'sky', port: 1, accessToken: 'a' } },
          { name: 'json', envoyFileAccessLog: { logFormat: { labels: { a: '%PROTOCOL%', b: { c: 1 } } } } },
          { name: 'als', envoyTcpAls: { service: 'als', port: 1, logName: 'a', filterStateObjectsToLog: ['a'] } },
          { name: 'logs', envoyOtelAls: { service: 'logs', port: 1, logFormat: { text: 'a', labels: { a: 'b' } } } },
        ],
      },
    ],
    [
      {
        defaultServiceExportTo: ['.', 'a'],
        defaultVirtualServiceExportTo: ['*'],
        defaultDestinationRuleExportTo: ['.'],
      },
    ],
    [
      {
        defaultConfig: { concurrency: 2, proxyMetadata: { A: 'b' } },
      },
    ],
    [{ defaultConfig: { terminationDrainDuration: '20s', gatewayTopology: { numTrustedProxies: 1 } } }],
    [{ serviceSettings: [{ settings: { clusterLocal: true }, hosts: ['*.shop.svc.cluster.local'] }] }],
  ])('takes %j', (written) => {
    expect(examine(written)).toEqual([])
  })
  it.each<[string, string, string | undefined]>([
    ['as many bytes as proxies take', 'é'.repeat(8192), undefined],
    ['a new line at its end', 'a\n', 'holds a new line or NUL: in YAML write it with ">-" in place of "|"'],
    ['a carriage return', 'a\rb', 'holds a new line or NUL: in YAML write it with ">-" in place of "|"'],
    ['more bytes', 'é'.repeat(8193), 'is longer than 16384 bytes, of which a "%" takes two'],
    ['more bytes as proxies are told it', '%'.repeat(8193), 'is longer than 16384 bytes, of which a "%" takes two'],
  ])('judges a header of a provider that has %s', (_, value, expected) => {
    const zipkin = { service: 'a.example', port: 1, headers: [{ name: 'a', value }] }
    expect(examine({ extensionProviders: [{ name: 'a', zipkin }] })).toEqual(
      expected === undefined ? [] : [`invalid extensionProviders[0].zipkin.headers[0].value: ${expected}`],
    )
  })
  it.each([
    [{ outboundPolicy: 'x' }, 'unknown_field outboundPolicy: is not a field'],
    [
      { outboundTrafficPolicy: { mode: 'ALLOW' } },
      'invalid outboundTrafficPolicy.mode: must be one of ALLOW_ANY, REGISTRY_ONLY',
    ],
    [{ accessLogFile: 'stdout' }, 'invalid accessLogFile: must be the path of a file, such as /dev/stdout'],
    [{ tlsDefaults: { ecdhCurves: ['P-1'] } }, /^invalid tlsDefaults.ecdhCurves\[0\]: must be one of P-256/],
    [{ meshMTLS: { ecdhCurves: ['P-256'] } }, /^unsupported meshMTLS.ecdhCurves: /],
    [{ trustDomainAliases: ['old.test', 'a_b'] }, 'invalid trustDomainAliases[1]: must be a domain name'],
    [{ meshMTLS: { cipherSuites: ['made-up'] } }, /^invalid meshMTLS.cipherSuites\[0\]: must be one of/],
    [{ enableAutoMtls: false }, 'unsupported enableAutoMtls: mesh mTLS is what proxies speak to each other'],
    [{ defaultConfig: { concurrency: -1 } }, /^invalid defaultConfig.concurrency: /],
    [{ defaultConfig: { proxyAdminPort: 1 } }, 'unsupported defaultConfig.proxyAdminPort: is always 15000'],
    [
      { defaultConfig: { interceptionMode: 'TPROXY' } },
      'unsupported defaultConfig.interceptionMode: captured connections are redirected',
    ],
    [{ proxyListenPort: 15002 }, 'unsupported proxyListenPort: is always 15001'],
    [{ extensionProviders: [{ name: 'a' }] }, /^invalid extensionProviders\[0\]: needs exactly one of/],
    [
      {
        extensionProviders: [
          { name: 'a', prometheus: {} },
          { name: 'a', prometheus: {} },
        ],
      },
      'invalid extensionProviders[1].name: "a" is there already',
    ],
    [
      {
        extensionProviders: [
          { name: 'Json', prometheus: {} },
          { name: 'json', prometheus: {} },
        ],
      },
      'invalid extensionProviders[1].name: "json" is there already',
    ],
    [
      {
        extensionProviders: [
          {
            name: 'a',
            opentelemetry: { service: 'a', port: 1, grpc: { initialMetadata: [{ name: 'a', value: 'Basic%20a' }] } },
          },
        ],
      },
      /^invalid extensionProviders\[0\]\.opentelemetry\.grpc\.initialMetadata\[0\]\.value: holds a "%".*use http$/,
    ],
    ...[
      { name: 'a', zipkin: { port: 9411 } },
      { name: 'a', zipkin: { service: 'zipkin.tracing.svc', port: 0 } },
      { name: 'a', opentelemetry: { service: '/otel', port: 4317 } },
      { name: 'a', lightstep: { service: 'a/b.example', port: 1 } },
      { name: 'a', sds: {} },
      { name: 'Atoll', prometheus: {} },
      { name: 'a', zipkin: { service: 'a.example', port: 1, path: 'spans' } },
      { name: 'a', opentelemetry: { service: 'a.example', port: 1, http: {}, grpc: {} } },
      { name: 'a', opentelemetry: { service: 'a.example', port: 1, dynatraceSampler: { tenant: 'a' } } },
      { name: 'a', envoyFileAccessLog: { logFormat: { labels: { a: { b: ['%A'] } } } } },
      { name: 'a', envoyFileAccessLog: { logFormat: { text: 'a', labels: {} } } },
      { name: 'a', envoyHttpAls: { service: 'a.example', port: 1, additionalRequestHeadersToLog: ['a b'] } },
      { name: 'a', opentelemetry: { service: 'a.example', port: 1, http: { headers: [{ name: 'a', envName: 'B' }] } } },
    ].map((provider): [Record<string, unknown>, RegExp] => [
      { extensionProviders: [provider] },
      /^(invalid|unsupported) extensionProviders\[0\]\.(name|zipkin\.(service|port|path)|opentelemetry(\.service|\.dynatraceSampler\.httpService|\.http\.headers\[0\]\.envName)?|lightstep\.accessToken|sds|envoyFileAccessLog\.logFormat(\.labels\.a\.b\[0\])?|envoyHttpAls\.additionalRequestHeadersToLog\[0\]): /,
    ]),
    [{ defaultVirtualServiceExportTo: ['*', 'a'] }, 'invalid defaultVirtualServiceExportTo[0]: "*" stands alone'],
    [{ accessLogFormat: '%A' }, /^invalid accessLogFormat: has a "%"/],
    [{ accessLogFormat: '%PROTOCOLS%' }, /^invalid accessLogFormat: has %PROTOCOLS%: .* did you mean "PROTOCOL"/],
    [{ accessLogFormat: '%REQ(a):99999999999999999999999%' }, /its length has more than 9 digits$/],
    [{ accessLogFormat: 'a'.repeat(70_000) }, 'too_large : has 70022 characters of JSON; at most 65536 are taken'],
    [
      { accessLogEncoding: 'JSON', accessLogFormat: '[1]' },
      'invalid accessLogFormat: must be a JSON object, as accessLogEncoding says',
    ],
    [
      { trustDomain: 'other.test' },
      'unsupported trustDomain: the mesh has prod.test for good: leave it out, or make another mesh',
    ],
  ])('refuses %j', (written, expected) => {
    const [message, ...others] = examine(written)
    expect(message).toMatch(expected)
    expect(others.filter((other) => !other.startsWith('ineffective'))).toEqual([])
  })
  it('says all that is wrong at once, and what nothing follows from', () => {
    const istios = {
      trustDomain: 'cluster.local',
      proxyListenPort: 1,
      defaultConfig: { discoveryAddress: 'istiod.istio-system.svc:15012' },
      extensionProviders: [
        { name: 'otel', opentelemetry: { service: 'otel', port: '4317' } },
        { name: 'old', opencensus: { service: 'old.example', port: 9000 } },
      ],
    }
    expect(examine(istios)).toEqual([
      'unsupported proxyListenPort: is always 15001',
      'ineffective trustDomain: the mesh has prod.test for good: identities read spiffe://prod.test/…',
      'ineffective extensionProviders[1].opencensus: nothing follows from it: Envoy has it no longer: use opentelemetry',
      'ineffective defaultConfig.discoveryAddress: nothing follows from it: a proxy is told where its agent is when it is made',
    ])
  })
  it('warns of logs in files that not every proxy can open', () => {
    const toFile = (name: string, path?: string) => ({ name, envoyFileAccessLog: { path } })
    const written = {
      accessLogFile: '/var/log/envoy/access.log',
      extensionProviders: [toFile('a', '/dev/stderr'), toFile('b'), toFile('c', '/logs/a')],
    }
    const said =
      /: a proxy whose image has no folder for it, .* every proxy can write to \/dev\/stdout and \/dev\/stderr$/
    const found = examine(written)
    expect(found.map((each) => each.replace(said, ''))).toEqual([
      'ineffective accessLogFile',
      'ineffective extensionProviders[2].envoyFileAccessLog.path',
    ])
  })
  it('warns of default providers that take nothing of the kind', () => {
    const defaultProviders = { tracing: ['jaeger', 'stackdriver'], accessLogging: ['Prometheus'], metrics: ['envoy'] }
    expect(examine({ defaultProviders })).toEqual([
      'dangling_reference defaultProviders.tracing[0]: there is no extension provider "jaeger": define it in the mesh\'s extensionProviders',
      'dangling_reference defaultProviders.metrics[0]: the extension provider "envoy" takes no metrics',
      'dangling_reference defaultProviders.accessLogging[0]: the extension provider "Prometheus" takes no access logs',
    ])
  })
  it("has upstream's fields, and no others", () => {
    const ours = describeSchema(meshConfigSchema).map(({ path }) => path.replace(/[[{].*/, ''))
    expect(ours.toSorted()).toEqual(readUpstream('istio-mesh-config.txt'))
  })
  it("has upstream's fields of a proxy's configuration, and no others", () => {
    const ours = describeSchema(proxySettings).flatMap(({ path, fields }) => [
      path,
      ...fields.map((field) => field.path),
    ])
    expect(ours.map((path) => path.replace(/[[{].*/, '')).toSorted()).toEqual(readUpstream('istio-proxy-config.txt'))
  })
  it('leaves at its default what it does not understand of what was accepted', () => {
    expect(readMeshConfig({ proxyHttpPort: 1, notYet: 1, accessLogEncoding: 'CBOR' })).toEqual({
      ...defaultMeshConfig,
      proxyHttpPort: 1,
    })
  })
  it.each([
    ['outboundTrafficPolicy', { mode: 'ALLOW_SOME' }, { mode: 'REGISTRY_ONLY' }],
    ['outboundTrafficPolicy', { mode: 'ALLOW_ANY', only: ['a.org'] }, { mode: 'REGISTRY_ONLY' }],
    ['pathNormalization', { normalization: 'MORE' }, { normalization: 'DECODE_AND_MERGE_SLASHES' }],
    ['meshMTLS', { minProtocolVersion: 'TLSV1_4' }, { minProtocolVersion: 'TLSV1_3' }],
    ['tlsDefaults', { cipherSuites: ['BETTER'] }, { minProtocolVersion: 'TLSV1_3' }],
    ['defaultServiceExportTo', ['team:a'], ['.']],
    [
      'extensionProviders',
      [
        { name: 'a', prometheus: {} },
        { name: 'b', newer: {} },
      ],
      [{ name: 'a', prometheus: {} }],
    ],
    [
      'serviceSettings',
      [
        { settings: { clusterLocal: true, newer: 1 }, hosts: ['pay.bank'] },
        { settings: { clusterLocal: false, newer: 1 }, hosts: ['open.bank'] },
        { settings: { newer: 1 }, hosts: ['*.vault'] },
        { hosts: ['open.vault'] },
      ],
      [
        { settings: { clusterLocal: true }, hosts: ['pay.bank'] },
        { settings: { clusterLocal: false }, hosts: ['open.bank'] },
        { settings: { clusterLocal: true }, hosts: ['*.vault'] },
        { hosts: ['open.vault'] },
      ],
    ],
    [
      'serviceSettings',
      [{ settings: { clusterLocal: true }, selector: { app: 'pay' } }],
      [{ settings: { clusterLocal: true }, hosts: ['*'] }],
    ],
    [
      'serviceSettings',
      [
        { settings: { clusterLocal: true }, hosts: ['a'] },
        { settings: { clusterLocal: false }, hosts: ['b', '*.*.new'] },
        { hosts: ['c', 1] },
        { settings: { clusterLocal: false }, hosts: ['*.*.new'] },
      ],
      [
        { settings: { clusterLocal: true }, hosts: ['a'] },
        { settings: { clusterLocal: false }, hosts: ['b'] },
        { hosts: ['c'] },
      ],
    ],
    [
      'serviceSettings',
      [
        { settings: { clusterLocal: false }, hosts: ['*', 'b'] },
        { settings: { clusterLocal: true }, hosts: ['a', '*.*.new'] },
      ],
      [
        { settings: { clusterLocal: true }, hosts: ['*'] },
        { settings: { clusterLocal: false }, hosts: ['*', 'b'] },
        { settings: { clusterLocal: true }, hosts: ['a'] },
      ],
    ],
    [
      'serviceSettings',
      [{ settings: { clusterLocal: false }, hosts: ['b'] }, 'new'],
      [
        { settings: { clusterLocal: true }, hosts: ['*'] },
        { settings: { clusterLocal: false }, hosts: ['b'] },
      ],
    ],
    ['serviceSettings', { all: true }, [{ settings: { clusterLocal: true }, hosts: ['*'] }]],
  ] as const)('is strict where it does not understand %s %j', (name, value, expected) => {
    expect(readMeshConfig({ [name]: value, proxyHttpPort: 1 })).toEqual({
      ...defaultMeshConfig,
      proxyHttpPort: 1,
      [name]: expected,
    })
    expect(findStrangeFields({ [name]: value, proxyHttpPort: 1 })).toMatchObject([expect.stringContaining(name)])
  })
  it('has services for each cluster by itself that newer settings may mean, and none that others settle', () => {
    const { serviceSettings } = readMeshConfig({
      serviceSettings: [
        { settings: { clusterLocal: false }, hosts: ['*', '*.open', 'b', '*.*.new'] },
        { settings: { clusterLocal: true }, hosts: ['*.*.new'] },
        { settings: { clusterLocal: true }, hosts: ['own.open'] },
      ],
    })
    const isLocal = (host: string) => isClusterLocal(host, { domainSuffix: 'd', serviceSettings })
    expect(['b', 'a.open', 'own.open', 'a', 'a.b.new', 'dns.kube-system.svc.d'].filter(isLocal)).toEqual([
      'own.open',
      'a',
      'a.b.new',
      'dns.kube-system.svc.d',
    ])
  })
  it('tells of fields that it does not know, and of none else', () => {
    expect(findStrangeFields({ notYet: 1, accessLogEncoding: 'JSON' })).toEqual([
      'notYet says what this version does not understand: it is taken as if it were not there',
    ])
  })
  it('leaves out what is right alone and wrong together', () => {
    const written = { accessLogEncoding: 'JSON', accessLogFormat: 'plain', proxyHttpPort: 1 }
    expect(readMeshConfig(written)).toEqual({ ...defaultMeshConfig, accessLogEncoding: 'JSON', proxyHttpPort: 1 })
  })
  it('is changed field by field', () => {
    const before = { proxyHttpPort: 1, accessLogFile: '/a', meshMTLS: { minProtocolVersion: 'TLSV1_3' } }
    expect(withChangedFields(before, { accessLogFile: null, meshMTLS: {} })).toEqual({ proxyHttpPort: 1, meshMTLS: {} })
    expect(withChangedFields(before, undefined)).toEqual(before)
  })
})

describe('the settings of a newer plane', () => {
  const base = { meshId: 'm', meshName: 'prod', trustDomain: 'prod.test', domainSuffix: 'd', meshConfig: {} }
  const tell = (value: object) => stateChange.parse({ key: 'settings', item: { kind: 'settings', value } }).item
  it('are taken but for what is not known here, which is at its default or as strict as can be', () => {
    const keys = { root: 'ecdsa-p384', intermediate: 'ml-dsa-65', leaf: { hybrid: true } }
    const newer = {
      ...base,
      inboundMtls: 'opportunistic',
      keys,
      logRetentionDays: 1000,
      traceRetentionDays: 3,
      later: 1,
    }
    expect(tell(newer)).toEqual({
      kind: 'settings',
      value: { ...base, inboundMtls: 'strict', keys: { root: 'ecdsa-p384' }, traceRetentionDays: 3 },
    })
    expect(tell({ ...base, inboundMtls: 'permissive', keys: 'quantum' })).toMatchObject({
      value: { inboundMtls: 'permissive', keys: undefined },
    })
  })
  it('are refused without what nothing can be done without', () => {
    expect(() => tell({ ...base, trustDomain: 7 })).toThrow(/trustDomain/)
  })
  it('of a request are taken as a whole or refused', () => {
    expect(meshSettings.safeParse({ ...base, keys: { leaf: 'ml-dsa-65' } }).success).toBe(false)
    expect(meshSettings.safeParse({ ...base, inboundMtls: 'opportunistic' }).success).toBe(false)
  })
})

describe('the settings of version 0.1', () => {
  const base = { meshId: 'm', meshName: 'prod', trustDomain: 'prod.test', domainSuffix: 'd', inboundMtls: 'strict' }
  it('are read', () => {
    const older = { ...base, outboundPolicy: 'registry-only', proxyHttpPort: 0, rootNamespace: 'root' }
    expect(meshSettings.parse(older)).toEqual({
      ...base,
      meshConfig: { outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' }, proxyHttpPort: 0, rootNamespace: 'root' },
    })
  })
  it('are told beside the new ones, which count', () => {
    const settings = meshSettings.parse({ ...base, meshConfig: { outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' } } })
    const told = withOlderFields(settings)
    expect(told).toMatchObject({ outboundPolicy: 'registry-only', proxyHttpPort: 15007, rootNamespace: 'atoll-system' })
    expect(meshSettings.parse(told)).toEqual(settings)
  })
})
