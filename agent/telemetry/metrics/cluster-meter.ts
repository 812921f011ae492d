import { randomUUID } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import type { ProxyMethod } from '#agent/ads/proxy-methods.ts'
import type { Clock } from '#agent/clock.ts'
import type { Log } from '#agent/log.ts'
import { MetricsService } from '#envoy/opentelemetry/proto/collector/metrics/v1/metrics_service_pb.ts'
import { pushedStatistics } from '#mesh/telemetry/metric-tags.ts'
import type { Party } from '#mesh/telemetry/party.ts'
import { toProxyName, type Proxy } from '#xds/proxy.ts'
import { ClusterMetrics, type Increment } from './cluster-metrics.ts'
import type { ClosedWindow, CountedValues, CountsJournal } from './counts-journal.ts'
import { createEncodeWindow, type Window } from './encode-window.ts'
import { MessageCounts } from './message-counts.ts'
import { OtherCounts } from './other-counts.ts'
import { ProxyCounts } from './proxy-counts.ts'
import { readPush, type Push } from './read-pushed-series.ts'

export interface ClusterMeterOptions {
  readonly clock: Clock
  readonly journal: CountsJournal
  /** Who a proxy is to telemetry: what is known of its workload now. */
  readonly toParty: (proxy: Proxy) => Party
  /** Takes a window's batch, and calls `onSettled` when it is not to be told again. It may come twice: then it is the same bytes. */
  readonly ship: (window: ClosedWindow, onSettled: () => void) => void
  /** Whether this agent is the only one that proxies of the cluster can tell. Absent = others may have told what it has not heard. */
  readonly isAlone?: boolean
  readonly log: Log
  readonly maxSeries?: number
  readonly maxKnown?: number
}

/** Counters since the start, for the agent's own metrics. */
export interface MeterStatistics {
  readonly series: number
  readonly processes: number
  readonly pushes: number
  /** Increments without a series of their own: `proxy`, for lack of room in a proxy; `cluster`, here. */
  readonly overflowed: { readonly proxy: number; readonly cluster: number }
  /** Records of access logs that proxies could not get rid of. */
  readonly recordsDropped: number
  /** Times that a process came whose counts up to then were not taken: it may have told them to another replica. */
  readonly skipped: number
  /** Data points of proxies that were none. */
  readonly malformed: number
}

export const windowMs = 10_000
/**
 * What a process has counted is remembered for so long after it pushed last. Where there are other replicas it has gone to one of them by
 * then: what comes if it is back was told there.
 */
const rememberedMs = { alone: 7 * 24 * 3_600_000, amongOthers: 30_000 }
/** … and of so many processes; of one proxy of these, since an Envoy that restarts hot runs beside its successor. */
const maxProcesses = 20_000
const maxProcessesOfProxy = 4
/** Series of all proxies together whose values are known. */
const defaultMaxKnown = 500_000
/** A process that is so young has told nobody else: it pushes every five seconds. */
const youngMs = 8000
/** Data points in one batch: the plane takes 16 MiB of it unpacked. */
const maxPoints = 4000
/** … of which so many are encoded at once: proxies wait for their configuration meanwhile. */
const pointsAtOnce = 200
const defaultMaxSeries = 50_000

const compress = promisify(gzip)

interface Metered {
  readonly counts: ProxyCounts
  readonly others: OtherCounts
  pushedAt: number
}

/**
 * Makes the cluster's standard metrics of what its proxies push: sums for /metrics, and every ten seconds a window of increments for the
 * edge. Pushes are cumulative, and each is compared with what was taken before, also before a restart. What a process has counted while
 * it may have told another replica is not taken: rather is something not counted than counted twice.
 */
export class ClusterMeter {
  readonly method: ProxyMethod = {
    path: `/${MetricsService.typeName}/${MetricsService.method.export.name}`,
    receive: ({ proxy }, message) => this.#take(proxy, readPush(message)),
  }
  readonly #options: ClusterMeterOptions
  readonly #metrics: ClusterMetrics
  readonly #messages: MessageCounts
  /** By process. */
  readonly #metered = new Map<string, Metered>()
  /** What nobody had taken before the last start. */
  #left: readonly ClosedWindow[]
  #windowFrom: number
  #cancel = (): void => {}
  /** A window is being told. */
  #closing: Promise<void> | undefined
  #pushes = 0
  #skipped = 0
  #proxyOverflow = 0
  #recordsDropped = 0
  #malformed = 0
  /** Of all processes. */
  #knownSeries = 0

  constructor(options: ClusterMeterOptions) {
    const { clock, journal, maxSeries = defaultMaxSeries } = options
    this.#options = options
    this.#metrics = new ClusterMetrics(() => clock.now(), maxSeries)
    this.#messages = new MessageCounts({
      toParty: (proxy) => this.#options.toParty(proxy),
      add: (increment) => this.#metrics.add(increment),
    })
    this.#windowFrom = clock.now()
    const { at = 0, processes, windows } = journal.recovered()
    this.#left = windows
    for (const [process, counted] of processes) {
      this.#metered.set(process, { counts: new ProxyCounts(counted), others: new OtherCounts(counted), pushedAt: at })
      this.#knownSeries += counted.size
    }
  }

  /** Begins to tell the edge, first what was left from before. */
  start(): void {
    for (const window of this.#left) this.#ship(window)
    this.#left = []
    this.#schedule()
  }

  /** Tells what was counted until now. */
  async stop(): Promise<void> {
    this.#cancel()
    await this.#closing
    this.#closeWindow()
    await this.#closing
  }

  /** What was counted up to the last end of a window is in other hands, or on disk, when this resolves. */
  async told(): Promise<void> {
    await this.#closing
  }

  /**
   * A proxy tells of the messages of a call of gRPC (`message-record.ts`). Returns whether it is such a record. These are no sums: of what an agent that is
   * killed was told since the last window nothing is known afterwards.
   */
  takeMessages(proxy: Proxy, text: string): boolean {
    return this.#messages.take(proxy, text)
  }

  /** Prometheus' text format, in parts. */
  toText(): Generator<string> {
    return this.#metrics.toText()
  }

  statistics(): MeterStatistics {
    return {
      series: this.#metrics.size,
      processes: this.#metered.size,
      pushes: this.#pushes,
      overflowed: { proxy: this.#proxyOverflow, cluster: this.#metrics.overflowed },
      recordsDropped: this.#recordsDropped,
      skipped: this.#skipped,
      malformed: this.#malformed,
    }
  }

  #take(proxy: Proxy, push: Push): void {
    this.#pushes++
    this.#malformed += push.malformed
    if (push.series.length === 0) return // so it does not say which process it is
    const now = this.#options.clock.now()
    const process = toProcess(proxy, push)
    const known = this.#find(process, now)
    const gone = known ? [] : this.#makeRoom(toProxyName(proxy), process)
    const metered = known ?? this.#begin(process)
    metered.pushedAt = now
    const before = metered.counts.size
    const room = (this.#options.maxKnown ?? defaultMaxKnown) - this.#knownSeries
    const taken = metered.counts.take(push, this.#options.toParty(proxy), room)
    if (taken === undefined) return
    const { increments, refused } = taken
    this.#knownSeries += metered.counts.size - before
    this.#proxyOverflow += refused
    const isTaken = known !== undefined || this.#isWatchedFromStart(push, now)
    if (isTaken) for (const increment of increments) this.#metrics.add(increment)
    else if (increments.length > 0) this.#skipped++
    for (const [metric, increment] of metered.others.take(push, isTaken))
      if (metric.startsWith(pushedStatistics.overflow)) this.#proxyOverflow += increment
      else if (metric.endsWith('logs_dropped')) this.#recordsDropped += increment
    // Before anything of it is told: else the next start would not know that all of it is still to be taken.
    if (!known) this.#options.journal.close(now, [...gone, { process, values: isTaken ? [] : takeChanged(metered) }])
  }

  #find(process: string, now: number): Metered | undefined {
    const metered = this.#metered.get(process)
    return metered && now - metered.pushedAt <= this.#rememberedMs ? metered : undefined
  }

  /** The one that came last is at the end. */
  #begin(process: string): Metered {
    const metered: Metered = { counts: new ProxyCounts(), others: new OtherCounts(), pushedAt: 0 }
    this.#metered.set(process, metered)
    return metered
  }

  /** Forgets what was known of this process, and of a proxy with too many those that pushed longest ago. */
  #makeRoom(proxy: string, process: string): CountedValues[] {
    this.#delete(process)
    const prefix = `${proxy} `
    const others: [process: string, metered: Metered][] = []
    for (const each of this.#metered) if (each[0].startsWith(prefix)) others.push(each)
    const tooMany = Math.max(0, others.length + 1 - maxProcessesOfProxy)
    const oldest = others.toSorted(([, left], [, right]) => left.pushedAt - right.pushedAt).slice(0, tooMany)
    return oldest.map(([each]) => this.#delete(each))
  }

  #delete(process: string): CountedValues {
    this.#knownSeries -= this.#metered.get(process)?.counts.size ?? 0
    this.#metered.delete(process)
    return { process, values: null }
  }

  get #rememberedMs(): number {
    return this.#options.isAlone ? rememberedMs.alone : rememberedMs.amongOthers
  }

  /** Whether what a process that is not known has counted was told to nobody else. */
  #isWatchedFromStart({ startedAt }: Push, now: number): boolean {
    return this.#options.isAlone === true || toMilliseconds(startedAt) > now - youngMs
  }

  #schedule(): void {
    this.#cancel = this.#options.clock.after(windowMs, () => {
      this.#closeWindow()
      this.#schedule()
    })
  }

  /** While one is being told the next one goes on. */
  #closeWindow(): void {
    if (this.#closing) return
    const window = { from: this.#windowFrom, to: this.#options.clock.now() }
    this.#windowFrom = window.to
    this.#messages.forget()
    const increments = this.#metrics.takeWindow()
    const counted = this.#takeChanged()
    if (increments.length === 0) this.#tell(window, counted, [])
    else this.#closing = this.#encode(window, increments, counted).finally(() => (this.#closing = undefined))
  }

  async #encode(window: Window, increments: readonly Increment[], counted: readonly CountedValues[]): Promise<void> {
    try {
      const encode = createEncodeWindow(window)
      const closed: ClosedWindow[] = []
      for (const part of toParts(increments, maxPoints)) {
        const encoded: Buffer[] = []
        for (const some of toParts(part, pointsAtOnce)) {
          encoded.push(encode(some))
          await nextTurn()
        }
        closed.push({ id: randomUUID(), points: part.length, batch: await compress(Buffer.concat(encoded)) })
      }
      this.#tell(window, counted, closed)
    } catch (error) {
      this.#options.log.error(
        { err: error, points: increments.length },
        'could not tell the edge of a window of metrics',
      )
    }
  }

  /** Also when there is nothing to tell: it says until when this agent was there. */
  #tell({ to }: Window, counted: readonly CountedValues[], closed: readonly ClosedWindow[]): void {
    this.#options.journal.close(to, [...counted, ...this.#forgetGone(to)], closed)
    for (const part of closed) this.#ship(part)
  }

  #takeChanged(): CountedValues[] {
    return [...this.#metered].flatMap(([process, metered]) => {
      const values = takeChanged(metered)
      return values.length > 0 ? [{ process, values }] : []
    })
  }

  #forgetGone(now: number): CountedValues[] {
    const tooMany = Math.max(0, this.#metered.size - maxProcesses)
    const gone = [...this.#metered].filter(
      ([, { pushedAt }], index) => index < tooMany || now - pushedAt > this.#rememberedMs,
    )
    return gone.map(([process]) => this.#delete(process))
  }

  #ship(window: ClosedWindow): void {
    const { ship, journal, clock } = this.#options
    ship(window, () => journal.done(clock.now(), window.id))
  }
}

const takeChanged = ({ counts, others }: Metered): NonNullable<CountedValues['values']> => [
  ...counts.takeChanged(),
  ...others.takeChanged(),
]

const toProcess = (proxy: Proxy, { startedAt }: Push): string => `${toProxyName(proxy)} ${startedAt}`

/** Envoy 1.40 tells microseconds where OTLP wants nanoseconds. */
const toMilliseconds = (unixTime: string): number => {
  const time = Number(unixTime)
  return time > 1e17 ? time / 1e6 : time / 1e3
}

const toParts = (increments: readonly Increment[], size: number): Increment[][] =>
  Array.from({ length: Math.ceil(increments.length / size) }, (_, index) =>
    increments.slice(index * size, (index + 1) * size),
  )
