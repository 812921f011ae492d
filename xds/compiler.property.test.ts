import { fromBinary } from '@bufbuild/protobuf'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { VirtualHostSchema } from '#envoy/envoy/config/route/v3/route_components_pb.ts'
import { toObjectKey, type ConfigObject } from '#mesh/config-object.ts'
import { MeshViewStore } from '#mesh/mesh-view-store.ts'
import type { ViewChange } from '#mesh/view.ts'
import { anyAuthorization } from '#test/compile/any-authorization.ts'
import { anyPeerAuthentication } from '#test/compile/any-peer-authentication.ts'
import {
  east,
  makeClusterState,
  makeEndpoint,
  makeObject,
  makeService,
  makeWorkload,
  network1,
  network2,
  north,
  settings,
  trust,
  west,
} from '#test/mesh/records.ts'
import { createCompiler, type Compiler, type ProxyResources } from './compiler.ts'
import { toProxyName, type Proxy } from './proxy.ts'
import { ResourceSet } from './resource-set.ts'
import { typeUrls, type TypeUrl } from './type-url.ts'

/** A small world in which everything can meet everything. */
const names = ['a', 'b']
const namespaces = ['default', 'other']
const proxies: readonly Proxy[] = [
  { role: 'sidecar', namespace: 'default', serviceAccount: 'default', workload: 'w-1' },
  { role: 'sidecar', namespace: 'default', serviceAccount: 'default', workload: 'w-2' },
  { role: 'sidecar', namespace: 'other', serviceAccount: 'default', workload: 'w-3' },
  { role: 'gateway', namespace: 'default', serviceAccount: 'default', workload: 'w-1' },
  { role: 'gateway', namespace: 'other', serviceAccount: 'default', workload: 'w-3' },
  { role: 'east-west-gateway', namespace: 'default', serviceAccount: 'default', workload: 'w-1' },
]

const gateways = [
  { address: '10.9.0.1', port: 15443 },
  { address: '10.9.0.2', port: 15443 },
]

const anyName = fc.constantFrom(...names)
const anyLabels = fc.constantFrom<Record<string, string>>({}, { v: '1' }, { v: '2' })
const anyHost = fc.constantFrom(
  'a.default.svc.cluster.local',
  'b.other.svc.cluster.local',
  'x.example',
  '*.svc.cluster.local',
  'a.default',
  '*.a.default.svc.cluster.local',
  '10.96.0.1',
)

const anyService = fc
  .record({
    name: anyName,
    namespace: fc.constantFrom(...namespaces),
    hostname: fc.option(fc.constantFrom('x.example', 'a.default', '*.example'), { nil: undefined, freq: 2 }),
    exportTo: fc.constantFrom(['*'], ['*'], ['*'], ['.'], ['other'], ['~']),
    resolution: fc.constantFrom('static' as const, 'static' as const, 'dns' as const, 'none' as const),
    location: fc.constantFrom('mesh-internal' as const, 'mesh-external' as const),
    protocol: fc.constantFrom('http' as const, 'http' as const, 'tcp' as const, 'auto' as const, 'tls' as const),
    addresses: fc.constantFrom([], ['10.96.0.1'], ['10.96.0.2'], ['10.96.0.1', '10.97.0.0/16']),
    number: fc.constantFrom(80, 90),
    isNodeLocal: fc.constantFrom(undefined, undefined, true as const),
    aliasOf: fc.option(fc.constantFrom('a.default.svc.cluster.local', 'b.other.svc.cluster.local', 'x.example'), {
      nil: undefined,
      freq: 2,
    }),
  })
  .map(({ name, namespace, hostname, protocol, number, aliasOf, ...fields }) =>
    makeService({
      ...fields,
      ...(aliasOf !== undefined && { aliasOf, resolution: 'dns' as const, addresses: [] }),
      namespace,
      hostname: hostname ?? `${name}.${namespace}.svc.cluster.local`,
      source: hostname === undefined ? 'service' : 'service-entry',
      ports: [{ name: 'p', number, protocol }],
    }),
  )

const anyEndpoint = fc
  .record({
    id: fc.constantFrom('w-1', 'w-2', 'w-3', 'e'),
    address: fc.constantFrom('10.0.0.1', '127.0.0.2'),
    node: fc.constantFrom(undefined, '1', '2'),
    health: fc.constantFrom('healthy' as const, 'unhealthy' as const, 'draining' as const),
    tls: fc.constantFrom('mutual' as const, 'none' as const),
    labels: anyLabels,
    serviceAccount: fc.constantFrom('one', 'two', ''),
    weight: fc.constantFrom(1, 3),
    locality: fc.constantFrom('', 'eu/a', 'us/b'),
  })
  .map(({ id, ...fields }) => makeEndpoint(id, { ...fields, ports: { p: 8080 } }))

const anyGroup = fc.record({
  locality: fc.constantFrom('', 'eu/a'),
  ports: fc.constant(['p']),
  labels: anyLabels,
  weight: fc.integer({ min: 1, max: 9 }),
  serviceAccounts: fc.constantFrom(['one'], []),
})

const anyRoute = fc.record({
  destination: fc.record({ host: anyHost.filter((host) => !host.startsWith('*')), subset: fc.constantFrom('v1', '') }),
})
const anyPolicy = fc.constantFrom(
  { loadBalancer: { simple: 'RANDOM' } },
  { loadBalancer: { consistentHash: { httpHeaderName: 'x-user' } } },
  { outlierDetection: { consecutive5xxErrors: 1 } },
  { tls: { mode: 'ISTIO_MUTUAL' } },
  { tls: { mode: 'SIMPLE', credentialName: 'x' } },
  { loadBalancer: { localityLbSetting: { failoverPriority: ['v', 'topology.istio.io/network'] } } },
  { loadBalancer: { localityLbSetting: { distribute: [{ from: 'eu', to: { '*': 100 } }] } } },
)
const anyConfig: fc.Arbitrary<ConfigObject> = fc.oneof(
  fc
    .record({
      name: anyName,
      namespace: fc.constantFrom(...namespaces),
      host: anyHost,
      routes: fc.array(anyRoute, { minLength: 1, maxLength: 1 }),
      sourceLabels: anyLabels,
      isTcp: fc.constantFrom(false, false, true),
      gateways: fc.constantFrom([], [], ['a'], ['mesh', 'default/a'], ['default/b', 'default/a']),
    })
    .map(({ name, namespace, host, routes, sourceLabels, isTcp, gateways: bound }) =>
      makeObject(
        'VirtualService',
        name,
        {
          hosts: [host],
          gateways: bound,
          ...(isTcp ? { tcp: [{ route: routes }] } : { http: [{ match: [{ sourceLabels }], route: routes }] }),
        },
        { namespace },
      ),
    ),
  fc
    .record({
      name: anyName,
      namespace: fc.constantFrom(...namespaces, 'atoll-system'),
      host: anyHost,
      trafficPolicy: anyPolicy,
      exportTo: fc.constantFrom(['*'], ['.']),
      selector: fc.option(anyLabels, { nil: undefined }),
    })
    .map(({ name, namespace, selector, exportTo, ...spec }) =>
      makeObject(
        'DestinationRule',
        name,
        {
          ...spec,
          ...(selector ? { workloadSelector: { matchLabels: selector } } : { exportTo }),
          subsets: [{ name: 'v1', labels: { v: '1' } }],
        },
        { namespace },
      ),
    ),
  fc
    .record({
      name: anyName,
      namespace: fc.constantFrom(...namespaces),
      selector: anyLabels,
      hosts: fc.constantFrom(['*'], ['*.example', './a.default.svc.cluster.local'], ['other/*']),
      number: fc.constantFrom(80, 90),
      server: fc.constantFrom(
        { protocol: 'HTTP' },
        { protocol: 'HTTP', tls: { httpsRedirect: true } },
        { protocol: 'TCP' },
        { protocol: 'HTTPS', tls: { mode: 'ISTIO_MUTUAL' } },
        { protocol: 'TLS', tls: { mode: 'AUTO_PASSTHROUGH' } },
      ),
    })
    .map(({ name, namespace, selector, hosts, number, server: { protocol, ...rest } }) =>
      makeObject(
        'Gateway',
        name,
        { selector, servers: [{ port: { number, name: 'x', protocol }, hosts, ...rest }] },
        { namespace },
      ),
    ),
  fc
    .record({
      name: anyName,
      namespace: fc.constantFrom(...namespaces, 'atoll-system'),
      selector: anyLabels,
      host: fc.constantFrom('./*', '*/*', 'other/*'),
      port: fc.constantFrom(80, 90),
    })
    .map(({ name, namespace, selector, host, port }) =>
      makeObject(
        'Sidecar',
        name,
        {
          ...(Object.keys(selector).length > 0 && { workloadSelector: { labels: selector } }),
          egress: [
            { port: { number: port, protocol: port === 80 ? 'HTTP' : 'TCP', name: 'x' }, hosts: [host] },
            { hosts: ['other/*'] },
          ],
        },
        { namespace },
      ),
    ),
  anyAuthorization,
)

const anyChange: fc.Arbitrary<ViewChange> = fc.oneof(
  { weight: 2, arbitrary: anyPeerAuthentication },
  {
    weight: 5,
    arbitrary: fc
      .record({
        cluster: fc.constantFrom(east, east, north),
        service: anyService,
        endpoints: fc.array(anyEndpoint, { maxLength: 3 }),
        isGone: fc.integer({ max: 3, min: 0 }),
      })
      .map(({ cluster, service, endpoints, isGone }): ViewChange => ({
        kind: 'catalog',
        cluster,
        service: service.key,
        value: isGone === 0 ? null : { service, endpoints: endpoints.map((endpoint) => ({ ...endpoint, cluster })) },
      })),
  },
  {
    weight: 2,
    arbitrary: fc
      .record({ service: anyService, groups: fc.array(anyGroup, { maxLength: 2 }) })
      .map(({ service, groups }): ViewChange => {
        const value = groups.length === 0 ? null : { service, groups }
        return { kind: 'summary', cluster: west, service: service.key, value }
      }),
  },
  {
    weight: 4,
    arbitrary: fc
      .record({ object: anyConfig, isGone: fc.integer({ min: 0, max: 2 }) })
      .map(({ object, isGone }): ViewChange => ({
        kind: 'config',
        origin: 'mesh',
        key: toObjectKey(object.kind, object.metadata.namespace, object.metadata.name),
        value: isGone === 0 ? null : object,
      })),
  },
  {
    weight: 2,
    arbitrary: fc
      .record({
        name: fc.constantFrom('w-1', 'w-2', 'w-3'),
        labels: anyLabels,
        locality: fc.constantFrom('', 'eu/a'),
        address: fc.constantFrom('10.0.0.9', '127.0.0.3'),
        node: fc.constantFrom('1', '2'),
        isCaptured: fc.boolean(),
      })
      .map(({ name, isCaptured, ...fields }): ViewChange => {
        const namespace = name === 'w-3' ? 'other' : 'default'
        const capture = isCaptured ? { capture: 'transparent' as const } : {}
        return {
          kind: 'workload',
          key: `${namespace}/${name}`,
          value: makeWorkload(name, { ...fields, ...capture, namespace }),
        }
      }),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom(gateways, gateways.slice(1), []).map((some): ViewChange => ({
      kind: 'cluster',
      cluster: west,
      value: makeClusterState(west, network2, { gateways: some }),
    })),
  },
  fc
    .record({
      inboundMtls: fc.constantFrom('strict' as const, 'permissive' as const),
      meshConfig: fc.record({
        proxyHttpPort: fc.constantFrom(0, 15007),
        outboundTrafficPolicy: fc.record({ mode: fc.constantFrom('ALLOW_ANY', 'REGISTRY_ONLY') }),
      }),
    })
    .map((changed): ViewChange => ({ kind: 'settings', value: { ...settings, ...changed } })),
  fc.integer({ min: 0, max: 2 }).map((epoch): ViewChange => ({ kind: 'trust', value: { ...trust, epoch } })),
)

type Step =
  | { readonly kind: 'change'; readonly changes: readonly ViewChange[] }
  | { readonly kind: 'attach' | 'detach'; readonly proxy: Proxy }
const anyProxy = fc.constantFrom(...proxies)
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .array(anyChange, { minLength: 1, maxLength: 4 })
      .map((changes) => ({ kind: 'change' as const, changes })),
  },
  { weight: 2, arbitrary: anyProxy.map((proxy) => ({ kind: 'attach' as const, proxy })) },
  { weight: 1, arbitrary: anyProxy.map((proxy) => ({ kind: 'detach' as const, proxy })) },
)

const makeStore = () => {
  const store = new MeshViewStore({ localCluster: east, localNetwork: network1, settings, trust })
  store.apply([
    { kind: 'cluster', cluster: north, value: makeClusterState(north, network1) },
    { kind: 'cluster', cluster: west, value: makeClusterState(west, network2, { gateways }) },
  ])
  return store
}

type Contents = Map<string, string>
const toContents = ({ sets }: ProxyResources): Contents => {
  const contents: Contents = new Map()
  for (const set of sets) {
    for (const type of Object.values(typeUrls)) {
      for (const { name, version } of set.all(type).values()) {
        const key = `${type} ${name}`
        if (contents.has(key)) throw new Error(`${key} is in two sets`)
        contents.set(key, version)
      }
    }
  }
  return contents
}

/** A subscriber that is told of generations alone. */
class Mirror {
  readonly #served = new Map<ResourceSet, number>()
  readonly #contents = new Map<ResourceSet, Contents>()

  follow({ sets }: ProxyResources): Contents {
    for (const set of sets) {
      const contents = this.#contents.get(set) ?? new Map<string, string>()
      for (const type of Object.values(typeUrls)) this.#take(set, type, contents)
      this.#contents.set(set, contents)
      this.#served.set(set, set.generation)
    }
    return new Map(sets.flatMap((set) => [...(this.#contents.get(set) ?? [])]))
  }

  #take(set: ResourceSet, type: TypeUrl, contents: Contents): void {
    for (const name of set.changesSince(type, this.#served.get(set) ?? 0)) {
      const resource = set.get(type, name)
      if (resource) contents.set(`${type} ${name}`, resource.version)
      else contents.delete(`${type} ${name}`)
    }
  }
}

const freshContents = (store: MeshViewStore, proxy: Proxy): Contents => toContents(createCompiler(store).attach(proxy))

/** Envoy refuses a route configuration in which two virtual hosts have one domain. */
const findRepeatedDomain = ({ sets }: ProxyResources): string | undefined => {
  const seen = new Set<string>()
  for (const set of sets) {
    for (const { name, body } of set.all(typeUrls.virtualHost).values()) {
      for (const domain of fromBinary(VirtualHostSchema, body).domains) {
        const key = `${name.slice(0, name.indexOf('/'))} ${domain}`
        if (seen.has(key)) return key
        seen.add(key)
      }
    }
  }
  return undefined
}

interface Attached {
  readonly proxy: Proxy
  readonly resources: ProxyResources
  readonly mirror: Mirror
}

/** Applies a step; what the compiler's answer did not say rightly. */
const takeStep = (step: Step, store: MeshViewStore, compiler: Compiler, attached: Map<string, Attached>): string[] => {
  if (step.kind === 'change') return takeChanges(step.changes, store, compiler, attached)
  const name = toProxyName(step.proxy)
  if (step.kind === 'attach' && !attached.has(name)) {
    attached.set(name, { proxy: step.proxy, resources: compiler.attach(step.proxy), mirror: new Mirror() })
  } else if (step.kind === 'detach' && attached.delete(name)) compiler.detach(step.proxy)
  return []
}

const takeChanges = (
  changes: readonly ViewChange[],
  store: MeshViewStore,
  compiler: Compiler,
  attached: ReadonlyMap<string, Attached>,
): string[] => {
  const all = [...attached].map(([name, { resources }]) => ({ name, resources, sets: resources.sets }))
  const generations = new Map(all.flatMap(({ resources }) => resources.sets.map((set) => [set, set.generation])))
  const { changed, moved } = compiler.update(store.apply(changes), 1)
  return [
    ...[...generations].flatMap(([set, before]) =>
      changed.includes(set) === set.generation > before ? [] : `changed is wrong about ${set.id}`,
    ),
    ...all.flatMap(({ name, resources, sets }) =>
      moved.includes(name) === (resources.sets !== sets) ? [] : `moved is wrong about ${name}`,
    ),
  ]
}

test('after any changes a proxy has what a new compiler would give it, and was told of every difference', () => {
  fc.assert(
    fc.property(fc.array(anyStep, { minLength: 1, maxLength: 25 }), (steps) => {
      const store = makeStore()
      const compiler = createCompiler(store)
      const attached = new Map<string, Attached>()
      for (const step of [...proxies.map((proxy) => ({ kind: 'attach' as const, proxy })), ...steps]) {
        expect(takeStep(step, store, compiler, attached)).toEqual([])
        for (const { proxy, resources, mirror } of attached.values()) {
          const fresh = freshContents(store, proxy)
          expect(toContents(resources)).toEqual(fresh)
          expect(mirror.follow(resources)).toEqual(fresh)
          expect(findRepeatedDomain(resources)).toBeUndefined()
        }
      }
    }),
    { numRuns: 80 },
  )
}, 60_000)
