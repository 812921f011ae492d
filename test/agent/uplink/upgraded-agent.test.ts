import { expect, test } from 'vitest'
import { firstComer } from '#agent/uplink/reporter-election.ts'
import { StateReader, toStepFrames } from '#agent/store/stored-state.ts'
import { stateChange } from '#mesh/state.ts'
import { UPLINK_CAPABILITIES, type PlaneMessage } from '#mesh/uplink.ts'
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
  ['the version before, which had no capabilities,', undefined],
  ['a version with other fields and the same capabilities', UPLINK_CAPABILITIES],
])('settings that %s did not keep come back', (_, knows) => {
  const meshConfig = { outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' } }
  const settings = { meshId: 'm1', meshName: 'shop', trustDomain: 'shop.test', domainSuffix: 'cluster.local' }
  const frame = (value: object, rest: object) =>
    JSON.stringify({
      mode: 'snapshot',
      position,
      revision: 1,
      receivedAt: 0,
      more: false,
      ...rest,
      items: [{ key: 'settings', item: { kind: 'settings', value } }],
    })
  const journal = new StateReader()
  expect(journal.read(frame(settings, { knows }))).toBe('last')
  const scripted = new ScriptedUplink(firstComer, journal.state)
  scripted.greet()
  scripted.say({ ...(JSON.parse(frame({ ...settings, meshConfig }, {})) as object), type: 'changes' } as PlaneMessage)
  expect(scripted.replica.items.get('settings')).toMatchObject({ value: { meshConfig } })

  for (const text of toStepFrames({ mode: 'delta', position, revision: 1, receivedAt: 0, items: [] }))
    journal.read(text)
  expect(journal.state?.partial).toBeUndefined()
})

test.each([
  ['a role that is not known', { ...token, role: 'waypoint' }],
  ['something else that is not known', { ...token, fleet: true }],
])('a token with %s is none, and the batch is taken', (_, value) => {
  expect(stateChange.parse({ key, item: { kind: 'machine-token', value } })).toEqual({ key, item: null })
  expect(stateChange.parse({ key, item: { kind: 'machine-token', value: token } }).item).toMatchObject({ value: token })
})
