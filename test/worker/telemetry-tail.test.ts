import { describe, expect, test } from 'vitest'
import type { ClusterName } from '#mesh/names.ts'
import { Arrivals } from '#worker/telemetry/search/arrivals.ts'
import { followLogs } from '#worker/telemetry/search/follow-logs.ts'
import type { TailLimits } from '#worker/telemetry/search/follow-logs.ts'
import { parseTailCursor } from '#worker/telemetry/search/tail-cursor.ts'
import type { Tailed, TailQuery } from '#worker/telemetry/search/tail.ts'

const limits: TailLimits = { asks: 900, ms: 60_000, waitMs: 20, pauseMs: 1, spacingMs: 0.05, placeMs: 15_000 }

interface Told {
  readonly event: string
  readonly data: Record<string, unknown>
}

/** A stream that keeps what it is told. */
const createStream = () => {
  const told: Told[] = []
  const aborts: (() => void | Promise<void>)[] = []
  return {
    told,
    mayGoOn: () => Promise.resolve(true),
    abort: () => aborts.forEach((abort) => void abort()),
    onAbort: (listener: () => void | Promise<void>) => void aborts.push(listener),
    writeSSE: async ({ event = '', data }: { event?: string; data: string | Promise<string> }) => {
      told.push({ event, data: JSON.parse(await data) as Record<string, unknown> })
    },
  }
}

/** A store to which a record comes with each ask, but for the first. */
const createBusyStore = (cluster: string) => {
  let last = 0
  return {
    follow: async ({ afterChunk }: TailQuery): Promise<Tailed> => {
      if (afterChunk === null) return { records: [], skipped: 0, lastChunk: last }
      last += 1
      const chunks = Array.from({ length: last - afterChunk }, (_, index) => afterChunk + 1 + index)
      const records = chunks.map((id) => ({
        timeUs: id,
        recordId: id,
        fields: { time: id, path: `/${cluster}/${id}` },
      }))
      return { records, skipped: 0, lastChunk: last }
    },
  }
}

const names = (count: number): ClusterName[] => Array.from({ length: count }, (_, index) => `c${index}` as ClusterName)

describe('a tail', () => {
  test('makes no more requests than one may, ends in order, and goes on without losing or repeating a record', async () => {
    const clusters = names(200)
    const stores = new Map(clusters.map((cluster) => [cluster, createBusyStore(cluster)]))
    const seen: string[] = []
    let cursor: string | undefined
    for (let run = 0; run < 3; run += 1) {
      let asks = 0
      const open = (cluster: ClusterName) => ({
        follow: async (query: TailQuery): Promise<Tailed> => {
          asks += 1
          return (await stores.get(cluster)?.follow(query)) as Tailed
        },
      })
      const stream = createStream()
      await followLogs(open, clusters, [], parseTailCursor(cursor), stream, limits)
      expect(asks).toBeLessThanOrEqual(900)
      seen.push(...stream.told.filter(({ event }) => event === 'record').map(({ data }) => String(data['path'])))
      const { event, data } = stream.told.at(-1) as Told
      expect(event).toBe('end')
      cursor = String(data['cursor'])
      // A URL may have 16 KB.
      expect(cursor.length).toBeLessThan(8_000)
    }
    for (const cluster of clusters) {
      const own = seen.filter((path) => path.startsWith(`/${cluster}/`))
      expect(own.length).toBeGreaterThan(5)
      expect(own).toEqual(Array.from({ length: own.length }, (_, index) => `/${cluster}/${index + 1}`))
    }
  })

  test('says after what it has told where that was, also before there is something', async () => {
    const busy = createBusyStore('c0')
    const stream = createStream()
    await followLogs(() => busy, names(1), [], new Map(), stream, { ...limits, asks: 4 })
    const told = stream.told.map(({ event, data }) =>
      event === 'record' ? data['path'] : [event, parseTailCursor(String(data['cursor'])).get('c0')],
    )
    expect(told).toEqual([
      ['place', 0],
      '/c0/1',
      ['place', 1],
      '/c0/2',
      ['place', 2],
      '/c0/3',
      ['place', 3],
      ['end', 3],
    ])
  })

  test('says no place between records that are not before it', async () => {
    const stores = new Map(names(3).map((cluster) => [cluster, createBusyStore(cluster)]))
    const open = (cluster: ClusterName) => stores.get(cluster) ?? createBusyStore(cluster)
    const stream = createStream()
    const writeSSE: typeof stream.writeSSE = async (message) => {
      await stream.writeSSE(message)
      await new Promise((resolve) => setTimeout(resolve, message.event === 'record' ? 5 : 0))
    }
    await followLogs(open, names(3), [], new Map(), { ...stream, writeSSE }, { ...limits, asks: 30 })
    const uncovered: unknown[] = []
    const waiting: string[] = []
    for (const { event, data } of stream.told) {
      if (event === 'record') waiting.push(String(data['path']))
      else {
        const places = parseTailCursor(String(data['cursor']))
        const isCovered = (path: string) => {
          const [, cluster = '', id] = path.split('/')
          return Number(id) <= (places.get(cluster) ?? 0)
        }
        uncovered.push(...waiting.splice(0).filter((path) => !isCovered(path)))
      }
    }
    expect(stream.told.filter(({ event }) => event === 'record').length).toBeGreaterThan(10)
    expect(uncovered).toEqual([])
  })

  test('of one store that hangs tells of the others', async () => {
    const busy = createBusyStore('c0')
    const open = (cluster: ClusterName) =>
      cluster === 'c0' ? busy : { follow: () => Promise.reject<Tailed>(new Error('away')) }
    const stream = createStream()
    await followLogs(open, names(2), [], new Map(), stream, { ...limits, asks: 30 })
    expect(stream.told.filter(({ event }) => event === 'unavailable')).toEqual([
      { event: 'unavailable', data: { cluster: 'c1' } },
    ])
    expect(stream.told.filter(({ event }) => event === 'record').length).toBeGreaterThan(10)
  })

  test.each([
    ['nobody reads it', 60_000, 60_000],
    ['its time is over', 50, 60_000],
    ['its reader may not any more', 60_000, 50],
  ])('ends when %s, whatever stores are waiting for', async (_, ms, placeMs) => {
    const open = () => ({
      follow: ({ afterChunk }: TailQuery) =>
        afterChunk === null
          ? Promise.resolve<Tailed>({ records: [], skipped: 0, lastChunk: 7 })
          : new Promise<Tailed>(() => undefined),
    })
    const stream = { ...createStream(), mayGoOn: () => Promise.resolve(false) }
    if (ms > 1_000 && placeMs > 1_000) setTimeout(stream.abort, 50)
    await followLogs(open, names(3), [], new Map(), stream, { ...limits, ms, placeMs, waitMs: 60_000 })
    const { event, data } = stream.told.at(-1) as Told
    expect(event).toBe('end')
    expect(parseTailCursor(String(data['cursor'])).get('c1')).toBe(7)
  })

  test('goes on only from a place of a tail', () => {
    for (const cursor of ['W10x', 'WzFd', 'WzEsLTFd', 'WzEsImEiXQ'])
      expect.soft(() => parseTailCursor(cursor), cursor).toThrow('not one of a tail')
    expect(parseTailCursor('WzEsMl0').get('c1')).toBeUndefined()
  })
})

test('who waits for records is woken by what came meanwhile, by what comes, and when the time is up', async () => {
  const arrivals = new Arrivals()
  const { count } = arrivals
  arrivals.came()
  const told: string[] = [await arrivals.next(count, 60_000).then(() => 'meanwhile')]
  const waiting = [1, 2].map(async (who) =>
    told.push(await arrivals.next(count + 1, 60_000).then(() => `comes ${who}`)),
  )
  arrivals.came()
  await Promise.all(waiting)
  await arrivals.next(count + 2, 1)
  expect(told).toEqual(['meanwhile', 'comes 1', 'comes 2'])
})
