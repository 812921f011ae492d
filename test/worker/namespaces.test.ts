import { beforeAll, describe, expect, test } from 'vitest'
import type { Mesh } from '#api/schemas/meshes.ts'
import type { StoredObject } from '#api/schemas/configuration.ts'
import type { ObjectDiff, RevisionDetail } from '#api/schemas/revisions.ts'
import { joinTestCluster, TestAgent } from './support/test-agent.ts'
import { toTestEntry } from './support/test-catalog.ts'
import { createTestMesh, makeToken } from './support/test-plane.ts'
import type { TestMesh } from './support/test-plane.ts'

/** An object of the namespace "team", unless it says otherwise. */
const toYaml = (kind: string, spec: string, { name = 'x', namespace = 'team' } = {}): string => `
apiVersion: networking.istio.io/v1
kind: ${kind}
metadata: { name: ${name}, namespace: ${namespace} }
spec: ${spec}
---
`
const OWN_EGRESS = '{ egress: [{ hosts: ["./*"] }] }'
const ownRoute =
  '{ hosts: [web.team.svc.cluster.local], http: [{ route: [{ destination: { host: web.team.svc.cluster.local } }] }] }'
const entry = (host: string, rest = '') =>
  `{ hosts: [${host}], ports: [{ number: 443, name: tls, protocol: TLS }], resolution: DNS ${rest} }`

let mesh: TestMesh
let editor: string

const apply = (yaml: string, token = editor, query = '') =>
  mesh.send<Record<string, unknown>>('POST', `/configuration${query}`, { yaml, token })

/** Where each object of a refused write goes too far. */
const faultsOf = ({ status, body }: Awaited<ReturnType<typeof apply>>) => {
  const { code, problems = [] } = body as { code?: string; problems?: { object: { name: string }; path: string }[] }
  return [status, code, problems.map(({ object, path }) => `${object.name} ${path}`)]
}

beforeAll(async () => {
  mesh = await createTestMesh()
  editor = (await makeToken({ role: 'editor', scopes: { mesh: mesh.name, namespace: 'team' } })).secret
  const agent = await TestAgent.connect(await joinTestCluster(mesh, 'east', 'net-a'))
  await agent.claim(1)
  await agent.report([
    toTestEntry({ name: 'web', namespace: 'team', cluster: 'east', network: 'net-a' }),
    toTestEntry({ name: 'pay', namespace: 'bank', cluster: 'east', network: 'net-a' }),
  ])
  await apply(toYaml('ServiceEntry', entry('held.example.org'), { name: 'held', namespace: 'bank' }), mesh.token)
  await apply(toYaml('Sidecar', OWN_EGRESS, { name: 'theirs', namespace: 'bank' }), mesh.token)
})

describe('an editor of a namespace', () => {
  test('writes, changes, deletes and brings back what is its own', async () => {
    expect((await apply(toYaml('VirtualService', ownRoute))).status).toBe(200)
    expect((await apply(toYaml('ServiceEntry', entry('free.example.org'), { name: 'free' }))).status).toBe(200)
    expect(
      (await apply(toYaml('ServiceEntry', entry('free.example.org', ', location: MESH_EXTERNAL'), { name: 'free' })))
        .status,
    ).toBe(200)
    const { body } = await mesh.send<Mesh>('GET', '', { token: editor })
    expect((await mesh.send('DELETE', '/configuration/ServiceEntry/team/free', { token: editor })).status).toBe(200)
    const back = await mesh.send('POST', `/revisions/${body.revision}/rollback`, { token: editor })
    expect(back.status).toBe(200)
    expect((await mesh.send('GET', '/configuration/ServiceEntry/team/free', { token: editor })).status).toBe(200)
  })

  test.each<[string, string, string]>([
    ['another namespace', toYaml('Sidecar', OWN_EGRESS, { namespace: 'bank' }), 'x metadata.namespace'],
    ['the root namespace', toYaml('Sidecar', OWN_EGRESS, { namespace: 'atoll-system' }), 'x metadata.namespace'],
    ['no namespace', toYaml('Sidecar', OWN_EGRESS).replace(', namespace: team', ''), 'x metadata.namespace'],
    [
      'a Gateway',
      toYaml(
        'Gateway',
        '{ selector: { istio: ingress }, servers: [{ port: { number: 80, name: http, protocol: HTTP }, hosts: ["*"] }] }',
      ),
      'x spec.selector',
    ],
    [
      'the host of another namespace',
      toYaml(
        'VirtualService',
        '{ hosts: [pay.bank.svc.cluster.local], http: [{ fault: { abort: { httpStatus: 500, percentage: { value: 100 } } }, route: [{ destination: { host: pay.bank.svc.cluster.local } }] }] }',
      ),
      'x spec.hosts[0]',
    ],
    [
      'a rule for the host of another namespace',
      toYaml('DestinationRule', '{ host: pay.bank.svc.cluster.local }'),
      'x spec.host',
    ],
    [
      'a host that another namespace has in the mesh',
      toYaml('ServiceEntry', entry('held.example.org')),
      'x spec.hosts[0]',
    ],
    ['a wildcard', toYaml('ServiceEntry', entry('"*.example.org"').replace('DNS', 'NONE')), 'x spec.hosts[0]'],
    [
      'another namespace’s gateway',
      toYaml('VirtualService', '{ hosts: [a.example.org], gateways: [bank/front], http: [{ redirect: { uri: / } }] }'),
      'x spec.gateways[0]',
    ],
    [
      'an EnvoyFilter, which may be any code',
      toYaml(
        'EnvoyFilter',
        '{ configPatches: [{ applyTo: CLUSTER, match: { context: SIDECAR_OUTBOUND }, patch: { operation: REMOVE } }] }',
      ).replace('networking.istio.io/v1', 'networking.istio.io/v1alpha3'),
      'x kind',
    ],
    [
      'a WasmPlugin, which is any code',
      toYaml('WasmPlugin', '{ url: https://modules.example/plugin.wasm }').replace(
        'networking.istio.io/v1',
        'extensions.istio.io/v1alpha1',
      ),
      'x kind',
    ],
  ])('writes nothing of %s, and is told which object and where', async (_what, yaml, fault) => {
    const before = (await mesh.send<Mesh>('GET', '')).body.revision
    const good = toYaml('Sidecar', OWN_EGRESS, { name: 'good' })
    for (const query of ['', '?dryRun=true'])
      expect(faultsOf(await apply(good + yaml, editor, query))).toEqual([403, 'forbidden', [fault]])
    expect((await mesh.send<Mesh>('GET', '')).body.revision).toBe(before)
    expect((await mesh.send('GET', '/configuration/Sidecar/team/good')).status).toBe(404)
  })

  test('has proxies run what the settings let its namespace name, and nothing else', async () => {
    const meshConfig = {
      extensionProviders: [
        { name: 'ours', lua: { namespaces: ['team'], code: 'x = 1' } },
        { name: 'theirs', lua: { namespaces: ['bank'], code: 'x = 1' } },
      ],
    }
    expect((await mesh.send('PATCH', '', { body: { meshConfig }, token: editor })).status).toBe(403)
    expect((await mesh.send('PATCH', '', { body: { meshConfig } })).status).toBe(200)
    const naming = (provider: string) =>
      toYaml('ProxyExtension', `{ provider: { name: ${provider} } }`, { name: 'script' }).replace(
        'networking.istio.io/v1',
        'policy.atoll.dev/v1alpha1',
      )
    expect((await apply(naming('ours'))).status).toBe(200)
    // Nor does anybody else for it.
    for (const token of [editor, mesh.token])
      expect(await apply(naming('theirs'), token)).toMatchObject({
        status: 422,
        body: { problems: [{ code: 'forbidden', path: 'spec.provider.name' }] },
      })
    expect((await mesh.send('DELETE', '/configuration/ProxyExtension/team/script', { token: editor })).status).toBe(200)
  })

  test('may say for itself alone what is not its own', async () => {
    const rule = toYaml('DestinationRule', '{ host: pay.bank.svc.cluster.local, exportTo: ["."] }', { name: 'mine' })
    expect((await apply(rule)).status).toBe(200)
  })

  test('leaves what reaches further as it is, though it is in the namespace', async () => {
    const wide = toYaml('DestinationRule', '{ host: pay.bank.svc.cluster.local }', { name: 'wide' })
    expect((await apply(wide, mesh.token)).status).toBe(200)
    expect(
      faultsOf(await apply(toYaml('DestinationRule', '{ host: web.team.svc.cluster.local }', { name: 'wide' }))),
    ).toEqual([403, 'forbidden', ['wide spec.host']])
    const remove = await mesh.send('DELETE', '/configuration/DestinationRule/team/wide', { token: editor })
    expect([remove.status, remove.body.code]).toEqual([403, 'forbidden'])
    await mesh.send('DELETE', '/configuration/DestinationRule/team/wide')
  })

  test('is told that it would break something of others, and not what', async () => {
    const subsets = (name: string) => `{ host: web.team.svc.cluster.local, subsets: [{ name: ${name} }] }`
    expect((await apply(toYaml('DestinationRule', subsets('v1'), { name: 'web' }))).status).toBe(200)
    const leaning = ownRoute
      .replaceAll('web.team', 'pay.bank')
      .replace('pay.bank.svc.cluster.local } }', 'web.team.svc.cluster.local, subset: v1 } }')
    expect(
      (await apply(toYaml('VirtualService', leaning, { name: 'hidden', namespace: 'bank' }), mesh.token)).status,
    ).toBe(200)
    const broken = await apply(toYaml('DestinationRule', subsets('v2'), { name: 'web' }))
    expect(broken).toMatchObject({
      status: 422,
      body: { problems: [{ message: expect.stringContaining('another namespace') as string }] },
    })
    expect(JSON.stringify(broken.body)).not.toContain('hidden')
    await mesh.send('DELETE', '/configuration/VirtualService/bank/hidden')
  })

  test('does not roll back what others have written since', async () => {
    const { revision } = (await mesh.send<Mesh>('GET', '')).body
    await apply(
      toYaml('Sidecar', '{ egress: [{ hosts: ["*/*"] }] }', { name: 'theirs', namespace: 'bank' }),
      mesh.token,
    )
    const back = await mesh.send('POST', `/revisions/${revision}/rollback`, { token: editor })
    expect([back.status, back.body.code]).toEqual([403, 'forbidden'])
    expect(back.body.problems?.map(({ object }) => object?.namespace)).toEqual(['bank'])
  })

  test('sees the configuration of its namespace alone', async () => {
    const { revision } = (await mesh.send<Mesh>('GET', '')).body
    const list = await mesh.send<{ items: StoredObject[] }>('GET', '/configuration', { token: editor })
    expect(list.body.items.length).toBeGreaterThan(0)
    expect(new Set(list.body.items.map(({ object }) => object.metadata.namespace))).toEqual(new Set(['team']))
    expect((await mesh.send('GET', '/configuration?namespace=bank', { token: editor })).status).toBe(403)
    expect((await mesh.send('GET', '/configuration/Sidecar/bank/theirs', { token: editor })).status).toBe(403)
    const diff = await mesh.send<{ items: ObjectDiff[] }>('GET', `/revisions/${revision}/diff?against=0`, {
      token: editor,
    })
    expect(diff.body.items.every(({ key }) => key.split('/')[1] === 'team')).toBe(true)
    expect(diff.body.items.length).toBeGreaterThan(0)
    const newest = await mesh.send<RevisionDetail>('GET', `/revisions/${revision}`, { token: editor })
    expect(newest.body).toMatchObject({ updated: 1, changes: [] })
  })

  test('sees the services of its namespace alone', async () => {
    const { body } = await mesh.send<{ items: { key: string }[] }>('GET', '/services', { token: editor })
    expect(body.items.map(({ key }) => key)).toEqual(['team/web.team.svc.cluster.local'])
    const other = '/services/bank/pay.bank.svc.cluster.local'
    expect((await mesh.send('GET', other, { token: editor })).status).toBe(403)
  })

  test('can be neither an owner nor an admin, nor of no mesh', async () => {
    const scopes = { mesh: mesh.name, namespace: 'team' }
    for (const body of [
      { role: 'owner', scopes },
      { role: 'admin', scopes },
      { role: 'telemetry', scopes },
      { role: 'editor', scopes: { namespace: 'team' } },
    ])
      expect(((await makeToken(body)) as unknown as { code: string }).code).toBe('invalid_request')
  })
})

test('any token may revoke itself', async () => {
  const scopes = { mesh: mesh.name }
  for (const body of [{ role: 'telemetry' }, { role: 'viewer', scopes: { ...scopes, namespace: 'team' } }]) {
    const { id, secret: token } = await makeToken(body)
    const { id: other } = await makeToken(body)
    expect((await mesh.send('DELETE', `/../../tokens/${other}`, { token })).status).toBe(403)
    expect((await mesh.send('DELETE', `/../../tokens/${id}`, { token })).status).toBe(204)
    expect((await mesh.send('GET', '/../../whoami', { token })).status).toBe(401)
  }
})

describe('an admin of a mesh', () => {
  test('makes, sees and revokes tokens of the mesh, up to its own power', async () => {
    const other = await createTestMesh()
    const { secret: token } = await makeToken({ role: 'admin', scopes: { mesh: mesh.name } })
    const make = (body: Record<string, unknown>) =>
      mesh.send<{ id: string }>('POST', '/../../tokens', { token, body: { name: 'x', ...body } })
    const own = { mesh: mesh.name }
    expect((await make({ role: 'owner', scopes: own })).status).toBe(403)
    expect((await make({ role: 'viewer' })).status).toBe(403)
    expect((await make({ role: 'viewer', scopes: { mesh: other.name } })).status).toBe(403)
    const made = await make({ role: 'editor', scopes: { ...own, namespace: 'team' } })
    expect(made.status).toBe(201)

    const list = await mesh.send<{ items: { scopes: { mesh?: string } }[] }>('GET', '/../../tokens', { token })
    expect(new Set(list.body.items.map(({ scopes }) => scopes.mesh))).toEqual(new Set([mesh.name]))
    const owner = await makeToken({ role: 'owner', scopes: own })
    const elsewhere = await makeToken({ role: 'viewer', scopes: { mesh: other.name } })
    const revoke = async (id: string) => (await mesh.send('DELETE', `/../../tokens/${id}`, { token })).status
    expect([await revoke(made.body.id), await revoke(owner.id), await revoke(elsewhere.id)]).toEqual([204, 403, 404])
  })
})
