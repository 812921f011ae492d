import { expect, test } from 'vitest'
import { readScene } from '#test/compile/scene.ts'
import { compileUpstreams } from './compile-upstreams.ts'

const client = { locality: '', labels: {}, isCaptured: false }

/** The addresses that clients on node `n1` and elsewhere are given for a service that prefers their node and is in west too, by its mode of TLS. */
const addressesWith = (mode: 'DISABLE' | 'ISTIO_MUTUAL'): string[] => {
  const { store, changes } = readScene(`
about: ''
clusters:
  west: {network: network-2, gateways: [{address: 192.0.2.1, port: 15443}]}
services:
  - host: reviews
    ports: [http:80]
    fields: {trafficDistribution: PreferSameNode}
    endpoints: {r-1: {address: 10.0.0.1, node: n1}, r-2: {address: 10.0.0.2, node: n2}}
    remote: {west: [{weight: 2}]}
`)
  const service = changes.flatMap((change) =>
    change.kind === 'catalog' && change.value ? [change.value.service] : [],
  )[0]
  if (!service) throw new Error('the scene has a service')
  const policy = { key: '', trafficPolicy: { tls: { mode } }, subsets: [], isForSelected: false }
  const [compiled] = compileUpstreams(store, service, policy, client, () => {})
  const lists = [compiled?.byNode?.elsewhere.localities, compiled?.byNode?.onNodes.get('n1')]
  return lists.map((localities = []) =>
    localities
      .flatMap(({ endpoints }) => endpoints.map(({ address }) => address))
      .toSorted()
      .join(' '),
  )
}

test.each([
  ['ISTIO_MUTUAL', true],
  ['DISABLE', false],
] as const)('on each node as elsewhere, %s leads to gateways of other networks: %s', (mode, isLed) => {
  for (const addresses of addressesWith(mode)) {
    expect(addresses).toContain('10.0.0.2')
    expect(addresses.includes('192.0.2.1')).toBe(isLed)
  }
})
