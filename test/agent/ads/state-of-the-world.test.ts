import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { typeUrls } from '#xds/type-url.ts'
import { AdsFixture, put, remove } from './ads-fixture.ts'

const { cluster, endpoint, listener, route } = typeUrls

let ads: AdsFixture
beforeEach(async () => {
  ads = await AdsFixture.start()
})
afterEach(() => ads.stop())

describe('clusters and listeners', () => {
  test('each response says all there is; what is missing in it is gone', async () => {
    ads.change(put(listener, 'a'), put(listener, 'b'))
    const proxy = ads.sotw()
    proxy.send(listener, {})
    const first = await proxy.next(listener)
    expect(first.resources.toSorted()).toEqual(['a@1', 'b@1'])
    expect(first.version).not.toBe('')
    proxy.ack(first)
    ads.change(put(listener, 'a', '2'))
    const second = await proxy.next(listener)
    expect(second.resources.toSorted()).toEqual(['a@2', 'b@1'])
    proxy.ack(second)
    ads.change(remove(listener, 'a'))
    expect((await proxy.next(listener)).resources).toEqual(['b@1'])
  })

  test('nothing is an answer', async () => {
    const proxy = ads.sotw()
    proxy.send(cluster, {})
    expect((await proxy.next(cluster)).resources).toEqual([])
  })

  test('a cluster that is to go is still in the responses that come before the routes, and while it lingers', async () => {
    ads.change(put(cluster, 'old'), put(route, 'r'))
    const proxy = ads.sotw()
    proxy.send(cluster, {})
    proxy.ack(await proxy.next(cluster))
    proxy.send(route, { resourceNames: ['r'] })
    proxy.ack(await proxy.next(route), 'r')
    ads.change(remove(cluster, 'old'), put(cluster, 'new'), put(route, 'r', '2'))
    const both = await proxy.next(cluster)
    expect(both.resources.toSorted()).toEqual(['new@1', 'old@1'])
    proxy.ack(both)
    const routes = await proxy.next(route)
    expect(routes.resources).toEqual(['r@2'])
    proxy.ack(routes, 'r')
    ads.change(put(cluster, 'new', '2'))
    const lingering = await proxy.next(cluster)
    expect(lingering.resources.toSorted()).toEqual(['new@2', 'old@1'])
    proxy.ack(lingering)
    await ads.untilLingered(proxy)
    expect((await proxy.next(cluster)).resources).toEqual(['new@2'])
  })

  test('the rest of a refused response is delivered, with what was there before in the bad one’s place', async () => {
    ads.change(put(listener, 'a'), put(listener, 'b'))
    const proxy = ads.sotw()
    proxy.send(listener, {})
    proxy.ack(await proxy.next(listener))
    ads.change(put(listener, 'a', 'bad'), put(listener, 'b', '2'))
    let last: readonly string[] = []
    await ads.settled(() => {
      for (const response of proxy.takeUnread()) {
        if (response.resources.includes('a@bad')) proxy.nack(response, 'no')
        else {
          last = response.resources
          proxy.ack(response)
        }
      }
      return ads.server.statistics().responses
    })
    expect(last.toSorted()).toEqual(['a@1', 'b@2'])
  })
})

describe('subscriptions by name', () => {
  test('the whole list in every request: what is new is sent, what is left out is not any more', async () => {
    ads.change(put(endpoint, 'a'), put(endpoint, 'b'))
    const proxy = ads.sotw()
    proxy.send(endpoint, { resourceNames: ['a'] })
    const first = await proxy.next(endpoint)
    expect(first.resources).toEqual(['a@1'])
    proxy.ack(first, 'a', 'b')
    const second = await proxy.next(endpoint)
    expect(second.resources).toEqual(['b@1'])
    proxy.ack(second, 'b')
    proxy.send(cluster, {})
    await proxy.next(cluster)
    ads.change(put(endpoint, 'a', '2'))
    ads.change(put(endpoint, 'b', '2'))
    expect((await proxy.next(endpoint)).resources).toEqual(['b@2'])
  })

  test('one response at a time, and a stale nonce says nothing', async () => {
    ads.change(put(endpoint, 'a'))
    const proxy = ads.sotw()
    proxy.send(endpoint, { resourceNames: ['a'] })
    const first = await proxy.next(endpoint)
    ads.change(put(endpoint, 'a', '2'))
    proxy.send(cluster, {})
    await proxy.next(cluster)
    proxy.ack(first, 'a')
    const second = await proxy.next(endpoint)
    expect(second.resources).toEqual(['a@2'])
    proxy.nack(first, 'an old verdict', 'a')
    proxy.ack(second, 'a')
    ads.change(put(endpoint, 'a', '3'))
    expect((await proxy.next(endpoint)).resources).toEqual(['a@3'])
    expect(ads.server.statistics().nacks).toBe(0)
  })

  test('an empty list after names means nothing, not all', async () => {
    ads.change(put(cluster, 'a'), put(cluster, 'b'))
    const proxy = ads.sotw()
    proxy.send(cluster, { resourceNames: ['a'] })
    const first = await proxy.next(cluster)
    expect(first.resources).toEqual(['a@1'])
    proxy.ack(first)
    ads.change(put(cluster, 'a', '2'))
    proxy.send(endpoint, { resourceNames: ['none'] })
    expect((await proxy.next(endpoint)).resources).toEqual([])
    expect(proxy.unread).toEqual([])
  })
})
