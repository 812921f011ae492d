import { expect, test } from 'vitest'
import type { FilterChain, Listener } from '#xds/model/listener.ts'
import { closeUnreadable, toFiles } from './close-unreadable.ts'

const toChain = (object: string, name: string): FilterChain => ({
  object,
  match: {},
  tls: {
    certificates: [{ kind: 'file', chainFile: `/${name}.pem`, keyFile: '/shared.key' }],
    alpn: [],
    minVersion: '1.2',
    cipherSuites: [],
  },
  handler: { kind: 'tcp', statPrefix: name, destinations: [], hashesSourceIp: false },
})

const listener: Listener = {
  name: 'port',
  address: '127.0.0.1',
  port: 443,
  direction: 'inbound',
  inspectors: [],
  chains: [...['1', '2', '3', '4', '5', '6', '10'].map((name) => toChain('A', name)), toChain('B', 'b')],
  trustEpoch: 0,
}

const toOpen = (closed: Listener | undefined): string[] =>
  closed?.chains.flatMap((chain) => (toFiles(chain).length > 0 ? [chain.handler.statPrefix] : [])) ?? []

test('a file that can not be read closes the chains that name it, and no others', () => {
  const other = closeUnreadable(listener, 'Failed to load certificate from /10.pem', [])
  expect(other?.closed).toEqual(['A'])
  expect(toOpen(other?.listener)).toEqual(['1', '2', '3', '4', '5', '6', 'b'])
  expect(toOpen(closeUnreadable(listener, 'no file of /shared.key', [])?.listener)).toEqual([])
  expect(closeUnreadable(listener, 'something else', [])).toBeUndefined()
})

test('who has many is closed as a whole, and nobody else is', () => {
  const before = ['A', 'A', 'A', 'A', 'B']
  expect(toOpen(closeUnreadable(listener, 'no /1.pem', before)?.listener)).toEqual(['b'])
  expect(toOpen(closeUnreadable(listener, 'no /b.pem', before)?.listener)).toEqual(['1', '2', '3', '4', '5', '6', '10'])
})
