import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ResourceSet } from '#xds/resource-set.ts'
import { typeUrls } from '#xds/type-url.ts'
import { AdsFixture, put, remove } from './ads-fixture.ts'

const { cluster, endpoint, listener, route, secret, virtualHost } = typeUrls

let ads: AdsFixture
beforeEach(async () => {
  ads = await AdsFixture.start()
})
afterEach(() => ads.stop())

describe('subscribing (Incremental xDS, "Subscribing to Resources")', () => {
  test.each([
    ['by "*"', ['*']],
    ['as legacy clients do, by a first request without names', []],
  ])('a wildcard %s gets all there is, and what changes later', async (_, names) => {
    ads.change(put(cluster, 'a'), put(cluster, 'b'))
    const proxy = ads.delta()
    proxy.subscribe(cluster, ...names)
    expect((await proxy.take(cluster)).resources.toSorted()).toEqual(['a@1', 'b@1'])
    ads.change(put(cluster, 'b', '2'), put(cluster, 'c'))
    expect((await proxy.take(cluster)).resources.toSorted()).toEqual(['b@2', 'c@1'])
  })

  test('a wildcard is answered even when there is nothing', async () => {
    const proxy = ads.delta()
    proxy.subscribe(cluster, '*')
    expect(await proxy.take(cluster)).toMatchObject({ resources: [], removed: [] })
  })

  test('names get what was named, and later what changes of it', async () => {
    ads.change(put(endpoint, 'a'), put(endpoint, 'b'))
    const proxy = ads.delta()
    proxy.subscribe(endpoint, 'a')
    expect((await proxy.take(endpoint)).resources).toEqual(['a@1'])
    ads.change(put(endpoint, 'b', '2'))
    ads.change(put(endpoint, 'a', '2'))
    expect((await proxy.take(endpoint)).resources).toEqual(['a@2'])
  })

  test('a name that does not exist is told to be removed, and sent when it springs into existence', async () => {
    const proxy = ads.delta()
    proxy.subscribe(endpoint, 'later')
    expect(await proxy.take(endpoint)).toMatchObject({ resources: [], removed: ['later'] })
    ads.change(put(endpoint, 'later'))
    expect((await proxy.take(endpoint)).resources).toEqual(['later@1'])
  })

  test('a name that is subscribed to again is sent again', async () => {
    ads.change(put(endpoint, 'a'))
    const proxy = ads.delta()
    proxy.subscribe(endpoint, 'a')
    await proxy.take(endpoint)
    proxy.subscribe(endpoint, 'a')
    expect((await proxy.take(endpoint)).resources).toEqual(['a@1'])
  })

  test('a type that is not served is ignored', async () => {
    const proxy = ads.delta()
    proxy.send('type.googleapis.com/envoy.service.runtime.v3.Runtime' as typeof cluster, {
      resourceNamesSubscribe: ['*'],
    })
    proxy.subscribe(cluster, '*')
    expect((await proxy.take(cluster)).typeUrl).toBe(cluster)
  })
})

describe('unsubscribing (Incremental xDS, "Unsubscribing from Resources")', () => {
  test('ends the updates, without an answer', async () => {
    ads.change(put(endpoint, 'a'), put(endpoint, 'b'))
    const proxy = ads.delta()
    proxy.subscribe(endpoint, 'a', 'b')
    await proxy.take(endpoint)
    proxy.send(endpoint, { resourceNamesUnsubscribe: ['a', 'never subscribed to'] })
    await proxy.untilHeard()
    ads.change(put(endpoint, 'a', '2'))
    ads.change(put(endpoint, 'b', '2'))
    expect((await proxy.take(endpoint)).resources).toEqual(['b@2'])
  })

  test('a name under a wildcard is answered: the client has to learn whether the wildcard covers it', async () => {
    ads.change(put(cluster, 'a'))
    const proxy = ads.delta()
    proxy.subscribe(cluster, '*', 'a', 'none')
    expect(await proxy.take(cluster)).toMatchObject({ resources: ['a@1'], removed: ['none'] })
    proxy.send(cluster, { resourceNamesUnsubscribe: ['a', 'none'] })
    expect(await proxy.take(cluster)).toMatchObject({ resources: ['a@1'], removed: ['none'] })
  })

  test('from the wildcard leaves the names', async () => {
    ads.change(put(cluster, 'a'), put(cluster, 'b'))
    const proxy = ads.delta()
    proxy.subscribe(cluster, '*', 'a')
    await proxy.take(cluster)
    proxy.send(cluster, { resourceNamesUnsubscribe: ['*'] })
    await proxy.untilHeard()
    ads.change(put(cluster, 'b', '2'))
    ads.change(put(cluster, 'a', '2'))
    expect((await proxy.take(cluster)).resources).toEqual(['a@2'])
  })
})

describe('reconnecting with initial_resource_versions', () => {
  test('sends only what differs and removes what is gone', async () => {
    ads.change(put(endpoint, 'same'), put(endpoint, 'changed', '2'), put(endpoint, 'new'))
    const proxy = ads.delta()
    proxy.send(endpoint, {
      resourceNamesSubscribe: ['same', 'changed', 'new'],
      initialResourceVersions: { same: '1', changed: '1' },
    })
    expect(await proxy.take(endpoint)).toMatchObject({ resources: ['changed@2', 'new@1'], removed: [] })
  })

  test('removes what is gone of a wildcard', async () => {
    ads.change(put(listener, 'same'))
    const proxy = ads.delta()
    proxy.send(listener, { resourceNamesSubscribe: ['*'], initialResourceVersions: { same: '1', gone: '1' } })
    expect(await proxy.take(listener)).toMatchObject({ resources: [], removed: ['gone'] })
  })

  test('removes clusters that are gone only when the routes have been brought up to date', async () => {
    ads.change(put(cluster, 'a'), put(route, 'r', '2'))
    const proxy = ads.delta()
    proxy.send(cluster, { resourceNamesSubscribe: ['*'], initialResourceVersions: { a: '1', gone: '1' } })
    proxy.send(route, { resourceNamesSubscribe: ['r'], initialResourceVersions: { r: '1' } })
    proxy.ack(await proxy.next(cluster))
    expect((await proxy.take(route)).resources).toEqual(['r@2'])
    await ads.untilLingered(proxy)
    expect((await proxy.take(cluster)).removed).toEqual(['gone'])
  })
})

describe('latest wins', () => {
  test('while a response is not ACKed, versions replace each other', async () => {
    ads.change(put(endpoint, 'a'))
    const proxy = ads.delta()
    proxy.subscribe(endpoint, 'a')
    const first = await proxy.next(endpoint)
    for (const version of ['2', '3', '4']) ads.change(put(endpoint, 'a', version))
    proxy.ack(first)
    expect((await proxy.take(endpoint)).resources).toEqual(['a@4'])
    ads.change(put(endpoint, 'a', '5'))
    expect((await proxy.take(endpoint)).resources).toEqual(['a@5'])
    expect(proxy.unread).toEqual([])
  })

  test('an un-ACKed type does not hold up another', async () => {
    ads.change(put(endpoint, 'a'), put(listener, 'l'))
    const proxy = ads.delta()
    proxy.subscribe(listener, '*')
    await proxy.next(listener)
    proxy.subscribe(endpoint, 'a')
    expect((await proxy.take(endpoint)).resources).toEqual(['a@1'])
  })
})

describe('chunks', () => {
  test('a big answer comes in several responses, of which the client need not ACK one to get the next', async () => {
    const bytes = 40 * 1024
    const names = Array.from({ length: 10 }, (_, index) => `c${index}`)
    ads.change(...names.map((name) => put(cluster, name, '1', bytes)))
    const proxy = ads.delta()
    proxy.subscribe(cluster, '*')
    const received: string[] = []
    while (received.length < names.length) {
      const response = await proxy.next(cluster)
      expect(response.bytes).toBeLessThan(200 * 1024)
      received.push(...response.resources)
    }
    expect(received).toEqual(names.map((name) => `${name}@1`))
  })

  test('listeners come in one, as Envoy goes live after the first response', async () => {
    const names = Array.from({ length: 10 }, (_, index) => `l${index}`)
    ads.change(...names.map((name) => put(listener, name, '1', 40 * 1024)))
    const proxy = ads.delta()
    proxy.subscribe(listener, '*')
    expect((await proxy.take(listener)).resources).toHaveLength(names.length)
  })

  test('a client that does not read is not written to until it does', async () => {
    ads.change(...Array.from({ length: 200 }, (_, index) => put(cluster, `c${index}`, '1', 100 * 1024)))
    const proxy = ads.delta()
    proxy.pause()
    proxy.subscribe(cluster, '*')
    await ads.until(() => ads.server.statistics().responses > 0)
    await ads.settled(() => ads.server.statistics().responses)
    expect(ads.server.statistics().responseBytes).toBeLessThan(10 * 1024 * 1024) // what the sockets' buffers take
    ads.change(put(endpoint, 'e'))
    const other = ads.delta('other')
    other.subscribe(endpoint, 'e')
    await other.take(endpoint)
    proxy.resume()
    let received = 0
    while (received < 200) received += (await proxy.next(cluster)).resources.length
  })
})

describe('virtual hosts', () => {
  test('a request without names is answered with those of the route configurations that the proxy uses', async () => {
    ads.change(put(route, 'r'), put(virtualHost, 'r/a'), put(virtualHost, 'r/b'), put(virtualHost, 'unused/c'))
    const proxy = ads.delta()
    proxy.subscribe(route, 'r')
    proxy.ack(await proxy.next(route))
    proxy.send(virtualHost)
    expect((await proxy.take(virtualHost)).resources.toSorted()).toEqual(['r/a@1', 'r/b@1'])
    ads.change(put(virtualHost, 'unused/c', '2'))
    ads.change(put(virtualHost, 'r/b', '2'), remove(virtualHost, 'r/a'))
    expect(await proxy.take(virtualHost)).toMatchObject({ resources: ['r/b@2'], removed: ['r/a'] })
  })

  test('where there is none, the answer is not empty: the listener would wait', async () => {
    ads.change(put(route, 'r'))
    const proxy = ads.delta()
    proxy.subscribe(route, 'r')
    proxy.send(virtualHost)
    proxy.ack(await proxy.next(route))
    expect(await proxy.take(virtualHost)).toMatchObject({ resources: [], removed: ['r/none'] })
  })

  test('those of a further route configuration come without another request, after it', async () => {
    ads.change(put(route, 'r'), put(route, 's'), put(virtualHost, 'r/a'), put(virtualHost, 's/b'))
    const proxy = ads.delta()
    proxy.subscribe(route, 'r')
    proxy.ack(await proxy.next(route))
    proxy.send(virtualHost)
    await proxy.take(virtualHost)
    proxy.subscribe(route, 's')
    await proxy.take(route)
    expect((await proxy.take(virtualHost)).resources).toEqual(['s/b@1'])
  })

  test('a client that comes back names what it knows', async () => {
    ads.change(put(route, 'r'), put(virtualHost, 'r/same'), put(virtualHost, 'r/new'))
    const proxy = ads.delta()
    proxy.send(route, { resourceNamesSubscribe: ['r'], initialResourceVersions: { r: '1' } })
    proxy.send(virtualHost, {
      resourceNamesSubscribe: ['*', 'r/same', 'r/gone'],
      initialResourceVersions: { 'r/same': '1', 'r/gone': '1' },
    })
    expect(await proxy.take(virtualHost)).toMatchObject({ resources: ['r/new@1'], removed: ['r/gone'] })
  })
})

describe('a proxy that is given other sets', () => {
  test('is sent the difference, and no more', async () => {
    ads.change(put(listener, 'same'), put(listener, 'differs'), put(listener, 'gone'))
    const proxy = ads.delta()
    proxy.subscribe(listener, '*')
    await proxy.take(listener)
    const other = new ResourceSet('other')
    other.apply([put(listener, 'same'), put(listener, 'differs', '2'), put(listener, 'new')])
    ads.attachment('w').sets = [other]
    ads.server.push()
    const response = await proxy.take(listener)
    expect(response.resources.toSorted()).toEqual(['differs@2', 'new@1'])
    expect(response.removed).toEqual(['gone'])
    other.apply([put(listener, 'new', '2')])
    ads.server.push()
    expect((await proxy.take(listener)).resources).toEqual(['new@2'])
  })
})

describe('a proxy of which nobody knows what it is to have', () => {
  const blockedBy = { object: 'EnvoyFilter/default/guard', message: 'is unreadable' }
  const block = (...sets: ResourceSet[]) => Object.assign(ads.attachment('w'), { sets, blockedBy })
  const release = (...sets: ResourceSet[]) => {
    Object.assign(ads.attachment('w'), { sets: [ads.shared, ...sets], blockedBy: undefined })
    ads.server.push()
  }

  test('keeps what it has when it comes back, and is sent the difference when it is known', async () => {
    block()
    ads.change(put(listener, 'same'), put(listener, 'differs', '2'), put(listener, 'new'))
    const proxy = ads.delta()
    proxy.send(listener, {
      resourceNamesSubscribe: ['*'],
      initialResourceVersions: { same: '1', differs: '1', gone: '1' },
    })
    expect(await proxy.take(listener)).toMatchObject({ resources: [], removed: [] })
    ads.server.push()
    await proxy.untilHeard()
    expect(proxy.takeUnread()).toEqual([])
    release()
    const response = await proxy.take(listener)
    expect(response.resources.toSorted()).toEqual(['differs@2', 'new@1'])
    expect(response.removed).toEqual(['gone'])
  })

  test('has nothing when it is new, and gets all when it is known', async () => {
    block()
    ads.change(put(listener, 'a'))
    const proxy = ads.delta()
    proxy.subscribe(listener, '*')
    expect(await proxy.take(listener)).toMatchObject({ resources: [], removed: [] })
    release()
    expect((await proxy.take(listener)).resources).toEqual(['a@1'])
  })

  test('is answered by name as soon as it is known', async () => {
    block()
    const proxy = ads.delta()
    proxy.send(route, { resourceNamesSubscribe: ['held', 'gone'], initialResourceVersions: { held: '1' } })
    await proxy.untilHeard()
    expect(proxy.takeUnread()).toEqual([])
    ads.shared.apply([put(route, 'held')])
    release()
    expect(await proxy.take(route)).toMatchObject({ resources: [], removed: ['gone'] })
  })

  test('is answered what it has dropped and asks for again, although it had it when it came back', async () => {
    block()
    const proxy = ads.delta()
    const known = { stays: '1', again: '1', dropped: '1' }
    proxy.send(route, { resourceNamesSubscribe: Object.keys(known), initialResourceVersions: known })
    proxy.send(route, { resourceNamesUnsubscribe: ['again', 'dropped'] })
    proxy.send(route, { resourceNamesSubscribe: ['again'] })
    await proxy.untilHeard()
    ads.shared.apply([put(route, 'stays'), put(route, 'again'), put(route, 'dropped')])
    release()
    expect(await proxy.take(route)).toMatchObject({ resources: ['again@1'], removed: [] })
  })

  test('is answered everything when it asks for that anew', async () => {
    block()
    const proxy = ads.delta()
    proxy.send(cluster, { resourceNamesSubscribe: ['*'], initialResourceVersions: { c: '1' } })
    await proxy.take(cluster)
    proxy.send(cluster, { resourceNamesUnsubscribe: ['*'] })
    proxy.send(cluster, { resourceNamesSubscribe: ['*'] })
    await proxy.take(cluster)
    ads.shared.apply([put(cluster, 'c')])
    release()
    expect(await proxy.take(cluster)).toMatchObject({ resources: ['c@1'], removed: [] })
  })

  test('is answered the virtual hosts of a route configuration that it dropped and asks for again', async () => {
    block()
    const proxy = ads.delta()
    proxy.send(route, { resourceNamesSubscribe: ['r', 's'], initialResourceVersions: { r: '1', s: '1' } })
    proxy.send(virtualHost, {
      resourceNamesSubscribe: ['*'],
      initialResourceVersions: { 'r/a': '1', 's/a': '1' },
    })
    await proxy.take(virtualHost)
    proxy.send(route, { resourceNamesUnsubscribe: ['r'] })
    proxy.send(route, { resourceNamesSubscribe: ['r'] })
    await proxy.untilHeard()
    ads.shared.apply([put(route, 'r'), put(route, 's'), put(virtualHost, 'r/a'), put(virtualHost, 's/a')])
    release()
    await proxy.take(route)
    expect((await proxy.take(virtualHost)).resources).toEqual(['r/a@1'])
  })

  test('loses the clusters that it has no more when nothing routes to them', async () => {
    block()
    const proxy = ads.delta()
    proxy.send(cluster, { resourceNamesSubscribe: ['*'], initialResourceVersions: { gone: '1', same: '1' } })
    await proxy.take(cluster)
    ads.shared.apply([put(cluster, 'same')])
    release()
    await ads.untilLingered(proxy)
    expect(await proxy.take(cluster)).toMatchObject({ resources: [], removed: ['gone'] })
  })

  test('is told of Secrets that are gone: those are known', async () => {
    block()
    const proxy = ads.delta()
    proxy.send(secret, { resourceNamesSubscribe: ['s'], initialResourceVersions: { s: '1' } })
    expect(await proxy.take(secret)).toMatchObject({ resources: [], removed: ['s'] })
  })

  test('is not told by an answer of the state of the world that there is nothing', async () => {
    const secrets = new ResourceSet('secrets')
    secrets.apply([put(secret, 's')])
    block(secrets)
    const proxy = ads.sotw()
    proxy.send(listener, { versionInfo: '7' })
    proxy.send(secret, { resourceNames: ['s'] })
    proxy.ack(await proxy.next(secret), 's')
    expect(proxy.takeUnread()).toEqual([])
    ads.shared.apply([put(listener, 'a')])
    release(secrets)
    expect((await proxy.next(listener)).resources).toEqual(['a@1'])
  })
})
