import { expect, test } from 'vitest'
import {
  east,
  makeClusterState,
  makeObject,
  makeWorkload,
  network1,
  network2,
  settings,
  trust,
  west,
} from '#test/mesh/records.ts'
import { objectKeyOf, type ConfigObject } from './config-object.ts'
import { MeshViewStore } from './mesh-view-store.ts'
import { toServiceKey } from './names.ts'
import type { ViewChange } from './view.ts'
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

test('what runs in a cluster stands before a WorkloadEntry of the mesh of its name, unless that overrides it', () => {
  const machine = (metadata = {}) =>
    ofMesh(makeObject('WorkloadEntry', 'w1', { address: '192.0.2.1', labels: { app: 'api' } }, metadata))
  const view = makeStore(selecting, machine())
  const addresses = () => view.endpoints(key).map(({ address }) => address)
  expect(addresses()).toEqual(['192.0.2.1'])
  view.apply([workload(makeWorkload('w1', { labels: { app: 'api' } }))])
  expect(addresses()).toEqual(['10.0.0.1'])
  view.apply([machine(override)])
  expect(addresses()).toEqual(['192.0.2.1'])
  view.apply([machine(), { kind: 'workload', key: 'default/w1', value: null }])
  expect(addresses()).toEqual(['192.0.2.1'])
})
