import { expect, it, test } from 'vitest'
import { makeObject } from '#test/mesh/records.ts'
import { defaultMeshConfig } from '../config/mesh-config.ts'
import { toAnalyzedObjects } from './analyzed-objects.ts'
import { findMissedRootNamespace } from './root-namespace.ts'

const known = { domainSuffix: 'cluster.local', hasHost: () => true }
const inRoot = { namespace: 'istio-system' }
const ruleFor = (host: string) => makeObject('DestinationRule', 'rule', { host }, inRoot)

it("tells of objects that hold for all namespaces in Istio's root namespace", () => {
  const sidecar = { egress: [{ hosts: ['./*'] }] }
  const objects = toAnalyzedObjects([
    makeObject('Sidecar', 'default', sidecar, inRoot),
    ruleFor('*.local'),
    { ...makeObject('EnvoyFilter', 'all', { configPatches: [] }, inRoot), apiVersion: 'networking.istio.io/v1alpha3' },
    makeObject('Telemetry', 'all', {}, inRoot),
    makeObject('Telemetry', 'some', { selector: { matchLabels: { app: 'a' } } }, inRoot),
    ...['PeerAuthentication', 'RequestAuthentication', 'AuthorizationPolicy'].flatMap((kind) =>
      [{}, { selector: { matchLabels: { app: 'a' } } }].map((spec, index) => ({
        ...makeObject(kind, `policy-${index}`, spec, inRoot),
        apiVersion: 'security.istio.io/v1',
      })),
    ),
    makeObject('Sidecar', 'default', sidecar, { namespace: 'shop' }),
  ])
  expect(findMissedRootNamespace(objects, known)).toMatchObject(
    [
      'Sidecar',
      'DestinationRule',
      'EnvoyFilter',
      'Telemetry',
      'PeerAuthentication',
      'RequestAuthentication',
      'RequestAuthentication',
      'AuthorizationPolicy',
      'AuthorizationPolicy',
    ].map((kind) => ({
      code: 'ineffective',
      object: { kind, namespace: 'istio-system' },
      path: 'metadata.namespace',
    })),
  )
  const defaults = { ...defaultMeshConfig, rootNamespace: 'istio-system' }
  expect(findMissedRootNamespace(objects, { ...known, defaults })).toEqual([])
})
test.each([
  ['istiod', false],
  ['istiod.istio-system.svc.cluster.local', false],
  ['*.istio-system.svc.cluster.local', false],
  ['A.org', false],
  ['known.shop.svc.cluster.local', true],
  ['b.org', true],
  ['*.local', true],
])('a rule there for %s holds for fewer than in Istio: %s', (host, isTold) => {
  const ports = [{ number: 80, name: 'http', protocol: 'HTTP' }]
  const objects = toAnalyzedObjects([
    makeObject('ServiceEntry', 'a', { hosts: ['a.org'], ports }, inRoot),
    makeObject('ServiceEntry', 'b', { hosts: ['b.org'], ports }),
    ruleFor(host),
  ])
  expect(findMissedRootNamespace(objects, known)).toHaveLength(isTold ? 1 : 0)
})
