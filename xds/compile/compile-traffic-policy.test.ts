import { expect, test } from 'vitest'
import { defaultMeshConfig } from '#mesh/config/mesh-config.ts'
import type { TrafficPolicy } from '#mesh/config/schema/traffic-policy.ts'
import { toEffectivePolicy, withMeshDefaults } from './compile-traffic-policy.ts'

const tunnel = { targetHost: 'a.example', targetPort: 1 }
const ofHost: TrafficPolicy = {
  loadBalancer: { simple: 'RANDOM' },
  outlierDetection: {},
  retryBudget: { percent: 1 },
  tunnel,
  portLevelSettings: [
    { port: { number: 80 }, tls: { mode: 'DISABLE' } },
    { port: { number: 80 }, outlierDetection: {} },
  ],
}
const ofSubset: TrafficPolicy = {
  loadBalancer: { simple: 'ROUND_ROBIN' },
  portLevelSettings: [{ port: { number: 81 }, tls: { mode: 'SIMPLE' } }],
}

test.each<[string, TrafficPolicy | undefined, number, Partial<TrafficPolicy>]>([
  [
    'the host',
    undefined,
    90,
    { loadBalancer: { simple: 'RANDOM' }, outlierDetection: {}, retryBudget: { percent: 1 } },
  ],
  ['the first settings of the host for the port', undefined, 80, { tls: { mode: 'DISABLE' } }],
  [
    'the subset, field by field',
    ofSubset,
    90,
    { loadBalancer: { simple: 'ROUND_ROBIN' }, outlierDetection: {}, retryBudget: { percent: 1 } },
  ],
  [
    'the subset, over the settings for the port',
    ofSubset,
    80,
    { loadBalancer: { simple: 'ROUND_ROBIN' }, tls: { mode: 'DISABLE' } },
  ],
  ['the settings of the subset for the port', ofSubset, 81, { tls: { mode: 'SIMPLE' }, retryBudget: { percent: 1 } }],
])('%s', (_, subset, port, expected) => {
  expect(toEffectivePolicy(ofHost, subset, port)).toEqual({ ...expected, tunnel })
})

test.each([
  [{}, { enabled: true }, {}],
  [{}, { enabled: false }, { enabled: false }],
  [{}, { enabled: true, failoverPriority: ['team'] }, { failoverPriority: ['team'] }],
  [{ localityLbSetting: { enabled: true } }, { failoverPriority: ['team'] }, { enabled: true }],
])('of a load balancer %j and the %j of the mesh, locality is %j', (loadBalancer, localityLbSetting, expected) => {
  const effective = withMeshDefaults({ loadBalancer }, { ...defaultMeshConfig, localityLbSetting })
  expect(effective.loadBalancer?.localityLbSetting).toEqual(expected)
})
