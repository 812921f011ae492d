import { expect, test } from 'vitest'
import { objectKeyOf } from '#mesh/config-object.ts'
import { MeshViewStore } from '#mesh/mesh-view-store.ts'
import { toServiceKey } from '#mesh/names.ts'
import { east, makeClusterState, makeObject, network1, settings, trust, west } from '#test/mesh/records.ts'
import { findReachableEndpoints } from './service-endpoints.ts'

test.each([
  [false, [east, west]],
  [true, undefined],
])(
  'what the mesh tells is of any cluster on the network, unless the service is cluster-local: %s',
  (isLocal, known) => {
    const hosts = isLocal ? ['api.example.org'] : []
    const meshConfig = { serviceSettings: [{ settings: { clusterLocal: true }, hosts }] }
    const view = new MeshViewStore({
      localCluster: east,
      localNetwork: network1,
      settings: { ...settings, meshConfig },
      trust,
    })
    const value = makeObject('ServiceEntry', 'api', {
      hosts: ['api.example.org'],
      resolution: 'STATIC',
      location: 'MESH_INTERNAL',
      ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
      endpoints: [{ address: '192.0.2.1', serviceAccount: 'api' }],
    })
    view.apply([
      { kind: 'config', origin: 'mesh', key: objectKeyOf(value), value },
      { kind: 'cluster', cluster: west, value: makeClusterState(west, network1) },
    ])
    const service = view.service(toServiceKey('default', 'api.example.org'))
    if (!service) throw new Error('there is no service')
    expect(findReachableEndpoints(view, service).direct.map(({ clusters }) => clusters)).toEqual([known])
  },
)
