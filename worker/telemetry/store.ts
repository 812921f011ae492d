import { DurableObject } from 'cloudflare:workers'
import { attempt } from '../attempt.ts'
import { Alarm } from '../mesh/alarm.ts'
import { migrate } from '../mesh/migrate.ts'
import { compact, nextCompactionMs } from './archive/compaction.ts'
import { emptyFolder } from './archive/empty-folder.ts'
import { SegmentReader } from './archive/read-segment.ts'
import { expire } from './archive/retention.ts'
import { hasSegments } from './archive/segments.ts'
import { forgetRecords, takeBatch } from './chunks.ts'
import { Gate } from './gate.ts'
import { migrations } from './migrations.ts'
import { toFolder } from './place.ts'
import type { Place } from './place.ts'
import { readRollups, readSums } from './rollups/read-rollups.ts'
import type { RollupAnswer, RollupQuery } from './rollups/read-rollups.ts'
import { Retries } from './rollups/retries.ts'
import { nextRollUpMs, ROLL_UP_AFTER_MS, rollUp } from './rollups/roll-up.ts'
import { deleteRollups, takeMetrics } from './rollups/rollup-rows.ts'
import type { MetricsBatch, RollupContext } from './rollups/rollup-rows.ts'
import type { StoredSums } from './rollups/totals.ts'
import type { FoundRecords, RecordQuery } from './search/record-query.ts'
import { searchRecords } from './search/search-records.ts'
import { Arrivals } from './search/arrivals.ts'
import { awaitRecords } from './search/tail.ts'
import type { Tailed, TailQuery } from './search/tail.ts'
import { admit, findStoreRow, forgetEnd, markEmptied, markEnded, nextForgettingMs } from './store-row.ts'
import type { Batch, ClusterTelemetry, Leave, Taken } from './telemetry-store.ts'

/** What failed is tried again after so long. */
const RETRY_MS = 10_000
/** How often it is looked for what is older than it is kept, in a store that has something. */
const EXPIRE_MS = 60 * 60 * 1000

/** Searches, looks of tails, and readings of metrics that are done at a time, each of which may take some 20 or 30 MiB of the 128 that an object has; and how many wait. */
const TOGETHER = { searches: 3, looks: 2, readings: 2, waiting: 100 }

/** One cluster's telemetry: its durable object. It wires: what things mean is in the functions that it calls. */
export class TelemetryStore extends DurableObject<Cloudflare.Env> implements ClusterTelemetry {
  readonly #storage: DurableObjectStorage
  readonly #alarm: Alarm
  readonly #reader: SegmentReader
  /** Nothing is archived before, because it failed. */
  #retryAtMs = 0
  readonly #rollups: RollupContext
  readonly #retries = new Retries()
  readonly #arrivals = { logs: new Arrivals(), traces: new Arrivals() }
  readonly #searches = new Gate(TOGETHER.searches, TOGETHER.waiting)
  readonly #looks = new Gate(TOGETHER.looks, TOGETHER.waiting)
  readonly #readings = new Gate(TOGETHER.readings, TOGETHER.waiting)

  constructor(state: DurableObjectState, env: Cloudflare.Env) {
    super(state, env)
    this.#storage = state.storage
    this.#alarm = new Alarm(state.storage)
    this.#reader = new SegmentReader(env.TELEMETRY)
    this.#rollups = {
      sql: state.storage.sql,
      transaction: (body) => state.storage.transactionSync(body),
      now: () => Date.now(),
    }
    migrate(state.storage, migrations)
    void state.blockConcurrencyWhile(() => this.#alarm.load())
  }

  async takeBatch(leave: Leave, batch: Batch): Promise<Taken> {
    const taken = this.#storage.transactionSync(() => takeBatch(this.#storage.sql, leave, batch, Date.now()))
    if (taken === 'stored') {
      this.#arm()
      this.#arrivals[batch.signal].came()
    }
    return taken
  }

  search(query: RecordQuery): Promise<FoundRecords> {
    return this.#searches.pass(() => searchRecords(this.#storage.sql, this.#reader, query))
  }

  follow(query: TailQuery): Promise<Tailed> {
    return awaitRecords(this.#storage.sql, this.#arrivals[query.signal], this.#looks, query)
  }

  async keep(leave: Leave): Promise<void> {
    this.#storage.transactionSync(() => admit(this.#storage.sql, leave))
    this.#alarm.arm(Date.now())
  }

  async end(place: Place, atMs: number): Promise<void> {
    this.#storage.transactionSync(() => {
      // Told again, it must not take what the cluster has sent since it came back.
      if (atMs <= (findStoreRow(this.#storage.sql)?.endedAt ?? 0)) return
      markEnded(this.#storage.sql, place, atMs)
      forgetRecords(this.#storage.sql)
      deleteRollups(this.#storage.sql)
    })
    this.#alarm.arm(Date.now())
  }

  async takeMetrics(leave: Leave, batch: MetricsBatch): Promise<Taken> {
    const taken = this.#storage.transactionSync(
      () => admit(this.#storage.sql, leave) ?? takeMetrics(this.#rollups, batch),
    )
    if (taken === 'stored') this.#alarm.arm(Date.now() + ROLL_UP_AFTER_MS)
    return taken
  }

  readRollups(cluster: string, query: RollupQuery): Promise<RollupAnswer> {
    return this.#readings.pass(() => readRollups(this.#rollups, cluster, query))
  }

  async readSums(): Promise<StoredSums> {
    return readSums(this.#rollups)
  }

  override async alarm(): Promise<void> {
    this.#alarm.rang()
    const row = findStoreRow(this.#storage.sql)
    if (!row) return
    const isDone = row.isEnding
      ? await attempt('emptying the archive', () => this.#empty(row.place))
      : await this.#tidy(row.place)
    if (isDone && !row.isEnding) this.#forgetEnd()
    this.#retryAtMs = isDone ? 0 : Date.now() + RETRY_MS
    if (isDone) this.#arm()
    else this.#alarm.arm(this.#retryAtMs)
    await attempt('rolling up', () => rollUp(this.#rollups, this.#retries))
    const nextMs = nextRollUpMs(this.#rollups, this.#retries)
    if (nextMs !== undefined) this.#alarm.arm(nextMs)
  }

  async #empty(place: Place): Promise<void> {
    await emptyFolder(this.env.TELEMETRY, toFolder(place))
    this.#storage.transactionSync(() => markEmptied(this.#storage.sql))
  }

  /** What is over goes first: that takes little, and comes to pass whatever archiving does to this object. */
  async #tidy(place: Place): Promise<boolean> {
    const { sql } = this.#storage
    const archive = this.env.TELEMETRY
    const transaction = <T>(body: () => T): T => this.#storage.transactionSync(body)
    const isExpired = await attempt('deleting what is over', () => expire(sql, archive, Date.now()))
    const isArchived = await attempt('archiving', () => compact({ sql, transaction, archive, place }, Date.now()))
    return isExpired && isArchived
  }

  #forgetEnd(): void {
    const { sql } = this.#storage
    const dueMs = nextForgettingMs(sql)
    if (dueMs !== undefined && dueMs <= Date.now()) this.#storage.transactionSync(() => forgetEnd(sql))
  }

  /** Rings when the next thing is due. A store in which there is nothing sleeps. */
  #arm(): void {
    const { sql } = this.#storage
    const dueMs = nextCompactionMs(sql)
    if (dueMs !== undefined) this.#alarm.arm(Math.max(dueMs, this.#retryAtMs, Date.now()))
    if (hasSegments(sql)) this.#alarm.arm(Date.now() + EXPIRE_MS)
    const forgetMs = nextForgettingMs(sql)
    if (forgetMs !== undefined) this.#alarm.arm(Math.max(forgetMs, Date.now()))
  }
}
