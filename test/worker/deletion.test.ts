import { runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'
import { findStoreRow } from '#worker/telemetry/store-row.ts'
import type { TelemetryStore } from '#worker/telemetry/store.ts'
import { encodeMetrics } from './support/test-metrics.ts'
import { countRows } from './support/count-rows.ts'
import { createTestMesh, send } from './support/test-plane.ts'
import type { TestMesh } from './support/test-plane.ts'
import { archive, encodeLogs, encodeSpans, joinTelemetryCluster, sendExport } from './support/test-telemetry.ts'
import type { TelemetryCluster } from './support/test-telemetry.ts'

const HOUR_MS = 60 * 60 * 1000
const nowUs = () => Date.now() * 1000
const traceId = '0af7651916cd43dd8448eb211c80319c'

let batches = 0
/** One batch of each signal that was never sent before. */
const sendAll = async ({ token }: TelemetryCluster): Promise<number[]> => {
  const spanId = `b7ad6b71692${String((batches += 1)).padStart(5, '0')}`
  const statuses: number[] = []
  for (const [signal, body] of [
    ['logs', encodeLogs([{ timeUs: nowUs(), traceId, spanId }])],
    ['traces', encodeSpans([{ timeUs: nowUs(), endUs: nowUs(), name: 'a', traceId, spanId }])],
    [
      'metrics',
      encodeMetrics('', '', [{ name: 'istio_requests_total', labels: {}, untilMs: Date.now(), value: batches }]),
    ],
  ] as const)
    statuses.push((await sendExport(signal, token, body)).status)
  return statuses
}

const join = async (mesh: TestMesh, name: string) => {
  const cluster = await joinTelemetryCluster(mesh, name)
  return {
    ...cluster,
    rows: () => runInDurableObject(cluster.stub, (_, { storage }) => countRows(storage.sql)),
    alarm: () => runInDurableObject(cluster.stub, (_, { storage }) => storage.getAlarm()),
    passTwoHours: () =>
      runInDurableObject(cluster.stub, (_, { storage }) => {
        storage.sql.exec('UPDATE store SET ended_at = ended_at - ?', 2 * HOUR_MS)
      }),
  }
}

describe('a cluster that is evicted', () => {
  test('leaves no row, no object and no alarm, and what was on its way does not come back', async () => {
    const mesh = await createTestMesh()
    const east = await join(mesh, 'east')
    const west = await join(mesh, 'west')
    for (const cluster of [east, west]) {
      expect(await sendAll(cluster)).toEqual([200, 200, 200])
      await archive(cluster)
      expect(await sendAll(cluster)).toEqual([200, 200, 200])
    }
    const [written = ''] = await east.listArchive()
    // What was written, and then cut off before the catalog had it.
    await env.TELEMETRY.put(`${written}.parquet`, 'x')
    const before = { rows: await west.rows(), objects: await west.listArchive() }

    expect((await mesh.send('DELETE', '/clusters/east')).status).toBe(204)
    await expect.poll(east.listArchive).toEqual([])
    expect(await sendAll(east)).toEqual([403, 403, 403])
    await runDurableObjectAlarm(east.stub)
    // That it was evicted, for as long as somebody may have a token from before.
    expect(await east.rows()).toEqual({ store: 1 })
    await east.passTwoHours()
    await runDurableObjectAlarm(east.stub)
    expect([await east.rows(), await east.alarm(), await east.listArchive()]).toEqual([{}, null, []])
    expect({ rows: await west.rows(), objects: await west.listArchive() }).toEqual(before)
  })

  test('leaves nothing of what was being archived', async () => {
    const mesh = await createTestMesh()
    const east = await join(mesh, 'east')
    await sendAll(east)
    let isWriting = false
    let goOn = () => {}
    const held = new Promise<void>((resolve) => (goOn = resolve))
    await runInDurableObject(east.stub, async (store: TelemetryStore, { storage }) => {
      const put = async (...[key, bytes]: Parameters<R2Bucket['put']>) => {
        isWriting = true
        await held
        return env.TELEMETRY.put(key, bytes as ArrayBuffer)
      }
      const list = (options: R2ListOptions) => env.TELEMETRY.list(options)
      const slow = { put, list, delete: (keys: string[]) => env.TELEMETRY.delete(keys) }
      Object.defineProperty(store, 'env', { value: { ...env, TELEMETRY: slow } })
      storage.sql.exec('UPDATE chunks SET received_at = 0')
      await storage.setAlarm(Date.now())
    })
    await expect.poll(() => isWriting, { timeout: 10_000 }).toBe(true)
    expect((await mesh.send('DELETE', '/clusters/east')).status).toBe(204)
    expect(await east.rows()).toEqual({ store: 1 })
    await runInDurableObject(east.stub, () => goOn())
    await expect.poll(() => east.count('store WHERE is_ending = 1'), { timeout: 10_000 }).toBe(0)
    expect([await east.rows(), await east.listArchive()]).toEqual([{ store: 1 }, []])
  })

  test('and comes back loses nothing new when its end is told once more, or forgotten', async () => {
    const mesh = await createTestMesh()
    await join(mesh, 'east')
    await mesh.send('DELETE', '/clusters/east')
    const back = await join(mesh, 'east')
    await expect.poll(() => back.count('store WHERE is_ending = 1')).toBe(0)
    expect(await sendAll(back)).toEqual([200, 200, 200])
    const before = await back.rows()
    await runInDurableObject(back.stub, async (store: TelemetryStore, { storage }) => {
      const row = findStoreRow(storage.sql)
      if (row) await store.end(row.place, row.endedAt)
    })
    expect(await back.rows()).toEqual(before)
    await back.passTwoHours()
    await runDurableObjectAlarm(back.stub)
    expect(await back.rows()).toEqual(before)
    expect(await back.count('store WHERE ended_at = 0')).toBe(1)
  })
})

test('a mesh that is deleted leaves nothing but that it was', async () => {
  const mesh = await createTestMesh()
  const clusters = [await join(mesh, 'east'), await join(mesh, 'west')]
  for (const cluster of clusters) {
    await sendAll(cluster)
    await archive(cluster)
  }
  expect((await mesh.send('DELETE', '')).body).toMatchObject({ code: 'conflict' })
  for (const name of ['east', 'west']) await mesh.send('DELETE', `/clusters/${name}`)
  expect((await mesh.send('DELETE', '')).status).toBe(204)
  for (const cluster of clusters) {
    await expect.poll(cluster.listArchive).toEqual([])
    expect(await sendAll(cluster)).toEqual([403, 403, 403])
    expect(await cluster.rows()).toEqual({ store: 1 })
  }
  const left = () =>
    runInDurableObject(mesh.stub, async (_, { storage }) => [await storage.getAlarm(), countRows(storage.sql)])
  expect(await left()).toEqual([null, { destroyed: 1 }])
  expect((await send('GET', `/v1/meshes/${mesh.name}/logs`, { token: mesh.token })).status).toBe(404)
  await runDurableObjectAlarm(mesh.stub)
  expect(await left()).toEqual([null, { destroyed: 1 }])
})
