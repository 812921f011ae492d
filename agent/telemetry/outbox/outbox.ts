import type { Clock } from '#agent/clock.ts'
import type { Log } from '#agent/log.ts'
import { toBackoffMilliseconds } from '#agent/uplink/backoff.ts'
import { newCounts, type Batch, type ShedReason, type Signal, type SignalCounts } from './batch.ts'
import { Doubts } from './doubts.ts'
import type { PostBatch, PostResult } from './post-batch.ts'
import { Spool, type OnShed } from './spool.ts'
import type { SpooledBatch } from './spooled-batches.ts'

export interface OutboxOptions {
  /** Who takes what is sent, for the log. */
  readonly to: string
  /** For batches that wait. */
  readonly directory: string
  readonly limitBytes: number
  /** How many outboxes, this one included, keep batches on the disk. */
  readonly sharers: number
  readonly post: PostBatch
  readonly clock: Clock
  /** In [0, 1). */
  readonly random: () => number
  readonly log: Log
}

export interface OutboxStatus {
  readonly counts: Readonly<Record<Signal, Readonly<SignalCounts>>>
  /** Records that are in memory, and on disk. */
  readonly waiting: Readonly<Record<Signal, number>>
  readonly spooled: Readonly<Record<Signal, number>>
  readonly spoolBytes: number
  readonly spoolLimitBytes: number
  /** Whether the plane takes batches as they come. */
  readonly isAway: boolean
  /** Attempts since the plane took a batch, and why the last one failed. */
  readonly failures: number
  readonly lastFailure: string | undefined
  /** When something was shed last, milliseconds since the epoch; 0 = never. */
  readonly shedAt: number
}

/** Batches in memory that have not been sent, together: what is more goes to disk. */
const maxWaitingBytes = 8 * 1024 * 1024
/** … and those that are on their way to disk: what is more is shed. */
const maxWritingBytes = 16 * 1024 * 1024
const stopPatienceMilliseconds = 3000

type Failure = Extract<PostResult, { kind: 'later' }>

/**
 * Sends batches to the plane, or to another backend, each until it is taken. While that takes them they are in memory alone; else they wait on disk and go when it does again,
 * beside what is new then. Sheds, and counts, what there is no room for, and what fails while others are taken.
 */
export class Outbox {
  readonly #options: OutboxOptions
  readonly #spool: Spool
  readonly #counts = newCounts()
  readonly #doubts = new Doubts<SpooledBatch>()
  /** Not sent yet, the oldest first. */
  readonly #waiting: Batch[] = []
  #waitingBytes = 0
  #writingBytes = 0
  #writing: Promise<void> = Promise.resolve()
  #token: string | undefined
  #isUntaken = false
  /** Since the plane has taken a batch; or what is on disk tells that it was so before. */
  #hasFailed = false
  #isStopped = false
  #failures = 0
  #lastFailure: string | undefined
  #shedAt = 0
  #refusedAt = 0
  /** What is being sent, from memory and from disk. */
  #live: Promise<void> | undefined
  #late: Promise<void> | undefined
  #cancelRetry: (() => void) | undefined
  /** Until then no batch that is doubted is tried again; others are. */
  #cancelRecheck: (() => void) | undefined

  /** @throws {AgentError} `store_unusable` */
  constructor(options: OutboxOptions) {
    this.#options = options
    const { directory, limitBytes, sharers } = options
    const onShed: OnShed = (batch, reason) => {
      if ('name' in batch) this.#doubts.forget(batch)
      this.shed(batch.signal, batch.records, reason)
    }
    this.#spool = new Spool({ directory, limitBytes, sharers, onShed })
    this.#hasFailed = this.#spool.length > 0
  }

  /**
   * Whether what is added now goes to disk, where ranks matter. Where nothing waits there (it may be full) the next batch finds out whether the
   * plane is back.
   */
  get isAway(): boolean {
    if (this.#token === undefined || this.#cancelRetry !== undefined) return true
    return this.#hasFailed && this.#spool.length > 0
  }

  /** Records of a proxy have come; each of them is told of by `add` or `shed` later. */
  received(signal: Signal, records: number): void {
    this.#counts[signal].received += records
  }

  shed(signal: Signal, records: number, reason: ShedReason): void {
    if (records === 0) return
    const { to, clock, log } = this.#options
    const now = clock.now()
    if (now - this.#shedAt > 60_000) log.warn({ to, signal, records, reason }, 'telemetry is shed')
    this.#shedAt = now
    this.#counts[signal].shed[reason] += records
  }

  /** What batches are sent with from now on; undefined: the plane takes none. */
  setToken(token: string | undefined): void {
    this.#isUntaken = token === undefined
    this.#token = token
    this.#cancelRecheck?.()
    this.#cancelRecheck = undefined
    this.#retryNow()
  }

  add(batch: Batch): void {
    if (this.#isUntaken) return this.#shedBatch(batch, 'untaken')
    if (this.#isStopped || this.isAway || this.#waitingBytes > maxWaitingBytes) return this.#toDisk(batch)
    this.#waiting.push(batch)
    this.#waitingBytes += batch.body.length
    this.#pump()
  }

  status(): OutboxStatus {
    const waiting = { logs: 0, metrics: 0, traces: 0 }
    for (const { signal, records } of this.#waiting) waiting[signal] += records
    return {
      counts: this.#counts,
      waiting,
      spooled: this.#spool.records(),
      spoolBytes: this.#spool.bytes,
      spoolLimitBytes: this.#spool.limitBytes,
      isAway: this.isAway,
      failures: this.#failures,
      lastFailure: this.#lastFailure,
      shedAt: this.#shedAt,
    }
  }

  /** What has not been taken by then is on disk. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#cancelRetry?.()
    this.#cancelRecheck?.()
    let cancel = (): void => {}
    const patience = new Promise<void>(
      (resolve) => (cancel = this.#options.clock.after(stopPatienceMilliseconds, resolve)),
    )
    await Promise.race([Promise.all([this.#live, this.#late]), patience])
    cancel()
    for (const batch of this.#waiting.splice(0)) this.#toDisk(batch)
    this.#waitingBytes = 0
    await this.#writing
  }

  #shedBatch({ signal, records, onSettled }: Batch, reason: ShedReason): void {
    this.shed(signal, records, reason)
    onSettled?.()
  }

  #toDisk(batch: Batch): void {
    const size = batch.body.length
    // Half of it is for what matters.
    const room = batch.rank === 'notable' ? maxWritingBytes : maxWritingBytes / 2
    if (this.#writingBytes + size > room) return this.#shedBatch(batch, 'memory')
    this.#writingBytes += size
    this.#writing = this.#writing
      .then(() => this.#spool.write(batch))
      .then(() => {
        batch.onSettled?.()
        this.#writingBytes -= size
        this.#pump()
      })
  }

  #pump(): void {
    if (this.#isStopped || this.#token === undefined || this.#cancelRetry) return
    if (!this.isAway) this.#live ??= this.#sendLive().finally(() => (this.#live = undefined))
    this.#late ??= this.#sendLate().finally(() => (this.#late = undefined))
  }

  async #sendLive(): Promise<void> {
    for (;;) {
      const [batch] = this.#waiting
      if (!batch || !this.#maySend() || this.isAway) return
      const result = await this.#post(batch)
      // It may have been put on disk by `stop`; sent twice it is known by its bytes.
      if (this.#waiting[0] !== batch) return
      this.#waiting.shift()
      this.#waitingBytes -= batch.body.length
      if (result.kind === 'later') {
        this.#doubts.othersFailed()
        this.#onFailure(result)
        this.#toDisk(batch)
        for (const other of this.#waiting.splice(0)) this.#toDisk(other)
        this.#waitingBytes = 0
      } else await this.#settle(batch, result)
    }
  }

  async #sendLate(): Promise<void> {
    for (;;) {
      const spooled = this.#nextSpooled()
      if (!spooled || !this.#maySend()) return
      const batch = await this.#spool.hold(spooled)
      if (!batch) continue
      const result = await this.#post(batch, spooled)
      if (result.kind !== 'later') await this.#settle(batch, result)
      else {
        const verdict = this.#doubts.failed(spooled)
        if (verdict === 'away') {
          this.#spool.release()
          return this.#onFailure(result)
        }
        this.#onDoubtedFailure(spooled, result)
        if (verdict === 'doubted') {
          this.#spool.release()
          continue
        }
        await this.#settle(batch, { kind: 'refused', reason: result.reason })
        this.#doubts.forget(spooled)
      }
      await this.#spool.remove(spooled)
    }
  }

  /** One that is doubted goes first: what is sent after it shows whether it is at fault. */
  #nextSpooled(): SpooledBatch | undefined {
    const doubted = this.#cancelRecheck ? undefined : this.#doubts.next
    return doubted ?? this.#spool.oldest((batch) => !this.#doubts.isDoubted(batch))
  }

  #maySend(): boolean {
    return !this.#isStopped && this.#token !== undefined && this.#cancelRetry === undefined
  }

  /** `spooled`: where the batch was, if on disk. */
  async #post(batch: Batch, spooled?: SpooledBatch): Promise<PostResult> {
    const { to, post, log } = this.#options
    const result = await post(batch, this.#token ?? '')
    if (result.kind !== 'later') {
      this.#doubts.taken(spooled)
      if (this.#hasFailed) log.info({ to, batches: this.#spool.length }, 'telemetry is taken again')
      this.#hasFailed = false
      this.#failures = 0
      this.#lastFailure = undefined
    }
    return result
  }

  async #settle(batch: Batch, result: Exclude<PostResult, { kind: 'later' }>): Promise<void> {
    const { to, clock, log } = this.#options
    const { signal, records } = batch
    batch.onSettled?.()
    if (result.kind === 'refused') {
      const now = clock.now()
      if (now - this.#refusedAt > 60_000)
        log.error({ to, signal, records, reason: result.reason }, 'a batch of telemetry was refused')
      this.#refusedAt = now
      this.shed(signal, records, 'refused')
      await this.#spool.setAside(batch)
      return
    }
    const rejected = Math.min(result.rejected, records)
    this.#counts[signal].sent += records - rejected
    this.shed(signal, rejected, 'rejected')
  }

  #onFailure({ reason, retryAfterMilliseconds = 0 }: Failure): void {
    const { to, clock, random, log } = this.#options
    if (!this.#hasFailed) log.warn({ to, reason }, 'telemetry is not taken: it waits on disk')
    this.#hasFailed = true
    this.#lastFailure = reason
    const delay = Math.max(retryAfterMilliseconds, toBackoffMilliseconds(this.#failures, random()))
    this.#failures += 1
    this.#cancelRetry ??= clock.after(delay, () => this.#retryNow())
  }

  #onDoubtedFailure(batch: SpooledBatch, { reason, retryAfterMilliseconds = 0 }: Failure): void {
    const { clock, random } = this.#options
    this.#lastFailure = reason
    this.#failures += 1
    const delay = Math.max(retryAfterMilliseconds, toBackoffMilliseconds(this.#doubts.failuresOf(batch), random()))
    this.#cancelRecheck ??= clock.after(delay, () => {
      this.#cancelRecheck = undefined
      this.#pump()
    })
  }

  #retryNow(): void {
    this.#cancelRetry?.()
    this.#cancelRetry = undefined
    this.#pump()
  }
}
