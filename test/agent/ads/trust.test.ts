import { afterEach, beforeEach, expect, test } from 'vitest'
import { secretNames } from '#xds/proxy.ts'
import { ResourceSet } from '#xds/resource-set.ts'
import { typeUrls } from '#xds/type-url.ts'
import { AdsFixture, put } from './ads-fixture.ts'
import type { DeltaTestProxy } from './test-proxy.ts'

const { cluster, listener, secret } = typeUrls
const { trust, identity } = secretNames
const [one, two] = ['1'.repeat(64), '2'.repeat(64)]

let ads: AdsFixture
let secrets: ResourceSet
beforeEach(async () => {
  ads = await AdsFixture.start()
  ads.shared.apply([put(cluster, 'c'), put(listener, 'l')])
  secrets = new ResourceSet('trust')
  change(5, one)
})
afterEach(() => ads.stop())

/** Pushes the trust of this version, and leaves of this intermediate. */
const change = (version: number, leavesOf: string | null): void => {
  secrets.apply([put(secret, trust, String(version)), put(secret, identity, leavesOf ?? 'mixed')])
  ads.server.pushTrust({ version, leavesOf })
}

const summary = () => ads.server.trust.summary()
const untilHeld = (held: number) => ads.until(() => summary().held === held)

const connect = async (name: string): Promise<DeltaTestProxy> => {
  ads.attachment(name).sets = [ads.shared, secrets]
  const proxy = ads.delta(name)
  proxy.subscribe(cluster, '*')
  await proxy.take(cluster)
  proxy.subscribe(secret, trust, identity)
  await proxy.take(secret)
  proxy.subscribe(listener, '*')
  await proxy.take(listener)
  return proxy
}

test('a proxy holds what it has ACKed, and the one that is furthest behind tells for all', async () => {
  const proxy = await connect('a')
  await untilHeld(5)
  await connect('b')
  await ads.until(() => summary().proxies === 2 && summary().held === 5)
  expect(summary()).toEqual({ proxies: 2, held: 5, otherLeaves: 0, laggards: [] })
  change(6, one)
  const response = await proxy.next(secret)
  await ads.until(() => summary().laggards.length > 0)
  expect(summary()).toMatchObject({ held: 5, otherLeaves: 0 })
  proxy.ack(response)
  await ads.until(() => summary().laggards.length === 1)
  expect(summary()).toMatchObject({ held: 5, laggards: [{ proxy: 'sidecar/default/b' }] })
})

test('a version that touches nothing of it is held at once, and a leaf of another intermediate is counted', async () => {
  const proxy = await connect('a')
  await untilHeld(5)
  ads.server.pushTrust({ version: 7, leavesOf: one })
  await untilHeld(7)
  change(7, null)
  expect(summary().otherLeaves).toBe(1)
  await proxy.take(secret)
  change(7, two)
  expect(summary().otherLeaves).toBe(1)
  await proxy.take(secret)
  await ads.until(() => summary().otherLeaves === 0)
})

test('what it refuses beside its secrets does not matter; a secret that it refuses does', async () => {
  const proxy = await connect('a')
  await untilHeld(5)
  ads.change(put(listener, 'l', 'bad'))
  proxy.nack(await proxy.next(listener), 'no')
  change(6, one)
  proxy.nack(await proxy.next(secret), 'no such curve')
  await ads.until(() => summary().laggards.length === 1)
  expect(summary().held).toBe(5)
  change(8, one)
  await proxy.take(secret)
  await untilHeld(8)
})

test('one that comes back says what it has, and is believed only what it has now', async () => {
  const proxy = await connect('a')
  await untilHeld(5)
  proxy.close()
  await ads.until(() => summary().proxies === 0)
  change(6, one)
  const again = ads.delta('a')
  again.subscribe(cluster, '*')
  await again.take(cluster)
  await ads.until(() => summary().proxies === 1)
  expect(summary().held).toBe(0)
})
