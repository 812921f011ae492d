import { afterEach, beforeEach, expect, test } from 'vitest'
import { ResourceSet } from '#xds/resource-set.ts'
import { typeUrls } from '#xds/type-url.ts'
import { AdsFixture, put, remove } from './ads-fixture.ts'
import type { DeltaTestProxy } from './test-proxy.ts'

const { cluster, endpoint, listener, route, secret } = typeUrls

let ads: AdsFixture
beforeEach(async () => {
  ads = await AdsFixture.start()
  ads.shared.apply([put(cluster, 'c'), put(endpoint, 'c'), put(listener, 'l'), put(route, 'r')])
  ads.server.compiled(1)
})
afterEach(() => ads.stop())

const summary = () => ads.server.delivery.summary()
const untilLive = (revision: number, proxies: number) =>
  ads.until(() => summary().live.some((entry) => entry.revision === revision && entry.proxies === proxies))

const compile = (
  revision: number,
  ...updates: Parameters<ResourceSet['apply']>[0] extends Iterable<infer Update> ? Update[] : never
): void => {
  ads.shared.apply(updates)
  ads.server.compiled(revision)
}

const connect = async (name: string): Promise<DeltaTestProxy> => {
  const proxy = ads.delta(name)
  proxy.subscribe(cluster, '*')
  const clusters = await proxy.next(cluster)
  proxy.subscribe(endpoint, 'c')
  proxy.ack(clusters)
  await proxy.take(endpoint)
  proxy.subscribe(listener, '*')
  const listeners = await proxy.next(listener)
  proxy.subscribe(route, 'r')
  proxy.ack(listeners)
  await proxy.take(route)
  return proxy
}

test('proxies that run are told, wherever they are connected', async () => {
  ads.started = ['sidecar/default/away', 'sidecar/default/w']
  expect(summary()).toMatchObject({ proxies: 0, started: { proxies: 2, here: 0 } })
  await connect('w')
  await untilLive(1, 1)
  expect(summary()).toMatchObject({ proxies: 1, started: { proxies: 2, here: 1 } })
  expect(ads.server.delivery.absent()).toEqual(['sidecar/default/away'])
})

test('a proxy has nothing live before it has ACKed its first configuration', async () => {
  const proxy = ads.delta()
  proxy.subscribe(cluster, '*')
  await proxy.take(cluster)
  await proxy.untilHeard()
  expect(summary()).toMatchObject({ compiled: 1, proxies: 1, live: [{ revision: 0, proxies: 1 }] })
  proxy.subscribe(listener, '*')
  const listeners = await proxy.next(listener)
  await ads.until(() => summary().laggards[0]?.waitingFor === 'the ACK of 1 Listener response')
  proxy.ack(listeners)
  await untilLive(1, 1)
  expect(summary()).toMatchObject({ laggards: [], nacks: [] })
})

test('a revision is live while what it removed lingers, and stays live when that goes', async () => {
  const proxy = await connect('w')
  compile(2, remove(cluster, 'c'), remove(endpoint, 'c'), put(route, 'r', '2'))
  await proxy.take(route)
  await untilLive(2, 1)
  expect(proxy.unread).toEqual([])
  await ads.untilLingered(proxy)
  expect((await proxy.next(cluster)).removed).toEqual(['c'])
  expect(summary()).toMatchObject({ live: [{ revision: 2, proxies: 1 }], laggards: [] })
})

test('a revision that does not touch a proxy is live on it at once', async () => {
  await connect('w')
  await untilLive(1, 1)
  ads.server.compiled(2)
  expect(summary().live).toEqual([{ revision: 2, proxies: 1 }])
})

test('a revision is live when all that it changed is ACKed, dependent types included', async () => {
  const proxy = await connect('w')
  await untilLive(1, 1)
  compile(2, put(cluster, 'new'), put(endpoint, 'new'), put(route, 'r', '2'))
  const clusters = await proxy.next(cluster)
  proxy.subscribe(endpoint, 'new')
  proxy.ack(clusters)
  const endpoints = await proxy.next(endpoint)
  await proxy.untilHeard()
  expect(summary().live).toEqual([{ revision: 1, proxies: 1 }])
  proxy.ack(endpoints)
  const routes = await proxy.next(route)
  await proxy.untilHeard()
  expect(summary().live).toEqual([{ revision: 1, proxies: 1 }])
  proxy.ack(routes)
  await untilLive(2, 1)
})

test('a stuck proxy does not stand for the others', async () => {
  const stuck = await connect('stuck')
  const good = await connect('good')
  await untilLive(1, 2)
  compile(2, put(endpoint, 'c', '2'))
  await stuck.next(endpoint)
  await good.take(endpoint)
  await untilLive(2, 1)
  expect(summary()).toMatchObject({
    proxies: 2,
    live: [
      { revision: 2, proxies: 1 },
      { revision: 1, proxies: 1 },
    ],
    laggards: [{ proxy: 'sidecar/default/stuck', revision: 1 }],
  })
})

test('however fast revisions come, earlier ones become live', async () => {
  const proxy = await connect('w')
  await untilLive(1, 1)
  compile(2, put(endpoint, 'c', '2'))
  for (let revision = 3; revision < 30; revision++) {
    const response = await proxy.next(endpoint)
    compile(revision, put(endpoint, 'c', String(revision)))
    proxy.ack(response)
    await untilLive(revision - 1, 1)
  }
  expect(summary().compiled).toBe(29)
})

test('what was refused is not live, nor is any later revision, until it is replaced', async () => {
  const proxy = await connect('w')
  await untilLive(1, 1)
  compile(2, put(endpoint, 'c', 'bad'))
  proxy.nack(await proxy.next(endpoint), 'malformed')
  expect((await proxy.take(endpoint)).resources).toEqual(['c@1'])
  compile(3, put(route, 'r', '2'))
  await proxy.take(route)
  await proxy.untilHeard()
  expect(summary()).toMatchObject({
    compiled: 3,
    live: [{ revision: 1, proxies: 1 }],
    laggards: [{ revision: 1, waitingFor: 'ClusterLoadAssignment c was refused' }],
    nacks: [{ typeUrl: endpoint, resources: ['c'], reason: 'malformed', revision: 2 }],
  })
  compile(4, put(endpoint, 'c', '4'))
  await proxy.take(endpoint)
  await untilLive(4, 1)
  expect(summary().nacks).toEqual([])
})

test('a secret that is due holds a revision back', async () => {
  const proxy = await connect('w')
  proxy.subscribe(secret, 'default')
  await proxy.take(secret)
  await untilLive(1, 1)
  const secrets = new ResourceSet('secrets')
  secrets.apply([put(secret, 'default')])
  ads.attachment('w').sets = [ads.shared, secrets]
  ads.server.compiled(2)
  const response = await proxy.next(secret)
  expect(summary().live).toEqual([{ revision: 1, proxies: 1 }])
  proxy.ack(response)
  await untilLive(2, 1)
})

test('no revision is live on a proxy while nobody knows what it is to have', async () => {
  const blockedBy = { object: 'EnvoyFilter/default/guard', message: 'is unreadable' }
  Object.assign(ads.attachment('w'), { sets: [], blockedBy })
  const proxy = ads.delta()
  proxy.send(listener, { resourceNamesSubscribe: ['*'], initialResourceVersions: { l: '1' } })
  await proxy.take(listener)
  ads.server.compiled(7)
  await proxy.untilHeard()
  const waitingFor = 'its configuration, which cannot be compiled: EnvoyFilter/default/guard: is unreadable'
  await ads.until(() => summary().laggards[0]?.waitingFor === waitingFor)
  expect(summary().live).toEqual([{ revision: 0, proxies: 1 }])
  expect(ads.server.proxies()).toMatchObject([{ revision: 0, synced: false, types: [{ state: 'pending' }, {}] }])
  Object.assign(ads.attachment('w'), { sets: [ads.shared], blockedBy: undefined })
  ads.server.compiled(8)
  await untilLive(8, 1)
  expect(summary().laggards).toEqual([])
})

test('the newest stream of a proxy speaks for it', async () => {
  await connect('w')
  await connect('w')
  await untilLive(1, 1)
  expect(summary().proxies).toBe(1)
})

test('the summary has limits', async () => {
  const proxies = 40
  const stuck: DeltaTestProxy[] = []
  for (let index = 0; index < proxies; index++) {
    stuck.push(await connect(`w${index}`))
    await untilLive(index + 1, 1)
    compile(index + 2, put(endpoint, 'c', String(index + 2)))
    await stuck.at(-1)?.next(endpoint)
  }
  const { live, laggards, nacks } = summary()
  expect(live).toHaveLength(32)
  expect(live.reduce((sum, entry) => sum + entry.proxies, 0)).toBe(proxies)
  expect(laggards).toHaveLength(20)
  expect(nacks).toEqual([])
})
