import { describe, expect, test } from 'vitest'
import type { ApplyResult, StoredObject } from '#api/schemas/configuration.ts'
import type { ObjectDiff, Revision, RevisionDetail } from '#api/schemas/revisions.ts'
import { toRoute, toRule } from './support/test-configuration.ts'
import { createTestMesh } from './support/test-plane.ts'
import type { RequestParts, TestMesh } from './support/test-plane.ts'

const apply = (mesh: TestMesh, yaml: string, parts: RequestParts & { readonly query?: string } = {}) =>
  mesh.send<ApplyResult>('POST', `/configuration${parts.query ?? ''}`, { yaml, ...parts })

const list = async (mesh: TestMesh): Promise<string[]> => {
  const { body } = await mesh.send<{ items: StoredObject[] }>('GET', '/configuration')
  return body.items.map(({ key }) => key)
}

describe('applying', () => {
  test('many documents are one revision', async () => {
    const mesh = await createTestMesh()
    const { status, body } = await apply(mesh, `${toRule('reviews', 'v1')}---${toRoute('reviews', 'v1')}`)

    expect(status).toBe(200)
    expect(body.revision).toBe(1)
    expect(body.changes).toEqual([
      { key: 'DestinationRule/default/reviews', action: 'created' },
      { key: 'VirtualService/default/reviews', action: 'created' },
    ])
    expect(await list(mesh)).toEqual(['DestinationRule/default/reviews', 'VirtualService/default/reviews'])
  })

  test.each([
    ['trafficPolicy', 'trafficPolicy: null'],
    ['subsets', 'subsets: null'],
    ['labels', 'subsets: [{ name: v1, labels: null, trafficPolicy: null }]'],
    [
      'portLevelSettings',
      'trafficPolicy: { outlierDetection: { consecutive5xxErrors: 3 }, portLevelSettings: null, loadBalancer: null }',
    ],
    [
      'failoverPriority',
      'trafficPolicy: { loadBalancer: { simple: RANDOM, localityLbSetting: { failoverPriority: null } } }',
    ],
  ])('a rule whose %s is null is one without', async (_, field) => {
    const mesh = await createTestMesh()
    const rule = toRule('reviews').replace(/ {2}subsets:.*/s, `  ${field}\n`)
    expect(await apply(mesh, rule)).toMatchObject({ status: 200, body: { changes: [{ action: 'created' }] } })
    expect(await apply(mesh, toRule('ratings', 'v1'))).toMatchObject({ status: 200 })
  })

  test('what changes nothing makes no revision, whatever the order of its fields', async () => {
    const mesh = await createTestMesh()
    await apply(mesh, toRule('reviews', 'v1'))
    const reordered = `
kind: DestinationRule
spec:
  subsets: [{ labels: { version: v1 }, name: v1 }]
  host: reviews.default.svc.cluster.local
metadata: { namespace: default, name: reviews }
apiVersion: networking.istio.io/v1
`
    const { body } = await apply(mesh, reordered)
    expect(body).toMatchObject({ revision: 1, changes: [{ action: 'unchanged' }] })
  })

  test('an object keeps the time of its first appearance', async () => {
    const mesh = await createTestMesh()
    await apply(mesh, toRule('reviews', 'v1'))
    const before = await mesh.send<StoredObject>('GET', '/configuration/DestinationRule/default/reviews')
    await apply(mesh, toRule('reviews', 'v1', 'v2'))
    const after = await mesh.send<StoredObject>('GET', '/configuration/DestinationRule/default/reviews')

    expect(after.body.revision).toBe(2)
    expect(after.body.object.metadata.creationTimestamp).toBe(before.body.object.metadata.creationTimestamp)
  })

  test('a dry run tells what would change and changes nothing', async () => {
    const mesh = await createTestMesh()
    const { body } = await apply(mesh, toRule('reviews', 'v1'), { query: '?dryRun=true' })
    expect(body).toMatchObject({ revision: 0, changes: [{ action: 'created' }] })
    expect(await list(mesh)).toEqual([])
  })

  test('eight applies at once get a revision each', async () => {
    const mesh = await createTestMesh()
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, index) => apply(mesh, toRule(`service-${index}`, 'v1'))),
    )
    const done = answers.filter(({ status }) => status === 200)

    expect(new Set(done.map(({ body }) => body.revision)).size).toBe(done.length)
    expect(answers.every(({ status }) => status === 200 || status === 409)).toBe(true)
    expect(await list(mesh)).toHaveLength(done.length)
    const { body } = await mesh.send<{ items: Revision[] }>('GET', '/revisions')
    expect(body.items.map(({ revision }) => revision)).toEqual(
      Array.from({ length: done.length }, (_, index) => done.length - index),
    )
  })

  test('of eight applies with the same If-Match one is done', async () => {
    const mesh = await createTestMesh()
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, index) =>
        apply(mesh, toRule(`service-${index}`, 'v1'), { headers: { 'If-Match': '"0"' } }),
      ),
    )
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    expect(answers.filter(({ status }) => status === 412)).toHaveLength(7)
    expect(await list(mesh)).toHaveLength(1)
  })

  test('two objects at once can’t get in each other’s way: the later one is checked against the earlier', async () => {
    const mesh = await createTestMesh()
    await apply(mesh, `${toRule('reviews', 'v1', 'v2')}---${toRoute('reviews', 'v1')}`)
    const [routed, ruled] = await Promise.all([
      apply(mesh, toRoute('reviews', 'v2')),
      apply(mesh, toRule('reviews', 'v1')),
    ])
    expect(new Set([routed.status, ruled.status])).toEqual(new Set([200, 422]))
  })

  test('deleting takes an object out; what others need of it can’t be taken', async () => {
    const mesh = await createTestMesh()
    await apply(mesh, `${toRule('reviews', 'v1')}---${toRoute('reviews', 'v1')}`)

    const refused = await mesh.send('DELETE', '/configuration/DestinationRule/default/reviews')
    expect(refused).toMatchObject({
      status: 422,
      body: { code: 'invalid_configuration', problems: [{ code: 'dangling_reference' }] },
    })

    const deleted = await mesh.send<ApplyResult>('DELETE', '/configuration/VirtualService/default/reviews')
    expect(deleted.body).toMatchObject({
      revision: 2,
      changes: [{ key: 'VirtualService/default/reviews', action: 'deleted' }],
    })
    expect((await mesh.send('DELETE', '/configuration/VirtualService/default/reviews')).body.code).toBe('not_found')
  })

  test('a WorkloadEntry that no ServiceEntry of the mesh selects is told of', async () => {
    const mesh = await createTestMesh()
    const machine = (name: string, app: string) => `
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: ${name} }
spec: { address: 10.0.0.1, labels: { app: ${app} } }
`
    await apply(
      mesh,
      `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: vms }
spec: { hosts: [vms.example], resolution: STATIC, ports: [{ number: 80, name: http, protocol: HTTP }], workloadSelector: { labels: { app: vm } } }
`,
    )
    expect(await apply(mesh, `${machine('used', 'vm')}---${machine('unused', 'other')}`)).toMatchObject({
      status: 200,
      body: { problems: [{ code: 'ineffective', severity: 'warning', object: { name: 'unused' } }] },
    })
  })

  test('a Service and a WorkloadGroup, of which nothing follows in the mesh, are told of', async () => {
    const yaml = `
apiVersion: v1
kind: Service
metadata: { name: reviews }
spec: { selector: { app: reviews }, ports: [{ name: http, port: 80 }] }
---
apiVersion: networking.istio.io/v1
kind: WorkloadGroup
metadata: { name: machines }
spec: { template: { serviceAccount: reviews } }
`
    const warned = ['Service', 'WorkloadGroup'].map((kind) => ({ code: 'ineffective', object: { kind } }))
    expect(await apply(await createTestMesh(), yaml)).toMatchObject({ status: 200, body: { problems: warned } })
  })

  test('a list is paged by key and filtered by kind and namespace', async () => {
    const mesh = await createTestMesh()
    await apply(mesh, Array.from({ length: 5 }, (_, index) => toRule(`r${index}`, 'v1')).join('---'))
    const keys: string[] = []
    let cursor: string | null = null
    do {
      const query: string = cursor === null ? '' : `&cursor=${cursor}`
      const { body } = await mesh.send<{ items: StoredObject[]; nextCursor: string | null }>(
        'GET',
        `/configuration?limit=2&kind=destinationrules&namespace=default${query}`,
      )
      expect(body.items.length).toBeLessThanOrEqual(2)
      keys.push(...body.items.map(({ key }) => key))
      cursor = body.nextCursor
    } while (cursor !== null)
    expect(keys).toEqual([0, 1, 2, 3, 4].map((index) => `DestinationRule/default/r${index}`))
    expect((await mesh.send<{ items: unknown[] }>('GET', '/configuration?kind=Sidecar')).body.items).toEqual([])
    expect((await mesh.send('GET', '/configuration?cursor=nonsense')).body.code).toBe('invalid_request')
  })
})

describe('revisions', () => {
  test('are listed, shown and compared', async () => {
    const mesh = await createTestMesh()
    await apply(mesh, toRule('reviews', 'v1'))
    await apply(mesh, `${toRule('reviews', 'v1', 'v2')}---${toRule('ratings', 'v1')}`)
    await mesh.send('DELETE', '/configuration/DestinationRule/default/ratings')

    const { body: second } = await mesh.send<RevisionDetail>('GET', '/revisions/2')
    expect(second).toMatchObject({
      revision: 2,
      operation: 'apply',
      created: 1,
      updated: 1,
      deleted: 0,
      retained: true,
      changes: [
        { key: 'DestinationRule/default/ratings', action: 'created' },
        { key: 'DestinationRule/default/reviews', action: 'updated' },
      ],
    })
    const { body: diff } = await mesh.send<{ items: ObjectDiff[] }>('GET', '/revisions/3/diff?against=1')
    expect(diff.items.map(({ key, action }) => [key, action])).toEqual([['DestinationRule/default/reviews', 'updated']])
    const { body: back } = await mesh.send<{ items: ObjectDiff[] }>('GET', '/revisions/0/diff?against=1')
    expect(back.items.map(({ key, action }) => [key, action])).toEqual([['DestinationRule/default/reviews', 'deleted']])
    expect((await mesh.send('GET', '/revisions/4/diff')).status).toBe(404)
    expect((await mesh.send('GET', '/revisions/9')).status).toBe(404)
  })

  test('a rollback is a new revision with the objects of the old one', async () => {
    const mesh = await createTestMesh()
    await apply(mesh, `${toRule('reviews', 'v1')}---${toRoute('reviews', 'v1')}`)
    await apply(mesh, toRule('reviews', 'v1', 'v2'))
    await apply(mesh, toRule('ratings', 'v1'))
    await mesh.send('DELETE', '/configuration/VirtualService/default/reviews')

    const dry = await mesh.send<ApplyResult>('POST', '/revisions/1/rollback?dryRun=true')
    expect(dry.body.revision).toBe(4)
    const { body } = await mesh.send<ApplyResult>('POST', '/revisions/1/rollback', { headers: { 'If-Match': '"4"' } })
    expect(body.revision).toBe(5)
    expect(body.changes.toSorted((a, b) => (a.key < b.key ? -1 : 1))).toEqual([
      { key: 'DestinationRule/default/ratings', action: 'deleted' },
      { key: 'DestinationRule/default/reviews', action: 'updated' },
      { key: 'VirtualService/default/reviews', action: 'created' },
    ])
    const { body: same } = await mesh.send<{ items: ObjectDiff[] }>('GET', '/revisions/5/diff?against=1')
    // Their creation times too: Istio's older object wins, and has to after the rollback.
    expect(same.items).toEqual([])
    expect((await mesh.send<Revision>('GET', '/revisions/5')).body).toMatchObject({
      operation: 'rollback',
      rollbackTo: 1,
    })
  })

  test('a rollback to what is no longer right is refused', async () => {
    const mesh = await createTestMesh()
    await apply(mesh, toRule('reviews', 'v1'))
    await apply(mesh, toRule('reviews', 'v1', 'v2'))
    await apply(mesh, toRoute('reviews', 'v2'))
    await mesh.send('DELETE', '/configuration/VirtualService/default/reviews')
    await apply(mesh, toRoute('reviews', 'v2'))
    expect((await mesh.send('POST', '/revisions/7/rollback')).body.code).toBe('not_found')
    expect((await mesh.send<ApplyResult>('POST', '/revisions/0/rollback')).body.changes).toHaveLength(2)
  })
})

describe('bad input', () => {
  const cases: readonly (readonly [string, string, { readonly code: string; readonly path: string }])[] = [
    ['malformed YAML', 'a: [', { code: 'syntax', path: '' }],
    ['a scalar', '42', { code: 'syntax', path: '' }],
    ['duplicate keys', 'kind: A\nkind: B\n', { code: 'syntax', path: '' }],
    [
      'an unknown kind',
      'apiVersion: x/v1\nkind: Nonsense\nmetadata: { name: a }\nspec: {}',
      { code: 'unknown_kind', path: 'kind' },
    ],
    [
      'an unknown field',
      toRule('a', 'v1').replace('host:', 'hots: x\n  host:'),
      { code: 'unknown_field', path: 'spec.hots' },
    ],
    [
      'a wrong type',
      toRule('a', 'v1').replace('name: v1,', 'name: 7,'),
      { code: 'invalid', path: 'spec.subsets[0].name' },
    ],
    ['the same object twice', `${toRule('a', 'v1')}---${toRule('a', 'v1')}`, { code: 'duplicate', path: '' }],
    [
      'a dangling subset',
      `${toRule('a', 'v1')}---${toRoute('a', 'v9')}`,
      { code: 'dangling_reference', path: 'spec.http[0].route[0].destination.subset' },
    ],
    [
      'a hostile name',
      toRule('a', 'v1').replace('name: a,', 'name: "../../etc/passwd",'),
      { code: 'invalid', path: 'metadata.name' },
    ],
    [
      'a prototype',
      toRule('a', 'v1').replace('spec:', '__proto__: { polluted: yes }\nspec:'),
      { code: 'invalid', path: '' },
    ],
    [
      '10,000 objects',
      Array.from({ length: 10_000 }, (_, index) => toRule(`r${index}`, 'v1')).join('---'),
      { code: 'too_large', path: '' },
    ],
  ]
  test.each(cases)('%s is refused with what is wrong, and nothing is applied', async (_name, yaml, expected) => {
    const mesh = await createTestMesh()
    const answer = await mesh.send('POST', '/configuration', { yaml })
    expect(answer).toMatchObject({ status: 422, body: { code: 'invalid_configuration' } })
    expect(answer.headers.get('Content-Type')).toBe('application/problem+json')
    expect(answer.body.problems?.map(({ code, path }) => ({ code, path }))).toContainEqual(expected)
    expect(JSON.stringify(answer.body)).not.toMatch(/\bat .*\.ts:\d+/)
    expect(await list(mesh)).toEqual([])
  })

  test('10 MB are refused before they are looked at', async () => {
    const mesh = await createTestMesh()
    const answer = await mesh.send('POST', '/configuration', { yaml: `# ${'x'.repeat(10 * 1024 * 1024)}` })
    expect(answer).toMatchObject({ status: 413, body: { code: 'too_large' } })
  })

  test('a media type that is not taken is named', async () => {
    const mesh = await createTestMesh()
    const answer = await mesh.send('POST', '/configuration', {
      yaml: toRule('a', 'v1'),
      headers: { 'Content-Type': 'text/html' },
    })
    expect(answer).toMatchObject({ status: 415, body: { code: 'unsupported_media_type' } })
  })
})
