import { expect, test } from 'vitest'
import { readMeshConfig } from '#mesh/config/mesh-config.ts'
import { peerAuthentication } from '#mesh/config/peer-authentication.ts'
import { configuredAs } from '#mesh/config/parse-object.ts'
import type { Origin, Sourced } from '#mesh/config-object.ts'
import type { PeerAuthenticationSpec } from '#mesh/config/peer-authentication.ts'
import { makeEndpoint, makeObject, settings } from '#test/mesh/records.ts'
import { modeOf, resolvePeerModes, type PeerModeSource } from './peer-modes.ts'
import { markPlaintextPorts } from './plaintext-ports.ts'

type Said = readonly [place: 'root' | 'shop', spec: Record<string, unknown>, origin?: Origin]

/** The objects as a view has them: the oldest first. */
const source = (said: readonly Said[], inboundMtls: 'strict' | 'permissive' = 'strict'): PeerModeSource => {
  const policies = said.map(([place, spec, origin = 'mesh'], index): Sourced<PeerAuthenticationSpec> => {
    const namespace = place === 'root' ? 'atoll-system' : place
    const parsed = configuredAs(peerAuthentication, makeObject('PeerAuthentication', `p${index}`, spec, { namespace }))
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.error))
    return { ...parsed.value, origin }
  })
  return {
    peerAuthentications: (namespace) => policies.filter(({ metadata }) => metadata.namespace === namespace),
    settings: () => ({ ...settings, inboundMtls }),
    meshConfig: () => readMeshConfig({}),
  }
}
const at = (labels: Record<string, string>) => makeEndpoint('a', { labels, locality: 'north/one' })
const mtls = (mode: string) => ({ mtls: { mode } })
const selector = { matchLabels: { app: 'a' } }
const ports = (portLevelMtls: Record<number, string>) => ({
  portLevelMtls: Object.fromEntries(Object.entries(portLevelMtls).map(([port, mode]) => [port, { mode }])),
})

test.each<[string, readonly Said[], string, (readonly [number, string])[]]>([
  ["the mesh's setting, where nothing is said", [], 'STRICT', []],
  [
    'the same where it is UNSET',
    [
      ['root', {}],
      ['shop', mtls('UNSET')],
    ],
    'STRICT',
    [],
  ],
  ['the root namespace', [['root', mtls('PERMISSIVE')]], 'PERMISSIVE p0', []],
  [
    'the namespace before it',
    [
      ['root', mtls('DISABLE')],
      ['shop', mtls('STRICT')],
    ],
    'STRICT p1',
    [],
  ],
  [
    'the workload before that',
    [
      ['shop', { selector, ...mtls('DISABLE') }],
      ['shop', mtls('STRICT')],
    ],
    'DISABLE p0',
    [],
  ],
  ['not one for others', [['shop', { selector: { matchLabels: { app: 'b' } }, ...mtls('DISABLE') }]], 'STRICT', []],
  ['not a selector in the root namespace', [['root', { selector, ...mtls('DISABLE') }]], 'STRICT', []],
  [
    'the oldest',
    [
      ['shop', mtls('DISABLE')],
      ['shop', mtls('STRICT')],
    ],
    'DISABLE p0',
    [],
  ],
  [
    'the oldest, also where it says nothing',
    [
      ['shop', {}],
      ['shop', mtls('DISABLE')],
    ],
    'STRICT',
    [],
  ],
  [
    'ports before the workload',
    [['shop', { selector, ...mtls('PERMISSIVE'), ...ports({ 80: 'DISABLE', 81: 'UNSET' }) }]],
    'PERMISSIVE p0',
    [
      [80, 'DISABLE p0'],
      [81, 'PERMISSIVE p0'],
    ],
  ],
  [
    'ports that inherit from the namespace',
    [
      ['shop', { selector, ...ports({ 80: 'DISABLE', 81: 'UNSET' }) }],
      ['shop', mtls('PERMISSIVE')],
    ],
    'PERMISSIVE p1',
    [
      [80, 'DISABLE p0'],
      [81, 'PERMISSIVE p1'],
    ],
  ],
  [
    'of the mesh and of the cluster the stricter',
    [
      ['shop', mtls('DISABLE'), 'cluster'],
      ['shop', mtls('PERMISSIVE')],
    ],
    'PERMISSIVE p1',
    [],
  ],
  [
    'the same, whoever is stricter',
    [
      ['shop', mtls('STRICT'), 'cluster'],
      ['shop', mtls('DISABLE')],
    ],
    'STRICT p0',
    [],
  ],
  [
    'who says something',
    [
      ['shop', mtls('UNSET')],
      ['shop', mtls('DISABLE'), 'cluster'],
    ],
    'DISABLE p1',
    [],
  ],
  [
    'the closer level, whoever says it',
    [
      ['shop', mtls('STRICT')],
      ['shop', { selector, ...mtls('DISABLE') }, 'cluster'],
    ],
    'DISABLE p1',
    [],
  ],
  [
    'what one says of a port, and the other of all',
    [
      ['shop', { selector, ...mtls('STRICT') }],
      ['shop', { selector, ...ports({ 80: 'DISABLE' }) }, 'cluster'],
    ],
    'STRICT p0',
    [[80, 'STRICT p0']],
  ],
  [
    'ports of both',
    [
      ['shop', { selector, ...ports({ 80: 'PERMISSIVE', 81: 'DISABLE' }) }],
      ['shop', { selector, ...ports({ 80: 'DISABLE' }) }, 'cluster'],
    ],
    'STRICT',
    [
      [80, 'PERMISSIVE p0'],
      [81, 'DISABLE p0'],
    ],
  ],
])('a port takes what is said by %s', (_, said, rest, named) => {
  const modes = resolvePeerModes(source(said), { namespace: 'shop', place: at({ app: 'a' }) })
  const toText = (port: number) => {
    const { mode, by } = modeOf(modes, port)
    return by ? `${mode} ${by.metadata.name}` : mode
  }
  expect(toText(9)).toBe(rest)
  expect([...modes.ports.keys()].map((port) => [port, toText(port)])).toEqual(named)
})

test('what is permissive by the setting is so where nothing is said', () => {
  const modes = resolvePeerModes(source([], 'permissive'), { namespace: 'shop', place: at({}) })
  expect(modes.rest).toEqual({ mode: 'PERMISSIVE' })
})

test('a selector may say where a workload is, as those of other policies', () => {
  const modes = (wanted: Record<string, string>) =>
    resolvePeerModes(source([['shop', { selector: { matchLabels: wanted }, ...mtls('PERMISSIVE') }]]), {
      namespace: 'shop',
      place: at({ app: 'a', 'topology.istio.io/cluster': 'west' }),
    }).rest.mode
  const zone = { 'topology.kubernetes.io/region': 'north', 'topology.kubernetes.io/zone': 'one' }
  expect(modes({ 'topology.istio.io/cluster': 'east', 'topology.istio.io/network': 'network-1', ...zone })).toBe(
    'PERMISSIVE',
  )
  expect(modes({ 'topology.istio.io/cluster': 'west' })).toBe('STRICT')
})

test('in the root namespace its object is the one of the mesh', () => {
  const modes = resolvePeerModes(source([['root', mtls('DISABLE')]]), {
    namespace: 'atoll-system',
    place: at({}),
  })
  expect(modes.rest.mode).toBe('DISABLE')
})

test('an endpoint is marked with the ports that take plaintext alone, by those whose word its proxy follows', () => {
  const said = source([
    ['shop', { selector, ...ports({ 80: 'DISABLE' }) }],
    ['shop', { selector, ...ports({ 81: 'DISABLE', 82: 'DISABLE' }) }, 'cluster'],
  ])
  const labels = { app: 'a' }
  const marks = (varied: Partial<ReturnType<typeof makeEndpoint>>) =>
    markPlaintextPorts(said, 'shop', makeEndpoint('a', { labels, ports: { c: 82, a: 80, b: 81, d: 83 }, ...varied }))
      .plaintextPorts
  expect(marks({})).toEqual([80, 81, 82])
  expect(marks({ ofMesh: 'only' })).toEqual([80])
  expect(marks({ issuer: 'external' })).toEqual([81, 82])
  expect(marks({ tls: 'none' })).toBeUndefined()
  expect(marks({ labels: {}, plaintextPorts: [83] })).toBeUndefined()
})
