import 'reflect-metadata'
import { X509Certificate } from 'node:crypto'
import { beforeEach, expect, test } from 'vitest'
import { X509Certificate as PeculiarCertificate } from '@peculiar/x509'
import { ClusterIdentity } from '#agent/identity/cluster-identity.ts'
import type { KeptIntermediates } from '#agent/identity/intermediate.ts'
import { toFingerprint } from '#agent/identity/to-fingerprint.ts'
import { createLog } from '#agent/log.ts'
import { createIntermediate, domain, east, TestRoot, type TestIntermediate } from '../test-pki.ts'
import { VirtualClock } from '../virtual-clock.ts'
import { attach, leafIn } from './held-secrets.ts'

const minute = 60_000
const day = 24 * 60 * minute
const reviews = { namespace: 'shop', serviceAccount: 'reviews' }

let clock: VirtualClock
let oldRoot: TestRoot
let newRoot: TestRoot
let signing: TestRoot
let intermediate: TestIntermediate
let kept: KeptIntermediates[]
let requests: number

beforeEach(async () => {
  clock = new VirtualClock()
  oldRoot = await TestRoot.create(clock.now(), 'old')
  newRoot = await TestRoot.create(clock.now(), 'new')
  signing = newRoot
  intermediate = await createIntermediate(oldRoot, east)
  kept = []
  requests = 0
})

const fingerprintOf = (pem: string): string => toFingerprint(new PeculiarCertificate(pem))

const start = async (intermediates?: KeptIntermediates): Promise<ClusterIdentity> => {
  const identity = await ClusterIdentity.start({
    cluster: east,
    trustDomain: domain,
    clock,
    random: () => 0.5,
    log: createLog('silent'),
    material: { certificatePem: intermediate.pem, privateKey: intermediate.privateKey },
    rootsPem: [oldRoot.pem],
    requestCertificate: async (csrPem) => {
      requests++
      return signing.sign(csrPem, east, { notBefore: clock.now() - minute, notAfter: clock.now() + 90 * day })
    },
    store: { load: async () => kept.at(-1), save: async (intermediates) => void kept.push(intermediates) },
    onSecretsChange: () => {},
    ...intermediates,
  })
  await identity.updateTrust({
    roots: [oldRoot.pem, newRoot.pem],
    intermediates: [{ cluster: east, pem: intermediate.pem }],
    epoch: 0,
    version: 5,
  })
  return identity
}

const pass = async (identity: ClusterIdentity, milliseconds: number): Promise<void> => {
  clock.advance(milliseconds)
  await identity.maintain() // one that the clock started on its way
  await identity.maintain()
}

const toIssuance = (root: TestRoot, ...settled: readonly string[]) => ({
  root: fingerprintOf(root.pem),
  settled,
  withinSeconds: 600,
})

/** Which root the leaf of a proxy goes back to. */
const rootOf = async (identity: ClusterIdentity): Promise<'old' | 'new' | undefined> => {
  const leaf = leafIn((await attach(identity, reviews)).sets)
  const pem = [
    intermediate.pem,
    ...kept.flatMap(({ material, incoming }) => [material.certificatePem, incoming?.certificatePem ?? '']),
  ]
    .filter((each) => each !== '')
    .find((each) => leaf?.verify(new X509Certificate(each).publicKey) === true)
  return pem === undefined ? undefined : new X509Certificate(pem).issuer.includes('CN=new') ? 'new' : 'old'
}

test('an intermediate of the root that is wanted is asked for within the time that was given, each cluster when it likes', async () => {
  const identity = await start()
  identity.updateIssuance(toIssuance(oldRoot))
  await pass(identity, day)
  expect(requests).toBe(0)
  identity.updateIssuance(toIssuance(newRoot))
  await pass(identity, 4 * minute)
  expect(requests).toBe(0)
  await pass(identity, 2 * minute)
  expect(requests).toBe(1)
  const { incoming, isIncomingOfOtherRoot } = identity.secretsState()
  expect(incoming).toBe(fingerprintOf(kept[0]?.incoming?.certificatePem ?? ''))
  expect(isIncomingOfOtherRoot).toBe(true)
})

test('it signs when the plane says that all proxies hold it, and not before, however long that takes; then all leaves are of it', async () => {
  const identity = await start()
  const before = leafIn((await attach(identity, reviews)).sets)
  identity.updateIssuance(toIssuance(newRoot))
  await pass(identity, 6 * minute)
  await pass(identity, 30 * day)
  expect(await rootOf(identity)).toBe('old')
  const { incoming } = identity.secretsState()
  identity.updateIssuance(toIssuance(newRoot, incoming ?? ''))
  await pass(identity, 1000)
  expect(await rootOf(identity)).toBe('new')
  expect(leafIn((await attach(identity, reviews)).sets)?.serialNumber).not.toBe(before?.serialNumber)
  expect(identity.secretsState()).toMatchObject({ signer: incoming, incoming: null, areLeavesOfSigner: true })
})

test('one with another key than is wanted is replaced in the same way, and so are leaves', async () => {
  const identity = await start()
  signing = oldRoot
  identity.updateIssuance(toIssuance(oldRoot))
  const { sets } = await attach(identity, reviews)
  const before = leafIn(sets)
  identity.updateIssuance({ ...toIssuance(oldRoot), intermediateKey: 'ecdsa-p384', leafKey: 'rsa-2048' })
  await pass(identity, 6 * minute)
  expect(requests).toBe(1)
  expect(leafIn(sets)?.publicKey.asymmetricKeyType).toBe('rsa')
  expect(leafIn(sets)?.verify(new X509Certificate(intermediate.pem).publicKey)).toBe(true)
  const { incoming } = identity.secretsState()
  const settled = toIssuance(oldRoot, incoming ?? '')
  identity.updateIssuance({ ...settled, intermediateKey: 'ecdsa-p384', leafKey: 'rsa-2048' })
  await pass(identity, 1000)
  const [, successor = ''] = kept.map(({ incoming: next, material }) => (next ?? material).certificatePem)
  const signer = new X509Certificate(successor).publicKey
  expect(signer.asymmetricKeyDetails?.namedCurve).toBe('secp384r1')
  expect(leafIn(sets)?.verify(signer)).toBe(true)
  expect(identity.secretsState()).toMatchObject({ signer: incoming, incoming: null, areLeavesOfSigner: true })
  identity.updateIssuance(toIssuance(oldRoot, incoming ?? ''))
  await pass(identity, minute)
  expect(requests).toBe(1)
  expect(leafIn(sets)?.publicKey.asymmetricKeyType).toBe(before?.publicKey.asymmetricKeyType)
})

test('it signs in any case before the one that does runs out', async () => {
  const identity = await start()
  identity.updateIssuance(toIssuance(newRoot))
  await pass(identity, 6 * minute)
  await pass(identity, 84 * day)
  expect(await rootOf(identity)).toBe('old')
  await pass(identity, 2 * day)
  expect(await rootOf(identity)).toBe('new')
})

test('one that waits is dropped when the other root is wanted again, also where all replicas keep it', async () => {
  const identity = await start()
  identity.updateIssuance(toIssuance(newRoot))
  await pass(identity, 6 * minute)
  expect(identity.secretsState().incoming).not.toBeNull()
  identity.updateIssuance(toIssuance(oldRoot))
  await pass(identity, minute)
  expect(identity.secretsState().incoming).toBeNull()
  expect(kept.at(-1)).not.toHaveProperty('incoming')
  await pass(identity, day)
  expect(requests).toBe(1)
})

test('one that came of the root that is not wanted any more is asked for again', async () => {
  signing = oldRoot
  const identity = await start()
  identity.updateIssuance(toIssuance(newRoot))
  await pass(identity, 6 * minute)
  signing = newRoot
  await pass(identity, 3 * minute)
  await pass(identity, 3 * minute)
  expect(requests).toBeGreaterThan(1)
  expect(identity.secretsState().isIncomingOfOtherRoot).toBe(true)
})

test('who has signed by the one and has to go back asks for another of the other', async () => {
  const identity = await start()
  identity.updateIssuance(toIssuance(newRoot))
  await pass(identity, 6 * minute)
  identity.updateIssuance(toIssuance(newRoot, identity.secretsState().incoming ?? ''))
  await pass(identity, 1000)
  signing = oldRoot
  identity.updateIssuance(toIssuance(oldRoot))
  await pass(identity, 6 * minute)
  expect(requests).toBe(2)
  identity.updateIssuance(toIssuance(oldRoot, identity.secretsState().incoming ?? ''))
  await pass(identity, 1000)
  expect(await rootOf(identity)).toBe('old')
})

test('a restart in between changes nothing of it', async () => {
  const before = await start()
  before.updateIssuance(toIssuance(newRoot))
  await pass(before, 6 * minute)
  const { incoming } = before.secretsState()
  before.stop()
  const again = await start(kept.at(-1))
  again.updateIssuance(toIssuance(newRoot))
  await pass(again, day)
  expect(again.secretsState()).toMatchObject({ incoming, signer: fingerprintOf(intermediate.pem) })
  expect(requests).toBe(1)
})

test('the agent is vouched for by the one that waits while it is shown', async () => {
  const identity = await start()
  const issuers: string[] = []
  identity.serverCertificate.addIdentityCertificateListener((update) => {
    if (!update) return
    const [leaf, issuer] = String(update.certificate).split(/(?<=-----END CERTIFICATE-----\n)/)
    if (leaf && issuer) issuers.push(new X509Certificate(issuer).issuer.includes('CN=new') ? 'new' : 'old')
  })
  await new Promise((resolve) => setImmediate(resolve))
  identity.updateIssuance(toIssuance(newRoot))
  await pass(identity, 6 * minute)
  await identity.showIncoming(true)
  await identity.showIncoming(false)
  expect(issuers).toEqual(['old', 'new', 'old'])
})
