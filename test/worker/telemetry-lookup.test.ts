import { describe, expect, test } from 'vitest'
import type { ClusterName } from '#mesh/names.ts'
import { buildBloom, mayHold } from '#worker/telemetry/records/bloom.ts'
import { askClusters } from '#worker/telemetry/search/ask-clusters.ts'
import { lookUpTrace } from '#worker/telemetry/search/look-up-trace.ts'
import { isBefore, toPlaceOfTime } from '#worker/telemetry/search/record-query.ts'
import type { FoundRecord, FoundRecords, RecordQuery } from '#worker/telemetry/search/record-query.ts'

const [east, west] = ['east', 'west'] as [ClusterName, ClusterName]
const traceId = 'a'.repeat(32)
const query = { traceId, fromUs: 0, toUs: Number.MAX_SAFE_INTEGER }

/** A store that looks at so much in one answer: a hundred microseconds. */
const slowStore = (records: readonly FoundRecord[], oldestUs: number, step = 100) => ({
  search: async ({ signal, after }: RecordQuery): Promise<FoundRecords> => {
    if (signal === 'traces') return { records: [], searchedTo: null }
    const searchedTo = toPlaceOfTime(Math.min(after.timeUs, 1_000_000) - step)
    const own = records.filter((record) => isBefore(after, record) && isBefore(record, searchedTo))
    return { records: own, searchedTo: searchedTo.timeUs > oldestUs ? searchedTo : null }
  },
})

const record = (timeUs: number, cluster: string): FoundRecord => ({
  timeUs,
  recordId: timeUs,
  fields: { time: timeUs, cluster, trace_id: traceId, span_id: String(timeUs).padStart(16, '0') },
})

describe('a trace that is looked up', () => {
  const stores = {
    east: slowStore([record(998_050, 'east')], 997_000),
    west: slowStore([record(2_000, 'west')], 0, 1e6),
  }
  const open = (cluster: ClusterName) => stores[cluster as 'east' | 'west']

  test('is found however many answers it takes', async () => {
    const { spans, ...rest } = await lookUpTrace(open, [east, west], query)
    expect(spans.map(({ cluster }) => cluster)).toEqual(['west', 'east'])
    expect(rest).toEqual({ traceId, truncated: false, unavailable: [] })
  })

  test.each([
    ['asks', { ms: 60_000, asks: 3, size: 1e9 }],
    ['time', { ms: 0, asks: 1000, size: 1e9 }],
    ['memory', { ms: 60_000, asks: 1000, size: 0 }],
  ])('says how far it was looked, and what was found, where there are no more %s', async (_, budget) => {
    const found = await lookUpTrace(open, [east, west], query, budget)
    expect(found.spans.map(({ cluster }) => cluster)).toEqual(['west'])
    expect(found.searchedTo).toBe('1970-01-01T00:00:01.000000Z')
  })
})

describe('clusters that are asked', () => {
  test('hold nobody up: who takes too long is named', async () => {
    const clusters = Array.from({ length: 40 }, (_, index) => `c${index + 10}` as ClusterName)
    const slow = new Set(clusters.slice(0, 20))
    const startedAt = Date.now()
    const { answers, unavailable } = await askClusters(
      clusters,
      (cluster) => (slow.has(cluster) ? new Promise<string>(() => undefined) : Promise.resolve('here')),
      { eachMs: 100, allMs: 1_000 },
    )
    expect(answers.map(({ cluster }) => cluster)).toEqual(clusters.slice(20))
    expect(unavailable.map(({ cluster }) => cluster)).toEqual([...slow])
    expect(Date.now() - startedAt).toBeLessThan(1_000)
  })

  test('get no more time together than there is, and are not asked after it', async () => {
    const clusters = Array.from({ length: 40 }, (_, index) => `c${index + 10}` as ClusterName)
    let asked = 0
    const ask = () => {
      asked += 1
      return new Promise<string>(() => undefined)
    }
    const { unavailable } = await askClusters(clusters, ask, { eachMs: 10_000, allMs: 50 })
    expect([asked, unavailable.length]).toEqual([16, 40])
  })
})

test('a filter fits into a row however many texts there are', () => {
  const texts = new Set(Array.from({ length: 400_000 }, (_, index) => `service=${index}`))
  expect(buildBloom(texts).byteLength).toBeLessThanOrEqual(256 * 1024)
})

test('of texts that are not there few seem to be', () => {
  const texts = Array.from({ length: 20_000 }, (_, index) => `trace=${(index * 7_919).toString(16).padStart(32, '0')}`)
  const bloom = buildBloom(new Set(texts))
  expect(texts.every((text) => mayHold(bloom, text))).toBe(true)
  const alarms = Array.from({ length: 100_000 }, (_, index) => `trace=${(index * 104_729 + 1).toString(16)}`)
  expect(alarms.filter((text) => mayHold(bloom, text)).length / 100_000).toBeLessThan(0.002)
})
