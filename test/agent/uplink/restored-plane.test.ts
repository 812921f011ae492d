import { describe, expect, test } from 'vitest'
import type { PlaneMessage } from '#mesh/uplink.ts'
import { stateKeys } from '#mesh/state.ts'
import { configChange, trustItem } from '../state-items.ts'
import type { ScriptedUplink } from './scripted-uplink.ts'
import { delta, liveUplink } from './uplink-fixture.ts'

describe('a plane with another history', () => {
  const restored = (): ScriptedUplink => {
    const scripted = liveUplink()
    scripted.say(delta(2, false, configChange('b'), configChange('c')))
    scripted.clock.advance(6000)
    scripted.reconnect()
    scripted.greet({ epoch: 'e2' })
    scripted.heard()
    return scripted
  }
  const offer = (revision: number, ...names: string[]): PlaneMessage => ({
    type: 'changes',
    mode: 'snapshot',
    position: { epoch: 'e2', sequence: 1 },
    revision,
    items: names.map((name) => configChange(name)),
    more: false,
  })

  test('the same content under a new epoch is taken, and nothing changes', () => {
    const scripted = restored()
    scripted.say(offer(2, 'a', 'b', 'c'))
    expect(scripted.steps.at(-1)).toMatchObject({ position: { epoch: 'e2' }, items: [] })
    expect(scripted.uplink.status.holds).toEqual([])
  })

  test.each([
    ['fewer objects', offer(5, 'a')],
    ['an older revision', offer(1, 'a', 'b', 'c')],
    ['nothing', offer(0)],
  ])('%s: held, told, and not counted as delivered', (_what, message) => {
    const scripted = restored()
    scripted.say(message)
    expect(scripted.replica.items.size).toBe(3)
    scripted.clock.advance(100)
    const heard = scripted.heard()
    expect(heard).toContainEqual(
      expect.objectContaining({ type: 'holds', holds: [expect.objectContaining({ id: 'restored-plane-e2' })] }),
    )
    expect(heard).toContainEqual(
      expect.objectContaining({ type: 'delivery', delivery: expect.objectContaining({ compiled: 0 }) }),
    )
    expect(heard.filter(({ type }) => type === 'ack')).toEqual([])
    scripted.say({ type: 'confirm', hold: 'restored-plane-e2' })
    expect(scripted.uplink.status).toMatchObject({ holds: [], position: { epoch: 'e2' } })
    expect(scripted.heard()).toContainEqual({ type: 'ack', position: { epoch: 'e2', sequence: 1 } })
  })

  test('one that has forgotten that a cluster joined would cut that cluster off: held', () => {
    const scripted = restored()
    const trust = (intermediates: Readonly<Record<string, string>>) => ({
      key: stateKeys.trust(),
      item: trustItem(['root'], intermediates),
    })
    const offerTrust = (epoch: string, sequence: number, intermediates: Readonly<Record<string, string>>) =>
      scripted.say({
        type: 'changes',
        mode: 'snapshot',
        position: { epoch, sequence },
        revision: 2,
        items: [...['a', 'b', 'c'].map((name) => configChange(name)), trust(intermediates)],
        more: false,
      })
    offerTrust('e2', 1, { east: 'e', west: 'w', north: 'n' })
    expect(scripted.uplink.status.holds).toEqual([])
    scripted.clock.advance(6000)
    scripted.reconnect()
    scripted.greet({ epoch: 'e3' })
    offerTrust('e3', 1, { east: 'e', west: 'w' })
    expect(scripted.uplink.status.holds).toMatchObject([{ id: 'restored-plane-e3' }])
    expect(scripted.replica.items.get(stateKeys.trust())).toMatchObject({
      value: { intermediates: expect.arrayContaining([{ cluster: 'north', pem: 'n' }]) },
    })
  })

  test('one that only lacked what others had to report again is taken by itself', () => {
    const scripted = restored()
    scripted.say(offer(2, 'a'))
    expect(scripted.replica.hold).toBeDefined()
    scripted.say({ ...offer(2, 'b', 'c'), mode: 'delta', position: { epoch: 'e2', sequence: 2 } } as PlaneMessage)
    expect(scripted.replica.hold).toBeUndefined()
    expect(scripted.replica.position).toEqual({ epoch: 'e2', sequence: 2 })
  })

  test('an older one stays held, whatever is written to it', () => {
    const scripted = restored()
    scripted.say(offer(1, 'a', 'b', 'c'))
    scripted.say({ ...offer(9, 'd'), mode: 'delta', position: { epoch: 'e2', sequence: 9 } } as PlaneMessage)
    expect(scripted.replica.hold).toBeDefined()
    scripted.reconnect()
    scripted.greet({ epoch: 'e2' })
    scripted.say(offer(10, 'a', 'b', 'c', 'd'))
    expect(scripted.replica.hold).toBeDefined()
    expect(scripted.replica.items.size).toBe(3)
  })

  test('the old history again ends the question', () => {
    const scripted = restored()
    scripted.say(offer(0))
    scripted.reconnect()
    scripted.greet({ epoch: 'e1', sync: 'resume' })
    scripted.say(delta(3, false, configChange('d')))
    expect(scripted.uplink.status.holds).toEqual([])
    expect(scripted.replica.items.size).toBe(4)
  })
})
