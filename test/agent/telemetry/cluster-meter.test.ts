import { readFileSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createLog } from '#agent/log.ts'
import { loadSealingKey } from '#agent/store/sealing-key.ts'
import { ClusterMeter, windowMs } from '#agent/telemetry/metrics/cluster-meter.ts'
import { CountsJournal } from '#agent/telemetry/metrics/counts-journal.ts'
import { metricTags } from '#mesh/telemetry/metric-tags.ts'
import { unknownParty } from '#mesh/telemetry/party.ts'
import type { Proxy } from '#xds/proxy.ts'
import { temporaryDirectory } from '../temporary-directory.ts'
import { VirtualClock } from '../virtual-clock.ts'
import { readBatch, requests, toPush, type Counted } from './pushes.ts'

const front: Proxy = { role: 'sidecar', namespace: 'shop', serviceAccount: 'front', workload: 'front-1' }
const other: Proxy = { ...front, workload: 'front-2' }

/** An agent's meter, and the edge that it tells; `isAway`: the edge takes nothing. */
class Scene {
  readonly clock = new VirtualClock()
  readonly directory = temporaryDirectory()
  readonly startedAt = this.clock.now()
  readonly batches: Uint8Array[] = []
  isAway = false
  isAlone = true
  maxKnown = 100_000
  version = 'v1'
  problems: string[] = []
  #life = { isOver: false }
  meter = this.#open()

  #open(maxSeries = 1000): ClusterMeter {
    const journal = new CountsJournal({
      directory: this.directory,
      key: loadSealingKey(join(this.directory, 'key'), true),
      report: (problem) => this.problems.push(problem),
    })
    const life = { isOver: false }
    this.#life = life
    const meter = new ClusterMeter({
      clock: {
        now: () => this.clock.now(),
        after: (delay, task) => this.clock.after(delay, () => life.isOver || task()),
      },
      journal,
      toParty: ({ workload }) => ({ ...unknownParty, workload, version: this.version }),
      ship: ({ batch }, onSettled) => {
        this.batches.push(batch)
        if (!this.isAway) onSettled()
      },
      maxSeries,
      isAlone: this.isAlone,
      maxKnown: this.maxKnown,
      log: createLog('silent'),
    })
    meter.start()
    return meter
  }

  /** Another process takes over, without a word of the one before. */
  restart(maxSeries?: number): void {
    this.#life.isOver = true
    this.meter = this.#open(maxSeries)
  }

  push(proxy: Proxy, ...series: readonly Counted[]): void {
    this.pushOf(this.startedAt, proxy, ...series)
  }

  pushOf(startedAt: number, proxy: Proxy, ...series: readonly Counted[]): void {
    this.meter.method.receive(
      { proxy, credential: 'test' },
      toPush({ startedAtMs: startedAt, atMs: this.clock.now() }, ...series),
    )
  }

  /** What is told of the window that ends now. */
  async closeWindow(): Promise<string[]> {
    this.batches.length = 0
    this.clock.advance(windowMs)
    await this.meter.told()
    return this.batches.flatMap(readBatch)
  }

  lines(pattern: RegExp): string[] {
    return [...this.meter.toText()]
      .join('')
      .split('\n')
      .filter((line) => pattern.test(line))
  }
}

test('pushes of many proxies become sums and increments, and a push that got lost is made good by the next', async () => {
  const scene = new Scene()
  scene.push(front, requests(2), requests(1, '503'))
  scene.push(other, requests(3))
  scene.push(front, requests(2), requests(1, '503'))
  expect((await scene.closeWindow()).toSorted()).toEqual([
    'istio_requests_total 200 2',
    'istio_requests_total 200 3',
    'istio_requests_total 503 1',
  ])
  expect(await scene.closeWindow()).toEqual([])
  scene.push(front, requests(10), requests(1, '503'))
  expect(await scene.closeWindow()).toEqual(['istio_requests_total 200 8'])
  expect(scene.lines(/^istio_requests_total\{.*source_workload="front-1"/)).toEqual([
    expect.stringMatching(/destination_service="reviews.shop.svc.cluster.local".*response_code="200".* 10$/),
    expect.stringMatching(/response_code="503".* 1$/),
  ])
  expect(scene.meter.statistics()).toMatchObject({ series: 3, processes: 2, pushes: 4, skipped: 0 })
})

test('distributions add up, are shown as Prometheus wants them, and a proxy that begins anew loses nothing', async () => {
  const scene = new Scene()
  const duration = (...value: number[]): Counted => ({
    ...requests(0),
    metric: 'istio.request_duration_milliseconds',
    value,
  })
  scene.push(front, duration(1, 2, 3))
  scene.push(front, duration(2, 2, 4))
  expect(await scene.closeWindow()).toEqual(['istio_request_duration_milliseconds 200 2,2,4'])
  expect(scene.lines(/^istio_request_duration/).map((line) => line.replace(/\{.*?(le="[^"]*")?\}/, '{$1}'))).toEqual([
    'istio_request_duration_milliseconds_bucket{le="1"} 2',
    'istio_request_duration_milliseconds_bucket{le="10"} 4',
    'istio_request_duration_milliseconds_bucket{le="+Inf"} 8',
    'istio_request_duration_milliseconds_sum{} 422',
    'istio_request_duration_milliseconds_count{} 8',
  ])
  // Another process of the same proxy, while the old one tells its last.
  scene.clock.advance(1000)
  scene.pushOf(scene.clock.now(), front, duration(1, 0, 0))
  scene.push(front, duration(2, 3, 4))
  expect(await scene.closeWindow()).toEqual(['istio_request_duration_milliseconds 200 1,1,0'])
  // A series that the proxy had forgotten begins anew.
  scene.push(front, requests(1))
  scene.push(front, requests(1), duration(5, 3, 4))
  expect(await scene.closeWindow()).toEqual([
    'istio_request_duration_milliseconds 200 5,3,4',
    'istio_requests_total 200 1',
  ])
})

test('a push that a later one has overtaken changes nothing, and one after the clock was set back counts', async () => {
  const scene = new Scene()
  const pushAt = (seconds: number, count: number) =>
    scene.meter.method.receive(
      { proxy: front, credential: 'test' },
      toPush({ startedAtMs: scene.startedAt, atMs: scene.startedAt + seconds * 1000 }, requests(count)),
    )
  pushAt(100, 2)
  pushAt(102, 5)
  pushAt(101, 3)
  pushAt(103, 5)
  expect(await scene.closeWindow()).toEqual(['istio_requests_total 200 5'])
  pushAt(10, 6)
  expect(await scene.closeWindow()).toEqual(['istio_requests_total 200 1'])
})

test('records that a proxy dropped are counted once, also where a push was overtaken', () => {
  const scene = new Scene()
  const pushAt = (seconds: number, value: number) =>
    scene.meter.method.receive(
      { proxy: front, credential: 'test' },
      toPush(
        { startedAtMs: scene.startedAt, atMs: scene.startedAt + seconds * 1000 },
        { metric: 'access_logs.x.logs_dropped', value },
      ),
    )
  pushAt(102, 9)
  pushAt(101, 5)
  pushAt(103, 9)
  expect(scene.meter.statistics().recordsDropped).toBe(9)
})

test('a restart at any point neither loses nor doubles a count', async () => {
  const scene = new Scene()
  scene.push(front, requests(5))
  expect(await scene.closeWindow()).toEqual(['istio_requests_total 200 5'])
  scene.push(front, requests(7)) // in no window yet
  scene.restart()
  scene.push(front, requests(9))
  expect(await scene.closeWindow()).toEqual(['istio_requests_total 200 4'])

  scene.isAway = true
  scene.push(front, requests(10))
  scene.push(other, requests(1))
  await scene.closeWindow()
  const [sent] = scene.batches
  scene.batches.length = 0
  scene.isAway = false
  scene.restart()
  expect(scene.batches).toEqual([Buffer.from(sent ?? [])])
  scene.push(front, requests(10))
  expect(await scene.closeWindow()).toEqual([])
  scene.batches.length = 0
  scene.restart()
  expect(scene.batches).toEqual([])
  expect(scene.problems).toEqual([])
})

test('a restart before the first window is over loses nothing, however old a proxy is by then', async () => {
  const scene = new Scene()
  scene.push(front, { metric: 'listener_manager.lds.update_success', value: 1 })
  scene.clock.advance(5000)
  scene.restart()
  scene.clock.advance(600_000)
  scene.push(front, requests(3))
  scene.restart()
  scene.push(front, requests(4))
  expect(await scene.closeWindow()).toEqual(['istio_requests_total 200 4'])
  expect(scene.meter.statistics().skipped).toBe(0)
})

test('a journal whose end is torn is used up to there, and goes on', async () => {
  const scene = new Scene()
  scene.push(front, requests(5))
  await scene.closeWindow()
  scene.push(front, requests(6))
  await scene.closeWindow()
  const path = join(scene.directory, 'metrics.journal')
  truncateSync(path, readFileSync(path).length - 3)
  scene.restart()
  expect(scene.problems).toEqual([expect.stringContaining('metrics.journal is damaged')])
  scene.push(front, requests(8))
  // The window of the 6th is told again: that it was taken was what was torn off.
  expect(await scene.closeWindow()).toEqual(['istio_requests_total 200 2'])
})

test('nothing is counted twice where a process goes to another replica and comes back, and what is left out is told', async () => {
  const scene = new Scene()
  scene.isAlone = false
  scene.restart()
  scene.push(front, requests(100))
  expect(await scene.closeWindow()).toEqual(['istio_requests_total 200 100'])
  // At another replica.
  scene.clock.advance(600_000)
  scene.push(front, requests(1100))
  scene.push(front, requests(1101))
  expect(await scene.closeWindow()).toEqual(['istio_requests_total 200 1'])
  expect(scene.meter.statistics().skipped).toBe(1)
  // This one is started again meanwhile, or at once.
  scene.clock.advance(600_000)
  scene.restart()
  scene.push(front, requests(5000))
  scene.push(front, requests(5002))
  expect(await scene.closeWindow()).toEqual(['istio_requests_total 200 2'])
  scene.restart()
  scene.push(front, requests(5003))
  expect(await scene.closeWindow()).toEqual(['istio_requests_total 200 1'])
  // One that is young has told nobody.
  scene.pushOf(scene.clock.now() - 5000, other, requests(4))
  expect(await scene.closeWindow()).toEqual(['istio_requests_total 200 4'])
})

test('an agent that is alone takes all, whenever it hears of it, and forgets a process after a week', async () => {
  const scene = new Scene()
  scene.clock.advance(60_000)
  scene.push(front, requests(100))
  expect(await scene.closeWindow()).toEqual(['istio_requests_total 200 100'])
  scene.clock.advance(6 * 3_600_000)
  scene.push(front, requests(5000))
  expect(await scene.closeWindow()).toEqual(['istio_requests_total 200 4900'])
  scene.restart()
  expect(scene.meter.statistics().processes).toBe(1)
  scene.clock.advance(8 * 24 * 3_600_000)
  expect(scene.meter.statistics().processes).toBe(0)
  scene.restart()
  expect(scene.meter.statistics().processes).toBe(0)
})

test('a series that a proxy forgot while the agent was away begins anew', async () => {
  const scene = new Scene()
  scene.push(front, requests(100), requests(1, '500'))
  await scene.closeWindow()
  scene.restart()
  scene.push(front, requests(1, '500'))
  scene.push(front, requests(1, '500'), requests(120))
  expect(await scene.closeWindow()).toEqual(['istio_requests_total 200 120'])
})

test('what a proxy makes up harms nobody else', async () => {
  const scene = new Scene()
  scene.push(front, requests(2))
  for (const value of [0.5, Number.POSITIVE_INFINITY, 1e300, -1])
    scene.push(other, { ...requests(0), isDouble: true, value })
  scene.push(other, { ...requests(0), value: [1, 2, 3] })
  scene.push(other, { ...requests(0), metric: 'istio.request_bytes', value: 7 })
  scene.push(other, { ...requests(0), metric: 'istio.request_bytes', value: [1, 2], bounds: [1, 10] })
  scene.push(other, { ...requests(0), metric: 'istio.request_bytes', value: [1, 2, 3], bounds: [10, 1] })
  expect(await scene.closeWindow()).toEqual(['istio_requests_total 200 2'])
  expect(scene.meter.statistics().malformed).toBe(6)
  const tags = {
    ...requests(1).tags,
    'custom.source_workload': 'payments',
    'custom.reporter': 'destination',
    'custom.le': '1',
  }
  scene.push(other, { ...requests(1), tags })
  expect(scene.lines(/front-2/)).toEqual([expect.stringMatching(/reporter="source".*source_workload="front-2"/)])
  expect(scene.lines(/payments|le="1"/)).toEqual([])
})

test('a window of many series is told in parts that the plane takes, and each is told again alone', async () => {
  const scene = new Scene()
  scene.restart(10_000)
  scene.isAway = true
  const codes = Array.from({ length: 9000 }, (_, index) => requests(1, String(index)))
  scene.push(front, ...codes.slice(0, 4500))
  scene.push(other, ...codes.slice(4500))
  const told = await scene.closeWindow()
  expect([told.length, scene.batches.length]).toEqual([9000, 3])
  const sent = scene.batches.splice(0)
  scene.isAway = false
  scene.restart()
  expect(scene.batches.map((batch) => Buffer.from(batch).toString('base64'))).toEqual(
    sent.map((batch) => Buffer.from(batch).toString('base64')),
  )
})

test('series that there is no room for are counted together, and that is told', async () => {
  const scene = new Scene()
  scene.restart(2)
  scene.push(front, ...['200', '201', '202', '203'].map((code) => requests(1, code)))
  expect((await scene.closeWindow()).toSorted()).toEqual([
    'istio_requests_total 200 1',
    'istio_requests_total 201 1',
    'istio_requests_total none 2',
  ])
  expect(scene.lines(/overflow/)).toEqual(['istio_requests_total{otel_metric_overflow="true"} 2'])
  scene.push(
    front,
    { metric: 'server.stats_overflow.counter', value: 7 },
    { metric: 'access_logs.x.logs_dropped', value: 2 },
  )
  expect(scene.meter.statistics()).toMatchObject({ overflowed: { proxy: 7, cluster: 2 }, recordsDropped: 2 })
})

test('what a proxy says in a label stays a value', () => {
  const scene = new Scene()
  scene.push(front, {
    ...requests(1),
    tags: { [metricTags.reporter]: 'source', [metricTags.protocol]: 'tcp', [metricTags.flags]: 'a"} 1\nevil{x="\\' },
  })
  expect(scene.lines(/evil/)).toEqual([expect.stringContaining(String.raw`response_flags="a\"} 1\nevil{x=\"\\"`)])
})

test('what is no push is refused and changes nothing', () => {
  const scene = new Scene()
  expect(() => scene.meter.method.receive({ proxy: front, credential: 'test' }, Buffer.from([10, 200, 1]))).toThrow(
    /premature EOF|end of/i,
  )
  expect(scene.meter.statistics()).toMatchObject({ series: 0, processes: 0 })
})

test('what a proxy has dropped is counted once, over restarts of the agent and on the way from replica to replica', async () => {
  const scene = new Scene()
  const dropped = (value: number): Counted => ({ metric: 'access_logs.x.logs_dropped', value })
  scene.push(front, requests(1), dropped(7))
  await scene.closeWindow()
  expect(scene.meter.statistics().recordsDropped).toBe(7)
  scene.restart()
  // Of the time when there was no agent.
  scene.push(front, requests(1), dropped(9), { metric: 'access_logs.y.logs_dropped', value: 3 })
  expect(scene.meter.statistics().recordsDropped).toBe(5)

  scene.isAlone = false
  scene.restart()
  scene.clock.advance(600_000)
  scene.push(front, requests(1), dropped(50))
  scene.push(front, requests(1), dropped(51))
  expect(scene.meter.statistics().recordsDropped).toBe(1)
  scene.restart()
  scene.push(front, requests(1), dropped(52))
  expect(scene.meter.statistics().recordsDropped).toBe(2)
})

test('others have their turn while a window of many series is told', async () => {
  const scene = new Scene()
  scene.restart(10_000)
  scene.push(front, ...Array.from({ length: 4500 }, (_, index) => requests(1, String(index))))
  let turns = 0
  let isOver = false
  const turn = (): void => {
    turns += 1
    if (!isOver) setImmediate(turn)
  }
  setImmediate(turn)
  const told = await scene.closeWindow()
  isOver = true
  expect(told).toHaveLength(4500)
  expect(turns).toBeGreaterThan(20)
  // What is counted while it is told is in the next one.
  scene.push(front, requests(1, '7000'))
  scene.clock.advance(windowMs)
  scene.push(front, requests(2, '7000'))
  await scene.meter.told()
  expect(await scene.closeWindow()).toEqual(['istio_requests_total 7000 1'])
})

test('of the processes of one proxy the newest few are known, also after a restart', async () => {
  const scene = new Scene()
  for (let age = 9; age >= 0; age -= 1) scene.pushOf(scene.startedAt - age * 1000, front, requests(1))
  scene.push(other, requests(1))
  expect(scene.meter.statistics().processes).toBe(5)
  expect(await scene.closeWindow()).toEqual(['istio_requests_total 200 10', 'istio_requests_total 200 1'])
  scene.restart()
  expect(scene.meter.statistics().processes).toBe(5)
  scene.pushOf(scene.startedAt - 3000, front, requests(3))
  expect(await scene.closeWindow()).toEqual(['istio_requests_total 200 2'])
})

test('series of all proxies together are bounded, and what is too much is told', async () => {
  const scene = new Scene()
  scene.maxKnown = 3
  scene.restart()
  scene.push(front, requests(1, '200'), requests(1, '201'))
  scene.push(other, requests(1, '200'), requests(1, '201'))
  expect(await scene.closeWindow()).toHaveLength(3)
  expect(scene.meter.statistics().overflowed.proxy).toBe(1)
  // What one proxy has forgotten makes room for another.
  scene.push(front, requests(2, '200'))
  scene.push(other, requests(1, '200'), requests(5, '201'))
  expect((await scene.closeWindow()).toSorted()).toEqual(['istio_requests_total 200 1', 'istio_requests_total 201 5'])
  const long = { ...requests(1), tags: { ...requests(1).tags, 'custom.path': 'x'.repeat(5000) } }
  scene.push(front, requests(2, '200'), long)
  expect(scene.meter.statistics().malformed).toBe(1)
})

test('series have the labels that their workload has then', async () => {
  const scene = new Scene()
  scene.push(front, requests(2))
  scene.version = 'v2'
  scene.push(front, requests(5))
  expect(
    scene.lines(/^istio_requests_total/).map((line) => line.replace(/.*source_version="(.*?)".* /, '$1 ')),
  ).toEqual(['v1 2', 'v2 3'])
})
