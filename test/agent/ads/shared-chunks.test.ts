import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Batch, type Payload } from '#agent/ads/batch.ts'
import { chunkBytes } from '#agent/ads/limits.ts'
import { ProxyResources } from '#agent/ads/proxy-resources.ts'
import { Quarantine } from '#agent/ads/quarantine.ts'
import { toSharedChunks } from '#agent/ads/shared-chunks.ts'
import { toWireResource } from '#agent/ads/wire-resource.ts'
import { ResourceSet } from '#xds/resource-set.ts'
import { typeUrls } from '#xds/type-url.ts'
import { AdsFixture, put, remove } from './ads-fixture.ts'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

const { cluster, endpoint } = typeUrls
const count = 200
const names = Array.from({ length: count }, (_, index) => `n${index}`)

/** About three chunks of one type. */
const filled = (type = cluster): ResourceSet => {
  const set = new ResourceSet('shared')
  set.apply(names.map((name) => put(type, name, '1', 1000)))
  return set
}

const resourcesOf = (sets: readonly ResourceSet[], quarantine = new Quarantine()): ProxyResources =>
  new ProxyResources('proxy', { sets }, quarantine)

describe('chunks of a whole set', () => {
  test('are made once while the type does not change', () => {
    const set = filled()
    const before = toSharedChunks(set, cluster)
    set.apply([put(endpoint, 'e')])
    expect(toSharedChunks(set, cluster)).toBe(before)
    set.apply([put(cluster, 'n0', '2')])
    expect(toSharedChunks(set, cluster)).not.toBe(before)
  })

  test('hold every resource once, as delta responses have them', () => {
    const { chunks } = toSharedChunks(filled(), cluster)
    expect(chunks.length).toBeGreaterThan(2)
    expect(chunks.flatMap(({ resources }) => resources.map(({ name }) => name))).toEqual(names)
    for (const { resources, delta } of chunks)
      expect(Buffer.compare(delta, Buffer.concat(resources.map((resource) => resource.delta)))).toBe(0)
  })

  test('are put together again when nobody waited for them', async () => {
    const [chunk] = toSharedChunks(filled(), cluster).chunks
    if (!chunk) throw new Error('there is no chunk')
    const before = Buffer.from(chunk.delta)
    expect(chunk.delta).toBe(chunk.delta)
    const bytes = new WeakRef(chunk.delta)
    await new Promise(setImmediate)
    collectGarbage()
    expect(bytes.deref()).toBeUndefined()
    expect(Buffer.compare(chunk.delta, before)).toBe(0)
  })

  test('serve only who takes the whole set', () => {
    const own = new ResourceSet('own')
    own.apply([put(cluster, 'mine')])
    const resources = resourcesOf([filled(), own])
    const whole = resources.wholeSet(cluster, new Set([...names, 'mine', 'unknown']))
    expect([...names, 'mine', 'unknown'].filter((name) => !whole?.has(name))).toEqual(['mine', 'unknown'])
    expect(resources.wholeSet(cluster, new Set([...names.slice(1), 'mine', 'unknown']))).toBeUndefined()
  })

  test('do not serve while something of the set was refused', () => {
    const set = filled()
    const quarantine = new Quarantine()
    const [first] = set.all(cluster).values()
    if (!first) throw new Error('the set is empty')
    quarantine.reject(set, toWireResource(cluster, first), { by: 'other', reason: 'no', revision: 1 })
    expect(resourcesOf([set], quarantine).wholeSet(cluster, new Set(names))).toBeUndefined()
  })

  test('are left for the resources as they are when one changes meanwhile', () => {
    const set = filled()
    const resources = resourcesOf([set])
    const whole = resources.wholeSet(cluster, new Set(names))
    const batch = new Batch({
      names: ['gone'],
      whole: whole?.set,
      asked: new Set(['gone']),
      tick: 1,
      isRemoval: false,
      mustAnswer: false,
    })
    const take = (): Payload | undefined =>
      batch.take(chunkBytes, (name) => {
        const resource = set.get(cluster, name)
        return resource ? toWireResource(cluster, resource) : 'removed'
      })
    const payloads = [take()]
    set.apply([put(cluster, 'n199', '2'), remove(cluster, 'n198')])
    for (let payload = take(); payload; payload = take()) payloads.push(payload)
    const held = payloads.flatMap((payload) => payload?.resources.map(({ resource }) => resource.version) ?? [])
    expect(held).toEqual([...Array.from({ length: count - 2 }, () => '1'), '2'])
    expect(payloads.flatMap((payload) => payload?.removed ?? [])).toEqual(['n198', 'gone'])
    expect(batch.isWritten).toBe(true)
  })
})

describe('a proxy that takes a whole set', () => {
  let ads: AdsFixture
  beforeEach(async () => {
    ads = await AdsFixture.start()
  })
  afterEach(() => ads.stop())

  test('ends with what there is, whatever changed and was refused on the way', async () => {
    ads.change(...names.map((name) => put(cluster, name, name === 'n77' ? 'bad' : '1', 1000)))
    const proxy = ads.delta()
    const held = new Map<string, string>()
    proxy.subscribe(cluster, '*')
    let answers = 0
    await ads.settled(() => {
      for (const response of proxy.takeUnread()) {
        if (++answers === 2) ads.change(put(cluster, 'n150', '2', 1000), put(cluster, 'new'))
        if (response.resources.some((resource) => resource.startsWith('n77@bad'))) proxy.nack(response, 'no')
        else {
          for (const resource of response.resources) {
            const [name = '', version = ''] = resource.trimEnd().split('@')
            held.set(name, version)
          }
          proxy.ack(response)
        }
      }
      return ads.server.statistics().responses
    })
    const expected = new Map(names.filter((name) => name !== 'n77').map((name) => [name, '1']))
    expect(held).toEqual(expected.set('n150', '2').set('new', '1'))
  })
})
