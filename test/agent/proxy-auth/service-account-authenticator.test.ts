import { beforeEach, describe, expect, test } from 'vitest'
import { createLog } from '#agent/log.ts'
import { AccountDeletions } from '#agent/proxy-auth/account-deletions.ts'
import { ClusterAuthenticator } from '#agent/proxy-auth/cluster-authenticator.ts'
import { IssuerKeys, type IssuerDocument } from '#agent/proxy-auth/issuer-keys.ts'
import { MachineTokenAuthenticator } from '#agent/proxy-auth/machine-token-authenticator.ts'
import type { ProxyGrant } from '#agent/proxy-auth/proxy-authenticator.ts'
import { ServiceAccountAuthenticator } from '#agent/proxy-auth/service-account-authenticator.ts'
import { parseAuthorization, parseClaims } from '#agent/proxy-auth/service-account-token.ts'
import { TokenReviews } from '#agent/proxy-auth/token-reviews.ts'
import type { KnownPod } from '#agent/registry/kubernetes/pod-directory.ts'
import { VirtualClock } from '../virtual-clock.ts'
import { reviews, TestIssuer, type TokenWishes } from './test-issuer.ts'

const log = createLog('silent')
const minute = 60_000

let clock: VirtualClock
let issuer: TestIssuer
let pods: Map<string, KnownPod>
let accountUids: Map<string, string>

const addPod = (changes: Partial<KnownPod> = {}): void => {
  const pod: KnownPod = {
    namespace: 'shop',
    name: 'reviews-1',
    uid: 'pod-1',
    serviceAccount: 'reviews',
    labels: {},
    ip: '10.1.0.7',
    node: 'node-1',
    injected: true,
    proxyStarted: true,
    ...changes,
  }
  pods.set(`${pod.namespace}/${pod.name}`, pod)
}

beforeEach(() => {
  clock = new VirtualClock()
  issuer = new TestIssuer(() => clock.now())
  pods = new Map()
  accountUids = new Map([['shop/reviews', 'account-1']])
  addPod()
})

const create = (maxTokens?: number) => {
  const now = () => clock.now()
  const issuerKeys = new IssuerKeys({ fetch: async () => issuer.document(), clock, log })
  const authenticator = new ServiceAccountAuthenticator({
    reviews: new TokenReviews({
      review: (token) => issuer.review(token),
      now,
      log,
      ...(maxTokens === undefined ? {} : { maxTokens }),
    }),
    issuerKeys,
    accounts: new AccountDeletions({
      findUid: async (namespace, name) => {
        if (issuer.isAway) throw new Error('the API server is away')
        return accountUids.get(`${namespace}/${name}`)
      },
      now,
      log,
    }),
    pods: { complete: true, find: (namespace, name) => pods.get(`${namespace}/${name}`) },
    clock,
  })
  return { authenticator, issuerKeys }
}

/** Lets what has been asked be answered, and time pass, until there is an answer. */
const settle = async <T>(answer: Promise<T>): Promise<T> => {
  const settled = { done: false }
  const watched = answer.finally(() => (settled.done = true))
  for (let round = 0; round < 1000 && !settled.done; round += 1) {
    await new Promise(setImmediate)
    if (!settled.done) clock.advance(100)
  }
  return watched
}

const flush = () => new Promise(setImmediate)

const granted = async (authenticator: ServiceAccountAuthenticator, token: string): Promise<ProxyGrant> => {
  const grant = await settle(authenticator.authenticate(token))
  if (!grant.ok) throw new Error(grant.error)
  return grant.value
}

const sidecar = { role: 'sidecar', namespace: 'shop', serviceAccount: 'reviews', workload: 'reviews-1' }

test.each(['', 'Bearer ', 'bearer '])('%ja token is let in as the pod that it is bound to', async (scheme) => {
  const { authenticator } = create()
  expect(await authenticator.authenticate(`${scheme}${issuer.issue()}`)).toMatchObject({
    ok: true,
    value: { proxy: sidecar },
  })
})

const gateway = { namespace: 'atoll-system', name: 'gateway-1', labels: { 'atoll.dev/role': 'east-west-gateway' } }
const gatewayIdentity = { ...reviews, namespace: 'atoll-system', pod: 'gateway-1' }

test('a pod with the label is a gateway in the system’s namespace', async () => {
  addPod(gateway)
  const { proxy } = await granted(create().authenticator, issuer.issue(gatewayIdentity))
  expect(proxy.role).toBe('east-west-gateway')
})

test('and a sidecar as any other elsewhere', async () => {
  addPod({ labels: gateway.labels })
  expect((await granted(create().authenticator, issuer.issue())).proxy).toEqual(sidecar)
})

test('a pod that is injected as a gateway is one, in its namespace', async () => {
  addPod({ isGateway: true })
  expect((await granted(create().authenticator, issuer.issue())).proxy).toEqual({ ...sidecar, role: 'gateway' })
})

/** Everything that somebody could claim without being it, and what our log says of it: `signature` = depends on who is asked about that. */
const falseClaims: readonly [string, () => string | undefined, string][] = [
  ['nothing at all', () => undefined, 'missing'],
  ['no token', () => 'Bearer x', 'malformed'],
  ['another scheme', () => `Basic ${issuer.issue()}`, 'malformed'],
  ['two tokens', () => `${issuer.issue()},${issuer.issue()}`, 'malformed'],
  ['a token longer than any', () => `a.${'a'.repeat(20_000)}.a`, 'malformed'],
  ['another namespace', () => forge({ namespace: 'bank' }), 'signature'],
  ['another service account', () => forge({ serviceAccount: 'admin' }), 'signature'],
  ['another pod', () => forge({ pod: 'reviews-2' }), 'signature'],
  ['another uid', () => forge({ podUid: 'pod-2' }), 'signature'],
  ['to be the gateway', () => forge(gatewayIdentity), 'signature'],
  ['another audience', () => issuer.issue(reviews, { audiences: ['https://kubernetes.default.svc'] }), 'unknown'],
  [
    'the audience by a forged list',
    () => resign({ audiences: ['other'] }, { audiences: ['other', 'atoll'] }),
    'signature',
  ],
  ['a time that is over', () => issuer.issue(reviews, { expiresAt: clock.now() }), 'expired'],
  ['a longer time', () => resign({ expiresAt: clock.now() - 1 }, { expiresAt: clock.now() + minute }), 'signature'],
  ['no pod', () => issuer.issue(reviews, { isForPod: false }), 'unknown'],
  ['a signature of another cluster', () => new TestIssuer(() => clock.now()).issue(), 'signature'],
  ['no signature', () => issuer.issue(reviews, { algorithm: 'none' }).replace(/[^.]+$/, 'AA'), 'signature'],
]

/** The signature of an honest token under other claims. */
const resign = (honest: TokenWishes, forged: TokenWishes, identity = reviews): string => {
  const [, , signature] = issuer.issue(reviews, honest).split('.')
  return issuer.issue(identity, forged).replace(/[^.]+$/, signature ?? '')
}
const forge = (claims: Partial<typeof reviews>): string => resign({}, {}, { ...reviews, ...claims })

/** Of the pods that are known, these are what the forged claims speak of: only the signature is in the way. */
const addVictims = (): void => {
  addPod(gateway)
  addPod({ namespace: 'bank' })
  addPod({ name: 'reviews-2' })
}

describe.each([
  ['while the API server is there', false, 'unknown'],
  ['while it is away, by the issuer’s keys', true, 'unverifiable'],
])('%s', (_when, isAway, wrongSignature) => {
  test.each(falseClaims)('%s is refused', async (_what, claim, reason) => {
    addVictims()
    const { authenticator, issuerKeys } = create()
    await issuerKeys.start()
    issuer.isAway = isAway
    const error = reason === 'signature' ? wrongSignature : reason
    expect(await settle(authenticator.authenticate(claim()))).toEqual({ ok: false, error })
  })

  test.each<[string, () => void]>([
    ['a pod that is not there', () => pods.clear()],
    ['a pod that has made room for one of its name', () => addPod({ uid: 'pod-2' })],
    ['a pod of another account', () => addPod({ serviceAccount: 'ratings' })],
    [
      'a pod of another namespace',
      () => {
        pods.clear()
        addPod({ namespace: 'bank' })
      },
    ],
  ])('a token of %s is refused', async (_what, change) => {
    change()
    const { authenticator, issuerKeys } = create()
    await issuerKeys.start()
    issuer.isAway = isAway
    expect(await settle(authenticator.authenticate(issuer.issue()))).toEqual({ ok: false, error: 'no_pod' })
  })

  test('an honest one is let in', async () => {
    const { authenticator, issuerKeys } = create()
    await issuerKeys.start()
    issuer.isAway = isAway
    expect((await granted(authenticator, issuer.issue())).proxy).toEqual(sidecar)
  })
})

test('a pod that the informer has not seen yet is waited for', async () => {
  pods.clear()
  const { authenticator } = create()
  const grant = authenticator.authenticate(issuer.issue())
  for (let round = 0; round < 10; round += 1) {
    clock.advance(100)
    await flush()
  }
  addPod()
  expect(await settle(grant)).toMatchObject({ ok: true })
})

describe('the API server is asked', () => {
  test('once about one token, also by many at once, until shortly before it runs out', async () => {
    const { authenticator } = create()
    const token = issuer.issue()
    await Promise.all([granted(authenticator, token), granted(authenticator, token)])
    await granted(authenticator, token)
    expect(issuer.asked).toHaveLength(1)
    clock.advance(60 * minute - 5000)
    await granted(authenticator, token)
    expect(issuer.asked).toHaveLength(2)
  })

  test('about no more tokens at a time than are kept', async () => {
    const { authenticator } = create(2)
    addPod({ name: 'reviews-2' })
    addPod({ name: 'reviews-3' })
    const tokens = ['reviews-1', 'reviews-2', 'reviews-3'].map((pod) => issuer.issue({ ...reviews, pod }))
    for (const token of tokens) await granted(authenticator, token)
    await granted(authenticator, tokens[2] ?? '')
    expect(issuer.asked).toHaveLength(3)
    await granted(authenticator, tokens[0] ?? '')
    expect(issuer.asked).toHaveLength(4)
  })

  test('again about a token that it refused, but not at once', async () => {
    const { authenticator } = create()
    issuer.gone.add('pod-1')
    const token = issuer.issue()
    for (let round = 0; round < 3; round += 1)
      expect(await authenticator.authenticate(token)).toEqual({ ok: false, error: 'unknown' })
    expect(issuer.asked).toHaveLength(1)
    issuer.gone.clear()
    clock.advance(6000)
    expect(await authenticator.authenticate(token)).toMatchObject({ ok: true })
  })
})

describe('while the API server is away', () => {
  test('a token that it has reviewed goes on until it runs out', async () => {
    const { authenticator } = create()
    const token = issuer.issue()
    await granted(authenticator, token)
    issuer.isAway = true
    clock.advance(59 * minute)
    expect(await authenticator.authenticate(token)).toMatchObject({ ok: true })
    clock.advance(minute)
    expect(await authenticator.authenticate(token)).toEqual({ ok: false, error: 'expired' })
  })

  test('an unknown one is refused when nobody has the keys', async () => {
    const { authenticator } = create()
    issuer.isAway = true
    expect(await authenticator.authenticate(issuer.issue())).toEqual({ ok: false, error: 'unverifiable' })
  })

  test('it is not asked about every token', async () => {
    const { authenticator } = create()
    issuer.isAway = true
    for (let round = 0; round < 5; round += 1) await authenticator.authenticate(issuer.issue())
    expect(issuer.asked).toHaveLength(1)
    issuer.isAway = false
    clock.advance(6000)
    expect(await authenticator.authenticate(issuer.issue())).toMatchObject({ ok: true })
  })

  test('a signature by the right key under another issuer’s name vouches for nothing', async () => {
    const { authenticator, issuerKeys } = create()
    await issuerKeys.start()
    issuer.isAway = true
    const token = issuer.issue(reviews, { issuer: 'https://other.example' })
    expect(await authenticator.authenticate(token)).toEqual({ ok: false, error: 'unverifiable' })
  })
})

describe('a grant', () => {
  test('holds longer than the token: as long as its pod', async () => {
    const { authenticator } = create()
    const grant = await granted(authenticator, issuer.issue())
    clock.advance(24 * 60 * minute)
    expect(authenticator.isValid(grant)).toBe(true)
  })

  test.each<[string, () => void]>([
    ['its pod is gone', () => pods.clear()],
    ['another pod has its name', () => addPod({ uid: 'pod-2' })],
    [
      'its pod became a gateway',
      () => {
        pods.clear()
        addPod(gateway)
      },
    ],
  ])('ends when %s', async (_what, change) => {
    const { authenticator } = create()
    const grant = await granted(authenticator, issuer.issue())
    change()
    expect(authenticator.isValid(grant)).toBe(false)
  })

  test('of a gateway ends with its label', async () => {
    addPod(gateway)
    const { authenticator } = create()
    const grant = await granted(authenticator, issuer.issue(gatewayIdentity))
    addPod({ ...gateway, labels: {} })
    expect(authenticator.isValid(grant)).toBe(false)
  })

  test.each([
    ['is deleted', undefined],
    ['makes room for another of its name', 'account-2'],
  ])('ends soon after its account %s', async (_what, uid) => {
    const { authenticator } = create()
    const grant = await granted(authenticator, issuer.issue())
    if (uid === undefined) accountUids.clear()
    else accountUids.set('shop/reviews', uid)
    await flush()
    clock.advance(3 * minute)
    authenticator.isValid(grant)
    await flush()
    expect(authenticator.isValid(grant)).toBe(false)
    accountUids.set('shop/reviews', 'account-3')
    const anew = issuer.issue({ ...reviews, serviceAccountUid: 'account-3' })
    await settle(authenticator.authenticate(anew))
    clock.advance(6000)
    await settle(authenticator.authenticate(anew))
    expect(await authenticator.authenticate(anew)).toMatchObject({ ok: true })
  })

  test('does not end because the API server is away', async () => {
    const { authenticator } = create()
    const grant = await granted(authenticator, issuer.issue())
    issuer.isAway = true
    clock.advance(3 * minute)
    authenticator.isValid(grant)
    await flush()
    expect(authenticator.isValid(grant)).toBe(true)
  })
})

test("an issuer's keys vouch after a restart, before they can be fetched", async () => {
  const kept: { document?: IssuerDocument; saves: number } = { saves: 0 }
  const openKeys = () =>
    new IssuerKeys({
      fetch: async () => issuer.document(),
      kept: {
        load: () => kept.document,
        save: (document) => {
          kept.document = document
          kept.saves += 1
        },
      },
      clock,
      log,
    })
  const verifies = (keys: IssuerKeys, text: string): boolean => {
    const token = parseAuthorization(text)
    const claims = token && parseClaims(token)
    return token !== undefined && claims !== undefined && keys.verify(token, claims)
  }
  const token = issuer.issue()
  expect(verifies(openKeys(), token)).toBe(false)
  const first = openKeys()
  await first.start()
  first.stop()
  const again = openKeys()
  expect(verifies(again, token)).toBe(true)
  expect(verifies(again, `${token.slice(0, -8)}AAAAAAAA`)).toBe(false)
  await again.start()
  again.stop()
  expect(kept.saves).toBe(1)
})

test('machines go on with their tokens beside the pods', async () => {
  const record = {
    id: '0123456789abcdef',
    secretHash: 'cd4f0f3a2ab1c0d3a1d9b0a3bfa5f1b3c9b6a2b1d0e9f8a7b6c5d4e3f2a1b0c9',
    role: 'sidecar' as const,
    namespace: 'shop',
    serviceAccount: 'vm',
    workload: 'vm-1',
    expiresAt: new Date(clock.now() + minute).toISOString(),
  }
  const machines = new MachineTokenAuthenticator({ machineToken: () => record }, () => clock.now())
  const both = new ClusterAuthenticator(create().authenticator, machines)
  expect(await both.authenticate(`atoll_machine_${record.id}_wrong-secret-wrong-secret`)).toEqual({
    ok: false,
    error: 'unknown',
  })
  expect(issuer.asked).toEqual([])
  const machine = {
    proxy: { role: 'sidecar', namespace: 'shop', serviceAccount: 'vm', workload: 'vm-1' },
    credential: record.id,
  } as const
  expect(both.isValid(machine)).toBe(true)
  const pod = await settle(both.authenticate(issuer.issue()))
  expect(pod.ok && both.isValid(pod.value)).toBe(true)
  pods.clear()
  expect(pod.ok && both.isValid(pod.value)).toBe(false)
})
