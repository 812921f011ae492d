import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { lingerMilliseconds, maxLingering } from '#agent/ads/limits.ts'
import { typeUrls } from '#xds/type-url.ts'
import { AdsFixture, put, remove } from './ads-fixture.ts'
import type { DeltaTestProxy } from './test-proxy.ts'

const { cluster, endpoint, listener, route, secret, virtualHost } = typeUrls

let ads: AdsFixture
let proxy: DeltaTestProxy
/** A proxy that holds one resource of every type. */
beforeEach(async () => {
  ads = await AdsFixture.start()
  ads.change(
    put(secret, 's'),
    put(cluster, 'c'),
    put(endpoint, 'c'),
    put(listener, 'l'),
    put(route, 'r'),
    put(virtualHost, 'r/v'),
  )
  proxy = ads.delta()
  proxy.subscribe(cluster, '*')
  await proxy.take(cluster)
  proxy.subscribe(endpoint, 'c')
  await proxy.take(endpoint)
  proxy.subscribe(secret, 's')
  await proxy.take(secret)
  proxy.subscribe(listener, '*')
  await proxy.take(listener)
  proxy.subscribe(route, 'r')
  await proxy.take(route)
  proxy.send(virtualHost)
  await proxy.take(virtualHost)
})
afterEach(() => ads.stop())

/** Nothing comes although the server has handled everything. */
const expectSilence = async (): Promise<void> => {
  await proxy.untilHeard()
  expect(proxy.unread).toEqual([])
}

describe('make before break (xDS protocol, "Eventual consistency considerations")', () => {
  test('all types changed at once come in order, and routes wait for the ACK of clusters and endpoints', async () => {
    ads.change(
      put(virtualHost, 'r/v', '2'),
      put(route, 'r', '2'),
      put(listener, 'l', '2'),
      put(endpoint, 'c', '2'),
      put(cluster, 'c', '2'),
      put(secret, 's', '2'),
    )
    expect((await proxy.take(secret)).resources).toEqual(['s@2'])
    const clusters = await proxy.next(cluster)
    const endpoints = await proxy.next(endpoint)
    expect([clusters.resources, endpoints.resources]).toEqual([['c@2'], ['c@2']])
    await expectSilence()
    proxy.ack(clusters)
    await expectSilence()
    proxy.ack(endpoints)
    expect((await proxy.take(listener)).resources).toEqual(['l@2'])
    expect((await proxy.take(route)).resources).toEqual(['r@2'])
    expect((await proxy.take(virtualHost)).resources).toEqual(['r/v@2'])
  })

  test('routes to a new cluster wait for its endpoints', async () => {
    ads.change(put(cluster, 'new'), put(endpoint, 'new'), put(virtualHost, 'r/v', '2'))
    const clusters = await proxy.next(cluster)
    proxy.subscribe(endpoint, 'new')
    proxy.ack(clusters)
    const endpoints = await proxy.next(endpoint)
    expect(endpoints.resources).toEqual(['new@1'])
    await expectSilence()
    proxy.ack(endpoints)
    expect((await proxy.take(virtualHost)).resources).toEqual(['r/v@2'])
  })

  test('a cluster that changed gets its endpoints again: it warms until they come', async () => {
    ads.change(put(cluster, 'c', '2'))
    await proxy.take(cluster)
    expect((await proxy.take(endpoint)).resources).toEqual(['c@1'])
  })

  test('endpoints that only change do not hold up routes', async () => {
    ads.change(put(endpoint, 'c', '2'), put(virtualHost, 'r/v', '2'))
    await proxy.next(endpoint)
    expect((await proxy.take(virtualHost)).resources).toEqual(['r/v@2'])
  })

  test('clusters, and then their endpoints, are removed when no route is left that was not ACKed', async () => {
    ads.change(remove(cluster, 'c'), remove(endpoint, 'c'), put(virtualHost, 'r/v', '2'))
    const routes = await proxy.next(virtualHost)
    ads.clock.advance(lingerMilliseconds)
    await expectSilence()
    proxy.ack(routes)
    await expectSilence()
    ads.clock.advance(lingerMilliseconds - 1)
    await expectSilence()
    await ads.untilLingered(proxy)
    const clusters = await proxy.next(cluster)
    expect(clusters.removed).toEqual(['c'])
    await expectSilence()
    proxy.ack(clusters)
    expect((await proxy.take(endpoint)).removed).toEqual(['c'])
  })

  test('what goes later lingers longer', async () => {
    ads.change(put(cluster, 'd'))
    await proxy.take(cluster)
    ads.change(remove(cluster, 'c'), put(virtualHost, 'r/v', '2'))
    await proxy.take(virtualHost)
    await expectSilence()
    ads.clock.advance(lingerMilliseconds / 2)
    ads.change(remove(cluster, 'd'), put(virtualHost, 'r/v', '3'))
    await proxy.take(virtualHost)
    await expectSilence()
    await ads.untilLingered(proxy)
    expect((await proxy.take(cluster)).removed).toEqual(['c'])
    await ads.untilLingered(proxy)
    expect((await proxy.take(cluster)).removed).toEqual(['d'])
  })

  test('a cluster that comes back while it lingers stays', async () => {
    ads.change(remove(cluster, 'c'), put(virtualHost, 'r/v', '2'))
    await proxy.take(virtualHost)
    await expectSilence()
    ads.change(put(cluster, 'c', '3'))
    expect(await proxy.take(cluster)).toMatchObject({ resources: ['c@3'], removed: [] })
    expect((await proxy.take(endpoint)).resources).toEqual(['c@1'])
    await expectSilence()
    ads.clock.advance(lingerMilliseconds)
    await expectSilence()
  })

  test('of too many clusters that linger, the first go at once', async () => {
    const names = Array.from({ length: maxLingering + 1 }, (_, index) => `c${index}`)
    ads.change(...names.map((name) => put(cluster, name)))
    await proxy.take(cluster)
    ads.change(...names.map((name) => remove(cluster, name)))
    expect((await proxy.take(cluster)).removed).toEqual(['c0'])
    await expectSilence()
  })

  test('a cluster that comes back before it was removed stays', async () => {
    ads.change(remove(cluster, 'c'), put(virtualHost, 'r/v', '2'))
    const routes = await proxy.next(virtualHost)
    ads.change(put(cluster, 'c', '3'))
    expect(await proxy.take(cluster)).toMatchObject({ resources: ['c@3'], removed: [] })
    expect((await proxy.take(endpoint)).resources).toEqual(['c@1'])
    proxy.ack(routes)
    await expectSilence()
  })

  test('a cluster stays while a refused route keeps its predecessor in force', async () => {
    ads.change(remove(cluster, 'c'), put(virtualHost, 'r/v', '2'))
    proxy.nack(await proxy.next(virtualHost))
    expect((await proxy.take(virtualHost)).resources).toEqual(['r/v@1'])
    await expectSilence()
    ads.clock.advance(lingerMilliseconds)
    await expectSilence()
    ads.change(put(virtualHost, 'r/v', '3'))
    await proxy.take(virtualHost)
    await ads.untilLingered(proxy)
    expect((await proxy.take(cluster)).removed).toEqual(['c'])
  })
})
