import { expect, test } from 'vitest'
import { clusterName, networkName } from './names.ts'
import { toLocality, toPlaceLabel } from './topology.ts'

const place = {
  locality: 'eu/a/rack/7',
  network: networkName.parse('network-1'),
  cluster: clusterName.parse('east'),
  labels: { team: 'one', 'topology.kubernetes.io/zone': 'claimed' },
}

test.each([
  ['topology.kubernetes.io/region', 'eu'],
  ['topology.kubernetes.io/zone', 'a'],
  ['topology.istio.io/subzone', 'rack/7'],
  ['topology.istio.io/network', 'network-1'],
  ['topology.istio.io/cluster', 'east'],
  ['team', 'one'],
  ['other', ''],
])('the label %s of a place is "%s"', (label, value) => {
  expect(toPlaceLabel(place, label)).toBe(value)
})

test.each([
  [{}, 'of/the/node'],
  [{ 'istio-locality': '' }, 'of/the/node'],
  [{ 'istio-locality': 'eu.a.1' }, 'eu/a/1'],
  [{ 'istio-locality': 'eu/a.b' }, 'eu/a.b'],
])('a workload with the labels %j is in %s', (labels, locality) => {
  expect(toLocality(labels, 'of/the/node')).toBe(locality)
})
