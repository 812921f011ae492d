import { expect, test } from 'vitest'
import { clusterName } from '#mesh/names.ts'
import { readScene } from '#test/compile/scene.ts'
import { compileLoadAssignment } from './compile-load-assignment.ts'
import { findReachableEndpoints } from './service-endpoints.ts'

const west = clusterName.parse('west')
const gateway = { address: '192.0.2.1', port: 15_443 }
const other = { address: '192.0.2.9', port: 15_443 }

/** What a client is given for `reviews`, which is behind one gateway of west and one of south, when these gateways are dead. */
const addressesWith = (endpoints: string, ...dead: readonly ('west' | 'south')[]): string[] => {
  const { store, changes } = readScene(`
about: ''
clusters:
  west: {network: network-2, gateways: [{address: ${gateway.address}, port: ${gateway.port}}]}
  south: {network: network-3, gateways: [{address: ${other.address}, port: ${other.port}}]}
services:
  - host: reviews
    ports: [http:80]
    endpoints: ${endpoints}
    remote: {west: [{weight: 2}], south: [{weight: 2}]}
`)
  for (const name of dead) {
    const address = name === 'west' ? gateway : other
    store.apply([
      { kind: 'gateway-health', cluster: name === 'west' ? west : clusterName.parse(name), address, alive: false },
    ])
  }
  const service = changes.flatMap((change) =>
    change.kind === 'catalog' && change.value ? [change.value.service] : [],
  )[0]
  const port = service?.ports[0]
  if (!service || !port) throw new Error('the scene has a service')
  const choice = { service, port, labels: {} }
  const { localities } = compileLoadAssignment(
    store,
    'reviews',
    findReachableEndpoints(store, service),
    choice,
    () => {},
  )
  return localities.flatMap((locality) => locality.endpoints.map((endpoint) => endpoint.address)).toSorted()
}

const near = '{r-1: {address: 10.0.0.1}}'

test.each([
  ['all gateways are alive', near, [], ['10.0.0.1', '192.0.2.1', '192.0.2.9']],
  ['one network is parted, and there are endpoints here', near, ['west'], ['10.0.0.1', '192.0.2.9']],
  ['all networks are parted, and there are endpoints here', near, ['west', 'south'], ['10.0.0.1']],
  ['one network is parted, and another one has endpoints', '{}', ['west'], ['192.0.2.9']],
  ['there is nothing else', '{}', ['west', 'south'], ['192.0.2.1', '192.0.2.9']],
  [
    'what is here is ending',
    '{r-1: {address: 10.0.0.1, health: draining}}',
    ['west', 'south'],
    ['10.0.0.1', '192.0.2.1', '192.0.2.9'],
  ],
] as const)('%s', (_when, endpoints, dead, addresses) => {
  expect(addressesWith(endpoints, ...dead)).toEqual(addresses)
})

/** What a client is given for an endpoint of weight 4 that is a network of two clusters, west and south, one more is here: "<address> <weight>". */
const weightsWith = (...dead: readonly string[]): string[] => {
  const { store } = readScene(`
about: ''
clusters:
  west: {network: network-2, gateways: [{address: 192.0.2.1, port: 1}, {address: 192.0.2.2, port: 1}]}
  south: {network: network-2, gateways: [{address: 192.0.2.3, port: 1}]}
  bare: {network: network-2}
services: []
config:
  - apiVersion: networking.istio.io/v1
    kind: ServiceEntry
    metadata: {name: far, namespace: default}
    spec:
      hosts: [far.example]
      location: MESH_INTERNAL
      resolution: STATIC
      ports: [{number: 80, name: http, protocol: HTTP}]
      endpoints: [{network: network-2, weight: 4, serviceAccount: far}, {address: 10.0.0.1, serviceAccount: far}]
`)
  for (const [address, name] of Object.entries({ '192.0.2.1': 'west', '192.0.2.2': 'west', '192.0.2.3': 'south' }))
    store.apply([
      {
        kind: 'gateway-health',
        cluster: clusterName.parse(name),
        address: { address, port: 1 },
        alive: !dead.includes(address),
      },
    ])
  const service = store.servicesByHostname('far.example').map((key) => store.service(key))[0]
  const port = service?.ports[0]
  if (!service || !port) throw new Error('the scene has a service')
  const { localities } = compileLoadAssignment(
    store,
    'far',
    findReachableEndpoints(store, service),
    { service, port, labels: {} },
    () => {},
  )
  return localities.flatMap((each) => each.endpoints.map(({ address, weight }) => `${address} ${weight}`)).toSorted()
}

test.each([
  ['all are alive', [], ['10.0.0.1 3', '192.0.2.1 4', '192.0.2.2 4', '192.0.2.3 4']],
  ['one of several is dead', ['192.0.2.1'], ['10.0.0.1 1', '192.0.2.2 2', '192.0.2.3 2']],
  ['a cluster has none alive', ['192.0.2.3'], ['10.0.0.1 1', '192.0.2.1 2', '192.0.2.2 2']],
  ['none is alive, and there are endpoints here', ['192.0.2.1', '192.0.2.2', '192.0.2.3'], ['10.0.0.1 1']],
] as const)('a network is all of its gateways: %s', (_when, dead, expected) => {
  expect(weightsWith(...dead)).toEqual(expected)
})
