import { expect, test } from 'vitest'
import type { LocalityLbSetting } from '#mesh/config/schema/locality.ts'
import { clusterName, networkName } from '#mesh/names.ts'
import type { Place } from '#mesh/topology.ts'
import { compileLocality, matchesLocality, toDistance, toLocalityInterest } from './compile-locality.ts'

const at = (locality: string, labels: Record<string, string> = {}, network = 'one', cluster = 'east'): Place => ({
  locality,
  labels,
  network: networkName.parse(network),
  cluster: clusterName.parse(cluster),
})
const under = (localityLbSetting: LocalityLbSetting | undefined, detects = false) => ({
  loadBalancer: { localityLbSetting },
  outlierDetection: detects ? {} : undefined,
})

test.each<[string, LocalityLbSetting | undefined, boolean, 'failover' | 'distribute' | undefined]>([
  ['says nothing', undefined, false, undefined],
  ['only detects outliers', undefined, true, 'failover'],
  ['detects outliers, but switches it off', { enabled: false }, true, undefined],
  ['only switches it on', { enabled: true }, false, 'failover'],
  ['names a region that takes over', { failover: [{ from: 'eu', to: 'us' }] }, false, 'failover'],
  ['names labels', { failoverPriority: ['team'] }, false, 'failover'],
  ['names labels, and switches it off', { failoverPriority: ['team'], enabled: false }, false, undefined],
  ['gives shares to clients from here', { distribute: [{ from: 'eu/*', to: { us: 100 } }] }, true, 'distribute'],
  ['gives shares to other clients', { distribute: [{ from: 'us', to: { us: 100 } }] }, true, undefined],
])('a rule that %s', (_, setting, detects, kind) => {
  expect(compileLocality(under(setting, detects), at('eu/a'))?.kind).toBe(kind)
})

test('a client that is nowhere prefers no locality, but may prefer labels', () => {
  expect(compileLocality(under(undefined, true), at(''))).toBeUndefined()
  expect(compileLocality(under({ failoverPriority: ['team'] }), at(''))?.kind).toBe('failover')
})

const toDistances = (setting: LocalityLbSetting, client: Place, places: readonly Place[]) => {
  const preference = compileLocality(under({ enabled: true, ...setting }), client)
  if (preference?.kind !== 'failover') throw new Error('no failover')
  return places.map((place) => toDistance(preference, place))
}

test.each([
  ['eu/a/1', ['eu/a/1', 'eu/a/2', 'eu/b/1', 'us/a/1', ''], {}, [0, 1, 2, 3, 3]],
  ['eu', ['eu/a', 'us', 'eu'], {}, [2, 3, 0]],
  ['eu/a', ['us/a', 'asia', 'eu/b'], { failover: [{ from: 'eu', to: 'us' }] }, [3, 4, 2]],
  ['eu/a', ['us/a', 'asia'], { failover: [{ from: 'us', to: 'asia' }] }, [3, 3]],
])('from %s, %j are at %j the distances %j', (client, localities, setting, expected) => {
  const places = localities.map((locality) => at(locality))
  expect(toDistances(setting, at(client), places)).toEqual(expected)
})

const client = at('eu/a', { team: 'x', tier: 'gold' })
test.each<[string, readonly string[], Place, number]>([
  ['both labels are the same', ['team', 'tier'], at('us', { team: 'x', tier: 'gold' }), 0],
  ['the second differs', ['team', 'tier'], at('us', { team: 'x' }), 1],
  ['the first differs', ['team', 'tier'], at('us', { team: 'y', tier: 'gold' }), 2],
  ['neither has the label', ['other'], at('us'), 0],
  ['another value is wanted than the own', ['tier=silver'], at('us', { tier: 'silver' }), 0],
  ['the own is not the wanted value', ['tier=silver'], at('us', { tier: 'gold' }), 1],
  ['region and zone count', ['topology.kubernetes.io/region', 'topology.kubernetes.io/zone'], at('eu/b'), 1],
  ['the cluster counts', ['topology.istio.io/cluster', 'team'], at('', { team: 'x' }, 'one', 'west'), 2],
  ['another network is beyond all', ['topology.istio.io/network', 'team'], at('', { team: 'x' }, 'two'), 2],
  ['in another network labels count too', ['topology.istio.io/network', 'team'], at('', {}, 'two'), 3],
  ['a network that is not first is one label of many', ['team', 'topology.istio.io/network'], at('', {}, 'two'), 2],
])('%s', (_, failoverPriority, place, expected) => {
  expect(toDistances({ failoverPriority: [...failoverPriority] }, client, [place])).toEqual([expected])
})

test('regions that take over count among places whose labels are as near', () => {
  const setting = { failoverPriority: ['team'], failover: [{ from: 'eu', to: 'us' }] }
  const places = [at('us', { team: 'x' }), at('asia', { team: 'x' }), at('eu/a')]
  expect(toDistances(setting, client, places)).toEqual([3, 4, 5])
})

test.each([
  ['eu/a/1', 'eu', true],
  ['eu/a/1', 'eu/*', true],
  ['eu/a/1', 'eu/a/*', true],
  ['eu/a/1', 'eu/a/1', true],
  ['eu/a/1', 'eu/a/2', false],
  ['eu/a/1', 'eu/b', false],
  ['eu/a/1', '*', true],
  ['', '*', true],
  ['', 'eu', false],
])('"%s" matches %s: %s', (locality, pattern, expected) => {
  expect(matchesLocality(locality, pattern)).toBe(expected)
})

test('a client counts only as far as some policy looks at it', () => {
  expect(toLocalityInterest([under(undefined)])).toEqual({ locality: false, labels: new Set() })
  expect(toLocalityInterest([under({ enabled: false, failoverPriority: ['team'] }, true)])).toEqual({
    locality: false,
    labels: new Set(),
  })
  expect(toLocalityInterest([under(undefined, true)])).toEqual({ locality: true, labels: new Set() })
  expect(toLocalityInterest([under({ failoverPriority: ['team=x', 'topology.istio.io/network'] })])).toEqual({
    locality: true,
    labels: new Set(['team']),
  })
})
