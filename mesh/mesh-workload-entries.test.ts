import { expect, test } from 'vitest'
import {
  east,
  makeClusterState,
  makeObject,
  makeWorkload,
  network1,
  network2,
  north,
  settings,
  trust,
  west,
} from '#test/mesh/records.ts'
import { objectKeyOf, type ConfigObject } from './config-object.ts'
import { MeshViewStore } from './mesh-view-store.ts'
import { toServiceKey } from './names.ts'
import { judgeObjects } from './status/judge-objects.ts'
import { type ViewChange, viewKeys } from './view.ts'
import type { Workload } from './workload.ts'

const key = toServiceKey('default', 'api.example.org')
const ofMesh = (value: ConfigObject): ViewChange => ({ kind: 'config', origin: 'mesh', key: objectKeyOf(value), value })
const workload = (value: Workload): ViewChange => ({ kind: 'workload', key: `default/${value.name}`, value })
const override = { annotations: { 'atoll.dev/precedence': 'override' } }
const selecting = ofMesh(
  makeObject('ServiceEntry', 'api', {
    hosts: ['api.example.org', 'second.example.org'],
    resolution: 'STATIC',
    location: 'MESH_INTERNAL',
    ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
    workloadSelector: { labels: { app: 'api' } },
  }),
)
const makeStore = (...changes: readonly ViewChange[]): MeshViewStore => {
  const view = new MeshViewStore({ localCluster: east, localNetwork: network1, settings, trust })
  view.apply(changes)
  return view
}

test('a ServiceEntry of the mesh selects WorkloadEntries of the mesh, as if it held them itself', () => {
  const machine = (name: string, spec: object, metadata = {}) =>
    ofMesh(makeObject('WorkloadEntry', name, { labels: { app: 'api' }, ...spec }, metadata))
  const view = makeStore(
    selecting,
    { kind: 'cluster', cluster: west, value: makeClusterState(west, network2) },
    machine('here', { address: '192.0.2.1', ports: { http: 8000 }, serviceAccount: 'api' }),
    machine('there', { address: '192.0.2.2', network: 'network-2' }),
    machine('behind', { network: 'network-2', serviceAccount: 'api' }),
    machine('other', { address: '192.0.2.3', labels: {} }),
    machine('foreign', { address: '192.0.2.4' }, { namespace: 'other' }),
  )
  expect(view.endpoints(key)).toMatchObject([
    { id: 'here', address: '192.0.2.1', ports: { http: 8000 }, serviceAccount: 'api', tls: 'mutual', cluster: east },
  ])
  expect(view.remoteGroups(key)).toMatchObject([
    { clusters: [west], network: network2, groups: [{ serviceAccounts: ['api'] }] },
  ])
  expect(view.problems()).toEqual([])
  const touched = view.apply([machine('there', { address: '192.0.2.2', network: 'network-3' })])
  expect([...touched]).toEqual([])
  expect(view.problems()).toMatchObject([
    {
      code: 'dangling_reference',
      object: { kind: 'WorkloadEntry', namespace: 'default', name: 'there' },
      path: 'spec.network',
    },
  ])
  view.apply([
    { kind: 'config', origin: 'mesh', key: 'WorkloadEntry/default/here', value: null },
    machine('there', { address: '192.0.2.2' }),
  ])
  expect(view.endpoints(key).map(({ id }) => id)).toEqual(['there'])
})

test('an endpoint that the mesh tells is a machine of any cluster on its network, and of no other', () => {
  const machine = (spec: object, metadata = {}) =>
    ofMesh(
      makeObject(
        'WorkloadEntry',
        'w1',
        { address: '192.0.2.1', serviceAccount: 'api', labels: { app: 'api' }, ...spec },
        metadata,
      ),
    )
  const cluster = (name: typeof west, network: typeof network1, varied = {}): ViewChange => ({
    kind: 'cluster',
    cluster: name,
    value: makeClusterState(name, network, varied),
  })
  const own = workload(makeWorkload('own', { labels: { app: 'api' } }))
  const view = makeStore(selecting, machine({}), own, cluster(west, network2))
  const clusters = () => view.endpoints(key).map(({ id, clusters: known }) => [id, known])
  const ofOwn = ['own', undefined]
  expect(clusters()).toEqual([ofOwn, ['w1', [east]]])
  expect([...view.apply([cluster(north, network1)])]).toContain(viewKeys.endpoints(key))
  expect(clusters()).toEqual([ofOwn, ['w1', [east, north]]])
  view.apply([cluster(north, network1, { contribution: 'withdrawn' })])
  expect(clusters()).toEqual([ofOwn, ['w1', [east]]])
  view.apply([machine({ network: 'network-2' })])
  expect(clusters()).toEqual([ofOwn])
  expect(view.remoteGroups(key)).toMatchObject([
    { clusters: [west], network: network2, groups: [{ ports: ['http'], serviceAccounts: ['api'] }] },
  ])
  view.apply([machine({ network: 'network-2', serviceAccount: '' })])
  expect([view.remoteGroups(key), view.problems()]).toEqual([[], []])
})

test('an address that the mesh tells on another network is an IP address', () => {
  const endpoints = [{ address: 'vm.example', network: 'network-2', serviceAccount: 'api' }]
  const ports = [{ number: 80, name: 'http', protocol: 'HTTP' }]
  const spec = { hosts: ['api.example.org'], resolution: 'DNS', location: 'MESH_INTERNAL', ports, endpoints }
  const view = makeStore(ofMesh(makeObject('ServiceEntry', 'api', spec)), {
    kind: 'cluster',
    cluster: west,
    value: makeClusterState(west, network2),
  })
  expect([view.endpoints(key), view.remoteGroups(key)]).toEqual([[], []])
  expect(view.problems()).toMatchObject([
    {
      code: 'ineffective',
      object: { kind: 'ServiceEntry', name: 'api' },
      message: expect.stringContaining('vm.example'),
    },
  ])
})

const troublesOf = (view: MeshViewStore) =>
  judgeObjects({
    held: view.configuration(),
    ownProblems: [],
    leftOut: [],
    known: { domainSuffix: 'cluster.local', hasHost: () => true },
  }).meshTroubles.map(({ key: object, condition: { type, status, reason } }) => `${object} ${type}=${status} ${reason}`)

test('a WorkloadEntry of a cluster stands before one of the mesh of its name, unless that overrides it', () => {
  const machine = (metadata = {}) =>
    ofMesh(makeObject('WorkloadEntry', 'w1', { address: '192.0.2.1', labels: { app: 'api' } }, metadata))
  const view = makeStore(selecting, machine())
  const addresses = () => view.endpoints(key).map(({ address }) => address)
  expect(addresses()).toEqual(['192.0.2.1'])
  view.apply([workload(makeWorkload('w1', { labels: { app: 'api' } }))])
  expect(addresses()).toEqual(['10.0.0.1'])
  expect(troublesOf(view)).toEqual([
    'WorkloadEntry/default/w1 atoll.dev/Effective=False ClusterObjectHolds',
    'WorkloadEntry/default/w1 atoll.dev/Conflicted=True SameKey',
  ])
  expect(view.problems()).toMatchObject([{ code: 'conflict', object: { kind: 'WorkloadEntry', name: 'w1' } }])
  view.apply([machine(override)])
  expect(addresses()).toEqual(['192.0.2.1'])
  expect(view.workloadServices('default/w1')).toMatchObject([{ service: key }, {}])
  expect(troublesOf(view)).toEqual(['WorkloadEntry/default/w1 atoll.dev/Conflicted=True SameKey'])
  expect(view.problems()).toMatchObject([{ code: 'conflict', message: expect.stringContaining("the mesh's holds") }])
  view.apply([machine(), { kind: 'workload', key: 'default/w1', value: null }])
  expect(addresses()).toEqual(['192.0.2.1'])
  expect(view.problems()).toEqual([])
})

test('a pod has nothing to do with a WorkloadEntry of the mesh of its name', () => {
  const machine = ofMesh(makeObject('WorkloadEntry', 'w1', { address: '192.0.2.1', labels: { app: 'api' } }))
  const pod = (app: string) => workload(makeWorkload('w1', { labels: { app }, origin: 'pod' }))
  const view = makeStore(selecting, machine, pod('other'))
  const addresses = () => view.endpoints(key).map(({ address }) => address)
  expect(addresses()).toEqual(['192.0.2.1'])
  expect(view.workloadServices('default/w1')).toEqual([])
  view.apply([pod('api')])
  expect(addresses()).toEqual(['10.0.0.1', '192.0.2.1'])
  expect([view.problems(), troublesOf(view)]).toEqual([[], []])
})
