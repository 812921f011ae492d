import { expect, it } from 'vitest'
import { toGatewaySettings } from './gateway-option.ts'

it.each([
  [undefined, { service: 'LoadBalancer' }],
  [['loadbalancer'], { service: 'LoadBalancer' }],
  [['nodeport'], { service: 'NodePort' }],
  [['none'], undefined],
  [
    ['192.0.2.1:15443', 'gw.example:443', '[2001:db8::1]:443'],
    { service: 'NodePort', addresses: ['192.0.2.1:15443', 'gw.example:443', '[2001:db8::1]:443'] },
  ],
])('%j', (how, settings) => {
  expect(toGatewaySettings(how)).toEqual(settings)
})

it.each([['ingress'], ['192.0.2.1'], ['none', 'nodeport'], ['loadbalancer', '192.0.2.1:443']])(
  'refuses %j',
  (...how) => {
    expect(() => toGatewaySettings(how)).toThrow('is no gateway')
  },
)
