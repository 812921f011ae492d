import { describe, expect, test } from 'vitest'
import { clusterName, serviceKey } from '#mesh/names.ts'
import { UPLINK_MAX_MESSAGE_CHARS } from '#mesh/uplink.ts'
import { toBatch } from './model-agent.ts'
import type { ScriptedUplink } from './scripted-uplink.ts'
import { entry, liveUplink } from './uplink-fixture.ts'

const east = clusterName.parse('east')

describe('reporting', () => {
  test('nothing is claimed or reported before the whole registry has been read', () => {
    const scripted = liveUplink()
    scripted.uplink.updateCatalog([entry('a', 1)], [])
    expect(scripted.heard()).toEqual([])
    scripted.uplink.registrySynced()
    expect(scripted.heard()).toEqual([{ type: 'claim', term: 1 }])
    scripted.say({ type: 'claimed', term: 1, granted: true, reported: null })
    expect(scripted.heard()).toMatchObject([
      { type: 'report', term: 1, mode: 'full', more: false, network: 'net-east' },
    ])
  })

  const reporting = (): ScriptedUplink => {
    const scripted = liveUplink()
    scripted.uplink.updateCatalog([entry('a', 2), entry('b', 2)], [])
    scripted.uplink.registrySynced()
    scripted.say({ type: 'claimed', term: 1, granted: true, reported: null })
    scripted.say({ type: 'report-ack', position: { boot: 'boot-1', sequence: 1 } })
    scripted.heard()
    return scripted
  }

  test('changes that come while a report is under way are one report after it', () => {
    const scripted = reporting()
    scripted.uplink.updateCatalog([entry('a', 3)], [])
    expect(scripted.heard()).toMatchObject([{ mode: 'delta', position: { sequence: 2 } }])
    scripted.uplink.updateCatalog([entry('a', 4)], [])
    scripted.uplink.updateCatalog([entry('a', 5)], [])
    scripted.uplink.updateFacts({ gateways: [{ address: '10.0.0.1', port: 15_443 }] })
    expect(scripted.heard()).toEqual([])
    scripted.say({ type: 'report-ack', position: { boot: 'boot-1', sequence: 2 } })
    expect(scripted.heard()).toMatchObject([
      {
        mode: 'delta',
        position: { sequence: 5 },
        upserts: [{ endpoints: { length: 5 } }],
        gateways: [{ address: '10.0.0.1' }],
      },
    ])
  })

  test('refused with an older term it stops at once, and takes over when nobody reports', () => {
    const scripted = reporting()
    scripted.uplink.updateCatalog([entry('a', 3)], [])
    scripted.heard()
    scripted.say({ type: 'refused', code: 'stale_term', message: 'another replica reports' })
    scripted.uplink.updateCatalog([entry('a', 4)], [])
    expect(scripted.heard()).toEqual([])
    expect(scripted.connected).toBe(true)
    scripted.say({ type: 'vacancy', term: 4 })
    expect(scripted.heard()).toEqual([{ type: 'claim', term: 5 }])
    scripted.say({ type: 'claimed', term: 5, granted: true, reported: { boot: 'other', sequence: 99 } })
    expect(scripted.heard()).toMatchObject([{ term: 5, mode: 'full' }])
  })

  test('after a reconnect it goes on from what the plane has, also when the acknowledgement was lost', () => {
    const scripted = reporting()
    scripted.uplink.updateCatalog([entry('a', 6)], [])
    scripted.uplink.updateCatalog([], [entry('b', 2).service.key])
    scripted.reconnect()
    scripted.greet({ sync: 'resume' })
    scripted.heard()
    scripted.say({ type: 'claimed', term: 1, granted: true, reported: { boot: 'boot-1', sequence: 2 } })
    expect(scripted.heard()).toMatchObject([
      { mode: 'delta', position: { sequence: 3 }, upserts: [], removes: [entry('b', 2).service.key] },
    ])
  })

  test('a report that is never acknowledged ends the session', () => {
    const scripted = reporting()
    scripted.uplink.updateCatalog([entry('a', 3)], [])
    for (let second = 0; second < 29; second += 1) {
      scripted.clock.advance(1000)
      scripted.sayText('pong')
    }
    expect(scripted.connections).toBe(1)
    scripted.clock.advance(2000)
    expect(scripted.connections).toBe(2)
  })

  const lost = [entry('a', 2).service.key, entry('b', 2).service.key]

  test('what the registry’s guard holds is told, and a person lets it through by one word', () => {
    const scripted = reporting()
    scripted.removals.take(toBatch(east, [entry('a', 2), entry('b', 2)]))
    scripted.removals.take(toBatch(east, [entry('c', 1)], lost))
    const [holds, report] = scripted.heard()
    expect(holds).toMatchObject({ type: 'holds', holds: [{ kind: 'mass-removal' }] })
    expect(report).toMatchObject({ type: 'report', removes: [], upserts: [{ endpoints: { length: 1 } }] })
    const hold = holds?.type === 'holds' ? holds.holds[0]?.id : undefined
    scripted.say({ type: 'confirm', hold: hold ?? '' })
    expect(scripted.heard()).toMatchObject([{ type: 'holds', holds: [] }])
    // A report was under way: its acknowledgement is not one of what was confirmed.
    scripted.say({ type: 'report-ack', position: { boot: 'boot-1', sequence: 2 } })
    expect(scripted.heard()).toMatchObject([{ type: 'report', mode: 'delta', removes: { length: 2 }, confirmed: hold }])
    scripted.say({ type: 'report-ack', position: { boot: 'boot-1', sequence: 3 } })
    scripted.uplink.updateCatalog([entry('c', 2)], [])
    const [next] = scripted.heard()
    expect(next).toMatchObject({ type: 'report', upserts: { length: 1 } })
    expect(next).not.toHaveProperty('confirmed')
  })

  test('a report that the plane put aside is followed by whole ones only', () => {
    const scripted = reporting()
    scripted.uplink.updateCatalog([entry('a', 3)], [])
    scripted.heard()
    scripted.say({ type: 'report-held', position: { boot: 'boot-1', sequence: 2 }, hold: 'h', reason: 'too much' })
    expect(scripted.heard()).toEqual([])
    scripted.uplink.updateCatalog([entry('a', 4)], [])
    expect(scripted.heard()).toMatchObject([{ mode: 'full', position: { sequence: 3 } }])
    scripted.say({ type: 'report-ack', position: { boot: 'boot-1', sequence: 3 } })
    scripted.uplink.updateCatalog([entry('a', 5)], [])
    expect(scripted.heard()).toMatchObject([{ mode: 'delta', position: { sequence: 4 } }])
  })

  test('a large report is cut into messages of the size that the plane takes', () => {
    const scripted = reporting()
    const large = Array.from({ length: 40 }, (_, index) => entry(`large-${index}`, 200))
    scripted.uplink.updateCatalog([...large, entry('huge', 5000)], [])
    const chunks = scripted.heard().filter((message) => message.type === 'report')
    expect(chunks.length).toBeGreaterThan(5)
    expect(Math.max(...chunks.map((chunk) => JSON.stringify(chunk).length))).toBeLessThan(512 * 1024)
    expect(chunks.map(({ more }) => more)).toEqual([...chunks.slice(1).map(() => true), false])
    expect(chunks.flatMap(({ upserts }) => upserts)).toHaveLength(41)
  })

  test('what is more than the plane takes is left out, and the rest is reported', () => {
    const scripted = reporting()
    const small = entry('small', 2)
    const labels = Object.fromEntries(Array.from({ length: 10_000 }, (_, index) => [`label-${index}`, 'x'.repeat(60)]))
    const endless = { ...small, service: { ...small.service, key: serviceKey.parse('shop/endless'), labels } }
    const many = <T>(length: number, make: (index: number) => T): T[] => Array.from({ length }, (_, i) => make(i))
    scripted.uplink.updateFacts({
      gateways: many(100, (index) => ({ address: `10.0.0.${index}`, port: 15_443 })),
      namespaces: many(20_000, (index) => `${'n'.repeat(57)}-${index}`.slice(-63)),
    })
    scripted.uplink.updateCatalog([endless, small], [])
    const reports = () => scripted.heard().filter((message) => message.type === 'report')
    const facts = reports()
    for (const { position } of facts.slice(-1)) scripted.say({ type: 'report-ack', position })
    const chunks = [...facts, ...reports()]
    expect(Math.max(...chunks.map((chunk) => JSON.stringify(chunk).length))).toBeLessThan(UPLINK_MAX_MESSAGE_CHARS)
    expect(chunks.flatMap(({ upserts }) => upserts.map(({ service }) => service.key))).toContain(small.service.key)
    expect(chunks.flatMap(({ removes }) => removes)).toEqual(['shop/endless'])
    expect(chunks.flatMap(({ gateways }) => gateways ?? [])).toHaveLength(64)
  })

  test('a stream of changes is slowed down to what the plane takes', () => {
    const scripted = reporting()
    let reports = 0
    for (let change = 0; change < 2000; change += 1) {
      scripted.uplink.updateCatalog([entry('a', 3 + (change % 2))], [])
      for (const message of scripted.heard()) {
        if (message.type !== 'report') continue
        reports += 1
        scripted.say({ type: 'report-ack', position: message.position })
      }
    }
    expect(reports).toBeLessThan(600)
    scripted.clock.advance(10_000)
    expect(scripted.heard().filter(({ type }) => type === 'report')).toMatchObject([{ position: { sequence: 2001 } }])
  })
})
