import { expect, test } from 'vitest'
import { makeObject } from '#test/mesh/records.ts'
import { toAnalyzedObjects } from './analyzed-objects.ts'
import { findNetworkEndpointProblems } from './network-endpoints.ts'

const known = { domainSuffix: 'cluster.local', hasHost: () => true, networks: new Set(['network-2']) }
const ofNetwork = (network: string) => ({ network, serviceAccount: 'far' })
const entry = (location: string, network = 'network-2') =>
  makeObject('ServiceEntry', 'far', {
    hosts: ['far.example'],
    location,
    resolution: 'STATIC',
    ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
    endpoints: [{ address: '10.0.0.1' }, ofNetwork(network)],
  })
const machine = (network: string) => makeObject('WorkloadEntry', 'far', ofNetwork(network))
const rule = (mode: string, host = '*.example') =>
  makeObject('DestinationRule', 'far', { host, trafficPolicy: { tls: { mode } } }, { namespace: 'client' })

const atEntry = 'ineffective ServiceEntry spec.endpoints[1].address'
const atRule = 'ineffective DestinationRule spec.trafficPolicy.tls.mode'

test.each([
  [
    'without clusters',
    [entry('MESH_INTERNAL', 'nowhere'), machine('nowhere')],
    ['dangling_reference ServiceEntry spec.endpoints[1].network', 'dangling_reference WorkloadEntry spec.network'],
  ],
  [
    'without clusters, at an address',
    [makeObject('WorkloadEntry', 'far', { address: '10.0.0.1', network: 'nowhere' })],
    ['dangling_reference WorkloadEntry spec.network'],
  ],
  ['with clusters', [entry('MESH_INTERNAL'), machine('network-2')], []],
  ['not of the mesh', [entry('MESH_EXTERNAL')], [atEntry]],
  [
    'not of the mesh, and another host has a rule',
    [entry('MESH_EXTERNAL'), rule('ISTIO_MUTUAL', 'far.org')],
    [atEntry],
  ],
  ['not of the mesh but for a rule', [entry('MESH_EXTERNAL'), rule('ISTIO_MUTUAL')], []],
  ['plaintext by a rule', [entry('MESH_INTERNAL'), rule('DISABLE')], [atRule]],
  ["others' TLS by a rule", [entry('MESH_EXTERNAL'), rule('SIMPLE')], [atEntry, atRule]],
  ['mesh mTLS by a rule', [entry('MESH_INTERNAL'), rule('ISTIO_MUTUAL')], []],
])('an endpoint that is a network: %s', (_what, objects, expected) => {
  const found = findNetworkEndpointProblems(toAnalyzedObjects(objects), known)
  expect(found.map(({ code, object, path }) => `${code} ${object?.kind} ${path}`)).toEqual(expected)
})
