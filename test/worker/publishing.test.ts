import { evictDurableObject, runInDurableObject } from 'cloudflare:test'
import { describe, expect, test } from 'vitest'
import type { AuditEvent } from '#api/schemas/audit.ts'
import type { ApplyResult, StoredObject } from '#api/schemas/configuration.ts'
import type { PublishGrant } from '#api/schemas/publish-grants.ts'
import type { ConfigObject } from '#mesh/config-object.ts'
import { toServiceKey } from '#mesh/names.ts'
import { MAX_OBJECTS } from '#worker/mesh/configuration.ts'
import { joinTestCluster, TestAgent } from './support/test-agent.ts'
import { toTestEntry } from './support/test-catalog.ts'
import { apply } from './support/test-configuration.ts'
import { createTestMesh } from './support/test-plane.ts'
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
} from './support/test-publishing.ts'

const route = `/configuration/${key}`

describe('an object of a cluster', () => {
  test('is published when it asks and there is a grant: as a revision of that cluster, to all clusters', async () => {
    const mesh = await createTestMesh()
    const west = await TestAgent.connect(await joinTestCluster(mesh, 'west', 'net-b'))
    const east = await connectReporter(mesh, 'east')
    await east.publish([toWish()])
    await told(east).toEqual({ [key]: 'not_granted' })
    const last = () => east.messages.findLast((message) => message.type === 'published')?.publications[0]
    expect(last()?.message).toContain('atoll publish grant --cluster east --namespace shop --kind VirtualService')
    expect(await publishersOf(mesh)).toEqual({})

    await grantPublishing(mesh)
    await told(east).toEqual({ [key]: 'published' })
    expect(last()).toEqual({ key, state: 'published', revision: 1 })
    await west.until((state) => state.has(`config/${key}`))
    expect(west.state.get(`config/${key}`)).toMatchObject({
      value: { metadata: { annotations: { 'atoll.dev/published-by': 'east' } }, spec: { http: [{ timeout: '1s' }] } },
    })
    expect((await revisionsOf(mesh))[0]).toMatchObject({
      operation: 'publish',
      actor: { kind: 'agent', id: 'east' },
      created: 1,
    })
    expect((await mesh.send<StoredObject>('GET', route)).body).toMatchObject({ publishedBy: 'east', revision: 1 })
    const { body } = await mesh.send<{ items: AuditEvent[] }>('GET', '/audit')
    expect(body.items.map(({ action }) => action)).toEqual(
      expect.arrayContaining(['publish-grant.create', 'configuration.publish']),
    )
  })

  test('that changes is a revision, one that is told again is none, one that goes is withdrawn', async () => {
    const mesh = await createTestMesh()
    await connectReporter(mesh, 'west')
    const east = await connectReporter(mesh, 'east')
    await grantPublishing(mesh, 'east', '*', '*')
    await east.publish([toWish(), toWish({ name: 'ratings' })])
    await told(east).toEqual({ [key]: 'published', 'VirtualService/shop/ratings': 'published' })
    const position = { boot: 'east-boot', sequence: 1 }
    await east.publish([], { position })
    await east.publish([toWish(), toWish({ name: 'ratings' })])
    await east.publish([toWish({ timeout: '2s' })], { mode: 'delta' })
    await expect.poll(async () => (await revisionsOf(mesh)).length, { timeout: 15_000 }).toBe(2)
    expect((await mesh.send<StoredObject>('GET', route)).body.object.spec).toMatchObject({ http: [{ timeout: '2s' }] })

    await east.publish([], { mode: 'delta', removes: [key] })
    await expect.poll(() => publishersOf(mesh), { timeout: 15_000 }).toEqual({ 'VirtualService/shop/ratings': 'east' })
    expect((await revisionsOf(mesh))[0]).toMatchObject({ operation: 'publish', actor: { id: 'east' }, deleted: 1 })
  })

  test('in another namespace or of another kind than granted is not published, whatever else is', async () => {
    const mesh = await createTestMesh()
    const east = await connectReporter(mesh, 'east')
    await grantPublishing(mesh)
    await grantPublishing(mesh, 'east', 'own', 'DestinationRule')
    await east.publish([toWish(), toWish({ namespace: 'bank' }), toRule('v1')])
    await told(east).toEqual({
      [key]: 'published',
      'VirtualService/bank/reviews': 'not_granted',
      'DestinationRule/shop/reviews': 'not_granted',
    })
    expect(await publishersOf(mesh)).toEqual({ [key]: 'east' })
  })

  test('that is for hosts of another namespace takes a grant for all namespaces, and goes with it', async () => {
    const mesh = await createTestMesh()
    const east = await connectReporter(mesh, 'east')
    await grantPublishing(mesh)
    const own = toWish({ name: 'own' })
    const taker = toWish({
      spec: {
        hosts: ['own', 'payments.pay.svc.cluster.local'],
        http: [{ route: [{ destination: { host: 'thief.shop.svc.cluster.local' } }] }],
      },
    })
    await east.publish([own, taker])
    const last = () => east.messages.findLast((message) => message.type === 'published')?.publications
    await told(east).toEqual({ 'VirtualService/shop/own': 'published', [key]: 'refused' })
    expect(last()?.find((each) => each.key === key)).toMatchObject({
      path: 'spec.hosts[1]',
      message: expect.stringContaining('payments.pay.svc.cluster.local') as string,
    })
    expect(await publishersOf(mesh)).toEqual({ 'VirtualService/shop/own': 'east' })

    const forAll = await grantPublishing(mesh, 'east', '*')
    await told(east).toEqual({ 'VirtualService/shop/own': 'published', [key]: 'published' })
    await mesh.send('DELETE', `/publish-grants/${forAll.id}`)
    await told(east).toEqual({ 'VirtualService/shop/own': 'published', [key]: 'refused' })
    expect(last()?.find((each) => each.key === key)?.revision).toBeUndefined()
    expect(await publishersOf(mesh)).toEqual({ 'VirtualService/shop/own': 'east' })
  })

  test('that was right leaves in the mesh what it said, when it comes to be for hosts of another namespace', async () => {
    const mesh = await createTestMesh()
    const east = await connectReporter(mesh, 'east')
    await grantPublishing(mesh)
    await east.publish([toWish()])
    await told(east).toEqual({ [key]: 'published' })
    await east.publish([toWish({ spec: { hosts: ['*'], http: [{ route: [{ destination: { host: 'thief' } }] }] } })])
    await told(east).toEqual({ [key]: 'refused' })
    const { body } = await mesh.send<StoredObject>('GET', route)
    expect(body.object.spec).toMatchObject({ hosts: ['reviews.shop.svc.cluster.local'] })
  })

  test('for the world outside is refused a host that another namespace has, and keeps one that it had first', async () => {
    const mesh = await createTestMesh()
    const east = await connectReporter(mesh, 'east')
    const toEntry = (name: string, namespace: string) =>
      toWish({
        kind: 'ServiceEntry',
        name,
        namespace,
        spec: { hosts: [`${name}.example.org`], ports: [{ number: 80, name: 'http' }], resolution: 'DNS' },
      })
    await grantPublishing(mesh, 'east', 'shop', 'ServiceEntry')
    await apply(mesh, JSON.stringify(toEntry('held', 'pay')))
    const { service, endpoints } = toTestEntry({ cluster: 'east', network: 'net-east', name: 'any' })
    const hostname = '*.told.example.org'
    await east.report([
      { service: { ...service, namespace: 'pay', hostname, key: toServiceKey('pay', hostname) }, endpoints },
    ])
    await east.publish(['held', 'free', 'a.told'].map((name) => toEntry(name, 'shop')))
    const expected = {
      'ServiceEntry/shop/a.told': 'refused',
      'ServiceEntry/shop/free': 'published',
      'ServiceEntry/shop/held': 'refused',
    }
    await told(east).toEqual(expected)
    await apply(mesh, JSON.stringify(toEntry('free', 'pay')))
    await east.publish([...['held', 'free', 'a.told'].map((name) => toEntry(name, 'shop')), toWish()])
    await told(east).toEqual({ ...expected, [key]: 'not_granted' })
    expect(await publishersOf(mesh)).toMatchObject({ 'ServiceEntry/shop/free': 'east', 'ServiceEntry/pay/free': null })
  })

  const wrong: readonly (readonly [string, ConfigObject, { path?: string; message: RegExp }])[] = [
    ['of an unknown kind', toWish({ kind: 'Nonsense' }), { path: 'kind', message: /no such kind/ }],
    ['with a wrong spec', toWish({ timeout: 'soon' }), { path: 'spec.http[0].timeout', message: /./ }],
    ['under a wrong name', toWish({ name: 'No/name' }), { path: 'metadata.name', message: /./ }],
    [
      'that only says what its cluster holds',
      { ...toWish({ kind: 'Service', spec: { ports: [{ port: 80 }], selector: { app: 'a' } } }), apiVersion: 'v1' },
      { path: 'kind', message: /catalog/ },
    ],
    [
      'that is in the catalog anyway',
      toWish({
        kind: 'ServiceEntry',
        spec: {
          hosts: ['a.example.org'],
          ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
          location: 'MESH_INTERNAL',
          resolution: 'DNS',
        },
      }),
      { path: 'spec.location', message: /catalog/ },
    ],
    [
      'that leads to a subset which nobody has',
      toWish({
        spec: {
          hosts: ['a.shop.svc.cluster.local'],
          http: [
            {
              route: [
                { weight: 1, destination: { host: 'a.shop.svc.cluster.local', subset: 'v1' } },
                { weight: 1, destination: { host: 'reviews.shop.svc.cluster.local', subset: 'v9' } },
              ],
            },
          ],
        },
      }),
      { path: 'spec.http[0].route[1].destination.subset', message: /v9/ },
    ],
  ]
  test.each(wrong)('%s is refused, and says where', async (_name, object, problem) => {
    const mesh = await createTestMesh()
    const east = await connectReporter(mesh, 'east')
    await grantPublishing(mesh, 'east', '*', '*')
    await east.publish([object, toRule('v1')])
    const publications = () => east.messages.findLast((message) => message.type === 'published')?.publications ?? []
    await expect.poll(() => publications().length, { timeout: 15_000 }).toBe(2)
    await expect
      .poll(() => publications().find(({ state }) => state === 'refused'), { timeout: 15_000 })
      .toMatchObject({ path: problem.path, message: expect.stringMatching(problem.message) as string })
    expect(await publishersOf(mesh)).toEqual({ 'DestinationRule/shop/reviews': 'east' })
  })

  test('that became wrong leaves in the mesh what it said while it was right', async () => {
    const mesh = await createTestMesh()
    const east = await connectReporter(mesh, 'east')
    await grantPublishing(mesh, 'east', '*', '*')
    await east.publish([toRule('v1'), toSubsetRoute('v1')])
    await told(east).toEqual({ [key]: 'published', 'DestinationRule/shop/reviews': 'published' })
    expect(await revisionsOf(mesh)).toHaveLength(1)
    // A rule that would take away what a route needs.
    await east.publish([toRule('v2'), toSubsetRoute('v1')])
    await told(east).toEqual({ [key]: 'published', 'DestinationRule/shop/reviews': 'refused' })
    expect(east.messages.findLast((message) => message.type === 'published')?.publications[0]).toMatchObject({
      revision: 1,
      message: expect.stringMatching(/break VirtualService shop\/reviews.*keeps what it said before/) as string,
    })
    const stored = await mesh.send<StoredObject>('GET', '/configuration/DestinationRule/shop/reviews')
    expect(stored.body.object.spec).toMatchObject({ subsets: [{ name: 'v1' }] })
    await east.publish([toRule('v2'), toSubsetRoute('v2')])
    await told(east).toEqual({ [key]: 'published', 'DestinationRule/shop/reviews': 'published' })
  })

  test('that would break another keeps none of those back that came with it', async () => {
    const mesh = await createTestMesh()
    const east = await connectReporter(mesh, 'east')
    await grantPublishing(mesh, 'east', '*', '*')
    await east.publish([toRule('v1'), toSubsetRoute('v1')])
    await told(east).toEqual({ [key]: 'published', 'DestinationRule/shop/reviews': 'published' })
    const others = Array.from({ length: 12 }, (_, number) => toWish({ name: `other-${number}` }))
    await east.publish([toRule('v2'), toSubsetRoute('v1'), ...others])
    await told(east).toEqual({
      [key]: 'published',
      'DestinationRule/shop/reviews': 'refused',
      ...Object.fromEntries(others.map(({ metadata }) => [`VirtualService/shop/${metadata.name}`, 'published'])),
    })
    expect(await publishersOf(mesh)).toMatchObject({ 'VirtualService/shop/other-11': 'east' })
  })

  test('can claim neither to stand before others nor to be published by another', async () => {
    const mesh = await createTestMesh()
    const east = await connectReporter(mesh, 'east')
    await grantPublishing(mesh)
    await east.publish([
      toWish({ annotations: { 'atoll.dev/precedence': 'override', 'atoll.dev/published-by': 'west', note: 'kept' } }),
    ])
    await told(east).toEqual({ [key]: 'published' })
    const { body } = await mesh.send<StoredObject>('GET', route)
    expect(body.object.metadata.annotations).toEqual({ 'atoll.dev/published-by': 'east', note: 'kept' })
  })

  test('is told by the reporter alone, and to an agent that understands', async () => {
    const mesh = await createTestMesh()
    await joinTestCluster(mesh, 'west', 'net-b')
    const east = await connectReporter(mesh, 'east', { capabilities: [] })
    await grantPublishing(mesh)
    east.send({
      type: 'publish',
      term: 7,
      mode: 'full',
      position: { boot: 'b', sequence: 1 },
      upserts: [toWish()],
      removes: [],
      more: false,
    })
    expect(await east.next('refused')).toMatchObject({ code: 'stale_term' })
    await east.publish([toWish()])
    await expect.poll(() => publishersOf(mesh), { timeout: 15_000 }).toEqual({ [key]: 'east' })
    expect(east.messages.filter(({ type }) => type === 'published')).toEqual([])
  })

  test('that flaps makes few revisions', async () => {
    const mesh = await createTestMesh()
    const east = await connectReporter(mesh, 'east')
    await grantPublishing(mesh)
    for (let round = 1; round <= 60; round += 1) await east.publish([toWish({ timeout: `${round}s` })])
    await expect
      .poll(async () => (await mesh.send<StoredObject>('GET', route)).body.object?.spec, { timeout: 15_000 })
      .toMatchObject({ http: [{ timeout: '60s' }] })
    expect((await revisionsOf(mesh)).length).toBeLessThan(10)
  })

  test('is not forgotten by a plane that slept, nor by its agent being away', async () => {
    const mesh = await createTestMesh()
    const east = await connectReporter(mesh, 'east')
    await grantPublishing(mesh)
    await east.publish([toWish()])
    await told(east).toEqual({ [key]: 'published' })
    east.socket.close()
    await evictDurableObject(mesh.stub)
    expect(await publishersOf(mesh)).toEqual({ [key]: 'east' })
    const back = await TestAgent.connect(east.cluster)
    expect(await back.claim(1)).toMatchObject({ published: { boot: 'east-boot', sequence: 1 } })
    await told(back).toEqual({ [key]: 'published' })
  })
})

describe('of several objects of one name', () => {
  test('the one that was there first stays, and the next takes over when it goes', async () => {
    const mesh = await createTestMesh()
    const [east, west] = [await connectReporter(mesh, 'east'), await connectReporter(mesh, 'west')]
    await grantPublishing(mesh, 'west')
    await grantPublishing(mesh, 'east')
    await west.publish([toWish({ timeout: '2s' })])
    await told(west).toEqual({ [key]: 'published' })
    await east.publish([toWish({ timeout: '1s' })])
    await told(east).toEqual({ [key]: 'conflict' })
    expect(await publishersOf(mesh)).toEqual({ [key]: 'west' })

    await west.publish([])
    await told(east).toEqual({ [key]: 'published' })
    expect(await publishersOf(mesh)).toEqual({ [key]: 'east' })
    expect((await revisionsOf(mesh))[0]).toMatchObject({ actor: { id: 'east' }, updated: 1 })
  })

  test('the next takes over also in a mesh that is full, which takes what it has room for', async () => {
    const mesh = await createTestMesh()
    const [east, west] = [await connectReporter(mesh, 'east'), await connectReporter(mesh, 'west')]
    await grantPublishing(mesh)
    await east.publish([toWish()])
    await told(east).toEqual({ [key]: 'published' })
    await runInDurableObject(mesh.stub, (_instance, { storage }) => {
      storage.sql.exec(
        `WITH RECURSIVE numbers (n) AS (SELECT 3 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?1)
         INSERT INTO objects (key, kind, namespace, revision, updated_at, document)
         SELECT 'Sidecar/full/s' || n, 'Sidecar', 'full', 0, 0, json_object('apiVersion', 'networking.istio.io/v1', 'kind', 'Sidecar',
           'metadata', json_object('name', 's' || n, 'namespace', 'full'), 'spec', json('{}')) FROM numbers`,
        MAX_OBJECTS,
      )
    })
    await evictDurableObject(mesh.stub)
    await west.publish([toWish({ name: 'a' }), toWish({ name: 'b' }), toWish({ timeout: '2s' })])
    await grantPublishing(mesh, 'west')
    const others = { 'VirtualService/shop/a': 'published', 'VirtualService/shop/b': 'refused' }
    await told(west).toEqual({ ...others, [key]: 'conflict' })
    await mesh.send('DELETE', '/clusters/east')
    await told(west).toEqual({ ...others, [key]: 'published' })
    expect((await mesh.send<StoredObject>('GET', route)).body.publishedBy).toBe('west')
  })

  test('the one that was applied to the mesh holds, until it is deleted', async () => {
    const mesh = await createTestMesh()
    const east = await connectReporter(mesh, 'east')
    await grantPublishing(mesh)
    await east.publish([toWish()])
    await told(east).toEqual({ [key]: 'published' })
    const { metadata, ...object } = toWish({ timeout: '9s' })
    const own = { ...object, metadata: { name: metadata.name, namespace: metadata.namespace } }
    const applied = await mesh.send<ApplyResult>('POST', '/configuration', { yaml: JSON.stringify(own) })
    expect(applied.body.problems).toMatchObject([{ code: 'conflict', severity: 'warning' }, {}])
    await told(east).toEqual({ [key]: 'shadowed' })
    expect(await publishersOf(mesh)).toEqual({ [key]: null })

    expect((await mesh.send('DELETE', route)).status).toBe(200)
    await told(east).toEqual({ [key]: 'published' })
  })
})

describe('what a cluster publishes', () => {
  const publishOne = async () => {
    const mesh = await createTestMesh()
    const east = await connectReporter(mesh, 'east')
    const { id } = await grantPublishing(mesh)
    await east.publish([toWish()])
    await told(east).toEqual({ [key]: 'published' })
    return { mesh, east, id }
  }

  test('can be neither deleted nor rolled back at the API, which says where it lives', async () => {
    const { mesh, east } = await publishOne()
    const deleted = await mesh.send('DELETE', route)
    expect(deleted).toMatchObject({ status: 409, body: { code: 'conflict' } })
    expect(deleted.body.detail).toContain('lives in the cluster east')

    await east.publish([toWish({ timeout: '2s' })])
    await expect.poll(async () => (await revisionsOf(mesh)).length, { timeout: 15_000 }).toBe(2)
    const rolledBack = await mesh.send<ApplyResult>('POST', '/revisions/0/rollback')
    expect(rolledBack).toMatchObject({ status: 200, body: { revision: 2, changes: [] } })
    expect(rolledBack.body.problems).toMatchObject([{ object: { name: 'reviews' }, severity: 'warning' }])
    expect(await publishersOf(mesh)).toEqual({ [key]: 'east' })

    await east.publish([])
    await expect.poll(() => publishersOf(mesh), { timeout: 15_000 }).toEqual({})
    const back = await mesh.send<ApplyResult>('POST', '/revisions/2/rollback')
    expect(back.body).toMatchObject({ revision: 3, changes: [], problems: [{ severity: 'warning' }] })
  })

  test('is left out when it is applied as "atoll get" shows it', async () => {
    const { mesh } = await publishOne()
    const { object } = (await mesh.send<StoredObject>('GET', route)).body
    const { body } = await mesh.send<ApplyResult>('POST', '/configuration', { yaml: JSON.stringify(object) })
    expect(body).toMatchObject({ revision: 1, changes: [], problems: [{ code: 'conflict', severity: 'warning' }] })
    expect(await publishersOf(mesh)).toEqual({ [key]: 'east' })
  })

  test('is withdrawn when its grant is revoked', async () => {
    const { mesh, east, id } = await publishOne()
    expect((await mesh.send('DELETE', `/publish-grants/${id}`)).status).toBe(204)
    await told(east).toEqual({ [key]: 'not_granted' })
    expect(await publishersOf(mesh)).toEqual({})
    expect((await revisionsOf(mesh))[0]).toMatchObject({ operation: 'publish', actor: { kind: 'plane' }, deleted: 1 })
  })

  test('is withdrawn when it is evicted, and not granted again when it joins anew', async () => {
    const { mesh } = await publishOne()
    expect((await mesh.send('DELETE', '/clusters/east')).status).toBe(204)
    await expect.poll(() => publishersOf(mesh), { timeout: 15_000 }).toEqual({})
    expect((await mesh.send<{ items: PublishGrant[] }>('GET', '/publish-grants')).body.items).toEqual([])
    const again = await TestAgent.connect(await joinTestCluster(mesh, 'east', 'net-east'))
    await again.claim(2)
    await again.publish([toWish()], { term: 2 })
    await told(again).toEqual({ [key]: 'not_granted' })
  })
})
