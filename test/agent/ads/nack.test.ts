import { afterEach, beforeEach, expect, test } from 'vitest'
import { typeUrls, type TypeUrl } from '#xds/type-url.ts'
import { AdsFixture, put } from './ads-fixture.ts'
import type { DeltaTestProxy, Response } from './test-proxy.ts'

const { cluster, endpoint, virtualHost } = typeUrls

let ads: AdsFixture
beforeEach(async () => {
  ads = await AdsFixture.start()
})
afterEach(() => ads.stop())

const isBad = (resource: string): boolean => resource.includes('bad')

/** Answers as Envoy does, to everything that comes until nothing does: a response with something bad in it is refused whole. */
const behave = async (
  proxy: DeltaTestProxy,
  words: (response: Response) => string = () => 'no',
): Promise<Set<string>> => {
  const held = new Map<string, string>()
  await ads.settled(() => {
    for (const response of proxy.takeUnread()) {
      if (response.resources.some(isBad)) proxy.nack(response, words(response))
      else {
        for (const resource of response.resources) held.set(resource.split('@')[0] ?? '', resource)
        for (const name of response.removed) held.delete(name)
        proxy.ack(response)
      }
    }
    return ads.server.statistics().responses
  })
  return new Set(held.values())
}

const many = (type: TypeUrl, count: number, bad: readonly string[] = []) =>
  Array.from({ length: count }, (_, index) => `n${index}`).map((name) =>
    put(type, name, bad.includes(name) ? 'bad' : '1'),
  )
const manyNames = (count: number) => Array.from({ length: count }, (_, index) => `n${index}@1`)

test.each([
  ['one', ['n7']],
  ['several', ['n0', 'n31', 'n63']],
])('%s bad among many is found though the proxy names none; the rest is delivered', async (_, bad) => {
  ads.change(...many(endpoint, 64, bad))
  const proxy = ads.delta()
  proxy.subscribe(endpoint, ...Array.from({ length: 64 }, (__, index) => `n${index}`))
  const held = await behave(proxy)
  expect(held).toEqual(new Set(manyNames(64).filter((name) => !bad.includes(name.split('@')[0] ?? ''))))
  const { nacks } = ads.server.delivery.summary()
  expect(nacks.flatMap(({ resources }) => resources).toSorted()).toEqual(bad.toSorted())
  expect(nacks[0]).toMatchObject({ proxy: 'sidecar/default/w', typeUrl: endpoint, reason: 'no' })
})

test('a culprit that is named is found in few steps', async () => {
  ads.change(...many(cluster, 64, ['n9']))
  const proxy = ads.delta()
  proxy.subscribe(cluster, '*')
  await behave(proxy, () => 'Error adding/updating cluster(s) n9: is bad')
  expect(ads.server.statistics()).toMatchObject({ nacks: 1, responses: 3 })
})

test('a bad version leaves the good one in force; a new version ends the quarantine', async () => {
  ads.change(put(endpoint, 'a'))
  const proxy = ads.delta()
  proxy.subscribe(endpoint, 'a')
  await behave(proxy)
  ads.change(put(endpoint, 'a', 'bad'))
  expect(await behave(proxy)).toEqual(new Set(['a@1']))
  expect(ads.server.delivery.summary().nacks).toHaveLength(1)
  ads.change(put(endpoint, 'a', '3'))
  expect(await behave(proxy)).toEqual(new Set(['a@3']))
  expect(ads.server.delivery.summary().nacks).toEqual([])
})

test('who comes later is given the last good version of what two proxies have refused', async () => {
  ads.change(put(endpoint, 'a'))
  const proxies = ['one', 'two'].map((name) => ads.delta(name))
  for (const proxy of proxies) {
    proxy.subscribe(endpoint, 'a')
    await behave(proxy)
  }
  ads.change(put(endpoint, 'a', 'bad'))
  for (const proxy of proxies) await behave(proxy)
  ads.change(put(endpoint, 'a', 'bad too'))
  for (const proxy of proxies) await behave(proxy)
  const { nacks } = ads.server.statistics()
  const third = ads.delta('three')
  third.subscribe(endpoint, 'a')
  expect(await behave(third)).toEqual(new Set(['a@1']))
  expect(ads.server.statistics().nacks).toBe(nacks)
  expect(ads.server.delivery.summary().nacks).toHaveLength(3)
})

test('one proxy that refuses everything takes nothing away from another', async () => {
  ads.change(...many(endpoint, 4))
  const names = ['n0', 'n1', 'n2', 'n3']
  const hostile = ads.delta('hostile')
  hostile.subscribe(endpoint, ...names)
  await ads.settled(() => {
    for (const response of hostile.takeUnread()) {
      hostile.nack(response)
    }
    return ads.server.statistics().responses
  })
  expect(ads.server.delivery.summary().nacks).toHaveLength(4)
  const good = ads.delta('good')
  good.subscribe(endpoint, ...names)
  expect(await behave(good)).toEqual(new Set(manyNames(4)))
})

test('a proxy that comes back may try again', async () => {
  ads.change(put(endpoint, 'a', 'bad'))
  const proxy = ads.delta()
  proxy.subscribe(endpoint, 'a')
  await behave(proxy)
  proxy.close()
  await ads.until(() => ads.server.statistics().openStreams === 0)
  const again = ads.delta()
  again.subscribe(endpoint, 'a')
  expect((await again.take(endpoint)).resources).toEqual(['a@bad'])
})

test('a verdict on a response that is not waiting is ignored', async () => {
  ads.change(put(endpoint, 'a'))
  const proxy = ads.delta()
  proxy.subscribe(endpoint, 'a')
  const response = await proxy.take(endpoint)
  proxy.nack(response)
  proxy.send(endpoint, { responseNonce: 'never sent', errorDetail: { code: 13, message: 'no' } })
  await proxy.untilHeard()
  expect(ads.server.statistics().nacks).toBe(0)
})

test('virtual hosts that were refused are not removed', async () => {
  ads.change(put(typeUrls.route, 'r'), put(virtualHost, 'r/a', 'bad'), put(virtualHost, 'r/b'))
  const proxy = ads.delta()
  proxy.subscribe(typeUrls.route, 'r')
  await proxy.take(typeUrls.route)
  proxy.send(virtualHost)
  expect(await behave(proxy)).toEqual(new Set(['r/b@1']))
})
