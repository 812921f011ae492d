import { expect, test } from 'vitest'
import { clusterName, networkName } from './names.ts'
import { hasLabelsThere, toLocality, toPlaceLabel } from './topology.ts'

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
  [{}, true],
  [{ team: 'one', 'topology.istio.io/cluster': 'east', 'topology.kubernetes.io/zone': 'a' }, true],
  [{ 'topology.kubernetes.io/zone': 'claimed' }, false],
  [{ 'topology.istio.io/cluster': 'west' }, false],
  [{ 'topology.istio.io/cluster': 'east', team: 'two' }, false],
])('whether a place has the labels %j: %s', (wanted, has) => {
  expect(hasLabelsThere(place, wanted)).toBe(has)
})

test('where the locality is not known a label of it counts, and nothing is not an empty one', () => {
  const unplaced = { ...place, locality: '' }
  expect(hasLabelsThere(unplaced, { 'topology.kubernetes.io/zone': 'claimed' })).toBe(true)
  expect(hasLabelsThere(unplaced, { 'topology.kubernetes.io/region': '' })).toBe(false)
})

test.each([
  [{}, 'of/the/node'],
  [{ 'istio-locality': '' }, 'of/the/node'],
  [{ 'istio-locality': 'eu.a.1' }, 'eu/a/1'],
  [{ 'istio-locality': 'eu/a.b' }, 'eu/a.b'],
])('a workload with the labels %j is in %s', (labels, locality) => {
  expect(toLocality(labels, 'of/the/node')).toBe(locality)
})
