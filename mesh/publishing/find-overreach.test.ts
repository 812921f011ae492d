import { describe, expect, test } from 'vitest'
import { kinds } from '../config/kind-table.ts'
import { makeObject } from '#test/mesh/records.ts'
import { findOverreach } from './find-overreach.ts'

const reach = {
  domainSuffix: 'cluster.local',
  rootNamespace: 'root',
  isHeldElsewhere: (host: string, namespace: string) => host === 'held.example.org' && namespace !== 'pay',
}
const find = (kind: string, spec: Record<string, unknown>, namespace = 'shop') =>
  findOverreach(makeObject(kind, 'x', spec, { namespace }), reach)

describe('a grant for its namespace covers', () => {
  test.each([
    ['VirtualService', { hosts: ['reviews', 'reviews.shop.svc.cluster.local', '*.shop.svc.cluster.local'] }],
    ['VirtualService', { hosts: ['free.example.org'] }],
    ['VirtualService', { hosts: ['payments.pay.svc.cluster.local', '*'], exportTo: ['.'] }],
    ['DestinationRule', { host: 'reviews' }],
    ['DestinationRule', { host: 'payments.pay.svc.cluster.local', exportTo: ['shop'] }],
    ['ServiceEntry', { hosts: ['free.example.org'], ports: [{ number: 443, name: 'tls' }] }],
    ['ServiceEntry', { hosts: ['free.example.org'], ports: [{ number: 9, name: 'tcp' }], addresses: ['192.0.2.1'] }],
    ['Sidecar', { egress: [{ hosts: ['*/*'] }] }],
    ['EnvoyFilter', { configPatches: [] }],
    ['Telemetry', { accessLogging: [{ disabled: true }] }],
    ['PeerAuthentication', { mtls: { mode: 'STRICT' } }],
    ['VirtualService', { hosts: ['free.example.org'], gateways: ['mesh', 'front', 'shop/front'] }],
  ])('%s %j', (kind, spec) => {
    expect(find(kind, spec)).toBeUndefined()
  })

  test.each([
    ['VirtualService', { hosts: ['reviews', 'Payments.pay.svc.cluster.local'] }, 'spec.hosts[1]', 'not a host of'],
    ['VirtualService', { hosts: ['payments.pay.svc'] }, 'spec.hosts[0]', 'not a host of'],
    ['VirtualService', { hosts: ['*.svc.cluster.local'] }, 'spec.hosts[0]', 'not a host of'],
    ['VirtualService', { hosts: ['*'] }, 'spec.hosts[0]', 'not a host of'],
    ['VirtualService', { hosts: ['*'], exportTo: ['.', 'pay'] }, 'spec.hosts[0]', 'not a host of'],
    ['VirtualService', { hosts: ['*.example.org'] }, 'spec.hosts[0]', 'may cover'],
    ['VirtualService', { hosts: ['HELD.example.org'] }, 'spec.hosts[0]', 'another namespace has'],
    [
      'VirtualService',
      { hosts: ['free.example.org'], gateways: ['front', 'edge/front'] },
      'spec.gateways[1]',
      'of another namespace',
    ],
    ['Gateway', { selector: { istio: 'ingressgateway' } }, 'spec.selector', 'of all namespaces'],
    ['DestinationRule', { host: 'payments.pay.svc.cluster.local' }, 'spec.host', 'not a host of'],
    ['ServiceEntry', { hosts: ['held.example.org'] }, 'spec.hosts[0]', 'another namespace has'],
    ['ServiceEntry', { hosts: ['a.example.org'], addresses: ['192.0.2.1', '0.0.0.0/0'] }, 'spec.addresses[1]', 'range'],
    [
      'ServiceEntry',
      { hosts: ['a.example.org'], ports: [{ number: 9, name: 'db', protocol: 'TCP' }] },
      'spec.ports[0]',
      'TCP',
    ],
  ])('not %s %j', (kind, spec, path, message) => {
    expect(find(kind, spec)).toEqual({ path, message: expect.stringContaining(message) as string })
  })

  test('what is for the proxies of all namespaces not in the root namespace, and what its own namespace holds', () => {
    for (const kind of [
      'Sidecar',
      'EnvoyFilter',
      'Telemetry',
      'PeerAuthentication',
      'RequestAuthentication',
      'AuthorizationPolicy',
    ])
      expect(find(kind, {}, 'root')?.path).toBe('metadata.namespace')
    expect(find('VirtualService', { hosts: ['held.example.org'] }, 'pay')).toBeUndefined()
  })

  test('what nobody has thought of', () => {
    expect(find('Mystery', {})).toEqual({ path: 'kind', message: 'a Mystery may hold for all namespaces' })
    // A new kind has to be in one of the sets.
    for (const { kind } of kinds) expect([kind, find(kind, {})?.path]).not.toEqual([kind, 'kind'])
  })
})
