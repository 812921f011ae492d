import { describe, expect, test, vi } from 'vitest'
import { addPoint, createBlock, seriesOf } from '#worker/telemetry/rollups/block.ts'
import type { Block } from '#worker/telemetry/rollups/block.ts'
import { encodeBlock } from '#worker/telemetry/rollups/block-codec.ts'
import { rollUp } from '#worker/telemetry/rollups/roll-up.ts'
import { deleteRollups } from '#worker/telemetry/rollups/rollup-rows.ts'
import { admitBatches, MAX_SERIES } from '#worker/telemetry/rollups/totals.ts'
import { encodeMetrics, joinMetricsCluster, postMetrics } from './support/test-metrics.ts'
import type { Counted } from './support/test-metrics.ts'
import { createTestMesh } from './support/test-plane.ts'

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** The beginning of the hour before the last. */
const toPastHour = () => Math.floor(Date.now() / HOUR) * HOUR - 2 * HOUR

const requests = (untilMs: number, value: number, labels: Record<string, string> = {}): Counted => ({
  name: 'istio_requests_total',
  labels: { reporter: 'destination', destination_service: 'reviews', response_code: '200', ...labels },
  untilMs,
  value,
})

const durations = (untilMs: number, counts: readonly number[], sum: number): Counted => ({
  name: 'istio_request_duration_milliseconds',
  labels: { reporter: 'destination' },
  untilMs,
  histogram: { bounds: [1, 10], counts, sum },
})

describe('rollups', () => {
  test('count each batch once, whenever and however often it is sent, and in its own time', async () => {
    const mesh = await createTestMesh()
    const east = await joinMetricsCluster(mesh, 'east')
    const start = toPastHour()
    const first = [
      requests(start + 10 * SECOND, 3),
      requests(start + 15 * SECOND, 4),
      durations(start + 20 * SECOND, [1, 0, 2], 50.5),
    ]
    // The end of one hour and the beginning of the next.
    const second = [
      requests(start + HOUR, 10),
      requests(start + HOUR + SECOND, 20),
      durations(start + HOUR, [0, 5, 0], 20),
    ]
    const third = [requests(start + 90 * SECOND, 100)]
    for (const batch of [first, second, first]) expect(await east.send(batch)).toEqual({ status: 200, text: '' })
    expect(await east.count('rollup_batches')).toBe(2)
    const fine = [
      [start + 10 * SECOND, 3],
      [start + 20 * SECOND, 4],
      [start + HOUR, 10],
      [start + HOUR + 10 * SECOND, 20],
    ]
    const read = async (stepMs = 10 * SECOND) => {
      const { series, ...rest } = await east.read({ stepMs })
      const pointsOf = (name: string) => series.filter((each) => each.name === name).map(({ points }) => points)
      return {
        ...rest,
        requests: pointsOf('istio_requests_total'),
        durations: pointsOf('istio_request_duration_milliseconds'),
      }
    }
    const ofDurations = [
      [start + 20 * SECOND, 50.5, 1, 0, 2],
      [start + HOUR, 20, 0, 5, 0],
    ]
    expect(await read()).toEqual({ stepMs: 10 * SECOND, folded: 0, requests: [fine], durations: [ofDurations] })

    // Rolled up: the same answer, from a part for each hour.
    const now = Date.now()
    await east.rollUpAt(now + 6 * MINUTE)
    expect([await east.count('rollup_batches'), await east.count('rollup_parts')]).toEqual([0, 2])
    for (const batch of [first, second]) await east.send(batch)
    expect(await read()).toEqual({ stepMs: 10 * SECOND, folded: 0, requests: [fine], durations: [ofDurations] })

    // What a spool sends late is filed where it belongs, and merged there.
    await east.send(third)
    await east.rollUpAt(now + 20 * MINUTE)
    await east.send(third)
    expect([await east.count('rollup_batches'), await east.count('rollup_parts')]).toEqual([0, 2])
    const late = fine.toSpliced(2, 0, [start + 90 * SECOND, 100])
    expect((await read()).requests).toEqual([late])

    // By the minute after a day, all that was counted still.
    expect(await east.rollUpAt(now + 2 * DAY)).toBe(start + HOUR + 31 * DAY)
    const coarse = [
      [start + MINUTE, 7],
      [start + 2 * MINUTE, 100],
      [start + HOUR, 10],
      [start + HOUR + MINUTE, 20],
    ]
    for (const batch of [first, second, third]) await east.send(batch)
    expect(await east.count('rollup_batches')).toBe(0)
    expect(await read()).toMatchObject({ stepMs: MINUTE, requests: [coarse] })
    expect(
      (await east.read({ fromMs: start + MINUTE, toMs: start + HOUR })).series.map(({ points }) => points),
    ).toEqual([coarse.slice(1, 3), [[start + HOUR, 20, 0, 5, 0]]])

    // Gone after a month.
    expect(await east.rollUpAt(now + 33 * DAY)).toBeUndefined()
    expect([await east.count('rollup_parts'), await east.count('rollup_known')]).toEqual([0, 0])
  })

  test('know a batch for as long as any of it counts, whatever else is in it', async () => {
    const mesh = await createTestMesh()
    const east = await joinMetricsCluster(mesh, 'east')
    const now = Date.now()
    const nanoseconds = (ms: number) => `${ms}000000`
    const sum = (ms: number) => ({
      name: 'calls',
      sum: { aggregationTemporality: 1, isMonotonic: true, dataPoints: [{ timeUnixNano: nanoseconds(ms), asInt: 5 }] },
    })
    const post = (...metrics: unknown[]) => {
      const resource = {
        attributes: Object.entries({ 'atoll.mesh': mesh.name, 'k8s.cluster.name': 'east' }).map(
          ([key, stringValue]) => ({ key, value: { stringValue } }),
        ),
      }
      return postMetrics(
        JSON.stringify({ resourceMetrics: [{ resource, scopeMetrics: [{ metrics }] }] }),
        'application/json',
      )
    }
    const timeless = {
      name: 'calls',
      sum: { aggregationTemporality: 1, isMonotonic: true, dataPoints: [{ asInt: 7 }] },
    }
    const batches = [
      [{ name: 'gauge', gauge: { dataPoints: [{ timeUnixNano: nanoseconds(now), asInt: 1 }] } }, sum(now)],
      [timeless, sum(now)],
      [sum(now - 32 * DAY), sum(now - MINUTE)],
      // Half of it is forgotten within the hour.
      [sum(now - 31 * DAY + MINUTE), sum(now)],
    ]
    for (const hour of [1, 2, 3]) {
      for (const batch of batches) expect((await post(...batch)).status).toBe(200)
      await east.rollUpAt(now + hour * HOUR)
    }
    const { series } = await east.read({ fromMs: now - DAY, toMs: now + DAY })
    expect(series.flatMap(({ points }) => points).reduce((all, [, value = 0]) => all + value, 0)).toBe(
      5 * batches.length,
    )
    expect(await east.count('rollup_known')).toBe(batches.length)
  })

  test('add series up by the labels that are asked for', async () => {
    const mesh = await createTestMesh()
    const east = await joinMetricsCluster(mesh, 'east')
    const start = toPastHour()
    await east.send([
      requests(start + MINUTE, 1),
      requests(start + MINUTE, 2, { response_code: '503' }),
      requests(start + MINUTE, 4, { destination_service: 'ratings' }),
      durations(start + MINUTE, [1, 1, 1], 12),
    ])
    const matchers = [{ label: '__name__', operator: '=~', value: '.*requests.*' }] as const
    const { series } = await east.read({ matchers, by: ['destination_service', 'nothing'] })
    expect(series.map(({ labels, points }) => [labels, points])).toEqual([
      ['destination_service reviews', [[start + MINUTE, 3]]],
      ['destination_service ratings', [[start + MINUTE, 4]]],
    ])
    const others = [{ label: 'cluster', operator: '!=', value: 'east' }] as const
    expect((await east.read({ matchers: others })).series).toEqual([])
  })

  test('say what they do not take', async () => {
    const mesh = await createTestMesh()
    await joinMetricsCluster(mesh, 'east')
    const now = Date.now()
    const nanoseconds = (ms: number) => String(BigInt(Math.round(ms)) * 1_000_000n)
    const points = (...values: readonly unknown[]) =>
      values.map((value) => ({ timeUnixNano: nanoseconds(now), asInt: value }))
    const delta = { aggregationTemporality: 1, isMonotonic: true }
    const place = [
      { key: 'atoll.mesh', value: { stringValue: mesh.name } },
      { key: 'k8s.cluster.name', value: { stringValue: 'east' } },
    ]
    const post = (metrics: unknown, attributes = place) =>
      postMetrics(
        JSON.stringify({ resourceMetrics: [{ resource: { attributes }, scopeMetrics: [{ metrics }] }] }),
        'application/json',
      )
    const { status, text } = await post([
      { name: 'a', gauge: { dataPoints: points(1) } },
      { name: 'b', sum: { dataPoints: points('1', '2'), isMonotonic: true, aggregationTemporality: 2 } },
      { name: 'c', sum: { dataPoints: points(1), aggregationTemporality: 1 } },
      {
        name: 'd',
        sum: { ...delta, dataPoints: [...points(-1, 5), { timeUnixNano: nanoseconds(now - 32 * DAY), asInt: 1 }] },
      },
      {
        name: 'e',
        histogram: {
          ...delta,
          dataPoints: [{ timeUnixNano: nanoseconds(now), explicitBounds: [2, 1], bucketCounts: [0, 0, 1] }],
        },
      },
    ])
    expect(status).toBe(200)
    expect(JSON.parse(text)).toEqual({
      partialSuccess: {
        rejectedDataPoints: '7',
        errorMessage:
          '1: neither a sum nor a histogram; 2: not of delta temporality; 1: sums that may fall; 1: sums below zero or without a number; ' +
          '1: older than what is kept; 1: histograms whose buckets are wrong',
      },
    })
    expect(await post([{ name: 'd', sum: { ...delta, dataPoints: points(5) } }], place.slice(0, 1))).toMatchObject({
      status: 404,
    })
    expect(await postMetrics(encodeMetrics(mesh.name, 'west', [requests(now, 1)]))).toMatchObject({ status: 404 })
    expect(await postMetrics(Uint8Array.of(10, 255, 1, 2))).toMatchObject({ status: 400 })
    expect(await postMetrics('{"resourceMetrics": 1}', 'application/json')).toMatchObject({ status: 400 })
  })

  test('keep hostile labels what they are: data, and not too much of it', async () => {
    const mesh = await createTestMesh()
    const east = await joinMetricsCluster(mesh, 'east')
    const [hour, before] = [toPastHour(), Date.now()]
    await east.send([
      {
        name: '__proto__',
        labels: { 'a.b-c': '\u001b[31m\u0000\n"=x', __name__: 'up', __proto__: 'x', '1': 'y'.repeat(300), empty: '' },
        untilMs: Date.now() + DAY,
        value: 1,
      },
      {
        name: 'many',
        labels: Object.fromEntries(Array.from({ length: 60 }, (_, index) => [`l${index}`, 'x'])),
        untilMs: hour,
        value: 1,
      },
    ])
    await east.rollUpAt(Date.now() + 6 * MINUTE)
    const { series } = await east.read({ toMs: Date.now() + MINUTE, stepMs: 10 * SECOND })
    const [many, odd] = series.toSorted((a, b) => (a.name < b.name ? -1 : 1))
    expect(odd).toMatchObject({
      name: 'x__proto__',
      labels: `a_b_c \u001b[31m\n"=x x1 ${'y'.repeat(256)} x__name__ up`,
    })
    // Of a clock that is a day ahead, and filed as of now.
    const filedMs = Number(odd?.points[0]?.[0])
    expect(filedMs >= before && filedMs <= Date.now() + 10 * SECOND).toBe(true)
    expect(many?.labels.split(' ')).toHaveLength(96)
  })

  test('go with their cluster, also while they are rolled up', async () => {
    const mesh = await createTestMesh()
    const east = await joinMetricsCluster(mesh, 'east')
    const now = Date.now()
    await east.send([requests(now, 1)])
    await east.inObject(now + 6 * MINUTE, async (context) => {
      const rolling = rollUp(context)
      deleteRollups(context.sql)
      await expect(rolling).rejects.toThrow('what was rolled up is gone')
    })
    expect(await east.count('rollup_parts')).toBe(0)
    await east.send([requests(now, 2)])
    await east.rollUpAt(now + 12 * MINUTE)
    await east.send([requests(now, 3)])
    expect((await mesh.send('DELETE', '/clusters/east')).status).toBe(204)
    for (const table of ['batches', 'parts', 'known', 'totals'])
      await vi.waitFor(async () => expect(await east.count(`rollup_${table}`)).toBe(0), {
        timeout: 15_000,
        interval: 20,
      })
    expect(await east.send([requests(now, 4)])).toMatchObject({ status: 404 })
  })

  test('put what is too many series into one, and count what is in it', async () => {
    const [totals, sent] = [createBlock(), createBlock()]
    const toSeries = (index: number, reporter: string, name = 'istio_requests_total') => ({
      name,
      labels: ['reporter', reporter, 'version', String(index)],
      bounds: undefined,
    })
    for (let index = 0; index < MAX_SERIES; index += 1) seriesOf(totals, toSeries(index, 'source'))
    const slot = 360 * 500_000 + 7
    for (const [index, reporter] of [
      [3, 'source'],
      [MAX_SERIES, 'source'],
      [MAX_SERIES + 1, 'source'],
      [MAX_SERIES, 'destination'],
      [MAX_SERIES, 'somebody'],
    ] as const)
      addPoint(sent, seriesOf(sent, toSeries(index, reporter)), slot, [10])
    const admit = async (block: Block) => admitBatches(totals, [(await encodeBlock(block)).buffer], 500_001)
    const { block, folded } = await admit(sent)
    expect([...block.series.values()].map(({ labels, points }) => [labels.join(' '), [...points]])).toEqual([
      ['reporter source version 3', [[slot, [10]]]],
      ['otel_metric_overflow true reporter source', [[slot, [20]]]],
      ['otel_metric_overflow true reporter destination', [[slot, [10]]]],
      ['otel_metric_overflow true', [[slot, [10]]]],
    ])
    expect([...folded]).toEqual([[500_000, 4]])

    // Names have an end, too.
    const names = createBlock()
    for (let index = 0; index < 2000; index += 1)
      addPoint(names, seriesOf(names, toSeries(0, 'source', `name${index}`)), slot, [1])
    await admit(names)
    expect([totals.series.size, totals.folded]).toEqual([MAX_SERIES + 1000, 2004])
  })
})
