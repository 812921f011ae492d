import { east, network1, network2, north, settings, trust, west } from '#test/mesh/records.ts'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { toObjectKey, type ConfigObject } from './config-object.ts'
import { MeshViewStore } from './mesh-view-store.ts'
import { toServiceKey } from './names.ts'
import type { CatalogEntry, CatalogSummary, Endpoint, Service } from './service.ts'
import { type ViewChange, type ViewKey, viewKeys } from './view.ts'

/**
 * A small mesh in which everything collides with everything: few names, so that definitions, precedence, wildcards and
 * selectors meet. Compared are the answers of all reads.
 */
const clusters = [east, north, west]
const networks = [network1, network2]
const namespaces = ['ns1', 'ns2']
const hostnames = ['a.ns1.svc.cluster.local', 'a.ns1.svc.mesh.test', 'api.example.org']
const namedHosts = [...hostnames, 'a', '*.example.org', '*.cluster.local', '*.svc.mesh.test', 'other.example.org']
const objectNames = ['x', 'y']
const workloadNames = ['w1', 'w2']
const addresses = ['10.0.0.1', '10.0.0.2', 'host.example.org']
const gatewayAddresses = [
  { address: '192.0.2.1', port: 15443 },
  { address: '192.0.2.2', port: 15443 },
]

const serviceKeys = namespaces.flatMap((namespace) => hostnames.map((hostname) => toServiceKey(namespace, hostname)))
const readHosts = [
  ...namedHosts,
  ...namespaces.flatMap((namespace) => ['cluster.local', 'mesh.test'].map((suffix) => `a.${namespace}.svc.${suffix}`)),
]
const endpointIds = [
  ...workloadNames,
  ...objectNames.flatMap((name) =>
    [...addresses, ...hostnames].flatMap((address) => [`${name}/${address}`, `${name}/${address}#2`]),
  ),
]
const workloadKeys = namespaces.flatMap((namespace) => endpointIds.map((id) => `${namespace}/${id}`))

const makeStore = (): MeshViewStore =>
  new MeshViewStore({ localCluster: east, localNetwork: network1, settings, trust })

// ── arbitrary changes ────────────────────────────────────────────────────────────────────────────────────────────

const labels = fc.record({ app: fc.constantFrom('a', 'b') }, { requiredKeys: [] })
const network = fc.constantFrom(...networks)
const cluster = fc.constantFrom(...clusters)
const ports = fc.uniqueArray(
  fc.record({
    name: fc.constantFrom('http', 'web'),
    number: fc.constantFrom(80, 8080),
    protocol: fc.constantFrom<Service['ports'][number]['protocol']>('http', 'tcp'),
  }),
  { maxLength: 2, selector: (port) => port.name },
)

const service = (namespace: string, hostname: string): fc.Arbitrary<Service> =>
  fc.record({
    key: fc.constant(toServiceKey(namespace, hostname)),
    namespace: fc.constant(namespace),
    hostname: fc.constant(hostname),
    addresses: fc.constantFrom([], ['10.1.0.1']),
    ports,
    resolution: fc.constantFrom('static', 'dns'),
    location: fc.constant('mesh-internal'),
    exportTo: fc.constant(['*']),
    source: fc.constantFrom('service', 'service-entry'),
    labels: fc.constant({}),
    subjectAltNames: fc.constant([]),
  })

const endpoint = fc.record<Endpoint>({
  id: fc.constantFrom(...workloadNames),
  cluster,
  network,
  locality: fc.constant(''),
  address: fc.constantFrom(...addresses, ''),
  ports: fc.constantFrom({ http: 80 }, { web: 8080 }, { http: 80, web: 8080 }),
  labels,
  weight: fc.constant(1),
  health: fc.constantFrom('healthy', 'unhealthy'),
  tls: fc.constant('mutual'),
})

const inService = <T>(make: (namespace: string, hostname: string) => fc.Arbitrary<T>): fc.Arbitrary<T> =>
  fc
    .tuple(fc.constantFrom(...namespaces), fc.constantFrom(...hostnames))
    .chain(([namespace, hostname]) => make(namespace, hostname))

const orNull = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(value, { nil: null, freq: 4 })

const catalogChange = inService((namespace, hostname) =>
  fc.record({
    kind: fc.constant('catalog' as const),
    cluster,
    service: fc.constant(toServiceKey(namespace, hostname)),
    value: orNull(
      fc.record<CatalogEntry>({
        service: service(namespace, hostname),
        endpoints: fc.uniqueArray(endpoint, { maxLength: 2, selector: ({ id }) => id }),
      }),
    ),
  }),
)

const summaryChange = inService((namespace, hostname) =>
  fc.record({
    kind: fc.constant('summary' as const),
    cluster,
    service: fc.constant(toServiceKey(namespace, hostname)),
    value: orNull(
      fc.record<CatalogSummary>({
        service: service(namespace, hostname),
        groups: fc.constantFrom(
          [],
          [{ locality: '', ports: ['http', 'web'], labels: {}, weight: 3, serviceAccounts: ['default'] }],
        ),
      }),
    ),
  }),
)

const clusterChange = cluster.chain((name) =>
  fc.record({
    kind: fc.constant('cluster' as const),
    cluster: fc.constant(name),
    value: orNull(
      fc.record({
        name: fc.constant(name),
        network,
        gateways: fc.subarray(gatewayAddresses),
        contribution: fc.constantFrom('live' as const, 'deprioritised' as const, 'withdrawn' as const),
      }),
    ),
  }),
)

const configChange = (
  kind: string,
  spec: fc.Arbitrary<ConfigObject['spec']>,
  names: readonly string[] = objectNames,
): fc.Arbitrary<ViewChange> =>
  fc.tuple(fc.constantFrom(...namespaces), fc.constantFrom(...names)).chain(([namespace, name]) =>
    fc.record({
      kind: fc.constant('config' as const),
      origin: fc.constantFrom('mesh' as const, 'cluster' as const),
      key: fc.constant(toObjectKey(kind, namespace, name)),
      value: orNull(
        fc.record<ConfigObject>({
          apiVersion: fc.constant('networking.istio.io/v1'),
          kind: fc.constant(kind),
          metadata: fc.record(
            {
              name: fc.constant(name),
              namespace: fc.constant(namespace),
              annotations: fc.constant({ 'atoll.dev/precedence': 'override' }),
              creationTimestamp: fc.constantFrom('2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z'),
            },
            { requiredKeys: ['name', 'namespace'] },
          ),
          spec,
        }),
      ),
    }),
  )

const namedHost = fc.constantFrom(...namedHosts)
const virtualService = configChange(
  'VirtualService',
  fc.record({
    hosts: fc.uniqueArray(namedHost, { maxLength: 2 }),
    http: fc.uniqueArray(
      fc.constantFrom<object>(
        { route: [{ destination: { host: 'a' } }] },
        { match: [{ sourceLabels: { app: 'a' } }], route: [{ destination: { host: 'a' } }] },
        { match: [{ sourceLabels: { app: 'b' }, sourceNamespace: 'ns1' }], route: [{ destination: { host: 'a' } }] },
        { delegate: { name: 'x' } },
        { delegate: { name: 'y', namespace: 'ns1' }, match: [{ uri: { prefix: '/' } }] },
      ),
      { minLength: 1, maxLength: 3 },
    ),
    gateways: fc.constantFrom([], ['mesh'], ['x', 'ns1/x'], ['mesh', 'ns2/y'], ['ns1/z']),
  }),
)
const gateway = configChange(
  'Gateway',
  fc.record({
    selector: labels,
    servers: fc
      .constantFrom(80, 'none')
      .map((number) => [{ port: { number, name: 'a', protocol: 'HTTP' }, hosts: ['*'] }]),
  }),
)
const destinationRule = configChange(
  'DestinationRule',
  fc.record({ host: namedHost, workloadSelector: fc.constantFrom(undefined, { matchLabels: { app: 'a' } }, {}) }),
)
const sidecar = configChange(
  'Sidecar',
  fc.constantFrom({ egress: [{ hosts: ['./*'] }] }, { egress: [{ hosts: ['*/*'] }] }, { nonsense: 1 }),
)
const telemetry = configChange(
  'Telemetry',
  fc.constantFrom({}, { selector: { matchLabels: { app: 'a' } } }, { nonsense: 1 }),
)
const securityPolicy = fc.oneof(
  configChange('PeerAuthentication', fc.constantFrom({}, { mtls: { mode: 'DISABLE' } }, { nonsense: 1 })),
  configChange('RequestAuthentication', fc.constantFrom({}, { jwtRules: [{ fromParams: ['a'] }] })),
  configChange('AuthorizationPolicy', fc.constantFrom({}, { rules: [{}] }, { action: 'DENY' })),
)
const serviceEntry = configChange(
  'ServiceEntry',
  fc
    .record({
      hosts: fc.uniqueArray(fc.constantFrom(...hostnames), { minLength: 1, maxLength: 2 }),
      ports: fc.constantFrom(
        [{ number: 80, name: 'http', protocol: 'HTTP' }],
        [{ number: 8080, name: 'web', protocol: 'HTTP' }],
      ),
      resolution: fc.constantFrom('STATIC', 'DNS'),
      servers: fc.constantFrom(
        {},
        { endpoints: [{ address: '10.0.0.1' }, { address: '10.0.0.1' }, { address: '10.0.0.2', network: network2 }] },
        { workloadSelector: { labels: { app: 'a' } } },
        { workloadSelector: {} },
      ),
    })
    .map(({ servers, ...spec }) => ({ ...spec, ...servers })),
)

const workloadEntry = configChange(
  'WorkloadEntry',
  fc.record({
    address: fc.constantFrom('10.0.0.1', '10.0.0.2'),
    labels,
    network,
    serviceAccount: fc.constant('default'),
  }),
  workloadNames,
)

const workloadChange = fc
  .tuple(fc.constantFrom(...namespaces), fc.constantFrom(...workloadNames))
  .chain(([namespace, name]) =>
    fc.record({
      kind: fc.constant('workload' as const),
      key: fc.constant(`${namespace}/${name}`),
      value: orNull(
        fc.record({
          namespace: fc.constant(namespace),
          name: fc.constant(name),
          address: fc.constantFrom(...addresses),
          labels,
          serviceAccount: fc.constantFrom('', 'default'),
          network,
          locality: fc.constant(''),
          ports: fc.constantFrom({}, { http: 8000 }),
          origin: fc.constantFrom(undefined, 'pod' as const),
        }),
      ),
    }),
  )

const change: fc.Arbitrary<ViewChange> = fc.oneof(
  { arbitrary: catalogChange, weight: 6 },
  { arbitrary: summaryChange, weight: 4 },
  { arbitrary: clusterChange, weight: 3 },
  { arbitrary: serviceEntry, weight: 4 },
  { arbitrary: telemetry, weight: 1 },
  { arbitrary: securityPolicy, weight: 3 },
  { arbitrary: virtualService, weight: 3 },
  { arbitrary: gateway, weight: 2 },
  { arbitrary: destinationRule, weight: 3 },
  { arbitrary: sidecar, weight: 1 },
  { arbitrary: workloadChange, weight: 3 },
  { arbitrary: workloadEntry, weight: 3 },
  fc.record({
    kind: fc.constant('gateway-health' as const),
    cluster,
    address: fc.constantFrom(...gatewayAddresses),
    alive: fc.boolean(),
  }),
  {
    arbitrary: fc.record({
      kind: fc.constant('settings' as const),
      value: fc
        .tuple(fc.constantFrom('cluster.local', 'mesh.test'), fc.constantFrom('ns1', 'atoll-system'))
        .map(([domainSuffix, rootNamespace]) => ({ ...settings, domainSuffix, meshConfig: { rootNamespace } })),
    }),
    weight: 2,
  },
  fc.constantFrom(...[null, '1', '2'].map((value) => ({ kind: 'keys' as const, url: 'https://keys.example', value }))),
  fc.record({
    kind: fc.constant('trust' as const),
    value: fc.constantFrom(0, 1).map((epoch) => ({ ...trust, epoch })),
  }),
)

const batches = fc.array(fc.array(change, { maxLength: 8, size: 'max' }), { minLength: 1, maxLength: 10, size: 'max' })

// ── all answers ──────────────────────────────────────────────────────────────────────────────────────────────────

const ofNamespaces = [
  ...(['sidecars', 'envoyFilters', 'telemetries', 'peerAuthentications', 'requestAuthentications'] as const),
  ...(['authorizationPolicies', 'clientAuthentications', 'rateLimits', 'proxyExtensions', 'wasmPlugins'] as const),
]

const readAll = (view: MeshViewStore): ReadonlyMap<ViewKey, unknown> =>
  new Map<ViewKey, unknown>([
    [viewKeys.settings, view.settings()],
    [viewKeys.trust, view.trust()],
    [viewKeys.serviceKeys, view.serviceKeys()],
    [viewKeys.servicePorts, view.servicePorts()],
    [viewKeys.routedHosts, view.routedHosts()],
    [viewKeys.tellsNodes, view.tellsNodes()],
    ...[80, 8080].map((port): [ViewKey, unknown] => [viewKeys.servicesOnPort(port), view.servicesOnPort(port)]),
    [viewKeys.servicesAt('10.1.0.1'), view.servicesAt('10.1.0.1')],
    ...serviceKeys.flatMap((key): [ViewKey, unknown][] => [
      [viewKeys.service(key), view.service(key)],
      [viewKeys.endpoints(key), view.endpoints(key)],
      [viewKeys.remoteGroups(key), view.remoteGroups(key)],
    ]),
    ...readHosts.flatMap((hostname): [ViewKey, unknown][] => [
      [viewKeys.servicesByHostname(hostname), view.servicesByHostname(hostname)],
      [viewKeys.serviceHostsUnder(hostname), view.serviceHostsUnder(hostname)],
      [viewKeys.virtualServicesFor(hostname), view.virtualServicesFor(hostname)],
      [viewKeys.destinationRulesFor(hostname), view.destinationRulesFor(hostname)],
    ]),
    ...clusters.map((name): [ViewKey, unknown] => [viewKeys.gateways(name), view.gateways(name)]),
    [viewKeys.gatewaySelectors, view.gatewaySelectors()],
    [viewKeys.clientSelectors, view.clientSelectors()],
    ...namespaces.flatMap((namespace): [ViewKey, unknown][] => [
      ...[...objectNames, 'z'].flatMap((name): [ViewKey, unknown][] => [
        [viewKeys.gatewayObject(`${namespace}/${name}`), view.gatewayObject(`${namespace}/${name}`)],
        [viewKeys.virtualServicesOf(`${namespace}/${name}`), view.virtualServicesOf(`${namespace}/${name}`)],
      ]),
      ...objectNames.map((name): [ViewKey, unknown] => {
        const key = toObjectKey('VirtualService', namespace, name)
        return [viewKeys.virtualService(key), view.virtualService(key)]
      }),
      ...ofNamespaces.map((read): [ViewKey, unknown] => [viewKeys[read](namespace), view[read](namespace)]),
      ...objectNames.map((name): [ViewKey, unknown] => {
        const key = toObjectKey('Telemetry', namespace, name)
        return [viewKeys.telemetry(key), view.telemetry(key)]
      }),
    ]),
    [viewKeys.fetchedKeys('https://keys.example'), view.fetchedKeys('https://keys.example')],
    ...workloadKeys.flatMap((key): [ViewKey, unknown][] => [
      [viewKeys.workload(key), view.workload(key)],
      [viewKeys.workloadServices(key), view.workloadServices(key)],
    ]),
  ])

const toText = (answers: ReadonlyMap<ViewKey, unknown>): ReadonlyMap<ViewKey, string | undefined> =>
  new Map([...answers].map(([key, answer]) => [key, JSON.stringify(answer)]))

/** What a change is about: the latest of each decides. */
const toSubject = (each: ViewChange): string => {
  switch (each.kind) {
    case 'settings':
    case 'trust':
      return each.kind
    case 'cluster':
      return `cluster ${each.cluster}`
    case 'gateway-health':
      return `health ${each.cluster} ${each.address.address}`
    case 'catalog':
    case 'summary':
      return `${each.kind} ${each.cluster} ${each.service}`
    case 'config':
      return `config ${each.origin} ${each.key}`
    case 'workload':
      return `workload ${each.key}`
    case 'keys':
    case 'wasm-module':
      return `${each.kind} ${'url' in each ? each.url : each.module}`
  }
}

const latest = (changes: readonly ViewChange[]): readonly ViewChange[] => [
  ...new Map(changes.map((each) => [toSubject(each), each])).values(),
]

describe('MeshViewStore', () => {
  test('is the same however its changes were ordered and batched', () => {
    fc.assert(
      fc.property(batches, fc.infiniteStream(fc.nat()), (steps, numbers) => {
        const stepwise = makeStore()
        for (const step of steps) stepwise.apply(step)
        const shuffled = latest(steps.flat())
          .map((each) => ({ each, place: numbers.next().value }))
          .toSorted((left, right) => left.place - right.place)
          .map(({ each }) => each)
        const atOnce = makeStore()
        atOnce.apply(shuffled.filter((each) => !('value' in each) || each.value !== null))
        expect(toText(readAll(stepwise))).toEqual(toText(readAll(atOnce)))
        expect(new Set(stepwise.problems().map((problem) => JSON.stringify(problem)))).toEqual(
          new Set(atOnce.problems().map((problem) => JSON.stringify(problem))),
        )
      }),
      { numRuns: 600 },
    )
  })

  test('names exactly the reads that answer differently', () => {
    fc.assert(
      fc.property(batches, (steps) => {
        const view = makeStore()
        for (const step of steps) {
          const before = toText(readAll(view))
          const touched = view.apply(step)
          const after = toText(readAll(view))
          const different = [...after.keys()].filter((key) => before.get(key) !== after.get(key))
          expect([...touched].toSorted()).toEqual(different.toSorted())
        }
      }),
      { numRuns: 600 },
    )
  })

  test('finds nothing new in what it has already', () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 30 }), (changes) => {
        const view = makeStore()
        view.apply(changes)
        expect([...view.apply(structuredClone(latest(changes)))]).toEqual([])
      }),
      { numRuns: 200 },
    )
  })
})
