import { expect, test } from 'vitest'
import { toFailoverLabels, toToldLabels } from './failover-labels.ts'

const by = (...failoverPriority: string[]) => ({ loadBalancer: { localityLbSetting: { failoverPriority } } })

test('a rule tells endpoints apart by the labels of its subsets and of its priorities at all levels, but not by topology', () => {
  const rule = {
    trafficPolicy: { ...by('topology.istio.io/network', 'team', 'tier=gold'), portLevelSettings: [by('version')] },
    subsets: [
      { labels: { colour: 'blue' }, trafficPolicy: { portLevelSettings: [by('topology.kubernetes.io/zone', 'rack')] } },
      {},
    ],
  }
  expect(toFailoverLabels(rule)).toEqual(['team', 'tier', 'version', 'rack'])
  expect(toToldLabels(rule)).toEqual(['colour', 'team', 'tier', 'version', 'rack'])
})
