import {
  east,
  makeClusterState,
  makeEndpoint,
  makeEntry,
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
import { describe, expect, test } from 'vitest'
import { type ConfigObject, type Origin, toObjectKey } from './config-object.ts'
import { MeshViewStore } from './mesh-view-store.ts'
import { type ClusterName, toServiceKey } from './names.ts'
import type { CatalogEntry, CatalogSummary, GatewayAddress } from './service.ts'
import type { ClusterState } from './state.ts'
import { type ViewChange, viewKeys } from './view.ts'
import type { Workload } from './workload.ts'

const makeStore = (...changes: readonly ViewChange[]): MeshViewStore => {
  const view = new MeshViewStore({ localCluster: east, localNetwork: network1, settings, trust })
  view.apply(changes)
  return view
}

const cluster = (value: ClusterState): ViewChange => ({ kind: 'cluster', cluster: value.name, value })
const catalog = (of: ClusterName, value: CatalogEntry): ViewChange => ({
  kind: 'catalog',
  cluster: of,
  service: value.service.key,
  value,
})
const summary = (of: ClusterName, value: CatalogSummary): ViewChange => ({
  kind: 'summary',
  cluster: of,
  service: value.service.key,
  value,
})
const workload = (value: Workload): ViewChange => ({ kind: 'workload', key: `${value.namespace}/${value.name}`, value })
const config = (origin: Origin, value: ConfigObject): ViewChange => ({
  kind: 'config',
  origin,
  key: toObjectKey(value.kind, value.metadata.namespace, value.metadata.name),
  value,
})
const health = (address: GatewayAddress, alive: boolean): ViewChange => ({
  kind: 'gateway-health',
  cluster: west,
  address,
  alive,
})

const reviews = makeService()
const groups = [{ locality: '', ports: ['http'], labels: {}, weight: 2, serviceAccounts: ['default'] }]
const override = { annotations: { 'atoll.dev/precedence': 'override' } }
const hostname = reviews.hostname
const ids = (view: MeshViewStore, key = reviews.key): readonly string[] => view.endpoints(key).map(({ id }) => id)
const names = (objects: readonly { readonly metadata: { readonly name: string } }[]): readonly string[] =>
  objects.map(({ metadata }) => metadata.name)

describe('a service of several clusters', () => {
  test('is defined by the local cluster first, then by the others in order of name', () => {
    const view = makeStore(
      cluster(makeClusterState(west, network1)),
      cluster(makeClusterState(north, network1)),
      catalog(
        west,
        makeEntry(makeService({ labels: { of: 'west' }, ports: [{ name: 'extra', number: 9, protocol: 'tcp' }] })),
      ),
      catalog(
        north,
        makeEntry(makeService({ labels: { of: 'north' }, ports: [{ name: 'more', number: 9, protocol: 'http' }] })),
      ),
      catalog(east, makeEntry(makeService({ labels: { of: 'east' } }))),
    )
    expect(view.service(reviews.key)).toMatchObject({
      labels: { of: 'east' },
      ports: [
        { name: 'http', number: 80, protocol: 'http' },
        { name: 'more', number: 9, protocol: 'http' },
      ],
    })
    expect(view.problems()).toMatchObject([{ code: 'conflict', message: expect.stringContaining('port 9') }])
  })

  test('has the endpoints on this network, those of other networks only as groups', () => {
    const view = makeStore(
      cluster(makeClusterState(north, network1)),
      cluster(makeClusterState(west, network2)),
      catalog(
        east,
        makeEntry(reviews, makeEndpoint('b'), makeEndpoint('a'), makeEndpoint('far', { network: network2 })),
      ),
      catalog(north, makeEntry(reviews, makeEndpoint('c', { cluster: north }))),
      summary(west, { service: reviews, groups }),
    )
    expect(ids(view)).toEqual(['a', 'b', 'c'])
    expect(view.remoteGroups(reviews.key)).toEqual([{ clusters: [west], network: network2, groups }])
  })

  test('does not take endpoints that a cluster reports under the name of another', () => {
    const view = makeStore(
      cluster(makeClusterState(north, network1)),
      catalog(north, makeEntry(reviews, makeEndpoint('forged', { cluster: west }))),
    )
    expect(ids(view)).toEqual([])
  })

  test('does not take over the virtual IPs of another cluster', () => {
    const view = makeStore(
      cluster(makeClusterState(north, network1)),
      catalog(north, makeEntry(makeService({ addresses: ['10.96.0.1'] }))),
    )
    expect(view.service(reviews.key)?.addresses).toEqual([])
  })

  test('loses all of a cluster that is not in the mesh', () => {
    const view = makeStore(
      cluster(makeClusterState(north, network1)),
      catalog(north, makeEntry(reviews, makeEndpoint('a', { cluster: north }))),
    )
    expect(view.serviceKeys()).toEqual([reviews.key])
    expect(view.apply([{ kind: 'cluster', cluster: north, value: null }])).toContain(viewKeys.serviceKeys)
    expect(view.serviceKeys()).toEqual([])
  })

  test('keeps the definition, not the endpoints, of a withdrawn cluster', () => {
    const view = makeStore(
      cluster(makeClusterState(north, network1, { contribution: 'withdrawn' })),
      cluster(makeClusterState(west, network2, { contribution: 'withdrawn' })),
      catalog(north, makeEntry(reviews, makeEndpoint('a', { cluster: north }))),
      summary(west, { service: reviews, groups }),
    )
    expect(view.service(reviews.key)).toEqual(reviews)
    expect(ids(view)).toEqual([])
    expect(view.remoteGroups(reviews.key)).toEqual([])
  })

  test('never loses the local endpoints, whatever the plane says of this cluster', () => {
    const view = makeStore(
      cluster(makeClusterState(east, network1, { contribution: 'withdrawn' })),
      catalog(east, makeEntry(reviews, makeEndpoint('a'))),
    )
    expect(ids(view)).toEqual(['a'])
  })

  test.each([
    ['nobody else', [], ['n']],
    ['a live cluster with a healthy endpoint', [makeEndpoint('e')], ['e']],
    ['a live cluster with an unhealthy endpoint', [makeEndpoint('e', { health: 'unhealthy' })], ['e', 'n']],
  ])('keeps a deprioritised cluster by what else there is: %s', (_, local, expected) => {
    const view = makeStore(
      cluster(makeClusterState(north, network1, { contribution: 'deprioritised' })),
      catalog(north, makeEntry(reviews, makeEndpoint('n', { cluster: north }))),
      catalog(east, makeEntry(reviews, ...local)),
    )
    expect(ids(view)).toEqual(expected)
  })

  test('counts a cluster by what is left when its summary goes and its catalog stays', () => {
    const view = makeStore(
      cluster(makeClusterState(north, network1)),
      catalog(north, makeEntry(reviews, makeEndpoint('n', { cluster: north }))),
      summary(north, { service: reviews, groups }),
      { kind: 'summary', cluster: north, service: reviews.key, value: null },
    )
    view.apply([cluster(makeClusterState(north, network1, { contribution: 'withdrawn' }))])
    expect(ids(view)).toEqual([])
  })

  test('is found by host name over all namespaces', () => {
    const make = (namespace: string) => makeService({ namespace, hostname: 'api.example.org', source: 'service-entry' })
    const [one, other] = [make('default'), make('another')] as const
    const view = makeStore(catalog(east, makeEntry(one)), catalog(east, makeEntry(other)))
    expect(view.servicesByHostname('api.example.org')).toEqual([other.key, one.key])
  })

  test('is not what another namespace says of its host, unless the host is nobody’s by name', () => {
    const squatter = makeService({ namespace: 'books', source: 'service-entry' })
    const view = makeStore(
      catalog(east, makeEntry(reviews)),
      catalog(west, makeEntry(squatter, makeEndpoint('thief', { cluster: west }))),
      cluster(makeClusterState(west, network1)),
    )
    expect(view.servicesByHostname(hostname)).toEqual([reviews.key])
    expect(view.service(squatter.key)).toBeUndefined()
    expect(view.problems()).toMatchObject([
      { object: { namespace: 'books' }, message: expect.stringContaining('west') as string },
    ])

    const touched = view.apply([{ kind: 'settings', value: { ...settings, domainSuffix: 'example.org' } }])
    expect(view.servicesByHostname(hostname)).toEqual([squatter.key, reviews.key])
    expect(touched).toContain(`service:${squatter.key}`)
    view.apply([{ kind: 'settings', value: settings }])
    expect(view.servicesByHostname(hostname)).toEqual([reviews.key])
    view.apply([{ kind: 'catalog', cluster: west, service: squatter.key, value: null }])
    expect(view.problems()).toEqual([])
  })

  test("that says nothing of whom it is for is for the mesh's default", () => {
    const told = makeService({ hostname: 'told.default.svc.cluster.local' })
    const untold = makeService({ isExportedByDefault: true })
    const view = makeStore(catalog(east, makeEntry(told)), catalog(east, makeEntry(untold)))
    const exportsWith = (defaultServiceExportTo?: string[]) => {
      const touched = view.apply([{ kind: 'settings', value: { ...settings, meshConfig: { defaultServiceExportTo } } }])
      expect(touched).not.toContain(viewKeys.service(told.key))
      return [view.service(untold.key)?.exportTo, touched.has(viewKeys.service(untold.key))]
    }
    expect(exportsWith(['.', 'shop'])).toEqual([['.', 'shop'], true])
    expect(exportsWith(['.', 'shop'])).toEqual([['.', 'shop'], false])
    expect(exportsWith([])).toEqual([['*'], true])
    expect(exportsWith(['~'])).toEqual([['~'], true])
    expect(exportsWith()).toEqual([['*'], true])
  })

  test('is in conflict with one of the same host in another namespace, where both are for others too', () => {
    const make = (namespace: string, exportTo = ['*']) =>
      catalog(
        east,
        makeEntry(makeService({ namespace, hostname: 'api.example.org', source: 'service-entry', exportTo })),
      )
    const view = makeStore(make('books'), make('pay'), make('shop', ['.']))
    expect(view.problems().map(({ object }) => object?.namespace)).toEqual(['books', 'pay'])
    expect(view.problems()[0]?.message).toContain('pay')
  })

  test('names its local workloads, also one on another network', () => {
    const view = makeStore(
      catalog(
        east,
        makeEntry(reviews, makeEndpoint('a'), makeEndpoint('far', { network: network2, ports: { http: 81 } })),
      ),
    )
    expect(view.workloadServices('default/a')).toEqual([{ service: reviews.key, ports: { http: 8080 } }])
    expect(view.workloadServices('default/far')).toEqual([{ service: reviews.key, ports: { http: 81 } }])
  })
})

describe('gateways', () => {
  const [first, second] = [
    { address: '192.0.2.1', port: 15443 },
    { address: '192.0.2.2', port: 15443 },
  ]
  const state = makeClusterState(west, network2, { gateways: [first, second] })

  const alive = (addresses: readonly unknown[]) => ({ addresses, areAlive: true })

  test('are those that probes find alive, in either order of events', () => {
    expect(makeStore(cluster(state), health(first, false)).gateways(west)).toEqual(alive([second]))
    expect(makeStore(health(first, false), cluster(state)).gateways(west)).toEqual(alive([second]))
    expect(makeStore(cluster(state), health(first, false), health(first, true)).gateways(west)).toEqual(
      alive([first, second]),
    )
  })

  test('are all of them when none is alive', () => {
    const view = makeStore(cluster(state), health(first, false))
    expect([...view.apply([health(second, false)])]).toEqual([viewKeys.gateways(west)])
    expect(view.gateways(west)).toEqual({ addresses: [first, second], areAlive: false })
  })

  test('change without touching services', () => {
    const view = makeStore(cluster(state), summary(west, { service: reviews, groups }))
    expect([...view.apply([cluster({ ...state, gateways: [first] })])]).toEqual([viewKeys.gateways(west)])
  })
})

describe('configuration', () => {
  const route = { http: [{ route: [{ destination: { host: 'reviews' } }] }] }
  const virtualService = (name: string, host: string, metadata: Partial<ConfigObject['metadata']> = {}): ConfigObject =>
    makeObject('VirtualService', name, { hosts: [host], ...route }, metadata)

  test('is found by short, full and wildcard host names, the oldest first', () => {
    const view = makeStore(
      config('mesh', virtualService('young', 'reviews', { creationTimestamp: '2026-03-01T00:00:00Z' })),
      config(
        'mesh',
        virtualService('wide', '*.default.svc.cluster.local', { creationTimestamp: '2026-02-01T00:00:00Z' }),
      ),
      config('mesh', virtualService('old', hostname, { creationTimestamp: '2026-01-01T01:00:00+02:00' })),
      config('mesh', virtualService('other', 'ratings')),
    )
    expect(names(view.virtualServicesFor(hostname))).toEqual(['old', 'wide', 'young'])
  })

  test('resolves short names by the mesh’s domain suffix, and again when that changes', () => {
    const view = makeStore(
      config('mesh', virtualService('a', 'reviews')),
      config('mesh', makeObject('DestinationRule', 'a', { host: 'reviews' })),
    )
    const moved = 'reviews.default.svc.mesh.test'
    const touched = view.apply([{ kind: 'settings', value: { ...settings, domainSuffix: 'mesh.test' } }])
    expect([...touched].toSorted()).toEqual(
      [
        viewKeys.settings,
        viewKeys.routedHosts,
        ...[hostname, moved].flatMap((host) => [viewKeys.virtualServicesFor(host), viewKeys.destinationRulesFor(host)]),
      ].toSorted(),
    )
    expect(view.virtualServicesFor(hostname)).toEqual([])
    expect(names(view.virtualServicesFor(moved))).toEqual(['a'])
    expect(names(view.destinationRulesFor(moved))).toEqual(['a'])
  })

  test('gives all DestinationRules of a host, the most specific first', () => {
    const rule = (name: string, host: string, namespace: string): ViewChange =>
      config('mesh', makeObject('DestinationRule', name, { host }, { namespace }))
    const view = makeStore(
      catalog(east, makeEntry(reviews)),
      rule('widest', '*.cluster.local', 'default'),
      rule('wide', '*.default.svc.cluster.local', 'atoll-system'),
      rule('exact', hostname, 'client'),
    )
    expect(names(view.destinationRulesFor(hostname))).toEqual(['exact', 'wide', 'widest'])
  })

  test.each([
    ['no annotation', {}, 'cluster'],
    ['default', { annotations: { 'atoll.dev/precedence': 'default' } }, 'cluster'],
    ['override', override, 'mesh'],
  ])('of one key in mesh and cluster: %s', (_, metadata, winner) => {
    const host = { mesh: 'mesh.example.org', cluster: 'cluster.example.org' }
    const view = makeStore(
      config('mesh', virtualService('a', host.mesh, metadata)),
      config('cluster', virtualService('a', host.cluster)),
    )
    expect(names(view.virtualServicesFor(host.mesh))).toEqual(winner === 'mesh' ? ['a'] : [])
    expect(names(view.virtualServicesFor(host.cluster))).toEqual(winner === 'cluster' ? ['a'] : [])
    expect(view.problems()).toMatchObject([{ code: 'conflict', object: { kind: 'VirtualService', name: 'a' } }])
  })

  test('that its schema refuses is left out and reported', () => {
    const view = makeStore(config('mesh', makeObject('DestinationRule', 'bad', { host: 'reviews', nonsense: true })))
    expect(view.destinationRulesFor(hostname)).toEqual([])
    expect(view.problems()).toMatchObject([{ code: 'unknown_field', object: { name: 'bad' }, path: 'spec.nonsense' }])
  })

  test('of kinds that the view does not read touches nothing', () => {
    expect([...makeStore().apply([config('mesh', makeObject('TrafficExtension', 'a', {}))])]).toEqual([])
  })
})

describe('a ServiceEntry of the mesh', () => {
  const host = 'api.example.org'
  const key = toServiceKey('default', host)
  const ports = [{ number: 80, name: 'http', protocol: 'HTTP' }]
  const entry = (spec: ConfigObject['spec'], metadata: Partial<ConfigObject['metadata']> = {}): ViewChange =>
    config('mesh', makeObject('ServiceEntry', 'api', { hosts: [host], ports, resolution: 'STATIC', ...spec }, metadata))
  const inline = { endpoints: [{ address: '192.0.2.1' }, { address: '192.0.2.2', network: 'network-2' }] }

  test('becomes a service with endpoints of the local cluster', () => {
    const view = makeStore(entry(inline))
    expect(view.service(key)).toMatchObject({
      location: 'mesh-external',
      source: 'service-entry',
      ports: [{ name: 'http', number: 80, protocol: 'http' }],
    })
    expect(view.endpoints(key)).toEqual([
      {
        id: 'api/192.0.2.1',
        cluster: east,
        network: network1,
        locality: '',
        address: '192.0.2.1',
        ports: { http: 80 },
        labels: {},
        weight: 1,
        health: 'healthy',
        tls: 'none',
        origin: 'service-entry',
        ofMesh: 'only',
        clusters: [east],
      },
    ])
  })

  test('selects local workloads of its namespace', () => {
    const view = makeStore(
      entry({ workloadSelector: { labels: { app: 'api' } } }),
      workload(makeWorkload('w1', { labels: { app: 'api' }, ports: { http: 8000 }, weight: 3 })),
      workload(makeWorkload('w2', { labels: { app: 'other' } })),
      workload(makeWorkload('w3', { labels: { app: 'api' }, namespace: 'other' })),
    )
    expect(view.endpoints(key)).toMatchObject([{ id: 'w1', ports: { http: 8000 }, weight: 3, tls: 'mutual' }])
    expect(view.workloadServices('default/w1')).toEqual([{ service: key, ports: { http: 8000 } }])
    view.apply([workload(makeWorkload('w2', { labels: { app: 'api' } }))])
    expect(ids(view, key)).toEqual(['w1', 'w2'])
  })

  test.each([
    ['gives way to the cluster’s own of the same service', {}, ['local']],
    ['that overrides stands in place of the cluster’s own', override, ['api/192.0.2.1']],
  ])('%s', (_, metadata, expected) => {
    const own = makeService({ hostname: host, source: 'service-entry' })
    expect(ids(makeStore(entry(inline, metadata), catalog(east, makeEntry(own, makeEndpoint('local')))), key)).toEqual(
      expected,
    )
  })

  test('stands beside a Service of the same name, behind it', () => {
    const own = makeService({ hostname: host, labels: { of: 'service' } })
    const view = makeStore(entry(inline), catalog(east, makeEntry(own, makeEndpoint('local'))))
    expect(ids(view, key)).toEqual(['api/192.0.2.1', 'local'])
    expect(view.service(key)?.labels).toEqual({ of: 'service' })
  })

  test('goes when the cluster has an object of its key', () => {
    const view = makeStore(entry(inline))
    view.apply([
      config('cluster', makeObject('ServiceEntry', 'api', { hosts: ['own.example.org'], ports, resolution: 'DNS' })),
    ])
    expect(view.serviceKeys()).toEqual([])
  })

  test('changes its precedence without changing otherwise', () => {
    const own = makeService({ hostname: host, source: 'service-entry' })
    const view = makeStore(entry(inline), catalog(east, makeEntry(own, makeEndpoint('local'))))
    view.apply([entry(inline, override)])
    expect(ids(view, key)).toEqual(['api/192.0.2.1'])
  })
})
