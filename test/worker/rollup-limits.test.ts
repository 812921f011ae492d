import { describe, expect, test, vi } from 'vitest'
import { env, exports } from 'cloudflare:workers'
import { clusterName } from '#mesh/names.ts'
import type { ServiceMetrics } from '#api/schemas/metrics.ts'
import { parseQuery } from '#worker/promql/parse-query.ts'
import { Retries } from '#worker/telemetry/rollups/retries.ts'
import { nextRollUpMs, rollUp } from '#worker/telemetry/rollups/roll-up.ts'
import { MAX_SERIES } from '#worker/telemetry/rollups/totals.ts'
import { LoadBudget } from '#worker/telemetry/rollups/load-budget.ts'
import { loadRollups, loadSeries } from '#worker/telemetry/rollups/load-series.ts'
import { joinMetricsCluster } from './support/test-metrics.ts'
import type { Counted } from './support/test-metrics.ts'
import { createTestMesh, ORIGIN } from './support/test-plane.ts'
import type { TestMesh } from './support/test-plane.ts'

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

const scrape = async (mesh: TestMesh) => {
  const response = await exports.default.fetch(`${ORIGIN}/v1/meshes/${mesh.name}/metrics/federate`, {
    headers: { Authorization: `Bearer ${mesh.token}` },
  })
  return response.text()
}

describe('what is too much of metrics', () => {
  test('series that are too many are one, and answers say how much is in it', { timeout: 60_000 }, async () => {
    const mesh = await createTestMesh()
    const east = await joinMetricsCluster(mesh, 'east')
    const now = Date.now()
    const toCounted = (index: number): Counted => ({
      name: 'istio_requests_total',
      labels: { reporter: 'destination', destination_service: `s${index % 5}`, version: String(index) },
      untilMs: now - 30 * SECOND,
      value: 1,
    })
    const tooMany = 7
    for (let first = 0; first < MAX_SERIES + tooMany; first += 4000) {
      const length = Math.min(4000, MAX_SERIES + tooMany - first)
      expect((await east.send(Array.from({ length }, (_, index) => toCounted(first + index)))).text).toBe('')
    }
    expect(await scrape(mesh)).toContain(`atoll_rollups_folded_points_total{cluster="east"} ${tooMany}`)
    await east.rollUpAt(now + 6 * MINUTE)
    expect(await scrape(mesh)).toContain(`atoll_rollups_folded_points_total{cluster="east"} ${tooMany}`)
    const { body } = await mesh.send<ServiceMetrics>('GET', '/metrics/services?window=300')
    expect([body.folded, body.items.map(({ service }) => service)]).toEqual([tooMany, ['s0', 's1', 's2', 's3', 's4']])
    expect((await mesh.send('GET', '/metrics/graph?window=300')).body).toMatchObject({ folded: tooMany })
    // Merged, and by the minute.
    await east.rollUpAt(now + 3 * HOUR)
    expect((await east.read({ toMs: now + HOUR })).folded).toBe(tooMany)
    await east.rollUpAt(now + 2 * DAY)
    expect((await east.read({ toMs: now + HOUR })).folded).toBe(tooMany)
  })

  test('a batch of a few bytes opens no more than a part of the memory, and says what it left out', async () => {
    const mesh = await createTestMesh()
    const east = await joinMetricsCluster(mesh, 'east')
    const now = Math.floor(Date.now() / HOUR) * HOUR
    const toCounted = (untilMs: number, version: number): Counted => ({
      name: 'calls',
      labels: { version: String(version) },
      untilMs,
      value: 1,
    })
    const hours = await east.send(Array.from({ length: 50 }, (_, hour) => toCounted(now - hour * HOUR, 0)))
    expect(hours).toMatchObject({ status: 200, text: expect.stringContaining('2: of more than 48 different hours') })
    const series = await east.send(Array.from({ length: 38_000 }, (_, version) => toCounted(now - SECOND, version)))
    expect(series.status).toBe(200)
    expect(series.text).toMatch(/\d{4}: more series and times than one batch may have/)
    const sizes = await east.inObject(0, ({ sql }) =>
      sql.exec<{ bytes: number }>('SELECT bytes FROM rollup_batches ORDER BY bytes').toArray(),
    )
    expect(sizes).toHaveLength(2)
    for (const { bytes } of sizes) expect(bytes).toBeLessThan(16.1 * 1024 * 1024)
    await east.rollUpAt(Date.now() + 6 * MINUTE)
    expect(await east.count('rollup_batches')).toBe(0)
    expect((await east.read({ by: [] })).series.map(({ points }) => points.length)).toEqual([48])
  })

  test('what waits is rolled up in steps, and so is an hour that is large', async () => {
    const mesh = await createTestMesh()
    const east = await joinMetricsCluster(mesh, 'east')
    const now = Date.now()
    const hour = Math.floor(now / HOUR) * HOUR - 3 * HOUR
    const slots = 300
    const bounds = Array.from({ length: 128 }, (_, index) => index)
    // Numbers that do not get smaller when they are packed.
    const toCounts = () => Array.from({ length: 129 }, () => Math.floor(Math.random() * 2 ** 50))
    for (let batch = 0; batch < 4; batch += 1) {
      const counted = Array.from({ length: slots }, (_, slot): Counted[] => [
        {
          name: 'calls',
          labels: { batch: String(batch) },
          untilMs: hour + (slot + 1) * 10 * SECOND,
          histogram: { bounds, counts: toCounts(), sum: 1 },
        },
        { name: 'count', labels: {}, untilMs: hour + (slot + 1) * 10 * SECOND, value: 1 },
      ])
      expect((await east.send(counted.flat())).text).toBe('')
    }
    // As if each of them, and what becomes of it, took a large part of the memory.
    const enlarge = (table: string) =>
      east.inObject(0, ({ sql }) => sql.exec(`UPDATE ${table} SET bytes = 13 * 1024 * 1024`).toArray())
    await enlarge('rollup_batches')
    const rest = async () => [await east.count('rollup_batches'), await east.count('rollup_parts')]
    const step = (nowMs: number) =>
      east.inObject(nowMs, async (context) => {
        await rollUp(context)
        return nextRollUpMs(context)
      })
    expect(await step(now + 6 * MINUTE)).toBeLessThan(now + 6 * MINUTE)
    expect(await rest()).toEqual([3, 1])
    const total = async () => {
      const { series } = await east.read({ matchers: [{ label: '__name__', operator: '=', value: 'count' }] })
      return series.flatMap(({ points }) => points).reduce((sum, [, value = 0]) => sum + value, 0)
    }
    expect(await total()).toBe(4 * slots)
    const left = new Set<number | undefined>()
    for (let next = 0; next < now + 6 * MINUTE; next = (await step(now + 6 * MINUTE)) ?? Infinity)
      left.add((await rest())[0])
    expect([...left]).toEqual([3, 2, 1, 0])
    await enlarge('rollup_parts')
    await east.rollUpAt(now + 7 * MINUTE)
    expect(await total()).toBe(4 * slots)
    expect(
      await east.inObject(0, ({ sql }) =>
        sql.exec<{ most: number }>('SELECT max(length(body)) AS most FROM rollup_parts').one(),
      ),
    ).toEqual({ most: expect.toSatisfy((most: number) => most > 100_000 && most < 1_500_000) })
    await enlarge('rollup_parts')
    await east.rollUpAt(now + 2 * DAY)
    expect(await total()).toBe(4 * slots)
    expect((await east.read({ matchers: [{ label: '__name__', operator: '=', value: 'count' }] })).stepMs).toBe(MINUTE)
  })

  test('a batch that cannot be rolled up holds up no other, and is let go', async () => {
    const mesh = await createTestMesh()
    const east = await joinMetricsCluster(mesh, 'east')
    const now = Date.now()
    const addBatch = (value: number) => east.send([{ name: 'calls', labels: {}, untilMs: now - MINUTE, value }])
    await addBatch(1)
    await east.inObject(0, ({ sql }) => {
      sql.exec(
        `INSERT INTO rollup_batches (hash, until_ms, received_at, body) VALUES ('bad', ?, ?, x'00')`,
        now - MINUTE,
        now - MINUTE,
      )
    })
    const errors = vi.spyOn(console, 'error').mockImplementation(() => undefined)
    const step = () =>
      east
        .inObject(now + 6 * MINUTE, (context) => rollUp(context))
        .then(
          () => 'done',
          () => 'failed',
        )
    // Together, and then apart.
    expect([await step(), await step(), await step()]).toEqual(['failed', 'failed', 'done'])
    // While there is nothing else it may be anything that fails.
    for (let tries = 0; tries < 30; tries += 1) expect(await step()).toBe('failed')
    for (let others = 2; others <= 20; others += 1) {
      expect([await step(), await east.count('rollup_batches')]).toEqual(['failed', 1])
      await addBatch(others)
      expect([await step(), await east.count('rollup_batches')]).toEqual(['done', 1])
    }
    expect([await step(), await east.count('rollup_batches'), await east.count('rollup_known')]).toEqual([
      'done',
      0,
      20,
    ])
    expect(errors.mock.calls.flat().join()).toContain('can not be rolled up')
    errors.mockRestore()
    expect((await east.read({})).series.map(({ points }) => points.map(([, value]) => value))).toEqual([[210]])
  })

  test('no batch is let go for what fails with each of them', async () => {
    const mesh = await createTestMesh()
    const east = await joinMetricsCluster(mesh, 'east')
    const now = Date.now()
    const values = [1, 2, 4, 8]
    for (const value of values) await east.send([{ name: 'calls', labels: {}, untilMs: now - MINUTE, value }])
    await east.inObject(0, ({ sql }) => sql.exec(`INSERT INTO rollup_totals (part, body) VALUES (0, x'00')`).toArray())
    const rollUpAll = () => east.rollUpAt(now + 6 * MINUTE)
    for (let tries = 0; tries < 30 * values.length; tries += 1)
      await expect(rollUpAll()).rejects.toThrow('decompression')
    expect(await east.count('rollup_batches')).toBe(values.length)
    await east.inObject(0, ({ sql }) => sql.exec('DELETE FROM rollup_totals').toArray())
    await rollUpAll()
    expect([await east.count('rollup_batches'), await east.count('rollup_known')]).toEqual([0, values.length])
    expect((await east.read({})).series.map(({ points }) => points.map(([, value]) => value))).toEqual([[15]])
  })

  test('an hour that cannot be merged is tried every hour, and batches are rolled up all the while', async () => {
    const mesh = await createTestMesh()
    const east = await joinMetricsCluster(mesh, 'east')
    const start = Date.now()
    await east.inObject(0, ({ sql }) => {
      sql.exec(
        `INSERT INTO rollup_parts (hour, step_ms, part, bytes, until_ms, is_merged, body) VALUES (?, ?, 1, 1, ?, 0, x'00')`,
        Math.floor(start / HOUR) - 3,
        10 * SECOND,
        start - 3 * HOUR,
      )
    })
    const retries = new Retries()
    const triedAt: number[] = []
    for (let now = start; now < start + 6 * HOUR;) {
      await expect(east.inObject(now, (context) => rollUp(context, retries))).rejects.toThrow('decompression')
      triedAt.push(now - start)
      now = (await east.inObject(now, (context) => nextRollUpMs(context, retries))) ?? Infinity
    }
    expect(triedAt.slice(0, 4)).toEqual([0, 10, 30, 70].map((seconds) => seconds * SECOND))
    expect(triedAt).toHaveLength(14)
    await east.send([{ name: 'calls', labels: {}, untilMs: start - MINUTE, value: 1 }])
    const last = start + (triedAt.at(-1) ?? 0)
    await east.inObject(last + 6 * MINUTE, (context) => rollUp(context, retries))
    expect(await east.count('rollup_batches')).toBe(0)
  })

  test('a query over clusters has one budget for all that they answer, and for its selectors', async () => {
    const mesh = await createTestMesh()
    const now = Date.now()
    const clusters = ['east', 'north', 'west'].map((name) => clusterName.parse(name))
    for (const name of clusters) {
      const cluster = await joinMetricsCluster(mesh, name)
      await cluster.send(
        Array.from({ length: 10 }, (_, index) => ({
          name: 'calls',
          labels: { index: String(index) },
          untilMs: now - MINUTE,
          value: 1,
        })),
      )
    }
    const asked = { env, mesh: { orgId: '', meshId: mesh.id }, clusters }
    const query = { matchers: [], fromMs: now - HOUR, toMs: now, stepMs: MINUTE }
    const load = (bytes: number) => loadRollups(asked, query, new LoadBudget(bytes))
    expect((await load(20_000)).items).toHaveLength(3)
    await expect(load(12_000)).rejects.toThrow('the query reads too much: select fewer clusters')
    // Each answer alone is within it.
    expect(
      (await loadRollups({ ...asked, clusters: clusters.slice(0, 1) }, query, new LoadBudget(12_000))).items,
    ).toHaveLength(1)

    const range = { startMs: now, endMs: now, stepMs: 1000 }
    const ask = (text: string) => loadSeries(asked, parseQuery(text), range, now)
    const same = await ask(Array.from({ length: 100 }, () => 'calls').join(' or '))
    expect(same.unavailable).toEqual([])
    await expect(ask(Array.from({ length: 40 }, (_, index) => `calls${index}`).join(' or '))).rejects.toThrow(
      'more than 30 selectors',
    )
    await expect(loadSeries(asked, parseQuery('calls'), { ...range, startMs: 0 }, now)).rejects.toThrow('take longer')
    const { seriesOf } = await ask('calls[100y]')
    expect(seriesOf).toBeDefined()
  })
})
