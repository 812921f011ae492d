import { expect, test } from 'vitest'
import { untilHolds } from '../../until-holds.ts'
import { kubeNode, kubeService, kubeSlice, paths, shop } from './kube-objects.ts'
import { createRegistry } from './registry-fixture.ts'

const gateway = (spec: Readonly<Record<string, unknown>>, ingress: readonly object[] = []) =>
  kubeService('gateway', {
    metadata: { namespace: 'atoll-system', labels: { 'atoll.dev/role': 'east-west-gateway' } },
    spec: { ports: [{ name: 'tls', port: 443, targetPort: 15_443, nodePort: 30_443 }], ...spec },
    status: { loadBalancer: { ingress } },
  })

test('gateways are where the load balancer is, and follow it', async () => {
  const server = shop()
  server.put(paths.services, gateway({ type: 'LoadBalancer' }))
  const { state, synced } = createRegistry(server)
  await synced()
  expect(state.gateways).toEqual([])
  server.put(paths.services, gateway({ type: 'LoadBalancer' }, [{ hostname: 'b.example' }, { ip: '192.0.2.7' }]))
  await untilHolds(() =>
    expect(state.gateways).toEqual([
      { address: '192.0.2.7', port: 443 },
      { address: 'b.example', port: 443 },
    ]),
  )
  const ports = [{ name: 'other', port: 15_443 }]
  server.put(paths.services, gateway({ type: 'LoadBalancer', ports }, [{ ip: '192.0.2.8' }]))
  await untilHolds(() => expect(state.gateways).toEqual([{ address: '192.0.2.8', port: 15_443 }]))
  server.put(paths.services, gateway({ type: 'ClusterIP', ports }))
  await untilHolds(() => expect(state.gateways).toEqual([]))
})

test('gateways behind a NodePort are the nodes that their pods are on', async () => {
  const server = shop()
  const internal = { type: 'InternalIP', address: '172.16.0.1' }
  server.put(paths.nodes, kubeNode('node-1', 'a', [internal]), kubeNode('node-2', 'a', [internal]))
  server.put(paths.services, gateway({ type: 'NodePort' }))
  const slice = kubeSlice('gateway', [1])
  server.put(paths.slices, { ...slice, metadata: { ...slice.metadata, namespace: 'atoll-system' } })
  const { state, synced } = createRegistry(server)
  await synced()
  expect(state.gateways).toEqual([{ address: '172.16.0.1', port: 30_443 }])
  server.put(paths.nodes, kubeNode('node-1', 'a', [internal, { type: 'ExternalIP', address: '192.0.2.1' }]))
  await untilHolds(() => expect(state.gateways).toEqual([{ address: '192.0.2.1', port: 30_443 }]))
})

test.each([
  [{ type: 'ClusterIP' }, []],
  [{ type: 'LoadBalancer' }, [{ address: '192.0.2.7', port: 443 }]],
])('gateways are at the external addresses of %j too', async (spec, balanced) => {
  const server = shop()
  server.put(paths.services, gateway({ ...spec, externalIPs: ['192.0.2.9'] }, [{ ip: '192.0.2.7' }]))
  const { state, synced } = createRegistry(server)
  await synced()
  expect(state.gateways).toEqual([...balanced, { address: '192.0.2.9', port: 443 }])
})

test('gateways are no Services of other namespaces', async () => {
  const server = shop()
  const foreign = gateway({ type: 'LoadBalancer' }, [{ ip: '192.0.2.7' }])
  server.put(paths.services, { ...foreign, metadata: { ...foreign.metadata, namespace: 'shop' } })
  const { state, synced } = createRegistry(server)
  await synced()
  expect(state.gateways).toEqual([])
})
