import { X509Certificate } from 'node:crypto'
import { beforeEach, describe, expect, test } from 'vitest'
import { ClusterIdentity, type ClusterIdentityOptions, type HeldSecrets } from '#agent/identity/cluster-identity.ts'
import type { KeptIntermediates } from '#agent/identity/intermediate.ts'
import { createLog } from '#agent/log.ts'
import type { ClusterName } from '#mesh/names.ts'
import { secretNames } from '#xds/proxy.ts'
import { createIntermediate, createIssuer, domain, east, TestRoot, west, type TestIntermediate } from '../test-pki.ts'
import { VirtualClock } from '../virtual-clock.ts'
import { anchorIn, attach, leafIn, trustIn } from './held-secrets.ts'

const minute = 60_000
const hour = 60 * minute
const day = 24 * hour
const reviews = { namespace: 'shop', serviceAccount: 'reviews' }

let clock: VirtualClock
let root: TestRoot
let intermediate: TestIntermediate
let changes: number
let kept: KeptIntermediates[]
let requests: string[]

beforeEach(async () => {
  clock = new VirtualClock()
  root = await TestRoot.create(clock.now())
  intermediate = await createIntermediate(root, east)
  changes = 0
  kept = []
  requests = []
})

const start = async (options: Partial<ClusterIdentityOptions> = {}): Promise<ClusterIdentity> => {
  const identity = await ClusterIdentity.start({
    cluster: east,
    trustDomain: domain,
    clock,
    random: () => 0.5,
    log: createLog('silent'),
    material: { certificatePem: intermediate.pem, privateKey: intermediate.privateKey },
    rootsPem: [root.pem],
    requestCertificate: async (csrPem) => {
      requests.push(csrPem)
      return root.sign(csrPem, east, { notBefore: clock.now() - hour, notAfter: clock.now() + 90 * day })
    },
    store: { load: async () => kept.at(-1), save: async (intermediates) => void kept.push(intermediates) },
    onSecretsChange: () => changes++,
    ...options,
  })
  return identity
}

/** Moves the clock, and does what that demands. */
const pass = async (identity: ClusterIdentity, milliseconds: number): Promise<void> => {
  clock.advance(milliseconds)
  await identity.maintain() // one that the clock started on its way
  await identity.maintain()
}

const keyOf = (certificatePem: string) =>
  new X509Certificate(certificatePem).publicKey.export({ type: 'spki', format: 'pem' }).toString()

const trustOf = (...members: readonly TestIntermediate[]) => ({
  roots: [root.pem],
  intermediates: members.map(({ pem, certificate }) => ({
    cluster: certificate.subject.includes('west') ? west : east,
    pem,
  })),
  epoch: 0,
})

describe('leaves', () => {
  test('one for each account, shared by its proxies, for as long as one of them is there', async () => {
    const identity = await start()
    const [first, second, other] = await Promise.all([
      attach(identity, reviews),
      attach(identity, reviews),
      attach(identity, { ...reviews, serviceAccount: 'ratings' }),
    ])
    expect(first.sets[0]).toBe(second.sets[0])
    expect(leafIn(first.sets)?.subjectAltName).toContain('/sa/reviews')
    expect(leafIn(other.sets)?.subjectAltName).toContain('/sa/ratings')
    expect(identity.status().leaves).toBe(2)
    first.release()
    expect(identity.status().leaves).toBe(2)
    second.release()
    expect(identity.status().leaves).toBe(1)
  })

  test('one for each version of an account, which says what telemetry tells of it', async () => {
    const identity = await start()
    const [v1, v2] = await Promise.all(
      ['v1', 'v2'].map((version) =>
        attach(identity, reviews, { name: `reviews-${version}`, labels: { app: 'reviews', version } }),
      ),
    )
    const unitsOf = (held: HeldSecrets | undefined) => leafIn(held?.sets ?? [])?.subject.split('\n')
    expect(unitsOf(v1)).toEqual([
      'OU=workload:reviews-v1',
      'OU=service:reviews',
      'OU=revision:v1',
      'OU=app:reviews',
      'OU=version:v1',
    ])
    expect(unitsOf(v2)).toContain('OU=version:v2')
    expect(identity.status().leaves).toBe(2)
  })

  test('are renewed at half of their life', async () => {
    const identity = await start()
    const { sets } = await attach(identity, reviews)
    const first = leafIn(sets)
    await pass(identity, 12 * hour - minute)
    expect(leafIn(sets)?.serialNumber).toBe(first?.serialNumber)
    await pass(identity, 2 * minute)
    expect(leafIn(sets)?.serialNumber).not.toBe(first?.serialNumber)
    expect(changes).toBe(1)
  })

  test('are not renewed all at once', async () => {
    let next = 0
    const identity = await start({ random: () => (next = (next + 0.37) % 1) })
    const all = await Promise.all(
      Array.from({ length: 20 }, (_, index) => attach(identity, { ...reviews, serviceAccount: `sa${index}` })),
    )
    const serials = all.map(({ sets }) => leafIn(sets)?.serialNumber)
    await pass(identity, 12 * hour)
    const renewed = all.filter(({ sets }, index) => leafIn(sets)?.serialNumber !== serials[index]).length
    expect(renewed).toBeGreaterThan(0)
    expect(renewed).toBeLessThan(20)
  })

  test('an account that can’t have one is told, and its proxies are given trust alone', async () => {
    const identity = await start()
    const { sets } = await attach(identity, { ...reviews, serviceAccount: 'a'.repeat(64) })
    expect(leafIn(sets)).toBeUndefined()
    expect(identity.status().withoutLeaf).toMatchObject([
      { problem: expect.stringContaining('63 in each label') as string },
    ])
  })
})

describe('the server’s certificate', () => {
  test('is there at once, and renewed for those who listen', async () => {
    const identity = await start()
    const serials: string[] = []
    identity.serverCertificate.addIdentityCertificateListener((update) => {
      if (update) serials.push(new X509Certificate(update.certificate).serialNumber)
    })
    await new Promise((resolve) => setImmediate(resolve))
    expect(serials).toHaveLength(1)
    await pass(identity, 12 * hour + minute)
    expect(new Set(serials).size).toBe(2)
  })
})

describe('trust', () => {
  test('is the intermediates, and for listeners the names of their clusters', async () => {
    const identity = await start()
    const { sets } = await attach(identity, reviews)
    expect(trustIn(sets, secretNames.trust)).toBeUndefined()
    await identity.updateTrust(trustOf(intermediate, await createIntermediate(root, west)))
    expect(trustIn(sets, secretNames.trust)).toEqual({ anchors: 2, names: [] })
    expect(trustIn(sets, secretNames.trustPeers)).toEqual({
      anchors: 2,
      names: ['east.clusters.td.example', 'west.clusters.td.example'],
    })
  })

  test('leaves out what does not stand verification, and says so', async () => {
    const identity = await start()
    const { sets } = await attach(identity, reviews)
    const tooPowerful = await createIntermediate(root, west, { pathLength: 1 })
    await identity.updateTrust(trustOf(intermediate, tooPowerful))
    expect(trustIn(sets, secretNames.trustPeers)?.names).toEqual(['east.clusters.td.example'])
    expect(identity.status()).toMatchObject({
      trusted: ['east'],
      untrusted: [{ cluster: 'west', reason: 'it is not a CA with path length 0' }],
    })
  })

  test('of nobody is not trust of everybody', async () => {
    const identity = await start()
    const { sets } = await attach(identity, reviews)
    await identity.updateTrust(trustOf())
    for (const name of [secretNames.trust, secretNames.trustPeers]) {
      expect(trustIn(sets, name)).toEqual({ anchors: 1, names: [] })
      expect(anchorIn(sets, name)).toBe('CN=nobody')
    }
  })

  test('ends when an intermediate expires', async () => {
    const identity = await start()
    const { sets } = await attach(identity, reviews)
    const short = await createIntermediate(root, west, { notAfter: clock.now() + 2 * hour })
    await identity.updateTrust(trustOf(intermediate, short))
    await pass(identity, hour)
    expect(trustIn(sets, secretNames.trust)?.anchors).toBe(2)
    await pass(identity, hour + minute)
    expect(trustIn(sets, secretNames.trust)?.anchors).toBe(1)
    expect(changes).toBe(1)
  })

  test('of external issuers is a set of its own, of those that name this cluster', async () => {
    const identity = await start()
    const { sets } = await attach(identity, reviews)
    const pem = await createIssuer(root, west)
    const toIssuers = (...clusters: readonly ClusterName[]) => ({
      ...trustOf(intermediate),
      issuers: [{ name: 'istio', clusters, pem }],
    })
    const expectNobody = () => {
      expect(anchorIn(sets, secretNames.externalTrust)).toBe('CN=nobody')
      expect(anchorIn(sets, secretNames.externalPeers)).toBe('CN=nobody')
    }
    await identity.updateTrust(toIssuers(west))
    expectNobody()
    await identity.updateTrust(toIssuers(east, west))
    expect(anchorIn(sets, secretNames.externalTrust)).toContain('CN=west')
    expect(anchorIn(sets, secretNames.externalPeers)).toContain('CN=west')
    expect(trustIn(sets, secretNames.externalTrust)).toEqual({ anchors: 1, names: [] })
    expect(trustIn(sets, secretNames.externalPeers)).toEqual({
      anchors: 1,
      names: ['spiffe://td.example/ns/'],
    })
    expect(trustIn(sets, secretNames.trust)).toEqual({ anchors: 1, names: [] })
    expect(anchorIn(sets, secretNames.trust)).toContain('CN=east')
    await identity.updateTrust({ ...toIssuers(east), issuers: [{ name: 'istio', clusters: [east], pem: root.pem }] })
    expectNobody()
    expect(identity.status().untrustedIssuers).toMatchObject([{ issuer: 'istio' }])
    await identity.updateTrust(trustOf(intermediate))
    expectNobody()
  })

  test('of an external issuer has an end, which is told also when it is over', async () => {
    const identity = await start()
    expect(identity.status().earliestIssuerNotAfter).toBeNull()
    const ends = [5, 2, 1].map((hours) => clock.now() + hours * hour)
    const pems = await Promise.all(ends.map((notAfter) => createIssuer(root, west, { notAfter })))
    const clusters = [[east], [east, west], [west]]
    const issuers = pems.map((pem, at) => ({ name: `istio-${at}`, clusters: clusters[at] ?? [], pem }))
    await identity.updateTrust({ ...trustOf(intermediate), issuers })
    const { earliestIssuerNotAfter } = identity.status()
    expect(earliestIssuerNotAfter).toBe(Math.floor((ends[1] ?? 0) / 1000) * 1000)
    await pass(identity, 3 * hour)
    expect(identity.status()).toMatchObject({ earliestIssuerNotAfter, untrustedIssuers: [{ issuer: 'istio-1' }] })
  })

  test('the newest word counts, however long the verification of an older one takes', async () => {
    const identity = await start()
    const { sets } = await attach(identity, reviews)
    const both = trustOf(intermediate, await createIntermediate(root, west))
    await Promise.all([identity.updateTrust(both), identity.updateTrust(trustOf(intermediate))])
    expect(trustIn(sets, secretNames.trust)?.anchors).toBe(1)
  })
})

describe('the intermediate', () => {
  const renewed = async (): Promise<ClusterIdentity> => {
    const identity = await start()
    await identity.updateTrust(trustOf(intermediate))
    await pass(identity, 45 * day + hour)
    return identity
  }
  const successor = (): string => kept[0]?.incoming?.certificatePem ?? ''
  const lastKept = (): KeptIntermediates => {
    const last = kept.at(-1)
    if (!last) throw new Error('nothing was kept')
    return last
  }
  const issuerOf = async (identity: ClusterIdentity, account: string): Promise<string | undefined> => {
    const leaf = leafIn((await attach(identity, { ...reviews, serviceAccount: account })).sets)
    return [intermediate.pem, successor()].find((pem) => leaf?.verify(new X509Certificate(pem).publicKey) === true)
  }

  test('is renewed at half of its life, under a new key, and kept before it is used', async () => {
    const identity = await start()
    await pass(identity, 44 * day)
    expect(requests).toHaveLength(0)
    await pass(identity, day + hour)
    expect(requests).toHaveLength(1)
    expect(kept).toHaveLength(1)
    expect(keyOf(successor())).not.toBe(keyOf(intermediate.pem))
    expect(identity.status().intermediate.state).toBe('valid')
  })

  test('signs when it has been trusted here for a while', async () => {
    const identity = await renewed()
    await pass(identity, minute)
    expect(await issuerOf(identity, 'a')).toBe(intermediate.pem)
    await identity.updateTrust({
      ...trustOf(intermediate),
      intermediates: [intermediate.pem, successor()].map((pem) => ({ cluster: east, pem })),
    })
    await pass(identity, minute)
    expect(await issuerOf(identity, 'b')).toBe(intermediate.pem)
    await pass(identity, 5 * minute)
    expect(await issuerOf(identity, 'c')).toBe(successor())
    expect(identity.status().intermediate).toMatchObject({
      state: 'valid',
      notAfter: clock.now() + 90 * day - 7 * minute,
    })
  })

  test('goes on settling after a restart, in the rest of the hour', async () => {
    await renewed()
    const again = await start(lastKept())
    await again.updateTrust(trustOf(intermediate))
    expect(again.status().intermediate.state).toBe('valid')
    expect(await issuerOf(again, 'a')).toBe(intermediate.pem)
    await pass(again, 59 * minute)
    expect(await issuerOf(again, 'b')).toBe(intermediate.pem)
    await pass(again, 2 * minute)
    expect(await issuerOf(again, 'c')).toBe(successor())
    expect(requests).toHaveLength(1)

    const later = await start(lastKept())
    expect(await issuerOf(later, 'd')).toBe(successor())
    await pass(later, minute)
    expect(requests).toHaveLength(1)
  })

  test('signs from the start after a restart that took longer than it had to wait: others may have forgotten the old one', async () => {
    const before = await renewed()
    before.stop()
    const { length } = kept
    clock.advance(3 * day)
    const again = await start({
      ...lastKept(),
      store: { load: async () => kept.at(-1), save: () => Promise.reject(new Error('the disk is full')) },
    })
    expect(await issuerOf(again, 'a')).toBe(successor())
    expect(kept).toHaveLength(length)
    const later = await start(lastKept())
    expect(await issuerOf(later, 'b')).toBe(successor())
    expect(lastKept()).toMatchObject({ material: { certificatePem: successor() } })
  })

  test('signs after an hour in any case: the others have heard of it', async () => {
    const identity = await renewed()
    await pass(identity, 59 * minute)
    expect(await issuerOf(identity, 'a')).toBe(intermediate.pem)
    await pass(identity, 2 * minute)
    expect(await issuerOf(identity, 'b')).toBe(successor())
  })

  test('is asked for again while the plane is away; being late is visible, and so is the end', async () => {
    let attempts = 0
    const identity = await start({
      requestCertificate: async () => {
        attempts++
        throw new Error('the plane is away')
      },
    })
    const { sets } = await attach(identity, reviews)
    await pass(identity, 46 * day)
    await pass(identity, minute)
    expect(attempts).toBe(1)
    await pass(identity, minute)
    expect(attempts).toBe(2)
    expect(identity.status().intermediate.state).toBe('valid')
    await pass(identity, 14 * day)
    expect(identity.status().intermediate.state).toBe('overdue')
    await pass(identity, 30 * day)
    expect(identity.status().intermediate.state).toBe('expired')
    expect(leafIn((await attach(identity, { ...reviews, serviceAccount: 'late' })).sets)).toBeUndefined()
    expect(Date.parse(leafIn(sets)?.validTo ?? '')).toBeLessThanOrEqual(intermediate.certificate.notAfter.getTime())
  })

  test.each<[string, (csrPem: string) => Promise<string>]>([
    ['for another key', async () => (await createIntermediate(root, east)).pem],
    ['for another cluster', (csrPem) => root.sign(csrPem, west)],
    ['of another root', async (csrPem) => (await TestRoot.create(1_700_000_000_000)).sign(csrPem, east)],
    ['that is no certificate', () => Promise.resolve('nonsense')],
  ])('an answer %s is not used', async (_, requestCertificate) => {
    const identity = await start({ requestCertificate })
    await pass(identity, 46 * day)
    expect(kept).toEqual([])
    await pass(identity, 2 * hour)
    expect(await issuerOf(identity, 'a')).toBe(intermediate.pem)
  })

  test('is one for all replicas: who is later takes what is kept', async () => {
    const [first, second] = [await start(), await start({ random: () => 0.6 })]
    for (const identity of [first, second]) await identity.updateTrust(trustOf(intermediate))
    await pass(first, 45 * day + hour)
    await pass(second, day)
    expect(requests).toHaveLength(1)
    await pass(first, minute)
    expect(await issuerOf(first, 'a')).toBe(successor())
    await pass(second, minute)
    expect(await issuerOf(second, 'a')).toBe(successor())
    expect(lastKept()).not.toHaveProperty('incoming')
    await pass(second, day)
    expect(requests).toHaveLength(1)
  })

  test('that was kept before the one that signs is not gone back to', async () => {
    const identity = await renewed()
    const settling = lastKept()
    await pass(identity, 2 * hour)
    kept.push(settling)
    await pass(identity, minute)
    expect(await issuerOf(identity, 'a')).toBe(successor())
    expect(lastKept()).not.toHaveProperty('incoming')
  })

  test('that another replica kept is not used when the mesh’s root has not signed it', async () => {
    const identity = await start()
    const foreign = await createIntermediate(await TestRoot.create(clock.now()), east)
    kept.push({ material: { certificatePem: foreign.pem, privateKey: foreign.privateKey } })
    await pass(identity, minute)
    expect(await issuerOf(identity, 'a')).toBe(intermediate.pem)
  })

  test('that can’t be kept is not used', async () => {
    const identity = await start({
      store: { load: async () => undefined, save: () => Promise.reject(new Error('disk full')) },
    })
    await pass(identity, 46 * day)
    await pass(identity, 2 * hour)
    expect(await issuerOf(identity, 'a')).toBe(intermediate.pem)
  })
})
