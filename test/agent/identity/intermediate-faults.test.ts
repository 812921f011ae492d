import { X509Certificate } from 'node:crypto'
import { beforeEach, expect, test } from 'vitest'
import { ClusterIdentity } from '#agent/identity/cluster-identity.ts'
import type { KeptIntermediates } from '#agent/identity/intermediate.ts'
import { createLog } from '#agent/log.ts'
import { createIntermediate, domain, east, TestRoot, type TestIntermediate } from '../test-pki.ts'
import { VirtualClock } from '../virtual-clock.ts'
import { attach, leafIn } from './held-secrets.ts'

const minute = 60_000
const hour = 60 * minute
const day = 24 * hour

let clock: VirtualClock
let root: TestRoot
let intermediate: TestIntermediate
let kept: KeptIntermediates[]

beforeEach(async () => {
  clock = new VirtualClock()
  root = await TestRoot.create(clock.now())
  intermediate = await createIntermediate(root, east)
  kept = []
})

/** An agent whose clock is ahead of the plane's by so much, and which has asked for its next intermediate. */
const startRenewed = async (ahead = 0): Promise<ClusterIdentity> => {
  const right = () => clock.now() - ahead
  const identity = await ClusterIdentity.start({
    cluster: east,
    trustDomain: domain,
    clock,
    random: () => 0.5,
    log: createLog('silent'),
    material: { certificatePem: intermediate.pem, privateKey: intermediate.privateKey },
    rootsPem: [root.pem],
    requestCertificate: (csrPem) =>
      root.sign(csrPem, east, { notBefore: right() - hour, notAfter: right() + 90 * day }),
    store: { load: async () => kept.at(-1), save: async (intermediates) => void kept.push(intermediates) },
    onSecretsChange: () => {},
  })
  await pass(identity, 45 * day + hour)
  return identity
}

const pass = async (identity: ClusterIdentity, milliseconds: number): Promise<void> => {
  clock.advance(milliseconds)
  await identity.maintain() // one that the clock started on its way
  await identity.maintain()
}

const leafOf = async (identity: ClusterIdentity, serviceAccount: string): Promise<X509Certificate> => {
  const leaf = leafIn((await attach(identity, { namespace: 'shop', serviceAccount })).sets)
  if (!leaf) throw new Error(`${serviceAccount} has no leaf`)
  return leaf
}

test('an intermediate that is gone from where it was kept signs on, and is kept again with its successor', async () => {
  const identity = await startRenewed()
  const successor = kept.at(-1)?.incoming?.certificatePem
  kept.length = 0
  await pass(identity, minute)
  expect((await leafOf(identity, 'later')).verify(new X509Certificate(intermediate.pem).publicKey)).toBe(true)
  await pass(identity, 2 * hour)
  expect(successor).toBeDefined()
  expect(kept.at(-1)?.material.certificatePem).toBe(successor)
})

test.each([-10, 10])('leaves are good for others with a clock that is off by %i minutes', async (minutes) => {
  const identity = await startRenewed(minutes * minute)
  const successor = kept.at(-1)?.incoming?.certificatePem ?? ''
  await pass(identity, 2 * hour)
  const leaf = await leafOf(identity, 'a')
  expect(leaf.verify(new X509Certificate(successor).publicKey)).toBe(true)
  const right = clock.now() - minutes * minute
  expect(Date.parse(leaf.validFrom)).toBeLessThanOrEqual(right)
  expect(Date.parse(leaf.validTo)).toBeGreaterThan(right + 12 * hour)
})
