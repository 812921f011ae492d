import { expect, test } from 'vitest'
import type { FilterChain, Listener } from '#xds/model/listener.ts'
import type { PlacedPlugin } from '#xds/model/wasm-plugin.ts'
import { selectPlugins } from './select-plugins.ts'

const chain: FilterChain = {
  match: {},
  handler: { kind: 'tcp', statPrefix: 'a', destinations: [], hashesSourceIp: false },
}
const listener = (varied: Partial<Listener>): Listener => ({
  name: 'a',
  address: '0.0.0.0',
  port: 80,
  direction: 'outbound',
  inspectors: [],
  chains: [chain],
  trustEpoch: 0,
  ...varied,
})
const plugin = (name: string, ...traffic: PlacedPlugin['traffic']): PlacedPlugin => ({
  name,
  layer: 'http',
  phase: 'last',
  traffic,
})
const plugins = [
  plugin('all'),
  plugin('client', { side: 'client', ports: [] }),
  plugin('server', { side: 'server', ports: [] }),
  plugin('80', { ports: [80] }),
  plugin('one of two', { side: 'server', ports: [1] }, { side: 'client', ports: [80, 81] }),
  plugin('9000', { ports: [9000] }),
]

const inbound = { direction: 'inbound' as const, port: 15_006, role: 'capture' as const }
test.each<[string, Listener, FilterChain, string[]]>([
  ['calls to a port', listener({}), chain, ['all', 'client', '80', 'one of two']],
  ['calls of the application', listener({ direction: 'inbound' }), chain, ['all', 'server', '80']],
  [
    'captured calls of it',
    listener(inbound),
    { ...chain, match: { destinationPort: 9000 } },
    ['all', 'server', '9000'],
  ],
  ['captured calls of no service', listener(inbound), chain, ['all', 'server']],
  ['captured calls to nobody known', listener({ role: 'gate', port: 15_001 }), chain, ['all', 'client']],
])('%s meet the plugins that are for them', (_, place, by, expected) => {
  expect(selectPlugins(plugins, place, by).map(({ name }) => name)).toEqual(expected)
})
