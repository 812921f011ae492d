import { runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'
import type { AccessLog, AccessLogPage } from '#api/schemas/telemetry.ts'
import { expire } from '#worker/telemetry/archive/retention.ts'
import { createTestMesh } from './support/test-plane.ts'
import type { TestMesh } from './support/test-plane.ts'
import { archive, joinTelemetryCluster, sendLogs } from './support/test-telemetry.ts'

const DAY_MS = 24 * 60 * 60 * 1000

/** Every record that a search finds, page by page. */
const listAll = async (mesh: TestMesh, query = ''): Promise<AccessLog[]> => {
  const items: AccessLog[] = []
  let cursor = ''
  for (;;) {
    const { body } = await mesh.send<AccessLogPage>('GET', `/logs?limit=7${query}${cursor}`)
    items.push(...body.items)
    if (body.nextCursor === null) return items
    cursor = `&cursor=${body.nextCursor}`
  }
}

describe('the archive', () => {
  test('holds what came in, day by day, once, wherever archiving was cut off', async () => {
    const mesh = await createTestMesh()
    const east = await joinTelemetryCluster(mesh, 'east')
    const noonUs = Math.floor(Date.now() / DAY_MS) * DAY_MS * 1000 - (DAY_MS / 2) * 1000
    const sendTen = (first: number) =>
      sendLogs(
        east.token,
        Array.from({ length: 10 }, (_, index) => ({
          // Two days, and not in order.
          timeUs: noonUs - (index % 2) * DAY_MS * 1000 + (((first + index) * 7919) % 1000),
          attributes: { path: `/${first + index}`, duration_us: index },
        })),
      )
    for (const first of [0, 10, 20]) await sendTen(first)
    const before = await listAll(mesh)
    expect(before).toHaveLength(30)
    expect(before.map(({ time }) => time)).toEqual(
      before
        .map(({ time }) => time)
        .toSorted()
        .toReversed(),
    )

    let puts = 0
    const failing = {
      put: async (key: string, bytes: ArrayBuffer) => {
        puts += 1
        if (puts > 1) throw new Error('R2 is away')
        return env.TELEMETRY.put(key, bytes)
      },
    } as unknown as R2Bucket
    // The reasons are values of another isolate's errors.
    expect(await archive(east, { bucket: failing }).catch(String)).toContain('R2 is away')
    expect(await listAll(mesh)).toEqual(before)
    expect(await archive(east, { crash: true }).catch(String)).toContain('crash')
    expect(await listAll(mesh)).toEqual(before)
    const written = await east.listArchive()
    expect(written).toHaveLength(2)
    // What comes in between does not change what was begun.
    await sendTen(30)
    await archive(east)
    expect((await east.listArchive()).slice(0, 2)).toEqual(written)
    const after = await listAll(mesh)
    expect(after.filter(({ path }) => Number(path?.slice(1)) < 30)).toEqual(before)
    expect(new Set(after.map(({ path }) => path)).size).toBe(40)
    expect(after).toHaveLength(40)
    await archive(east)
    expect(await listAll(mesh)).toEqual(after)
    expect([await east.count('chunks'), await east.count('segments'), await east.count('compactions')]).toEqual([
      0, 4, 0,
    ])
  })

  test('makes no more into one object than fits into memory unpacked, whatever was planned before', async () => {
    const mesh = await createTestMesh()
    const east = await joinTelemetryCluster(mesh, 'east')
    const sendSix = (name: string) =>
      sendLogs(
        east.token,
        Array.from({ length: 6 }, (_, index) => ({
          timeUs: Date.now() * 1000,
          attributes: { path: `/${name}/${index}`, same: 'x'.repeat(4_000) },
        })),
      )
    for (const name of ['a', 'b', 'c', 'd', 'e']) await sendSix(name)
    const inStore = <Row>(query: string): Promise<Row[]> =>
      runInDurableObject(east.stub, (_, { storage }) => storage.sql.exec(query).toArray() as Row[])
    const chunks = await inStore<{ bytes: number; unpacked: number }>('SELECT bytes, unpacked FROM chunks')
    // A text that comes again takes nothing packed.
    for (const { bytes, unpacked } of chunks) expect(unpacked).toBeGreaterThan(Math.max(6 * 4_000, 10 * bytes))

    await inStore(`UPDATE chunks SET unpacked = ${7 * 1024 * 1024}`)
    await inStore(
      `INSERT INTO compactions (signal, first_chunk, last_chunk) SELECT 'logs', min(id), max(id) FROM chunks`,
    )
    for (const [waiting, written] of [
      [3, 1],
      [1, 2],
      [0, 3],
    ]) {
      await archive(east)
      expect([await east.count('chunks'), await east.count('segments')]).toEqual([waiting, written])
    }
    expect(await listAll(mesh)).toHaveLength(30)
    expect(await east.count('compactions')).toBe(0)

    // More than one segment waits: it is due at once.
    await sendSix('f')
    await inStore(`UPDATE waiting SET unpacked = ${17 * 1024 * 1024}`)
    await archive(east, { nowMs: Date.now() })
    expect(await east.count('chunks')).toBe(0)
  })

  test('loses what is over also while something else can’t be archived', async () => {
    const mesh = await createTestMesh()
    const east = await joinTelemetryCluster(mesh, 'east')
    await sendLogs(east.token, [{ timeUs: Date.now() * 1000 }])
    const failing = { put: () => Promise.reject(new Error('R2 is away')) } as unknown as R2Bucket
    expect(await archive(east, { bucket: failing }).catch(String)).toContain('R2 is away')
    await sendLogs(east.token, [{ timeUs: Date.now() * 1000 - 1_000_000 }])
    expect(await east.count('chunks')).toBe(2)
    await runInDurableObject(east.stub, (_, { storage }) => expire(storage.sql, env.TELEMETRY, Date.now() + 8 * DAY_MS))
    expect([await east.count('chunks'), await east.count('compactions')]).toEqual([1, 1])
  })

  test('loses what is older than it is kept, object and row, and an evicted cluster’s whole', async () => {
    const mesh = await createTestMesh()
    const east = await joinTelemetryCluster(mesh, 'east')
    const west = await joinTelemetryCluster(mesh, 'west')
    const [old, young] = [Date.now() - 5 * DAY_MS, Date.now()].map((ms) => ({ timeUs: ms * 1000 }))
    for (const { token } of [east, west]) await sendLogs(token, [old ?? { timeUs: 0 }, young ?? { timeUs: 0 }])
    await archive(east)
    await archive(west)
    const expireIn = (days: number) =>
      runInDurableObject(east.stub, (_, { storage }) => expire(storage.sql, env.TELEMETRY, Date.now() + days * DAY_MS))
    await expireIn(1)
    expect(await listAll(mesh)).toHaveLength(4)
    // What a token from before says of it does not count any more.
    expect((await mesh.send('PATCH', '', { body: { logRetentionDays: 3 } })).status).toBe(200)
    await sendLogs(east.token, [{ timeUs: Date.now() * 1000 - 3_000_000 }])
    await expect.poll(async () => [...(await east.listArchive()), ...(await west.listArchive())]).toHaveLength(2)
    expect([await east.count('segments'), await east.count('segment_blooms')]).toEqual([1, 1])
    expect(await listAll(mesh)).toHaveLength(3)

    expect((await mesh.send('DELETE', '/clusters/east')).status).toBe(204)
    await expect.poll(east.listArchive).toEqual([])
    for (const table of ['chunks', 'segments', 'segment_blooms', 'batches', 'waiting'])
      expect.soft(await east.count(table), table).toBe(0)
    expect(await listAll(mesh)).toHaveLength(1)
    expect(await west.listArchive()).toHaveLength(1)

    const back = await joinTelemetryCluster(mesh, 'east')
    await expect.poll(() => east.count('store WHERE is_ending = 1')).toBe(0)
    await sendLogs(back.token, [{ timeUs: Date.now() * 1000 }])
    expect(await listAll(mesh, '&cluster=east')).toHaveLength(1)
    await mesh.send('DELETE', '/clusters/east')
    await mesh.send('DELETE', '/clusters/west')
    expect((await mesh.send('DELETE', '')).status).toBe(204)
    await expect.poll(async () => [...(await back.listArchive()), ...(await west.listArchive())]).toEqual([])
  })

  test('keeps what a cluster sent since it came back, also when its end is told again, and it is kept for another time', async () => {
    const mesh = await createTestMesh()
    const east = await joinTelemetryCluster(mesh, 'east')
    await sendLogs(east.token, [{ timeUs: Date.now() * 1000 }])
    const endedAtMs = Date.now() - 60_000
    // The store heard of it, and the mesh did not hear that it has.
    await runInDurableObject(east.stub, (_, { storage }) => {
      storage.sql.exec('UPDATE store SET ended_at = ?', endedAtMs)
    })
    await runInDurableObject(mesh.stub, (_, { storage }) => {
      storage.sql.exec(`INSERT INTO telemetry_news (cluster, at, is_end) VALUES ('east', ?, 1)`, endedAtMs)
    })
    expect((await mesh.send('PATCH', '', { body: { logRetentionDays: 3 } })).status).toBe(200)
    const countNews = () =>
      runInDurableObject(
        mesh.stub,
        (_, { storage }) => storage.sql.exec('SELECT cluster FROM telemetry_news').toArray().length,
      )
    await expect.poll(countNews).toBe(0)
    expect(await listAll(mesh)).toHaveLength(1)
  })
})
