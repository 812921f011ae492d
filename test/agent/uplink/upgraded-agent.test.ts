import { expect, test } from 'vitest'
import { firstComer } from '#agent/uplink/reporter-election.ts'
import { stateChange } from '#mesh/state.ts'
import { configItem, configKey } from '../state-items.ts'
import { ScriptedUplink } from './scripted-uplink.ts'

const token = {
  id: 't1',
  secretHash: '0'.repeat(64),
  role: 'gateway' as const,
  namespace: 'default',
  serviceAccount: 'ingress',
  workload: 'ingress',
  expiresAt: '2099-01-01T00:00:00Z',
}
const key = `machine-token/${token.id}`
const position = { epoch: 'e1', sequence: 7 }

test('an agent asks for what was left out for the version before it, and is told all of it', () => {
  const items = new Map([[configKey('a'), configItem('a')]])
  const scripted = new ScriptedUplink(firstComer, { position, revision: 1, receivedAt: 0, items, partial: true })
  scripted.greet()
  expect(scripted.heard()).toContainEqual(
    expect.objectContaining({ type: 'hello', position: { epoch: 'e1', sequence: 0 } }),
  )
  scripted.say({
    type: 'changes',
    mode: 'snapshot',
    position,
    revision: 1,
    items: [
      { key: configKey('a'), item: configItem('a') },
      { key, item: { kind: 'machine-token', value: token } },
    ],
    more: false,
  })
  expect(scripted.replica.items.get(key)).toMatchObject({ value: { role: 'gateway' } })

  scripted.reconnect()
  scripted.greet({ sync: 'resume' })
  expect(scripted.heard()).toContainEqual(expect.objectContaining({ type: 'hello', position }))
})

test.each([
  ['a role that is not known', { ...token, role: 'waypoint' }],
  ['something else that is not known', { ...token, fleet: true }],
])('a token with %s is none, and the batch is taken', (_, value) => {
  expect(stateChange.parse({ key, item: { kind: 'machine-token', value } })).toEqual({ key, item: null })
  expect(stateChange.parse({ key, item: { kind: 'machine-token', value: token } }).item).toMatchObject({ value: token })
})
