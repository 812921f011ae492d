import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import type { AccessLogPage } from '#api/schemas/telemetry.ts'
import { randomBytes } from '#worker/random-bytes.ts'
import { newToken } from '#worker/secret-token.ts'
import { createTestMesh, makeToken, send } from './support/test-plane.ts'
import { encodeLogs, joinTelemetryCluster, sendExport, sendLogs } from './support/test-telemetry.ts'

const HOUR_MS = 60 * 60 * 1000
const traceId = '0af7651916cd43dd8448eb211c80319c'

test('a store that is evicted, at rest or while it archives, has all that it took, once, and goes on', async () => {
  const mesh = await createTestMesh()
  const east = await joinTelemetryCluster(mesh, 'east')
  const paths = async () =>
    (await mesh.send<AccessLogPage>('GET', '/logs')).body.items.map(({ path }) => String(path)).toSorted()
  const body = encodeLogs([{ timeUs: Date.now() * 1000, attributes: { path: '/1' } }])
  expect((await sendExport('logs', east.token, body)).status).toBe(200)
  await evictDurableObject(east.stub)
  expect((await sendExport('logs', east.token, body)).status).toBe(200)
  await sendLogs(east.token, [{ timeUs: Date.now() * 1000, attributes: { path: '/2' } }])
  expect(await paths()).toEqual(['/1', '/2'])

  // It is planned, the file is written, and nobody notes that any more.
  await runInDurableObject(east.stub, (store, { storage }) => {
    const put = async (...parts: Parameters<R2Bucket['put']>) => {
      await env.TELEMETRY.put(...parts)
      throw new Error('cut off')
    }
    Object.defineProperty(store, 'env', { value: { ...env, TELEMETRY: { put } } })
    storage.sql.exec('UPDATE chunks SET received_at = received_at - ?', HOUR_MS)
  })
  await runDurableObjectAlarm(east.stub)
  expect([await east.listArchive(), await east.count('compactions')]).toEqual([[expect.any(String)], 1])
  const [written] = await east.listArchive()
  await evictDurableObject(east.stub)
  expect(await paths()).toEqual(['/1', '/2'])
  await expect.poll(() => east.count('chunks'), { timeout: 20_000 }).toBe(0)
  expect(await east.listArchive()).toEqual([written])
  expect(await paths()).toEqual(['/1', '/2'])
})

/** Of an org beside the tests': its owner. */
const addOrg = async (name: string): Promise<string> => {
  const { id, text, secretHash } = await newToken('token', randomBytes)
  await env.DB.batch([
    env.DB.prepare('INSERT INTO orgs (id, name, created_at) VALUES (?1, ?1, 0)').bind(name),
    env.DB.prepare(
      `INSERT INTO tokens (id, org_id, name, role, secret_hash, created_at, expires_at) VALUES (?, ?, 'owner', 'owner', ?, 0, ?)`,
    ).bind(id, name, secretHash, Date.now() + HOUR_MS),
  ])
  return text
}

test('what one org has of telemetry is not there for another’s owner, nor for a token of another mesh or cluster', async () => {
  const mesh = await createTestMesh()
  const east = await joinTelemetryCluster(mesh, 'east')
  const body = encodeLogs([{ timeUs: Date.now() * 1000, traceId, spanId: 'b7ad6b7169203331' }])
  expect((await sendExport('logs', east.token, body)).status).toBe(200)
  const stranger = await addOrg('stranger')
  expect((await send('GET', '/v1/whoami', { token: stranger })).status).toBe(200)
  const ofMesh = (await makeToken({ role: 'viewer', scopes: { mesh: 'another' } })).secret
  const ofCluster = (await makeToken({ role: 'viewer', scopes: { mesh: mesh.name, cluster: 'west' } })).secret
  for (const path of [
    'logs',
    'logs?cluster=east',
    'logs/tail',
    'traces',
    `traces/${traceId}`,
    'metrics/services',
    'metrics/graph',
    'metrics/federate',
    'prometheus/api/v1/query?query=up',
    'prometheus/api/v1/labels',
  ]) {
    const ask = async (token: string) => (await send('GET', `/v1/meshes/${mesh.name}/${path}`, { token })).status
    expect.soft([path, await ask(stranger), await ask(ofMesh)]).toEqual([path, 404, 404])
    // What can be confined to a cluster is about its own, which is not in the mesh.
    const status = path.startsWith('logs?') || /^(traces\/|metrics\/federate|prometheus)/.test(path) ? 403 : 404
    expect.soft([path, await ask(ofCluster)]).toEqual([path, status])
  }
  const claimed = encodeLogs([{ timeUs: Date.now() * 1000 }], { 'atoll.mesh': mesh.name, 'k8s.cluster.name': 'east' })
  expect((await sendExport('logs', stranger, claimed)).status).toBe(404)
  expect((await mesh.send<AccessLogPage>('GET', '/logs')).body.items).toHaveLength(1)
})
