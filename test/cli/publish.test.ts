import { describe, expect, it } from 'vitest'
import { toProblemDetails } from '#api/problem-details.ts'
import type { PublishGrant } from '#api/schemas/publish-grants.ts'
import { runFake } from './fake-io.ts'
import type { FakeAnswer } from './fake-io.ts'

const collection = '/v1/meshes/shop/publish-grants'
const toGrant = (id: string, cluster: string, namespace: string, kind: string): PublishGrant =>
  ({ id, cluster, namespace, kind, createdAt: '2026-11-21T12:00:00.000Z' }) as PublishGrant
const grants = [
  toGrant('g1', 'east', 'shop', 'VirtualService'),
  toGrant('g2', 'east', 'shop', '*'),
  toGrant('g3', 'west', '*', 'ServiceEntry'),
]
const problem = (code: 'not_found' | 'forbidden', detail: string): FakeAnswer => {
  const body = toProblemDetails(code, { detail, requestId: 'request-1' })
  return { status: body.status, body }
}
const made = (_url: URL, body: string | undefined): FakeAnswer => {
  const granted = JSON.parse(body ?? '') as Pick<PublishGrant, 'cluster' | 'namespace' | 'kind'>
  return { status: 201, body: { ...granted, id: 'g9', createdAt: '2026-11-21T12:00:00.000Z' } }
}

const publish = (args: readonly string[], answers: Parameters<typeof runFake>[1] & object = {}) =>
  runFake(['publish', ...args], {
    answers: {
      [`GET ${collection}`]: { status: 200, body: { items: grants, nextCursor: null } },
      [`POST ${collection}`]: made,
      [`DELETE ${collection}/g1`]: { status: 204 },
      [`DELETE ${collection}/g2`]: { status: 204 },
      [`DELETE ${collection}/g3`]: { status: 204 },
      ...answers.answers,
    },
  })
const grantArgs = (namespace: string, kind: string) => [
  'grant',
  '--cluster',
  'east',
  '--namespace',
  namespace,
  '--kind',
  kind,
]

describe('atoll publish grant', () => {
  it.each([
    ['shop', 'vs', 'VirtualService', 'VirtualServices in namespace shop'],
    ['*', '*', '*', 'objects of every kind in every namespace'],
  ])('grants in %s what is called %s', async (namespace, kind, sent, said) => {
    const { code, stdout, calls } = await publish(grantArgs(namespace, kind))
    expect({ code, stdout }).toEqual({ code: 0, stdout: `Cluster east may publish ${said}: grant g9\n` })
    expect(calls.map(({ body }) => JSON.parse(body ?? '') as unknown)).toEqual([
      { cluster: 'east', namespace, kind: sent },
    ])
  })

  it('prints the grant, or its id', async () => {
    const { stdout } = await publish([...grantArgs('shop', 'VirtualService'), '--output', 'json'])
    expect(JSON.parse(stdout)).toEqual({ ...toGrant('g9', 'east', 'shop', 'VirtualService') })
    expect((await publish([...grantArgs('shop', 'vs'), '--output', 'name'])).stdout).toBe('g9\n')
  })

  it('does not ask the plane for a kind that there is not', async () => {
    const { code, stderr, calls } = await publish(grantArgs('shop', 'Gatway'))
    expect({ code, calls }).toEqual({ code: 2, calls: [] })
    expect(stderr).toContain('There is no kind Gatway')
    expect(stderr).toContain('VirtualService')
  })

  it('says what the plane refuses', async () => {
    const answers = { [`POST ${collection}`]: problem('not_found', 'there is no cluster east in the mesh') }
    const { code, stderr } = await publish(grantArgs('shop', 'vs'), { answers })
    expect(code).toBe(5)
    expect(stderr).toContain('there is no cluster east in the mesh')
  })

  it('wants all three', async () => {
    const { code, stderr } = await publish(['grant', '--cluster', 'east', '--namespace', 'shop'])
    expect(code).toBe(2)
    expect(stderr).toContain('--kind')
  })
})

describe('atoll publish list', () => {
  it('lists what clusters may publish', async () => {
    const { code, stdout } = await publish(['list'])
    expect(code).toBe(0)
    expect(stdout).toMatch(/^ID +CLUSTER +NAMESPACE +KIND +GRANTED$/m)
    expect(stdout).toMatch(/^g1 +east +shop +VirtualService /m)
    expect(stdout).toMatch(/^g3 +west +\* +ServiceEntry /m)
  })

  it('lists one cluster’s', async () => {
    const { stdout } = await publish(['list', '--cluster', 'west', '--output', 'json'])
    expect(JSON.parse(stdout)).toEqual({ items: [grants[2]] })
  })

  it.each([
    [[], 'No cluster of mesh shop may publish anything'],
    [['--cluster', 'north'], 'Cluster north may publish nothing'],
  ])('says so where there is none: %j', async (more, said) => {
    const answers = { [`GET ${collection}`]: { status: 200, body: { items: [], nextCursor: null } } }
    expect((await publish(['list', ...more], { answers })).stdout).toContain(said)
  })
})

describe('atoll publish revoke', () => {
  const deleted = (calls: Awaited<ReturnType<typeof publish>>['calls']) =>
    calls.flatMap(({ method, path }) => (method === 'DELETE' ? [path.slice(collection.length + 1)] : []))

  it('revokes by id, without looking', async () => {
    const { code, stdout, calls } = await publish(['revoke', 'g1'])
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'Grant g1 is revoked\n' })
    expect(calls.map(({ method }) => method)).toEqual(['DELETE'])
    expect(JSON.parse((await publish(['revoke', 'g1', '--output', 'json'])).stdout)).toEqual({
      id: 'g1',
      revoked: true,
    })
  })

  it.each([
    ['all that was granted', ['--cluster', 'east', '--namespace', 'shop', '--kind', 'vs'], 'g1'],
    ['every kind, as it was granted', ['--cluster', 'east', '--kind', '*'], 'g2'],
    ['as much as tells it from the others', ['--cluster', 'west'], 'g3'],
  ])('revokes by %s', async (_what, args, id) => {
    const { code, calls } = await publish(['revoke', ...args])
    expect(code).toBe(0)
    expect(deleted(calls)).toEqual([id])
  })

  it.each([
    [
      'several grants',
      ['--cluster', 'east'],
      2,
      'Several grants are for cluster east',
      'g1 (east, shop, VirtualService), g2 (east, shop, *)',
    ],
    [
      'no grant',
      ['--cluster', 'west', '--namespace', 'shop'],
      5,
      'There is no grant for cluster west, namespace shop in mesh shop',
      'atoll publish list',
    ],
    ['a kind that there is not', ['--kind', 'Gatway'], 2, 'There is no kind Gatway', 'VirtualService'],
    ['nothing', [], 2, 'Which grant?', '--cluster, --namespace and --kind'],
    ['both', ['g1', '--cluster', 'east'], 2, 'The grant is named twice', 'one of the two'],
  ])('revokes nothing when %s is meant', async (_what, args, code, message, remedy) => {
    const run = await publish(['revoke', ...args])
    expect({ code: run.code, deleted: deleted(run.calls) }).toEqual({ code, deleted: [] })
    expect(run.stderr).toContain(message)
    expect(run.stderr).toContain(remedy)
  })

  it('says what the plane refuses', async () => {
    const answers = { [`DELETE ${collection}/g1`]: problem('forbidden', 'that is for an owner') }
    const { code, stderr } = await publish(['revoke', 'g1'], { answers })
    expect(code).toBe(4)
    expect(stderr).toContain('that is for an owner')
  })
})
