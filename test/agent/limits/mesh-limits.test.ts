import { createHash } from 'node:crypto'
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { beforeEach, expect, test } from 'vitest'
import { maxAccountsOfNamespace } from '#agent/limits/limit-book.ts'
import { MeshLimits } from '#agent/limits/mesh-limits.ts'
import {
  RateLimitRequestSchema,
  RateLimitResponse_Code as Code,
  RateLimitResponseSchema,
} from '#envoy/envoy/service/ratelimit/v3/rls_pb.ts'
import type { Sourced } from '#mesh/config-object.ts'
import { rateLimit, type RateLimitSpec } from '#mesh/config/rate-limit.ts'
import { defaultMeshConfig } from '#mesh/config/mesh-config.ts'
import { UPLINK_MAX_MESSAGE_CHARS, type LeaseGrant } from '#mesh/uplink.ts'
import { UplinkRateLimit } from '#worker/mesh/uplink/rate-limit.ts'
import { VirtualClock } from '../virtual-clock.ts'

const toObject = (namespace: string, ...limits: readonly object[]): Sourced<RateLimitSpec> => ({
  origin: 'mesh',
  apiVersion: 'policy.atoll.dev/v1alpha1',
  kind: 'RateLimit',
  metadata: { name: 'limits', namespace },
  spec: rateLimit.schema.parse({ limits: limits.map((limit) => ({ scope: 'MESH', ...limit })) }),
})
const perHour = { requests: 4, per: '1h' }
let objects: Sourced<RateLimitSpec>[]
let clock: VirtualClock
let limits: MeshLimits
let urgent: number

beforeEach(() => {
  objects = [
    toObject(
      'shop',
      { name: 'open', ...perHour },
      { name: 'closed', ...perHour, failOpen: false },
      { name: 'two', requests: 2, per: '1h' },
    ),
  ]
  clock = new VirtualClock()
  urgent = 0
  limits = new MeshLimits({
    clock,
    view: {
      rateLimits: (namespace) => objects.filter(({ metadata }) => metadata.namespace === namespace),
      meshConfig: () => defaultMeshConfig,
    },
    onUrgent: () => (urgent += 1),
  })
})

type Entry = readonly [key: string, value: string]

const toDescriptor = (limit: string, ...by: readonly Entry[]) => ({
  entries: [['limit', `RateLimit/${limit.includes('/') ? limit : `shop/limits/${limit}`}`] as const, ...by].map(
    ([key, value]) => ({ key, value }),
  ),
})

/** What a proxy of the namespace is answered about a request that counts for these. */
const request = (descriptors: readonly ReturnType<typeof toDescriptor>[], namespace = 'shop') => {
  const grant = {
    proxy: { role: 'sidecar' as const, namespace, serviceAccount: 'a', workload: 'w' },
    credential: 'c',
  }
  const message = toBinary(
    RateLimitRequestSchema,
    create(RateLimitRequestSchema, { domain: 'atoll', descriptors: [...descriptors] }),
  )
  const answer = limits.method.receive(grant, Buffer.from(message))
  if (!answer) throw new Error('no answer')
  return fromBinary(RateLimitResponseSchema, answer).overallCode === Code.OK
}
const count = (times: number, ...of: readonly string[]) =>
  Array.from({ length: times }, () => request(of.map((limit) => toDescriptor(limit)))).filter(Boolean).length

/** The plane answers all that it is asked; it says what that was. */
const answer = (grant: Partial<LeaseGrant>, replicas = 1) => {
  const asks = limits.book.nextAsks() ?? []
  const common = { tokens: 0, forMs: 60_000, againMs: 0, ...grant }
  limits.book.take(
    replicas,
    asks.map(({ limit, consumer }) => ({ limit, consumer, ...common })),
  )
  return asks
}

test('a new count runs ahead of the plane a little; then as many go through as it leased, and what was let through before is told', () => {
  limits.book.setLive(true)
  expect(count(3, 'open')).toBe(1)
  expect(urgent).toBe(1)
  const [ask] = answer({ tokens: 3, againMs: 1000 })
  expect(ask).toMatchObject({ limit: 'RateLimit/shop/limits/open', consumer: '', ahead: 1 })
  expect(count(9, 'open')).toBe(3)
  clock.advance(5000)
  expect(answer({ againMs: 1000 })).toMatchObject([{ back: 0, ahead: 0 }])
  expect(count(9, 'open')).toBe(0)
  expect(limits.book.statistics()).toMatchObject({ passed: { leased: 3, ahead: 1, open: 0 }, refused: 17 })
})

test('what is leased goes on without the plane, and then requests go through or not, as the limit says', () => {
  limits.book.setLive(true)
  expect([count(1, 'open'), count(1, 'closed')]).toEqual([1, 1])
  answer({ tokens: 2 })
  limits.book.setLive(false)
  expect([count(9, 'open'), count(9, 'closed')]).toEqual([9, 2])
  limits.book.setLive(true)
  clock.advance(1000)
  answer({ againMs: 1000 })
  expect([count(9, 'open'), count(9, 'closed')]).toEqual([0, 0])
})

test('that there is no more holds for as long as the plane said, whether or not it is there', () => {
  limits.book.setLive(true)
  count(1, 'open')
  answer({ againMs: 1000 })
  limits.book.setLive(false)
  expect(count(9, 'open')).toBe(0)
  clock.advance(1000)
  expect(count(9, 'open')).toBe(9)
})

test('a plane that does not answer in time is away', () => {
  limits.book.setLive(true)
  count(2, 'open', 'closed')
  limits.book.nextAsks()
  clock.advance(1000)
  expect([count(9, 'open'), count(9, 'closed')]).toEqual([0, 0])
  clock.advance(1001)
  expect([count(9, 'open'), count(9, 'closed')]).toEqual([9, 0])
})

test('a request that one limit turns away counts for none of the others', () => {
  limits.book.setLive(true)
  expect(count(1, 'open', 'two')).toBe(1)
  for (const grant of [{ tokens: 1, againMs: 1000 }]) answer(grant)
  expect(count(5, 'open', 'two')).toBe(1)
  expect(limits.book.statistics().passed).toMatchObject({ leased: 2, ahead: 2 })
})

test('what a header or a path says leaves the cluster as a fingerprint alone, and who calls as it is', () => {
  limits.book.setLive(true)
  request([toDescriptor('open', ['header0', 'a secret'], ['principal1', 'spiffe://x'])])
  request([toDescriptor('two', ['claim0', 'ann'])])
  request([toDescriptor('closed', ['path0', '/hooks/a secret'], ['remote_address', '192.0.2.1'])])
  const asks = answer({})
  const toFingerprint = (text: string) => `sha256:${createHash('sha256').update(text).digest('hex').slice(0, 32)}`
  expect(asks.map(({ consumer }) => consumer)).toEqual([
    JSON.stringify([toFingerprint('a secret'), 'spiffe://x']),
    'ann',
    JSON.stringify([toFingerprint('/hooks/a secret'), '192.0.2.1']),
  ])
  expect(JSON.stringify(asks)).not.toContain('a secret')
})

test('a proxy can use up nothing of another namespace but the root namespace', () => {
  objects.push(toObject(defaultMeshConfig.rootNamespace, { name: 'all', ...perHour }))
  expect(() => request([toDescriptor('open')], 'elsewhere')).toThrow('not for it')
  expect(request([toDescriptor(`${defaultMeshConfig.rootNamespace}/limits/all`)], 'elsewhere')).toBe(true)
})

test('of more consumers than there is room for each limit says itself what becomes, and it is counted; other namespaces have room', () => {
  objects.push(toObject('bank', { name: 'closed', ...perHour, failOpen: false }))
  limits.book.setLive(true)
  for (let index = 0; index < maxAccountsOfNamespace; index += 1)
    request([toDescriptor('open', ['claim0', String(index)])])
  expect(request([toDescriptor('open', ['claim0', 'one more'])])).toBe(true)
  expect(request([toDescriptor('closed', ['claim0', 'one more'])])).toBe(false)
  expect(limits.book.statistics()).toMatchObject({ accounts: maxAccountsOfNamespace, unaccounted: 2 })
  expect(request([toDescriptor('bank/limits/closed', ['claim0', 'one more'])], 'bank')).toBe(true)
  expect(limits.book.statistics()).toMatchObject({ accounts: maxAccountsOfNamespace + 1, unaccounted: 2 })
})

test('what is asked at once is no longer than a message may be, whatever consumers call themselves', () => {
  limits.book.setLive(true)
  for (let index = 0; index < 600; index += 1)
    request([toDescriptor('open', ['claim0', `${'\u0001'.repeat(250)}${index}`])])
  const asked: string[] = []
  for (let asks = answer({ tokens: 2 }); asks.length > 0; asks = answer({ tokens: 2 })) {
    expect(JSON.stringify(asks).length).toBeLessThan(UPLINK_MAX_MESSAGE_CHARS / 2)
    asked.push(...asks.map(({ consumer }) => consumer))
    clock.advance(100)
  }
  expect(new Set(asked).size).toBe(600)
})

const turn = () => new Promise((resolve) => setImmediate(resolve))

test('a limit that was taken away a moment ago turns nobody away, one that was changed begins anew', async () => {
  limits.book.setLive(true)
  expect(count(3, 'open')).toBe(1)
  objects = [toObject('shop', { name: 'open', requests: 40, per: '1h' })]
  limits.takeItems([{ key: 'config/RateLimit/shop/limits', item: null }])
  await turn()
  expect(count(3, 'open')).toBe(1)
  expect(count(3, 'closed')).toBe(3)
})

test('what a limit says now holds, also where the view has it only after what else came with it', async () => {
  limits.book.setLive(true)
  expect(count(3, 'closed')).toBe(1)
  limits.takeItems([{ key: 'config/RateLimit/shop/limits', item: null }])
  objects = [toObject('shop', { name: 'closed', ...perHour, failOpen: true })]
  await turn()
  limits.book.setLive(false)
  expect(count(3, 'closed')).toBe(3)
})

/** All of so many consumers come, and the plane gives each that asks one request, round by round of 50 ms. */
const comeAll = (consumers: number, rounds: number, onAsks: (asks: ReturnType<typeof answer>) => void) => {
  objects = [toObject('shop', { name: 'fast', requests: 4, per: '1s' })]
  limits.book.setLive(true)
  for (let round = 0; round < rounds; round += 1) {
    for (let index = 0; index < consumers; index += 1) request([toDescriptor('fast', ['claim0', String(index)])])
    onAsks(answer({ tokens: 1 }))
    clock.advance(50)
  }
}

test('when more is to be asked than one message takes, everybody has a turn', () => {
  const turns = new Map<string, number>()
  comeAll(1200, 12, (asks) => {
    for (const { consumer } of asks) turns.set(consumer, (turns.get(consumer) ?? 0) + 1)
  })
  expect(turns.size).toBe(1200)
  expect(Math.max(...turns.values()) - Math.min(...turns.values())).toBeLessThanOrEqual(1)
})

test('a replica asks no more than the plane takes of one session, however many come', () => {
  const limit = new UplinkRateLimit(clock.now())
  let asked = 0
  comeAll(600, 240, (asks) => {
    asked += asks.length
    if (asks.length === 0) return
    const { length } = JSON.stringify(asks)
    expect(limit.allows(length, clock.now())).toBe(true)
    expect(limit.allowsContent({ type: 'lease', asks: [...asks] }, clock.now())).toBe(true)
  })
  expect(asked).toBeGreaterThan(30_000)
})
