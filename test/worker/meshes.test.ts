import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'
import type { Mesh } from '#api/schemas/meshes.ts'
import type { ProblemDetails } from '#api/problem-details.ts'
import { removeMesh } from '#worker/directory/meshes.ts'
import { createTestMesh, makeToken, send, setUpPlane } from './support/test-plane.ts'

describe('meshes', () => {
  test('are made once under a name, changed, listed and deleted', async () => {
    const token = await setUpPlane()
    const mesh = await createTestMesh({ trustDomain: 'mesh.example', inboundMtls: 'permissive' })
    const again = await send('POST', '/v1/meshes', { token, body: { name: mesh.name } })
    expect([again.status, again.body.code]).toEqual([409, 'already_exists'])

    const changed = await mesh.send<Mesh>('PATCH', '', {
      body: { meshConfig: { outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' } } },
    })
    expect(changed.body.settings).toMatchObject({
      trustDomain: 'mesh.example',
      inboundMtls: 'permissive',
      meshConfig: { outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' } },
    })
    expect((await mesh.send('PATCH', '', { body: { trustDomain: 'other.example' } })).body.code).toBe('invalid_request')

    const refused = await mesh.send('PATCH', '', { body: { meshConfig: { connectTimeout: 'soon', proxyHttpPort: 1 } } })
    expect([refused.status, refused.body.code]).toEqual([422, 'invalid_configuration'])
    expect(refused.body.problems).toMatchObject([{ object: { kind: 'MeshConfig' }, path: 'connectTimeout' }])
    const merged = await mesh.send<Mesh>('PATCH', '', {
      body: { meshConfig: { outboundTrafficPolicy: null, rootNamespace: 'root' } },
    })
    expect(merged.body.settings.meshConfig).toEqual({ rootNamespace: 'root' })

    expect((await mesh.send('DELETE', '')).status).toBe(204)
    expect((await mesh.send('GET', '')).status).toBe(404)
    const anew = await send<Mesh>('POST', '/v1/meshes', { token, body: { name: mesh.name } })
    expect(anew.body).toMatchObject({
      revision: 0,
      clusters: 0,
      settings: { trustDomain: `${mesh.name}.atoll.internal` },
    })
  })

  test('that were entered in the directory and then cut off are finished by asking again', async () => {
    const token = await setUpPlane()
    await env.DB.prepare(
      `INSERT INTO meshes (id, org_id, name, settings, revision, clusters, created_at)
       SELECT 'cut0ff', id, 'cut-off', '{}', 0, 0, 0 FROM orgs LIMIT 1`,
    ).run()
    const { status, body } = await send<Mesh>('POST', '/v1/meshes', { token, body: { name: 'cut-off' } })
    expect(status).toBe(201)
    expect(body).toMatchObject({ id: 'cut0ff', settings: { meshId: 'cut0ff' } })
    const listed = async () => {
      const { body: page } = await send<{ items: Mesh[] }>('GET', '/v1/meshes?limit=500', { token })
      return page.items.find(({ name }) => name === 'cut-off')?.settings.meshId
    }
    await expect.poll(listed, { timeout: 10_000 }).toBe('cut0ff')
  })

  test('that are half made or half deleted say so, and can be made or deleted', async () => {
    const token = await setUpPlane()
    const enter = (id: string) =>
      env.DB.prepare(
        `INSERT INTO meshes (id, org_id, name, settings, revision, clusters, created_at)
         SELECT ?1, id, 'half', '{}', 0, 0, 0 FROM orgs LIMIT 1`,
      )
        .bind(id)
        .run()
    await enter('half1')
    for (const path of ['', '/revisions', '/trust'])
      expect((await send('GET', `/v1/meshes/half${path}`, { token })).body.code).toBe('conflict')
    expect((await send('DELETE', '/v1/meshes/half', { token })).status).toBe(204)

    // Deleted in its object, and still in the directory.
    await enter('half1')
    const refused = await send('POST', '/v1/meshes', { token, body: { name: 'half' } })
    expect([refused.status, refused.body.code]).toEqual([409, 'conflict'])
    expect((await send('DELETE', '/v1/meshes/half', { token })).status).toBe(204)
    expect((await send('POST', '/v1/meshes', { token, body: { name: 'half' } })).status).toBe(201)
  })

  test('take the tokens with them that are confined to them', async () => {
    const mesh = await createTestMesh()
    const { secret: confined } = await makeToken({ scopes: { mesh: mesh.name } })
    await mesh.send('DELETE', '')
    await send('POST', '/v1/meshes', { token: mesh.token, body: { name: mesh.name } })
    expect((await mesh.send('GET', '', { token: confined })).body.code).toBe('unauthenticated')
    expect((await mesh.send('GET', '')).status).toBe(200)
  })

  test('leave the tokens of the mesh that has their name by now, when their deletion is finished late', async () => {
    const mesh = await createTestMesh()
    const { secret: confined } = await makeToken({ scopes: { mesh: mesh.name } })
    const orgId = await env.DB.prepare('SELECT org_id FROM meshes WHERE name = ?')
      .bind(mesh.name)
      .first<string>('org_id')
    const actor = { kind: 'token', id: 'late', name: 'late' } as const
    const facts = { action: 'mesh.delete', target: mesh.name }
    const event = { at: 0, by: { actor, requestId: 'late' }, facts }
    await removeMesh(env.DB, orgId ?? '', { id: 'an-earlier-one', name: mesh.name }, event)
    expect((await mesh.send('GET', '', { token: confined })).status).toBe(200)
  })

  test('of the same name at the same time are one', async () => {
    const token = await setUpPlane()
    const answers = await Promise.all(
      Array.from({ length: 5 }, () =>
        send<Mesh & ProblemDetails>('POST', '/v1/meshes', { token, body: { name: 'race' } }),
      ),
    )
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1)
    expect(answers.filter(({ body }) => body.code === 'already_exists')).toHaveLength(4)
  })

  test('are in the directory as they are, soon after they change', async () => {
    const mesh = await createTestMesh()
    await mesh.send('PATCH', '', { body: { inboundMtls: 'permissive' } })
    const listed = async () => {
      const { body } = await send<{ items: Mesh[] }>('GET', '/v1/meshes?limit=500', { token: mesh.token })
      return body.items.find(({ name }) => name === mesh.name)?.settings.inboundMtls
    }
    await expect.poll(listed, { timeout: 10_000 }).toBe('permissive')
  })
})
