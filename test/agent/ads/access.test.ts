import type { MessageInitShape } from '@bufbuild/protobuf'
import { status } from '@grpc/grpc-js'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { AdsLimits } from '#agent/ads/limits.ts'
import type { NodeSchema } from '#envoy/envoy/config/core/v3/base_pb.ts'
import { ResourceSet } from '#xds/resource-set.ts'
import { typeUrls } from '#xds/type-url.ts'
import { AdsFixture, put } from './ads-fixture.ts'

const { cluster, endpoint } = typeUrls

let ads: AdsFixture
const start = async (limits: Partial<AdsLimits> = {}): Promise<void> => {
  ads = await AdsFixture.start(limits)
}
afterEach(() => ads.stop())

describe('credentials', () => {
  beforeEach(() => start())

  test.each([
    ['none', undefined],
    ['another scheme', 'not-a-machine-token'],
    ['an unknown id', 'atoll_machine_0000000000000000_a-secret-that-is-long-enough'],
  ])('%s: refused, with one and the same answer', async (_, token) => {
    const proxy = ads.delta('w', { token })
    proxy.subscribe(cluster, '*')
    expect(await proxy.untilEnded()).toEqual({ code: status.UNAUTHENTICATED, details: 'no valid credential' })
    expect(ads.attached).toEqual([])
  })

  test('a wrong secret is refused', async () => {
    const proxy = ads.delta('w', { token: `${ads.token('w')}x` })
    expect((await proxy.untilEnded()).code).toBe(status.UNAUTHENTICATED)
  })

  test('an expired token is refused', async () => {
    const token = ads.token('w')
    const [id, record] = [...ads.tokens][0] ?? []
    if (id && record) ads.tokens.set(id, { ...record, expiresAt: new Date(Date.now() - 1).toISOString() })
    const proxy = ads.delta('other', { token })
    expect((await proxy.untilEnded()).code).toBe(status.UNAUTHENTICATED)
  })

  test('a revoked token ends the open streams that it opened, and no others', async () => {
    const revoked = ads.delta('revoked')
    const other = ads.delta('other')
    for (const proxy of [revoked, other]) {
      proxy.subscribe(cluster, '*')
      await proxy.take(cluster)
    }
    ads.revoke('revoked')
    ads.server.revalidate()
    expect((await revoked.untilEnded()).code).toBe(status.UNAUTHENTICATED)
    ads.change(put(cluster, 'a'))
    await other.take(cluster)
  })
})

/** Everything that Istio's control plane reads of a node, said by one that is somebody else. */
const falseNodes: readonly [string, MessageInitShape<typeof NodeSchema>][] = [
  ['namespace', { metadata: { NAMESPACE: 'bank', CONFIG_NAMESPACE: 'bank' } }],
  ['service account', { metadata: { SERVICE_ACCOUNT: 'admin' } }],
  ['labels', { metadata: { LABELS: { app: 'admin', 'atoll.dev/role': 'east-west-gateway' } } }],
  ['workload', { metadata: { NAME: 'victim', WORKLOAD_NAME: 'victim', OWNER: 'kubernetes://apis/apps/v1/x' } }],
  ['id', { id: 'sidecar/bank/victim' }],
  ['id of a gateway', { id: 'east-west-gateway/atoll-system/gateway' }],
  [
    'role',
    { id: 'router~10.0.0.9~gateway.istio-system~istio-system.svc.cluster.local', metadata: { ROLE: 'gateway' } },
  ],
  ['address', { metadata: { INSTANCE_IPS: '10.0.0.9' } }],
  ['Envoy cluster', { cluster: 'victim.bank' }],
  ['mesh cluster and network', { metadata: { CLUSTER_ID: 'west', NETWORK: 'west', MESH_ID: 'other' } }],
  ['network gateway', { metadata: { REQUESTED_NETWORK_VIEW: ['west'], ROUTER_MODE: 'sni-dnat' } }],
  ['locality', { locality: { region: 'elsewhere', zone: 'z', subZone: 's' } }],
]

describe('a node that lies', () => {
  beforeEach(async () => {
    await start()
    const ownSet = new ResourceSet("a victim's own")
    ownSet.apply([put(cluster, 'private')])
    ads.attachment('victim').sets = [ads.shared, ownSet]
    ads.change(put(cluster, 'a'))
  })

  test.each(falseNodes)('about its %s gets what its token is for, and nothing else', async (_what, node) => {
    const delta = ads.delta('w')
    delta.send(cluster, { node, resourceNamesSubscribe: ['*', 'private'] })
    expect(await delta.take(cluster)).toMatchObject({ resources: ['a@1'], removed: ['private'] })
    const sotw = ads.sotw('w')
    sotw.send(cluster, { node })
    expect((await sotw.next(cluster)).resources).toEqual(['a@1'])
    expect(ads.attached).toEqual(['sidecar/default/w'])
  })

  test('and one that does not lie gets all that is its own', async () => {
    const victim = ads.delta('victim')
    victim.subscribe(cluster, '*', 'private')
    expect((await victim.take(cluster)).resources).toEqual(['a@1', 'private@1'])
  })
})

describe('limits', () => {
  test.each([
    ['names on a stream', { names: 3 }, ['a', 'b', 'c', 'd'], status.RESOURCE_EXHAUSTED, /3 names/],
    ['the length of a name', { nameLength: 5 }, ['abcdef'], status.INVALID_ARGUMENT, /longer than 5/],
    ['the size of a request', { requestBytes: 1000 }, ['x'.repeat(1001)], status.RESOURCE_EXHAUSTED, /larger than/],
  ])('%s', async (_, limits, names, code, details) => {
    await start(limits)
    const proxy = ads.delta()
    proxy.subscribe(endpoint, ...names)
    const ended = await proxy.untilEnded()
    expect(ended.code).toBe(code)
    expect(ended.details).toMatch(details)
  })

  test('streams in all', async () => {
    await start({ streams: 1 })
    const first = ads.delta('one')
    first.subscribe(cluster, '*')
    await first.take(cluster)
    expect(await ads.delta('two').untilEnded()).toMatchObject({ code: status.RESOURCE_EXHAUSTED })
    first.close()
    await ads.until(() => ads.server.statistics().openStreams === 0)
    const third = ads.delta('three')
    third.subscribe(cluster, '*')
    await third.take(cluster)
  })

  test('streams of one proxy: the oldest gives way', async () => {
    await start({ streamsPerProxy: 2 })
    const streams = []
    for (let index = 0; index < 3; index++) {
      const stream = ads.delta('w')
      stream.subscribe(cluster, '*')
      await stream.take(cluster)
      streams.push(stream)
    }
    expect(await streams[0]?.untilEnded()).toMatchObject({ code: status.ABORTED })
    ads.change(put(cluster, 'a'))
    for (const stream of streams.slice(1)) expect((await stream.take(cluster)).resources).toEqual(['a@1'])
    expect(ads.attached).toEqual(['sidecar/default/w'])
  })
})

test('a token of the same workload for another account takes no stream away', async () => {
  await start({ streamsPerProxy: 1 })
  const first = ads.delta('w')
  const second = ads.delta('w', { token: ads.token('w', 'another') })
  for (const proxy of [first, second]) {
    proxy.subscribe(cluster, '*')
    await proxy.take(cluster)
  }
  ads.change(put(cluster, 'a'))
  for (const proxy of [first, second]) expect((await proxy.take(cluster)).resources).toEqual(['a@1'])
})

describe('streams of health', () => {
  /** One that the agent listens to. */
  const open = async (workload: string) => {
    const before = ads.reports.get(workload) ?? 0
    const proxy = ads.health(workload)
    proxy.report()
    await ads.until(() => ads.reports.get(workload) === before + 1)
    return proxy
  }

  test('end with the token that opened them, and no others', async () => {
    await start()
    const [revoked, other] = [await open('revoked'), await open('other')]
    ads.revoke('revoked')
    ads.server.revalidate()
    revoked.report()
    expect((await revoked.untilEnded()).code).toBe(status.UNAUTHENTICATED)
    other.report()
    await ads.until(() => ads.reports.get('other') === 2)
    expect(ads.reports.get('revoked')).toBe(1)
  })

  test('are as many as there may be, in all and of one proxy', async () => {
    await start({ streams: 3, streamsPerProxy: 2 })
    const [first] = [await open('w'), await open('w'), await open('w')]
    expect(await first.untilEnded()).toMatchObject({ code: status.ABORTED })
    await open('other')
    expect(await ads.health('third').untilEnded()).toMatchObject({ code: status.RESOURCE_EXHAUSTED })
    await ads.server.close(1000)
  })
})

describe('lifecycle', () => {
  beforeEach(() => start())

  test('a proxy that leaves is let go', async () => {
    const proxy = ads.delta()
    proxy.subscribe(cluster, '*')
    await proxy.take(cluster)
    proxy.close()
    await ads.until(() => ads.attached.length === 0)
    expect(ads.server.statistics().openStreams).toBe(0)
  })

  test('a proxy whose configuration can’t be had is told to come back', async () => {
    ads.failAttach = true
    expect(await ads.delta().untilEnded()).toMatchObject({ code: status.UNAVAILABLE })
  })

  test('closing ends the streams and is done', async () => {
    const proxy = ads.delta()
    proxy.subscribe(cluster, '*')
    await proxy.take(cluster)
    await ads.server.close(5000)
    expect(await proxy.untilEnded()).toMatchObject({ code: status.UNAVAILABLE, details: 'the agent is shutting down' })
  })

  test('closing does not wait for a proxy that does not read', async () => {
    ads.change(...Array.from({ length: 200 }, (_, index) => put(cluster, `c${index}`, '1', 100 * 1024)))
    const proxy = ads.delta()
    proxy.pause()
    proxy.subscribe(cluster, '*')
    await ads.until(() => ads.server.statistics().responses > 0)
    await ads.settled(() => ads.server.statistics().responses)
    await ads.server.close(200)
    await ads.until(() => ads.server.statistics().openStreams === 0)
    expect(ads.attached).toEqual([])
  })
})

test('what is told beside xDS has its limits, and whoever reaches one may try again', async () => {
  await start({ calls: { callsOfOne: 1, bytes: 20 } })
  expect(await ads.tell('something long that is too much')).toBe(status.UNAVAILABLE)
  expect(await ads.tell('short')).toBe(status.OK)
  expect(await ads.tell('short too')).toBe(status.OK)
  expect(ads.told).toEqual(['short', 'short too'])
})
