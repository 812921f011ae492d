import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import type { AuditEvent } from '#api/schemas/audit.ts'
import type { Rotation, Trust } from '#api/schemas/trust.ts'
import { UPLINK_CAPABILITIES } from '#mesh/uplink.ts'
import { FollowingAgent, fingerprintOf } from './support/following-agent.ts'
import { joinTestCluster } from './support/test-agent.ts'
import type { HelloChanges, TestCluster } from './support/test-agent.ts'
import { newCsr, newKeys } from './support/test-identity.ts'
import { createTestMesh } from './support/test-plane.ts'
import type { TestMesh } from './support/test-plane.ts'

const steps = ['trust-both', 'reissue-intermediates', 'distribute', 'reissue-leaves', 'retire', 'done'] as const
const DAY_MS = 24 * 60 * 60 * 1000
const withoutTrustReports = UPLINK_CAPABILITIES.filter((capability) => capability !== 'trust-report')

const follow = async (
  cluster: TestCluster,
  hello?: HelloChanges,
  before?: Pick<FollowingAgent, 'signer' | 'incoming'>,
): Promise<FollowingAgent> => {
  const following = await FollowingAgent.connect(cluster, hello, before)
  onTestFinished(() => following.stop())
  return following
}

/** A mesh with an agent of each cluster. */
const createFollowed = async (...names: readonly string[]) => {
  const mesh = await createTestMesh()
  const clusters = []
  for (const name of names) clusters.push(await joinTestCluster(mesh, name, `net-${name}`))
  return { mesh, clusters, agents: await Promise.all(clusters.map((cluster) => follow(cluster))) }
}

const change = async (mesh: TestMesh, what: string, body?: unknown) =>
  mesh.send<Rotation & { code?: string; detail?: string }>(
    'POST',
    `/trust/rotation${what}`,
    body === undefined ? {} : { body },
  )

const start = async (mesh: TestMesh) => expect((await change(mesh, '', {})).status).toBe(200)

const read = async (mesh: TestMesh): Promise<Rotation> => (await mesh.send<Rotation>('GET', '/trust/rotation')).body

/** The time that nothing may be waited for is over. */
const settle = async (mesh: TestMesh): Promise<void> => {
  await runInDurableObject(mesh.stub, (_instance, { storage }) => {
    storage.sql.exec('UPDATE rotations SET met_since = met_since - 60000')
  })
  await runDurableObjectAlarm(mesh.stub)
}

/** Lets time pass until the rotation has come to this step. */
const reach = async (
  mesh: TestMesh,
  step: string,
  after: (rotation: Rotation) => boolean = () => true,
): Promise<void> => {
  await vi.waitUntil(
    async () => {
      const rotation = await read(mesh)
      if (rotation.step === step && after(rotation)) return true
      await settle(mesh)
      return false
    },
    { timeout: 20_000, interval: 20 },
  )
}

/** It stays in its step however much time passes, and waits for this. */
const expectToWait = async (mesh: TestMesh, step: string, wait: Record<string, unknown>): Promise<void> => {
  await vi.waitUntil(async () => (await read(mesh)).waits.some((each) => each.code === wait['code']), {
    timeout: 10_000,
  })
  for (let round = 0; round < 3; round += 1) await settle(mesh)
  const rotation = await read(mesh)
  expect(rotation.step).toBe(step)
  expect(rotation.waits).toContainEqual(expect.objectContaining(wait))
}

const trustOf = async (mesh: TestMesh): Promise<Trust> => (await mesh.send<Trust>('GET', '/trust')).body

const actionsOf = async (mesh: TestMesh): Promise<string[]> =>
  (await mesh.send<{ items: AuditEvent[] }>('GET', '/audit?action=rotation.')).body.items.map(({ action }) => action)

describe('a rotation of the root', { timeout: 90_000 }, () => {
  test('goes from step to step as agents say that they follow, and ends with the new root alone', async () => {
    const { mesh, agents } = await createFollowed('east', 'west')
    const [before] = (await trustOf(mesh)).roots
    const signers = agents.map(({ signer }) => signer)
    await start(mesh)
    await reach(mesh, 'done')
    const { roots, intermediates, rotation } = await trustOf(mesh)
    expect(roots).toHaveLength(1)
    expect(roots[0]?.serial).not.toBe(before?.serial)
    expect(rotation).toMatchObject({ step: 'done', direction: 'forward', from: before?.serial, to: roots[0]?.serial })
    expect(rotation?.steps.map(({ step }) => step)).toEqual(steps)
    expect(intermediates.map(({ fingerprint }) => fingerprint).toSorted()).toEqual(
      agents.map(({ signer }) => signer).toSorted(),
    )
    expect(agents.map(({ signer }) => signer)).not.toEqual(signers)
    expect(await actionsOf(mesh)).toEqual([
      'rotation.done',
      ...Array.from({ length: 4 }, () => 'rotation.step'),
      'rotation.start',
    ])
    await runInDurableObject(mesh.stub, (_instance, { storage }) => {
      expect(storage.sql.exec('SELECT count(*) AS n FROM roots').one()).toEqual({ n: 1 })
    })
  })

  test('tells new intermediates only when all clusters have one, all at once', async () => {
    const { mesh, agents } = await createFollowed('east', 'west')
    const [east, west] = agents
    await start(mesh)
    await reach(mesh, 'trust-both')
    if (!east || !west) throw new Error('two agents')
    west.isMute = true
    await expectToWait(mesh, 'trust-both', { code: 'behind', cluster: 'west' })
    expect(east.trusted()).toEqual(['east', 'west'])
    west.isMute = false
    await reach(mesh, 'distribute')
    await west.agent.until(() => west.trusted().length === 4)
    expect(west.trusted()).toEqual(['east', 'east', 'west', 'west'])
    expect([east.signer, west.signer].includes(east.incoming ?? '')).toBe(false)
  })

  test('lets nobody sign by a new intermediate that a proxy does not hold', async () => {
    const { mesh, agents } = await createFollowed('east', 'west')
    const [east, west] = agents
    if (!east || !west) throw new Error('two agents')
    const signer = east.signer
    west.lie = { held: 1, laggards: [{ proxy: 'sidecar/default/slow', waitingFor: 'its ACK' }] }
    await start(mesh)
    await reach(mesh, 'distribute')
    await expectToWait(mesh, 'distribute', { code: 'behind', cluster: 'west', proxy: 'sidecar/default/slow' })
    expect(east.signer).toBe(signer)
    west.lie = { unproven: 2 }
    await expectToWait(mesh, 'distribute', { code: 'unproven', cluster: 'west' })
    west.lie = {
      untrusted: [{ cluster: east.agent.cluster.joined.cluster, reason: 'it is not valid before tomorrow' }],
    }
    await expectToWait(mesh, 'distribute', { code: 'untrusting', cluster: 'west' })
    expect(east.signer).toBe(signer)
    west.lie = { otherLeaves: 1 }
    await reach(mesh, 'reissue-leaves')
    await expectToWait(mesh, 'reissue-leaves', { code: 'behind', cluster: 'west' })
    expect((await trustOf(mesh)).intermediates).toHaveLength(4)
    west.lie = {}
    await reach(mesh, 'done')
    expect((await trustOf(mesh)).intermediates).toHaveLength(2)
  })

  test('asked for again is the one that is under way; is paused and resumed as often as one likes', async () => {
    const { mesh } = await createFollowed('east')
    expect((await change(mesh, '/pause')).body).toMatchObject({ code: 'conflict' })
    await start(mesh)
    const { to } = await read(mesh)
    expect((await change(mesh, '', {})).body.to).toBe(to)
    await change(mesh, '/pause')
    expect((await change(mesh, '/pause')).body).toMatchObject({ paused: true, step: 'trust-both' })
    for (let round = 0; round < 3; round += 1) await settle(mesh)
    expect(await read(mesh)).toMatchObject({ paused: true, step: 'trust-both' })
    await change(mesh, '/resume')
    expect((await change(mesh, '/resume')).body).toMatchObject({ paused: false })
    await reach(mesh, 'done')
    expect((await actionsOf(mesh)).filter((action) => /pause|resume/.test(action))).toEqual([
      'rotation.resume',
      'rotation.pause',
    ])
    expect((await change(mesh, '/rollback')).body).toMatchObject({ code: 'conflict' })
  })

  test.each(steps.slice(0, -1))('is rolled back from %s, by the same steps', async (step) => {
    const { mesh, agents } = await createFollowed('east', 'west')
    const [before] = (await trustOf(mesh)).roots
    await start(mesh)
    await reach(mesh, step)
    const rolledBack = (await change(mesh, '/rollback')).body
    expect(rolledBack).toMatchObject({ direction: 'back', to: before?.serial })
    expect((await change(mesh, '/rollback')).body).toMatchObject({ direction: 'back', to: before?.serial })
    await reach(mesh, 'done')
    const { roots, intermediates } = await trustOf(mesh)
    expect(roots.map(({ serial }) => serial)).toEqual([before?.serial])
    expect(new Set(intermediates.map(({ fingerprint }) => fingerprint))).toEqual(
      expect.objectContaining(new Set(agents.map(({ signer }) => signer))),
    )
    for (const { signer } of agents) expect(intermediates.map(({ fingerprint }) => fingerprint)).toContain(signer)
    for (const { incoming } of agents) expect(incoming).toBeNull()
  })

  test('goes on where it was after the object has slept, in every step', async () => {
    const { mesh, agents } = await createFollowed('east', 'west')
    await start(mesh)
    for (const step of steps.slice(0, -1)) {
      await reach(mesh, step)
      await evictDurableObject(mesh.stub, { webSockets: 'close' })
      for (const [index, following] of agents.entries()) {
        following.stop()
        agents[index] = await follow(following.agent.cluster, {}, following)
      }
    }
    await reach(mesh, 'done')
    expect((await trustOf(mesh)).intermediates).toHaveLength(2)
  })

  test('waits for an agent that is too old to say, which goes on as it did', async () => {
    const { mesh, clusters } = await createFollowed('east', 'west')
    const north = await joinTestCluster(mesh, 'north', 'net-n')
    const old = await follow(north, { capabilities: withoutTrustReports })
    old.isMute = true
    await start(mesh)
    await expectToWait(mesh, 'trust-both', { code: 'too_old', cluster: 'north' })
    expect(old.issuance).toBeUndefined()
    old.agent.send({ type: 'csr', request: 'own', csrPem: await newCsr(await newKeys()) })
    await old.agent.next('issued')
    await old.agent.until(() => old.trusted().length === 4)
    expect(clusters).toHaveLength(2)
    await mesh.send('DELETE', '/clusters/north')
    await reach(mesh, 'done')
  })

  test('waits for what a cluster lacks that joins meanwhile', async () => {
    const { mesh } = await createFollowed('east')
    await start(mesh)
    for (const [index, step] of (['trust-both', 'distribute', 'retire'] as const).entries()) {
      await reach(mesh, step)
      const cluster = await joinTestCluster(mesh, `late-${index}`, 'net-late')
      await expectToWait(mesh, step, { code: 'away', cluster: cluster.name })
      await follow(cluster)
    }
    await reach(mesh, 'done')
    const { intermediates, roots } = await trustOf(mesh)
    expect(roots).toHaveLength(1)
    expect(intermediates).toHaveLength(4)
  })

  test('does not wait for a cluster that is evicted meanwhile', async () => {
    const { mesh, agents } = await createFollowed('east', 'west')
    if (agents[1]) agents[1].lie = { held: 1 }
    await start(mesh)
    await reach(mesh, 'distribute')
    await expectToWait(mesh, 'distribute', { code: 'behind', cluster: 'west' })
    await mesh.send('DELETE', '/clusters/west')
    await reach(mesh, 'done')
    expect((await trustOf(mesh)).intermediates.map(({ cluster }) => cluster)).toEqual(['east'])
  })

  test('of one mesh is none of another', async () => {
    const [one, other] = [await createFollowed('east'), await createFollowed('east')]
    const before = await trustOf(other.mesh)
    await start(one.mesh)
    await reach(one.mesh, 'done')
    const after = await trustOf(other.mesh)
    expect(after.rotation).toBeNull()
    expect(after.roots).toEqual(before.roots)
  })
})

describe('a cluster that is away', { timeout: 90_000 }, () => {
  test('is waited for; past its grace a person may leave it behind, and it is not cut off', async () => {
    const { mesh, clusters, agents } = await createFollowed('east', 'west')
    const [, west] = agents
    const [, cluster] = clusters
    if (!west || !cluster) throw new Error('two agents')
    expect((await change(mesh, '/continue', { without: 'west' })).body).toMatchObject({ code: 'conflict' })
    await start(mesh)
    expect((await change(mesh, '/continue', { without: 'west' })).body.detail).toContain('connected')
    await west.leave()
    await expectToWait(mesh, 'trust-both', { code: 'away', cluster: 'west' })
    expect((await change(mesh, '/continue', { without: 'west' })).body.detail).toContain('grace ends')
    expect((await change(mesh, '/continue', { without: 'nowhere' })).body.code).toBe('not_found')
    await runInDurableObject(mesh.stub, (_instance, { storage }) => {
      storage.sql.exec(`UPDATE clusters SET last_seen_at = ? WHERE name = 'west'`, Date.now() - 8 * DAY_MS)
    })
    expect((await change(mesh, '/continue', { without: 'west' })).body).toMatchObject({ leftBehind: ['west'] })
    await reach(mesh, 'retire')
    await expectToWait(mesh, 'retire', { code: 'away', cluster: 'west' })
    const trust = await trustOf(mesh)
    expect(trust.roots).toHaveLength(2)
    expect(trust.intermediates.map((each) => each.cluster)).toEqual(['east', 'west'])
    expect(trust.intermediates.map(({ fingerprint }) => fingerprint)).toContain(west.signer)

    const back = await follow(cluster, {}, west)
    await reach(mesh, 'done')
    expect(back.signer).not.toBe(west.signer)
    expect((await trustOf(mesh)).roots).toHaveLength(1)
    expect(await actionsOf(mesh)).toEqual(expect.arrayContaining(['rotation.continue', 'rotation.back']))
  })

  test('and left behind until its intermediate has run out gets a new one when it comes back', async () => {
    const { mesh, clusters, agents } = await createFollowed('east', 'west')
    const [, west] = agents
    const [, cluster] = clusters
    if (!west || !cluster) throw new Error('two agents')
    await start(mesh)
    await west.leave()
    await expectToWait(mesh, 'trust-both', { code: 'away', cluster: 'west' })
    await runInDurableObject(mesh.stub, (_instance, { storage }) => {
      storage.sql.exec(`UPDATE clusters SET last_seen_at = ? WHERE name = 'west'`, Date.now() - 8 * DAY_MS)
    })
    await change(mesh, '/continue', { without: 'west' })
    await reach(mesh, 'retire')
    await expectToWait(mesh, 'retire', { code: 'away', cluster: 'west' })
    await runInDurableObject(mesh.stub, (_instance, { storage }) => {
      storage.sql.exec(`UPDATE certificates SET not_after = ? WHERE cluster = 'west'`, Date.now() - 1)
    })
    await reach(mesh, 'done')
    expect(await actionsOf(mesh)).toContain('rotation.expired')
    expect((await trustOf(mesh)).intermediates.map((each) => each.cluster)).toEqual(['east'])
    const back = await follow(cluster, {}, west)
    await back.agent.until(() => back.trusted().includes('west'))
    await vi.waitUntil(() => back.signer !== west.signer, { timeout: 10_000 })
  })
})

test('an old root that nears its end is rotated by the plane; what an older version has begun by time is gone on with', async () => {
  const { mesh } = await createFollowed('east')
  const [first] = (await trustOf(mesh)).roots
  await runInDurableObject(mesh.stub, (_instance, { storage }) => {
    storage.sql.exec('UPDATE roots SET not_after = ?', Date.now() + 2 * 365 * DAY_MS - 1)
  })
  await runDurableObjectAlarm(mesh.stub)
  expect(await read(mesh)).toMatchObject({ reason: 'expiring', step: 'trust-both', from: first?.serial })
  // As an older version left it: two roots, and no word of a rotation.
  await runInDurableObject(mesh.stub, (_instance, { storage }) => {
    storage.sql.exec('DELETE FROM rotations')
    storage.sql.exec('UPDATE certificates SET root = NULL, told = 0')
    storage.sql.exec('UPDATE mesh SET trust_version = 0')
  })
  await evictDurableObject(mesh.stub, { webSockets: 'hibernate' })
  await runDurableObjectAlarm(mesh.stub)
  expect(await read(mesh)).toMatchObject({ reason: 'taken_over', from: first?.serial })
  await reach(mesh, 'done')
  expect((await trustOf(mesh)).roots).toHaveLength(1)
})

test('an intermediate that is renewed signs when all proxies hold it; who can’t say that is waited for an hour, who does not a week', async () => {
  const { mesh, agents } = await createFollowed('east', 'west')
  const [east, west] = agents
  if (!east || !west) throw new Error('two agents')
  west.lie = { held: 1 }
  await west.agent.until(() => east.issuance !== undefined)
  const renew = async (request: string): Promise<string> => {
    east.agent.send({ type: 'csr', request, csrPem: await newCsr(await newKeys()) })
    return fingerprintOf((await east.agent.next('issued', (issued) => issued.request === request)).certificatePem)
  }
  const isSettled = (fingerprint: string) => east.issuance?.settled.includes(fingerprint) ?? false
  /** As if all had been told so long ago. */
  const age = async (hours: number): Promise<void> => {
    await runInDurableObject(mesh.stub, (_instance, { storage }) => {
      storage.sql.exec('UPDATE certificates SET told = told - ?', hours * 60 * 60 * 1000)
    })
    await runDurableObjectAlarm(mesh.stub)
  }
  const first = await renew('first')
  await age(24)
  expect(isSettled(first)).toBe(false)
  west.lie = {}
  await east.agent.until(() => isSettled(first))

  await west.leave()
  const second = await renew('second')
  await age(0.9)
  expect(isSettled(second)).toBe(false)
  await age(0.2)
  await east.agent.until(() => isSettled(second))
})

test('external issuers of the old root are named before anybody signs by the new one, and never dropped', async () => {
  const { mesh } = await createFollowed('east')
  const csrPem = await newCsr(await newKeys())
  const add = (name: string) => mesh.send('POST', '/trust/issuers', { body: { name, clusters: ['east'], csrPem } })
  expect((await add('istio')).status).toBe(201)
  await start(mesh)
  await reach(mesh, 'distribute')
  await expectToWait(mesh, 'distribute', { code: 'issuer' })
  expect((await add('istio-2')).status).toBe(201)
  await expectToWait(mesh, 'distribute', { code: 'issuer' })
  await mesh.send('DELETE', '/trust/issuers/istio')
  await reach(mesh, 'done')
  const { issuers, roots } = await trustOf(mesh)
  expect(issuers.map(({ name }) => name)).toEqual(['istio-2'])
  expect(roots).toHaveLength(1)
})
