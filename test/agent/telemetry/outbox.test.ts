import { readdirSync, rmSync, statSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { create, toBinary } from '@bufbuild/protobuf'
import { expect, onTestFinished, test } from 'vitest'
import { createLog } from '#agent/log.ts'
import type { Batch, BatchRank } from '#agent/telemetry/outbox/batch.ts'
import { Outbox } from '#agent/telemetry/outbox/outbox.ts'
import { createPostToPlane } from '#agent/telemetry/outbox/post-batch.ts'
import { Spool } from '#agent/telemetry/outbox/spool.ts'
import type { SpooledBatch } from '#agent/telemetry/outbox/spooled-batches.ts'
import { ExportLogsServiceRequestSchema } from '#envoy/opentelemetry/proto/collector/logs/v1/logs_service_pb.ts'
import { temporaryDirectory } from '#test/agent/temporary-directory.ts'
import { VirtualClock } from '#test/agent/virtual-clock.ts'
import { eventually } from '#test/harness/child.ts'
import { FakeEdge } from './fake-edge.ts'

/** A batch with these paths in it. */
const toBatch = (paths: readonly string[], rank: BatchRank = 'notable'): Batch => ({
  signal: 'logs',
  rank,
  records: paths.length,
  body: gzipSync(
    toBinary(
      ExportLogsServiceRequestSchema,
      create(ExportLogsServiceRequestSchema, {
        resourceLogs: [
          {
            scopeLogs: [
              {
                logRecords: paths.map((path) => ({
                  attributes: [{ key: 'path', value: { value: { case: 'stringValue' as const, value: path } } }],
                })),
              },
            ],
          },
        ],
      }),
    ),
  ),
})

class Scene {
  readonly edge = new FakeEdge()
  readonly clock = new VirtualClock()
  readonly directory = temporaryDirectory()
  #url = ''
  limitBytes = 1024 * 1024
  outbox!: Outbox

  static async open(change: Partial<Pick<Scene, 'limitBytes'>> = {}): Promise<Scene> {
    const scene = Object.assign(new Scene(), change)
    scene.#url = await scene.edge.listen()
    onTestFinished(() => scene.edge.close())
    scene.restart()
    return scene
  }

  restart(): void {
    const { clock, directory, limitBytes } = this
    const post = createPostToPlane({ url: this.#url })
    this.outbox = new Outbox({
      to: 'the plane',
      directory,
      limitBytes,
      sharers: 1,
      post,
      clock,
      random: () => 0,
      log: createLog('silent'),
    })
    this.outbox.setToken('t')
  }

  add(path: string, rank?: BatchRank): void {
    this.outbox.received('logs', 1)
    this.outbox.add(toBatch([path], rank))
  }

  get paths(): unknown[] {
    return this.edge.records.map(({ path }) => path)
  }

  get counts() {
    return this.outbox.status().counts.logs
  }

  until(what: string, condition: () => boolean): Promise<unknown> {
    return eventually(what, () => condition(), 10_000, 5)
  }

  async untilSpooled(records: number): Promise<void> {
    await this.until(`${records} records are on disk`, () => this.outbox.status().spooled.logs === records)
  }
}

test('a batch that the plane takes is never on disk; one that it does not take waits there, over restarts, and goes as it was', async () => {
  const scene = await Scene.open()
  const { edge, clock } = scene
  scene.add('/1')
  await scene.until('the batch is there', () => scene.counts.sent === 1)
  expect([...edge.tokens, ...edge.paths]).toEqual(['Bearer t', '/v1/otlp/v1/logs'])

  edge.status = 503
  scene.add('/2')
  await scene.untilSpooled(1)
  scene.add('/3')
  scene.add('/4', 'routine')
  await scene.untilSpooled(3)
  expect(scene.outbox.status()).toMatchObject({ isAway: true, failures: 1, lastFailure: 'the plane answered with 503' })
  await scene.outbox.stop()

  // Taken, but nobody hears of it: it is sent again, and known.
  edge.status = 200
  let cuts = 1
  edge.onRequest = async () => {
    edge.status = 200
    if (cuts-- > 0) {
      edge.onRequest = undefined
      throw new Error('cut')
    }
  }
  scene.restart()
  await scene.until('an attempt has failed', () => scene.outbox.status().failures === 1)
  clock.advance(1000)
  await scene.until('all is sent', () => scene.outbox.status().spooled.logs === 0)
  scene.add('/5')
  await scene.until('the last is sent', () => scene.counts.sent === 4)
  expect(scene.paths).toEqual(['/1', '/2', '/3', '/4', '/5'])
  expect(scene.counts.received).toBe(1)
  expect(readdirSync(join(scene.directory)).filter((name) => name.endsWith('.gz'))).toEqual([])
})

test.each([400, 413, 415])('a batch that is answered with %d is put aside, and holds nothing up', async (status) => {
  const scene = await Scene.open()
  scene.edge.status = status
  scene.add('/bad')
  await scene.until('it is refused', () => scene.counts.shed.refused === 1)
  scene.edge.status = 200
  scene.edge.rejects = 1
  scene.outbox.add(toBatch(['/a', '/b', '/c']))
  await scene.until('the next is taken', () => scene.counts.sent === 2)
  expect(scene.counts.shed).toMatchObject({ refused: 1, rejected: 1 })
  await scene.until('it is kept', () => readdirSync(join(scene.directory, 'refused')).length === 1)
  expect(scene.outbox.status().spooled.logs).toBe(0)
})

test('of the batches that were put aside the newest are kept, over restarts', async () => {
  const scene = await Scene.open()
  scene.edge.status = 400
  const refuse = async (sizes: readonly number[]) => {
    for (const size of sizes) scene.outbox.add(toBatch(Array.from({ length: size }, String)))
    const records = sizes.reduce((sum, size) => sum + size)
    await scene.until('they are refused', () => scene.counts.shed.refused === records)
    await scene.outbox.stop()
    scene.restart()
  }
  await refuse([1, 2, 3, 4, 5, 6, 7, 8])
  await refuse([11, 12, 13])
  const kept = readdirSync(join(scene.directory, 'refused')).sort()
  expect(kept.map((name) => Number(name.split('.')[2]))).toEqual([4, 5, 6, 7, 8, 11, 12, 13])
})

test.each([401, 403, 404, 429, 500, 502])('a batch that is answered with %d waits', async (status) => {
  const scene = await Scene.open()
  scene.edge.status = status
  scene.add('/1')
  await scene.untilSpooled(1)
  scene.edge.status = 200
  scene.outbox.setToken('other')
  await scene.until('it is sent', () => scene.counts.sent === 1)
  expect([...scene.edge.tokens]).toEqual(['Bearer t', 'Bearer other'])
})

test('batches that fail while others are taken hold nothing up, and are put aside in the end', async () => {
  const scene = await Scene.open()
  const { edge, clock } = scene
  edge.onRequest = async (body) => {
    edge.status = body.includes('/poison') ? 503 : 200
  }
  scene.add('/poison-1')
  await scene.untilSpooled(1)
  scene.add('/poison-2')
  scene.add('/1')
  await scene.untilSpooled(3)
  const untilLater = (what: string, condition: () => boolean) =>
    scene.until(what, () => {
      clock.advance(60_000)
      return condition()
    })
  await untilLater('what was behind them is sent', () => scene.counts.sent === 1)
  scene.add('/2')
  expect(scene.outbox.status()).toMatchObject({ isAway: false, waiting: { logs: 1 } })
  await scene.until('what is new is sent at once', () => scene.counts.sent === 2)
  let added = 2
  await untilLater('they are put aside', () => {
    if (scene.counts.sent === added && scene.counts.shed.refused < 2) scene.add(`/${++added}`)
    return scene.counts.shed.refused === 2 && scene.counts.sent === added
  })
  await scene.until('none is left', () => scene.outbox.status().spooled.logs === 0)
  expect(added).toBeGreaterThan(20)
  expect(readdirSync(join(scene.directory, 'refused'))).toHaveLength(2)
})

test('while nothing is taken no batch is at fault, however long that is', async () => {
  const scene = await Scene.open()
  const { edge, clock } = scene
  edge.status = 503
  let asked = 0
  edge.onRequest = async () => {
    asked += 1
  }
  scene.add('/1')
  await scene.untilSpooled(1)
  scene.add('/2')
  scene.add('/3')
  await scene.untilSpooled(3)
  await scene.until('each was tried often', () => {
    clock.advance(60_000)
    return asked > 150
  })
  expect(scene.outbox.status()).toMatchObject({ isAway: true, spooled: { logs: 3 } })
  edge.status = 200
  await scene.until('all are taken', () => {
    clock.advance(60_000)
    return scene.counts.sent === 3
  })
  expect(scene.counts.shed).toMatchObject({ refused: 0, spool: 0 })
})

test('without room what matters least goes first, the oldest before others, and all of it is counted', async () => {
  // However small a file is, it takes a block of the disk.
  const scene = await Scene.open({ limitBytes: 4 * 4096 })
  scene.edge.status = 503
  scene.add('/first')
  await scene.untilSpooled(1)
  for (const [path, rank] of [
    ['/n-1', 'notable'],
    ['/r-1', 'routine'],
    ['/r-2', 'routine'],
    ['/n-2', 'notable'],
    ['/n-3', 'notable'],
    ['/n-4', 'notable'],
    ['/r-3', 'routine'],
  ] as const)
    scene.add(path, rank)
  await scene.until('four are shed', () => scene.counts.shed.spool === 4)
  expect(scene.outbox.status().shedAt).toBe(scene.clock.now())
  scene.edge.status = 200
  scene.clock.advance(1000)
  await scene.until('the others are sent', () => scene.counts.sent === 4)
  expect(scene.paths).toEqual(['/n-1', '/n-2', '/n-3', '/n-4'])
})

test('a disk that takes nothing costs what can not be sent, and that is counted', async () => {
  const scene = await Scene.open()
  scene.edge.status = 503
  scene.add('/1')
  await scene.untilSpooled(1)
  rmSync(scene.directory, { recursive: true })
  symlinkSync('/dev/full', scene.directory)
  scene.add('/2')
  await scene.until('one is lost', () => scene.counts.shed.disk === 1)
  scene.edge.status = 200
  scene.clock.advance(1000)
  await scene.until('the other one is, too', () => scene.counts.shed.disk === 2)
  scene.add('/3')
  await scene.until('the next is sent', () => scene.counts.sent === 1)
  expect(scene.paths).toEqual(['/3'])
  rmSync(scene.directory)
})

test('to a plane that takes no telemetry none is kept', async () => {
  const scene = await Scene.open()
  scene.outbox.setToken(undefined)
  scene.add('/1')
  expect(scene.counts.shed.untaken).toBe(1)
})

test('what is on its way when the agent stops is on disk', async () => {
  const scene = await Scene.open()
  let asked = 0
  scene.edge.onRequest = async () => {
    asked += 1
    if (asked === 1) await new Promise(() => {})
  }
  scene.add('/1')
  scene.add('/2')
  await scene.until('it is asked', () => asked === 1)
  const stopped = scene.outbox.stop()
  scene.clock.advance(3000)
  await stopped
  expect(readdirSync(scene.directory).filter((name) => name.endsWith('.gz'))).toHaveLength(2)
  scene.restart()
  await scene.until('both are sent', () => scene.paths.length === 2)
})

test('a batch on disk takes the room of its blocks, and nobody else can read it', async () => {
  const directory = join(temporaryDirectory(), 'spool')
  const shed: string[] = []
  const onShed = (batch: Batch | SpooledBatch) => shed.push('name' in batch ? batch.name : 'new')
  const open = () => new Spool({ directory, limitBytes: 3000 * 4096, sharers: 1, onShed })
  const spool = open()
  const batch: Batch = { signal: 'logs', rank: 'notable', records: 2, body: Buffer.from('x') }
  await spool.write({ ...batch, rank: 'routine' })
  await spool.write(batch)
  expect(statSync(directory).mode & 0o777).toBe(0o700)
  for (const name of readdirSync(directory))
    expect(statSync(join(directory, name)).mode & 0o777).toBe(name.endsWith('.gz') ? 0o600 : 0o700)
  expect({ bytes: spool.bytes, records: spool.records() }).toEqual({
    bytes: 2 * 4096,
    records: { logs: 4, metrics: 0, traces: 0 },
  })
  const [first, second] = [spool.oldest(() => true), spool.oldest(({ rank }) => rank === 'notable')]
  expect([first?.rank, second?.rank]).toEqual(['routine', 'notable'])
  const again = open()
  expect({ bytes: again.bytes, oldest: again.oldest(() => true) }).toEqual({ bytes: 2 * 4096, oldest: first })
  const found = again.oldest(() => true)
  if (found) await again.remove(found)
  expect({ length: again.length, oldest: again.oldest(() => true) }).toEqual({ length: 1, oldest: second })
  expect(shed).toEqual([])
})
