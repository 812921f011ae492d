import {
  east,
  makeClusterState,
  makeEndpoint,
  makeEntry,
  makeObject,
  makeService,
  network1,
  network2,
  north,
  settings,
  trust,
  west,
} from '#test/mesh/records.ts'
import { expect, test } from 'vitest'
import { MeshViewStore } from '../mesh-view-store.ts'
import { networkName, toServiceKey } from '../names.ts'
import { judgeObjects } from '../status/judge-objects.ts'
import type { ClusterState } from '../state.ts'
import { type ViewChange, viewKeys } from '../view.ts'

const key = toServiceKey('default', 'far.example')
const cluster = (value: ClusterState): ViewChange => ({ kind: 'cluster', cluster: value.name, value })
const makeStore = (...endpoints: readonly object[]): MeshViewStore => {
  const view = new MeshViewStore({ localCluster: east, localNetwork: network1, settings, trust })
  const ports = [{ number: 80, name: 'http', protocol: 'HTTP' }]
  const spec = { hosts: ['far.example'], ports, resolution: 'STATIC', location: 'MESH_INTERNAL', endpoints }
  view.apply([
    { kind: 'config', origin: 'mesh', key: 'ServiceEntry/default/far', value: makeObject('ServiceEntry', 'far', spec) },
  ])
  return view
}

test('an endpoint without an address leads to what is behind the gateways of its network', () => {
  const endpoint = { network: 'network-2', weight: 3, serviceAccount: 'far', labels: { version: 'v1' } }
  const view = makeStore(endpoint, { ...endpoint, network: 'network-1' })
  expect(view.problems()).toMatchObject([
    { code: 'dangling_reference', object: { kind: 'ServiceEntry' }, message: expect.stringContaining('network-2') },
  ])
  expect(view.apply([cluster(makeClusterState(west, network2))])).toContain(viewKeys.remoteGroups(key))
  view.apply([cluster(makeClusterState(north, network2))])
  expect(view.problems()).toEqual([])
  expect(view.endpoints(key)).toEqual([])
  const group = { locality: '', ports: ['http'], labels: { version: 'v1' }, weight: 3, serviceAccounts: ['far'] }
  expect(view.remoteGroups(key)).toEqual([{ clusters: [north, west], network: network2, groups: [group] }])
  view.apply([cluster(makeClusterState(north, network2, { contribution: 'withdrawn' }))])
  expect(view.remoteGroups(key)).toMatchObject([{ clusters: [west] }])
})

test('a network on which no cluster is is told at the object that names it', () => {
  const view = makeStore({ network: 'network-2', serviceAccount: 'far' })
  const conditions = () =>
    judgeObjects({
      held: view.configuration(),
      ownProblems: [],
      leftOut: [],
      known: { domainSuffix: 'cluster.local', hasHost: () => true, networks: view.networks() },
    }).meshTroubles
  expect(conditions()).toMatchObject([
    { key: 'ServiceEntry/default/far', condition: { message: expect.stringContaining('spec.endpoints[0].network') } },
  ])
  view.apply([cluster(makeClusterState(west, network2))])
  expect(conditions()).toEqual([])
})

test('pods on networks of no cluster are told once for each, at their service; other endpoints where they are written', () => {
  const view = new MeshViewStore({ localCluster: east, localNetwork: network1, settings, trust })
  const service = makeService()
  const network = networkName.parse('istio-net')
  const pods = ['pod-1', 'pod-2'].map((id) => makeEndpoint(id, { network, origin: 'pod' }))
  const others = [
    makeEndpoint('pod-3', { network: networkName.parse('other-net'), origin: 'pod' }),
    makeEndpoint('machine', { network }),
    makeEndpoint('entry/10.0.0.1', { network, origin: 'service-entry' }),
  ]
  const value = makeEntry(service, ...pods, ...others)
  view.apply([{ kind: 'catalog', cluster: east, service: service.key, value }])
  expect(view.problems().map(({ object, path }) => [object?.kind, object?.name, path])).toEqual([
    ['Service', service.hostname, ''],
    ['Service', service.hostname, ''],
    ['ServiceEntry', 'entry', 'spec.endpoints'],
    ['WorkloadEntry', 'machine', 'spec.network'],
  ])
  expect(view.problems()[0]).toMatchObject({
    code: 'dangling_reference',
    message: expect.stringMatching(/istio-net .* topology\.istio\.io\/network, .* Join /),
  })
})

test('what is on a network is not for other clusters to say', () => {
  const view = new MeshViewStore({ localCluster: east, localNetwork: network1, settings, trust })
  const service = makeService()
  const groups = [{ locality: '', ports: ['http'], labels: {}, weight: 1, serviceAccounts: ['reviews'] }]
  const own = makeEndpoint('own', { cluster: west })
  const claimed = { cluster: west, network: network2, address: '', serviceAccount: 'somebody-else', weight: 1000 }
  view.apply([
    cluster(makeClusterState(north, network2)),
    cluster(makeClusterState(west, network1)),
    { kind: 'summary', cluster: north, service: service.key, value: { service, groups } },
    {
      kind: 'catalog',
      cluster: west,
      service: service.key,
      value: makeEntry(service, own, makeEndpoint('claimed', claimed)),
    },
  ])
  expect(view.endpoints(service.key)).toEqual([own])
  expect(view.remoteGroups(service.key)).toEqual([{ clusters: [north], network: network2, groups }])
  expect(view.problems()).toMatchObject([
    { code: 'ineffective', object: { name: service.hostname }, message: expect.stringContaining('cluster west') },
  ])
})

test.each([
  ['of a network that is reached', { network: network2 }, false],
  ['of what takes no mesh mTLS', { network: network2, tls: 'none' }, true],
  ['of a network without clusters', { network: networkName.parse('network-3') }, true],
  ['of its own network', {}, true],
  ['that is unhealthy', { network: network2, health: 'unhealthy' }, true],
] as const)('an endpoint %s counts for a live one where it leads somewhere', (_what, varied, isDeprioritisedUsed) => {
  const view = makeStore()
  const service = makeService({ hostname: 'far.example', source: 'service-entry' })
  view.apply([
    cluster(makeClusterState(north, network2)),
    cluster(makeClusterState(west, network1, { contribution: 'deprioritised' })),
    { kind: 'catalog', cluster: west, service: key, value: makeEntry(service, makeEndpoint('w', { cluster: west })) },
    {
      kind: 'catalog',
      cluster: east,
      service: key,
      value: makeEntry(service, makeEndpoint('far', { address: '', ...varied })),
    },
  ])
  expect(view.endpoints(key).map(({ id }) => id)).toEqual(isDeprioritisedUsed ? ['w'] : [])
})

test('gateways lead to nothing that takes no mesh mTLS', () => {
  const view = makeStore({ network: 'network-2' })
  view.apply([cluster(makeClusterState(west, network2))])
  expect([view.endpoints(key), view.remoteGroups(key)]).toEqual([[], []])
})
