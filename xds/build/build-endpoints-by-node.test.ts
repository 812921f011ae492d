import { fromBinary } from '@bufbuild/protobuf'
import { expect, test } from 'vitest'
import { ClusterLoadAssignmentSchema } from '#envoy/envoy/config/endpoint/v3/endpoint_pb.ts'
import { getOrAdd } from '#mesh/merge/get-or-add.ts'
import { MeshViewStore } from '#mesh/mesh-view-store.ts'
import type { Endpoint, Service } from '#mesh/service.ts'
import { east, makeEndpoint, makeService, network1, network2, settings, trust, west } from '#test/mesh/records.ts'
import { compileAssignmentsByNode } from '#xds/compile/compile-assignments-by-node.ts'
import { compileLoadAssignment, type EndpointChoice } from '#xds/compile/compile-load-assignment.ts'
import { compileLocality, toPreferenceOn, withDistribution } from '#xds/compile/compile-locality.ts'
import type { UpstreamEndpoint } from '#xds/model/load-assignment.ts'
import { endpointsBuilder } from './build-endpoints-by-node.ts'
import { buildEndpoints } from './build-load-assignment.ts'

const view = new MeshViewStore({ localCluster: east, localNetwork: network1, settings, trust })
const client = { locality: 'r/1', network: network1, cluster: east, node: '', labels: {} }
const noReport = () => {}

const choose = (told: Partial<Service>, failoverPriority?: readonly string[]): EndpointChoice => {
  const service = makeService(told)
  const [port] = service.ports
  if (!port) throw new Error('no port')
  const policy = failoverPriority
    ? { loadBalancer: { localityLbSetting: { enabled: true, failoverPriority: [...failoverPriority] } } }
    : withDistribution({}, service)
  return { service, port, labels: {}, preference: compileLocality({ outlierDetection: undefined, ...policy }, client) }
}

const places: readonly Partial<Endpoint>[] = [
  { locality: 'r/1', node: 'a' },
  { locality: 'r/1', node: 'b', weight: 2, labels: { version: 'v1' } },
  { locality: 'r/1', node: 'a', health: 'draining', labels: { version: 'v2' } },
  { locality: 'r/2', node: 'c' },
  { locality: 'r/2', node: 'd', tls: 'none' },
  { locality: 'r/2', node: 'd', health: 'unhealthy' },
  { locality: 'r/3', node: 'e' },
  { locality: 'r/1', node: 'a', cluster: west },
  { locality: 'r/1', network: network2 },
  { locality: '' },
]
const direct = places.map((place, index) =>
  makeEndpoint(`e${index}`, { address: `10.0.0.${index}`, weight: 4, ...place }),
)

test.each([
  ['prefers them', choose({ trafficDistribution: 'PreferSameNode' })],
  ['has nothing else', choose({ isNodeLocal: true })],
  ['has nothing else, by label', choose({ isNodeLocal: true }, ['kubernetes.io/hostname', 'version=v2'])],
  [
    'prefers a label to them',
    choose({ trafficDistribution: 'PreferSameNode' }, ['version=v2', 'kubernetes.io/hostname']),
  ],
  ['prefers zones', choose({ trafficDistribution: 'PreferSameNode' }, ['topology.kubernetes.io/zone'])],
])('clients on a node get what they would if it was compiled for them alone: a service that %s', (_, choice) => {
  const { isNodeLocal } = choice.service
  const known = isNodeLocal ? direct.filter(({ cluster }) => cluster === east) : direct
  const all = { direct: known, remote: [] }
  const assignment = compileLoadAssignment(view, 'u', all, choice, noReport)
  const buildOn = endpointsBuilder(compileAssignmentsByNode(view, assignment, all, choice))
  for (const node of ['a', 'b', 'c', 'd', 'e', 'of no endpoint']) {
    const reached = { ...all, direct: isNodeLocal ? known.filter((endpoint) => endpoint.node === node) : known }
    const alone = { ...choice, preference: toPreferenceOn(choice.preference, node) }
    const expected = buildEndpoints(compileLoadAssignment(view, 'u', reached, alone, noReport)).resource
    const { body, version } = buildOn(node).resource
    expect(fromBinary(ClusterLoadAssignmentSchema, body)).toEqual(
      fromBinary(ClusterLoadAssignmentSchema, expected.body),
    )
    expect(version, 'the bytes are the same').toBe(expected.version)
  }
})

test.each([{ isNodeLocal: true }, { trafficDistribution: 'PreferSameNode' }] as const)(
  'however many nodes there are, an endpoint is compiled and encoded as often: $isNodeLocal $trafficDistribution',
  (told) => {
    const readsWith = (count: number) => {
      let reads = 0
      const counted = <Item extends Endpoint | UpstreamEndpoint>(item: Item): Item => {
        const { weight } = item
        return Object.defineProperty({ ...item }, 'weight', { enumerable: true, get: () => (reads++, weight) })
      }
      const nodes = Array.from({ length: count }, (_, index) => `node-${index}`)
      const offered = nodes.map((node, index) =>
        counted(makeEndpoint(node, { node, locality: client.locality, address: `10.0.0.${index}` })),
      )
      const [choice, reachable] = [choose(told), { direct: offered, remote: [] }]
      const assignment = compileLoadAssignment(view, 'u', reachable, choice, noReport)
      const byNode = compileAssignmentsByNode(view, assignment, reachable, choice)
      const compiled = reads
      const lists = new Map<readonly UpstreamEndpoint[], UpstreamEndpoint[]>()
      const toCounted = (endpoints: readonly UpstreamEndpoint[]) =>
        getOrAdd(lists, endpoints, () => endpoints.map(counted))
      const onNodes = new Map(
        [...byNode.onNodes].map(([node, placed]) => {
          return [node, placed.map((each) => ({ ...each, endpoints: toCounted(each.endpoints) }))]
        }),
      )
      reads = 0
      const buildOn = endpointsBuilder({ ...byNode, onNodes })
      for (const node of nodes) buildOn(node)
      return { compiled: compiled / count, encoded: reads / count }
    }
    const few = readsWith(5)
    expect(few.compiled).toBeGreaterThan(0)
    expect(few.encoded).toBeGreaterThan(0)
    expect(readsWith(50)).toEqual(few)
  },
)
