import { describe, expect, test } from 'vitest'
import type { ConfigObject } from '#mesh/config-object.ts'
import { objectKeyOf } from '#mesh/config-object.ts'
import { UPLINK_MAX_OBJECT_CHARS, UPLINK_MAX_PUBLISHED, type PlaneMessage } from '#mesh/uplink.ts'
import { configChange } from '../state-items.ts'
import { ScriptedUplink } from './scripted-uplink.ts'
import { snapshot } from './uplink-fixture.ts'

/** An object of the cluster's own that asks to be published, but for what is said otherwise. */
const toObject = (
  name: string,
  spec: Record<string, unknown> = {},
  annotations: Record<string, string> = {},
  namespace = 'shop',
) => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'VirtualService',
  metadata: { name, namespace, annotations: { 'atoll.dev/publish': 'mesh', ...annotations } },
  spec,
})
const present = (object: ConfigObject): readonly [string, ConfigObject | null] => [objectKeyOf(object), object]
const gone = (name: string): readonly [string, null] => [`VirtualService/shop/${name}`, null]

const position = (sequence: number, boot = 'boot-1') => ({ boot, sequence })

/** In step with a plane, as the reporter; of the catalog everything is told. */
const start = (capabilities = ['publish']): ScriptedUplink => {
  const scripted = new ScriptedUplink()
  scripted.uplink.registrySynced()
  scripted.greet({ capabilities })
  scripted.say(snapshot(1, configChange('a')))
  return scripted
}

type Published = Extract<PlaneMessage, { type: 'published' }>

/** The plane accepts this replica as the reporter and says what it has. */
const claimed = (
  scripted: ScriptedUplink,
  published: ReturnType<typeof position> | null = null,
  said: Partial<Published> = {},
) => {
  scripted.say({ type: 'claimed', term: 1, granted: true, reported: position(0), published })
  scripted.say({ type: 'published', publications: [], grants: [], more: false, ...said })
}

const publishMessages = (scripted: ScriptedUplink) => scripted.heard().filter(({ type }) => type === 'publish')

const reporting = (...objects: ConfigObject[]): ScriptedUplink => {
  const scripted = start()
  scripted.uplink.updateObjects(objects.map(present))
  claimed(scripted)
  return scripted
}

describe('what asks to be published', () => {
  test('is told once this replica reports, all of it, and then what changes', () => {
    const scripted = start()
    scripted.uplink.updateObjects([
      present(toObject('a')),
      present({ ...toObject('b'), metadata: { name: 'b', namespace: 'shop' } }),
    ])
    expect(publishMessages(scripted)).toEqual([])
    claimed(scripted)
    expect(publishMessages(scripted)).toEqual([
      {
        type: 'publish',
        term: 1,
        mode: 'full',
        position: position(1),
        upserts: [toObject('a')],
        removes: [],
        more: false,
      },
    ])
    scripted.uplink.updateObjects([present(toObject('a', { x: 1 }))])
    scripted.uplink.updateObjects([present(toObject('a', { x: 2 })), present(toObject('b'))])
    expect(publishMessages(scripted)).toEqual([])
    scripted.say({ type: 'publish-ack', position: position(1) })
    expect(publishMessages(scripted)).toMatchObject([
      { mode: 'delta', position: position(3), upserts: [{ spec: { x: 2 } }, { metadata: { name: 'b' } }] },
    ])
    scripted.say({ type: 'publish-ack', position: position(3) })
    scripted.uplink.updateObjects([
      gone('a'),
      present({ ...toObject('b'), metadata: { name: 'b', namespace: 'shop' } }),
    ])
    expect(publishMessages(scripted)).toMatchObject([
      { mode: 'delta', upserts: [], removes: ['VirtualService/shop/a', 'VirtualService/shop/b'] },
    ])
  })

  test('is told as nothing at all when there is nothing: the plane may have something', () => {
    expect(publishMessages(reporting())).toMatchObject([{ mode: 'full', upserts: [], removes: [] }])
  })

  test('goes on after a reconnect from what the plane has, and begins anew with a plane that has not', () => {
    const scripted = reporting(toObject('a'))
    scripted.say({ type: 'publish-ack', position: position(1) })
    scripted.uplink.updateObjects([present(toObject('b'))])
    scripted.reconnect()
    scripted.greet({ sync: 'resume', capabilities: ['publish'] })
    scripted.heard()
    claimed(scripted, position(1))
    expect(publishMessages(scripted)).toMatchObject([{ mode: 'delta', upserts: [{ metadata: { name: 'b' } }] }])
    scripted.reconnect()
    scripted.greet({ sync: 'resume', capabilities: ['publish'] })
    claimed(scripted, position(7, 'another-boot'))
    expect(publishMessages(scripted)).toMatchObject([{ mode: 'full', upserts: { length: 2 } }])
  })

  test('is not told to a plane that does not know of it, and that is a problem', () => {
    const scripted = start([])
    scripted.uplink.updateObjects([present(toObject('a'))])
    claimed(scripted)
    expect(publishMessages(scripted)).toEqual([])
    expect([...scripted.publications.problems()]).toEqual([
      expect.stringMatching(/VirtualService\/shop\/a.*unsupported.*version/) as string,
    ])
  })

  test('comes in messages that fit, and only the last one says that it is the last', () => {
    const text = 'x'.repeat(100 * 1024)
    const scripted = reporting(...['a', 'b', 'c'].map((name) => toObject(name, { text })))
    scripted.clock.advance(10_000)
    const messages = publishMessages(scripted)
    expect(messages.map((message) => message.type === 'publish' && [message.upserts.length, message.more])).toEqual([
      [1, true],
      [1, true],
      [1, false],
    ])
  })

  test('and so does what has gone', () => {
    const names = Array.from({ length: UPLINK_MAX_PUBLISHED }, (_, index) => `n${index}-${'x'.repeat(230)}`)
    const scripted = reporting(...names.map((name) => toObject(name)))
    scripted.clock.advance(10_000)
    publishMessages(scripted)
    scripted.say({ type: 'publish-ack', position: position(1) })
    scripted.uplink.updateObjects(names.map(gone))
    scripted.clock.advance(10_000)
    const messages = publishMessages(scripted).flatMap((each) => (each.type === 'publish' ? [each] : []))
    expect(messages.flatMap(({ removes }) => removes)).toHaveLength(UPLINK_MAX_PUBLISHED)
    expect(messages.map(({ more }) => more)).toEqual([true, false])
  })

  test('and is not acknowledged ends the session', () => {
    const scripted = reporting(toObject('a'))
    for (let second = 0; second < 31; second += 1) {
      scripted.clock.advance(1000)
      scripted.sayText('pong')
    }
    expect(scripted.connections).toBe(2)
  })
})

describe('what a cluster may have published', () => {
  test('is bounded in number: who is in stays in, and the next comes when one goes', () => {
    const scripted = reporting()
    scripted.say({ type: 'publish-ack', position: position(0) })
    scripted.heard()
    const names = Array.from({ length: UPLINK_MAX_PUBLISHED + 1 }, (_, index) => `n${index}`)
    scripted.uplink.updateObjects(names.map((name) => present(toObject(name))))
    scripted.clock.advance(10_000)
    const count = publishMessages(scripted).reduce(
      (sum, each) => sum + (each.type === 'publish' ? each.upserts.length : 0),
      0,
    )
    expect(count).toBe(UPLINK_MAX_PUBLISHED)
    const last = `VirtualService/shop/n${UPLINK_MAX_PUBLISHED}`
    expect([...scripted.publications.problems()]).toEqual([expect.stringContaining(last) as string])
    scripted.say({ type: 'publish-ack', position: position(1) })
    scripted.uplink.updateObjects([gone('n0')])
    expect(publishMessages(scripted)).toMatchObject([{ upserts: [{ metadata: { name: `n${UPLINK_MAX_PUBLISHED}` } }] }])
    expect([...scripted.publications.problems()]).toEqual([])
  })

  test('is bounded in size', () => {
    const scripted = reporting(toObject('a', { text: 'x'.repeat(UPLINK_MAX_OBJECT_CHARS) }))
    expect(publishMessages(scripted)).toMatchObject([{ upserts: [] }])
    expect(scripted.publications.states()).toMatchObject([{ state: 'left_out' }])
  })
})

describe('where more asks than may be published', () => {
  /** As the registry lists them: the namespace of somebody who may publish nothing comes first. */
  const crowd = Array.from({ length: UPLINK_MAX_PUBLISHED }, (_, index) => toObject(`n${index}`, {}, {}, 'aaa'))
  const own = toObject('reviews')
  const key = objectKeyOf(own)
  const told = (scripted: ScriptedUplink) => {
    scripted.clock.advance(10_000)
    const messages = publishMessages(scripted).flatMap((each) => (each.type === 'publish' ? [each] : []))
    const upserts = messages.flatMap((each) => each.upserts.map(objectKeyOf))
    return { upserts, removes: messages.flatMap(({ removes }) => removes) }
  }

  test('nothing is told before the plane has said what it has: that stays, whoever else asks', () => {
    const scripted = start()
    scripted.uplink.updateObjects([...crowd, own].map(present))
    scripted.say({ type: 'claimed', term: 1, granted: true, reported: position(0), published: null })
    expect(told(scripted).upserts).toEqual([])
    scripted.say({ type: 'published', publications: [{ key, state: 'published', revision: 3 }], more: false })
    const { upserts } = told(scripted)
    expect(upserts).toHaveLength(UPLINK_MAX_PUBLISHED)
    expect(upserts).toContain(key)
    expect(scripted.publications.states().filter(({ state }) => state === 'left_out')).toHaveLength(1)
  })

  test('one that is granted takes the place of one that is not', () => {
    const scripted = start()
    scripted.uplink.updateObjects(crowd.map(present))
    claimed(scripted)
    expect(told(scripted).upserts).toHaveLength(UPLINK_MAX_PUBLISHED)
    scripted.say({ type: 'publish-ack', position: position(1) })
    scripted.uplink.updateObjects([present(own)])
    const grants = [{ namespace: 'shop', kind: '*' }]
    scripted.say({ type: 'published', publications: [], grants, more: false })
    expect(told(scripted)).toEqual({ upserts: [key], removes: [`VirtualService/aaa/n${UPLINK_MAX_PUBLISHED - 1}`] })
  })

  test('namespaces take turns among what is granted', () => {
    const scripted = start()
    scripted.uplink.updateObjects([...crowd, own].map(present))
    claimed(scripted, null, { grants: [{ namespace: '*', kind: 'VirtualService' }] })
    expect(told(scripted).upserts).toContain(key)
  })

  test('what is published and grows beyond the room falls out itself', () => {
    const text = 'x'.repeat(400 * 1024)
    const large = (name: string, namespace: string) => toObject(name, { text }, {}, namespace)
    const scripted = start()
    const ten = Array.from({ length: 10 }, (_, index) => large(`n${index}`, 'aaa'))
    const objects = [...ten.slice(0, 9), toObject('n9', {}, {}, 'aaa'), large('reviews', 'shop')]
    scripted.uplink.updateObjects(objects.map(present))
    const publications = objects.map((object) => ({ key: objectKeyOf(object), state: 'published', revision: 1 }))
    claimed(scripted, null, { publications })
    expect(told(scripted).upserts).toHaveLength(11)
    scripted.say({ type: 'publish-ack', position: position(1) })
    scripted.uplink.updateObjects(ten.slice(9).map(present))
    expect(told(scripted)).toEqual({ upserts: [], removes: ['VirtualService/aaa/n9'] })
  })
})

describe('what the plane says became of it', () => {
  test('is a problem where it is not published', () => {
    const scripted = reporting(toObject('a'), toObject('b'), toObject('c', {}, { 'atoll.dev/precedence': 'override' }))
    expect([...scripted.publications.problems()]).toEqual([
      'VirtualService/shop/c: atoll.dev/precedence has no effect on what a cluster publishes',
    ])
    const refused = { key: 'VirtualService/shop/a', state: 'refused', path: 'spec.http', message: 'is wrong' }
    scripted.say({ type: 'published', publications: [refused], more: true })
    expect(scripted.publications.states()[0]).toMatchObject({ state: 'waiting' })
    const rest = ['b', 'c'].map((name) => ({ key: `VirtualService/shop/${name}`, state: 'published', revision: 3 }))
    scripted.say({ type: 'published', publications: rest, more: false })
    expect([...scripted.publications.problems()]).toEqual([
      'VirtualService/shop/a: asks to be published and is not (refused): spec.http is wrong',
      'VirtualService/shop/c: atoll.dev/precedence has no effect on what a cluster publishes',
    ])
  })

  test('a wish that nobody understands is one too', () => {
    const scripted = reporting(toObject('a', {}, { 'atoll.dev/publish': 'yes' }))
    expect(publishMessages(scripted)).toMatchObject([{ upserts: [] }])
    expect([...scripted.publications.problems()]).toEqual([expect.stringContaining('can only be "mesh"') as string])
  })
})
