import { expect, test } from 'vitest'
import { stateItem, stateKeys } from '#mesh/state.ts'
import { catalogItem, configItem, configKey } from '#test/agent/state-items.ts'
import { clusterOfKey, isMachineTokenKey, toViewChanges } from './to-view-changes.ts'

const service = 'shop/reviews.shop.svc.cluster.local'

test('items and tombstones of each kind become changes of the view', () => {
  const settings = stateItem.parse({
    kind: 'settings',
    value: { meshId: 'm', meshName: 'demo', trustDomain: 'td.example' },
  })
  expect(
    toViewChanges([
      { key: stateKeys.settings(), item: settings },
      { key: configKey('a'), item: configItem('a') },
      { key: configKey('b'), item: null },
      { key: stateKeys.catalog('west', service), item: catalogItem('west', 'reviews', 1) },
      { key: stateKeys.summary('west', service), item: null },
    ]),
  ).toMatchObject([
    { kind: 'settings', value: { meshName: 'demo' } },
    { kind: 'config', origin: 'mesh', key: 'VirtualService/shop/a', value: { kind: 'VirtualService' } },
    { kind: 'config', origin: 'mesh', key: 'VirtualService/shop/b', value: null },
    { kind: 'catalog', cluster: 'west', service, value: { endpoints: [{ cluster: 'west' }] } },
    { kind: 'summary', cluster: 'west', service, value: null },
  ])
})

test('what has a way of its own, or is not known, is no change of the view', () => {
  const keys = [stateKeys.trust(), stateKeys.cluster('west'), stateKeys.machineToken('1'), 'later/kind', 'catalog/', '']
  expect(toViewChanges(keys.map((key) => ({ key, item: null })))).toEqual([])
  expect(keys.map(clusterOfKey).filter(Boolean)).toEqual(['west'])
  expect(keys.filter(isMachineTokenKey)).toEqual([stateKeys.machineToken('1')])
})
