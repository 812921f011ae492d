import { evictDurableObject, runInDurableObject } from 'cloudflare:test'
import { describe, expect, test } from 'vitest'
import type { AuditEvent } from '#api/schemas/audit.ts'
import type { Cluster } from '#api/schemas/clusters.ts'
import type { PublishGrant } from '#api/schemas/publish-grants.ts'
import { UPLINK_MAX_PUBLISHED } from '#mesh/uplink.ts'
import { joinTestCluster } from './support/test-agent.ts'
import type { TestAgent } from './support/test-agent.ts'
import { apply } from './support/test-configuration.ts'
import { createTestMesh, makeToken, send } from './support/test-plane.ts'
import type { TestMesh } from './support/test-plane.ts'
import {
  connectReporter,
  grantPublishing,
  publishedKey as key,
  publishersOf,
  revisionsOf,
  told,
  toRule,
  toSubsetRoute,
  toWish,
  toWishes,
} from './support/test-publishing.ts'

describe('a withdrawal of much', () => {
  const names = async (mesh: TestMesh) => Object.keys(await publishersOf(mesh)).length

  const publishFive = async () => {
    const mesh = await createTestMesh()
    const east = await connectReporter(mesh, 'east')
    await grantPublishing(mesh)
    await east.publish(toWishes(5))
    await expect
      .poll(() => Object.values(east.publications()), { timeout: 15_000 })
      .toEqual(Array.from({ length: 5 }, () => 'published'))
    return { mesh, east }
  }
  const holdsOf = async (mesh: TestMesh) => (await mesh.send<Cluster>('GET', '/clusters/east')).body.holds

  test('waits for a person, and what is new counts meanwhile', async () => {
    const { mesh, east } = await publishFive()
    await east.publish([toWish()])
    await expect.poll(() => names(mesh), { timeout: 15_000 }).toBe(6)
    const [hold] = await holdsOf(mesh)
    expect(hold).toMatchObject({ kind: 'mass-removal', reason: expect.stringContaining('5 of the 5') as string })
    await evictDurableObject(mesh.stub)
    expect((await mesh.send('POST', '/clusters/east/confirm', { body: { hold: 'other' } })).status).toBe(404)
    expect((await mesh.send('POST', '/clusters/east/confirm', { body: { hold: hold?.id } })).status).toBe(204)
    await expect.poll(() => publishersOf(mesh), { timeout: 15_000 }).toEqual({ [key]: 'east' })
    expect(await holdsOf(mesh)).toEqual([])
  })

  test('is forgotten when it is back', async () => {
    const { mesh, east } = await publishFive()
    await east.publish([], { mode: 'delta', removes: ['VirtualService/shop/s0', 'VirtualService/shop/s1'] })
    expect(await holdsOf(mesh)).toHaveLength(1)
    await east.publish(toWishes(5))
    expect(await holdsOf(mesh)).toEqual([])
    expect(await names(mesh)).toBe(5)
    expect(await revisionsOf(mesh)).toHaveLength(1)
  })
})

describe('a cluster that has no room', () => {
  /** A row of `east` for each name: `column` is 1 in it. */
  const fill = (mesh: TestMesh, names: readonly string[], column: 'absent' | 'published') =>
    runInDurableObject(mesh.stub, (_object, { storage }) => {
      storage.sql.exec(
        `INSERT INTO candidates (cluster, key, kind, namespace, since, document, published, absent)
         SELECT 'east', 'VirtualService/old/' || value, 'VirtualService', 'old', 1, '{}', 1, ?2 FROM json_each(?1)`,
        JSON.stringify(names),
        column === 'absent' ? 1 : 0,
      )
    })
  const names = (prefix: string) => Array.from({ length: UPLINK_MAX_PUBLISHED }, (_, index) => `${prefix}${index}`)

  test('because a withdrawal is held goes on: what it knows may change, what is new is refused by itself', async () => {
    const mesh = await createTestMesh()
    const east = await connectReporter(mesh, 'east')
    await grantPublishing(mesh)
    await fill(mesh, names('gone'), 'absent')
    await fill(mesh, names('s'), 'published')
    await east.publish([toWish({ namespace: 'old', name: 's0' }), toWish()], { mode: 'delta' })
    await expect.poll(() => east.publications()[key], { timeout: 15_000 }).toBe('refused')
    expect(east.closed).toBeUndefined()
    const edited = await runInDurableObject(mesh.stub, (_object, { storage }) =>
      storage.sql.exec(`SELECT document FROM candidates WHERE key = 'VirtualService/old/s0'`).one(),
    )
    expect(edited['document']).toContain('"timeout":"1s"')
  })
})

test('what the plane refused is asked for again when a reporter begins, and taken at the position that it had', async () => {
  const mesh = await createTestMesh()
  const east = await connectReporter(mesh, 'east')
  await grantPublishing(mesh)
  await east.publish([toWish()], { position: { boot: 'one', sequence: 1 } })
  await told(east).toEqual({ [key]: 'published' })
  // As a version did that did not know what it says.
  await runInDurableObject(mesh.stub, (_object, { storage }) => {
    storage.sql.exec(`UPDATE candidates SET problem = '{"path":"spec","message":"is wrong"}', document = ''`)
  })
  expect(await east.claim(2)).toMatchObject({ published: null })
  await east.publish([toWish({ timeout: '2s' })], { term: 2, position: { boot: 'one', sequence: 1 } })
  await expect.poll(async () => (await revisionsOf(mesh)).length, { timeout: 15_000 }).toBe(2)
  expect(await east.claim(3)).toMatchObject({ published: { boot: 'one', sequence: 1 } })
})

describe('a grant', () => {
  test('that is there already is answered as it is; it is audited, listed and revoked', async () => {
    const mesh = await createTestMesh()
    await joinTestCluster(mesh, 'east', 'net-a')
    const made = await grantPublishing(mesh, 'east', 'shop', 'virtualservices')
    expect(made).toMatchObject({ cluster: 'east', namespace: 'shop', kind: 'VirtualService' })
    expect((await grantPublishing(mesh)).id).toBe(made.id)
    const list = async () => (await mesh.send<{ items: PublishGrant[] }>('GET', '/publish-grants')).body.items
    expect(await list()).toEqual([made])
    expect((await mesh.send('DELETE', `/publish-grants/${made.id}`)).status).toBe(204)
    expect((await mesh.send('DELETE', `/publish-grants/${made.id}`)).status).toBe(404)
    expect(await list()).toEqual([])
    const { body } = await mesh.send<{ items: AuditEvent[] }>('GET', '/audit?action=publish-grant.')
    expect(body.items.map(({ action, cluster }) => `${action} ${cluster}`)).toEqual([
      'publish-grant.revoke east',
      'publish-grant.create east',
    ])
  })

  test('is told to the reporter of its cluster, when it is made, when it ends, and when a reporter begins', async () => {
    const mesh = await createTestMesh()
    const east = await connectReporter(mesh, 'east')
    const west = await connectReporter(mesh, 'west')
    const grantsTold = (agent: TestAgent) => agent.messages.findLast(({ type }) => type === 'published')
    const shop = { grants: [{ namespace: 'shop', kind: 'VirtualService' }] }
    const { id } = await grantPublishing(mesh)
    await expect.poll(() => grantsTold(east)).toMatchObject(shop)
    expect(grantsTold(west)).toMatchObject({ grants: [] })
    await east.claim(2)
    await expect.poll(() => east.messages.filter(({ type }) => type === 'published').length).toBe(3)
    expect(grantsTold(east)).toMatchObject(shop)
    await mesh.send('DELETE', `/publish-grants/${id}`)
    await expect.poll(() => grantsTold(east)).toMatchObject({ grants: [] })
  })

  test('is for a member, a kind that can be published, and an owner whose token is not confined to a cluster', async () => {
    const mesh = await createTestMesh()
    await joinTestCluster(mesh, 'east', 'net-a')
    const ask = (body: object, token = mesh.token) =>
      send('POST', `/v1/meshes/${mesh.name}/publish-grants`, { token, body }).then(({ status }) => status)
    const body = { cluster: 'east', namespace: '*', kind: '*' }
    const viewer = await makeToken({ role: 'viewer' })
    const confined = await makeToken({ scopes: { mesh: mesh.name, cluster: 'east' } })
    expect([
      await ask({ ...body, cluster: 'north' }),
      await ask({ ...body, kind: 'Service' }),
      await ask({ ...body, kind: 'Nonsense' }),
      await ask({ ...body, namespace: 'No' }),
      await ask(body, viewer.secret),
      await ask(body, confined.secret),
      await ask(body),
    ]).toEqual([404, 400, 400, 400, 403, 403, 201])
  })
})

test('an apply that a published object leans on is checked against it', async () => {
  const mesh = await createTestMesh()
  const east = await connectReporter(mesh, 'east')
  await grantPublishing(mesh)
  await apply(mesh, JSON.stringify({ ...toRule('v1'), metadata: { name: 'reviews', namespace: 'shop' } }))
  await east.publish([toSubsetRoute('v1')])
  await told(east).toEqual({ [key]: 'published' })
  expect((await mesh.send('DELETE', '/configuration/DestinationRule/shop/reviews')).status).toBe(422)
})
