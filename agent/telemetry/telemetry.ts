import { join } from 'node:path'
import type { ProxyMethod } from '#agent/ads/proxy-methods.ts'
import type { Clock } from '#agent/clock.ts'
import type { DataDirectory } from '#agent/data-directory.ts'
import type { Log } from '#agent/log.ts'
import type { PlaneConnection } from '#agent/plane-connection.ts'
import type { MeshView } from '#mesh/view.ts'
import type { ForwardTarget } from './forward/forward-target.ts'
import { Forward, type ForwardStatus } from './forward/forward.ts'
import { ClusterMeter } from './metrics/cluster-meter.ts'
import { CountsJournal } from './metrics/counts-journal.ts'
import type { Batch } from './outbox/batch.ts'
import { Outbox, type OutboxStatus } from './outbox/outbox.ts'
import { createPostToPlane } from './outbox/post-batch.ts'
import { toLogsMethod } from './records/logs-method.ts'
import { RecordLog } from './records/record-log.ts'
import { toParty } from './to-party.ts'

export interface TelemetryOptions {
  readonly data: Pick<DataDirectory, 'path' | 'key'>
  /** Hears of damage and of a disk that can't be written. */
  readonly reportStoreProblem: (problem: string) => void
  /** Of batches that wait on disk, for each who is sent some. */
  readonly spoolBytes: number
  readonly connection: PlaneConnection
  /** Who is sent telemetry beside the plane. */
  readonly forwards: readonly ForwardTarget[]
  /** Whether no other agent serves this cluster's proxies. */
  readonly isAlone: boolean
  readonly view: Pick<MeshView, 'localCluster' | 'settings' | 'workload'>
  /** The revision that a proxy has, by its name. */
  readonly revisionOf: (proxy: string) => number
  readonly clock: Clock
  readonly random: () => number
  readonly log: Log
}

/** What the agent takes of telemetry from its proxies, and sends to the plane (docs/decisions/0021). */
export class Telemetry {
  readonly outbox: Outbox
  /** What proxies call. */
  readonly methods: readonly ProxyMethod[]
  readonly meter: ClusterMeter
  readonly #records: RecordLog
  readonly #forwards: readonly Forward[]

  /** @throws {AgentError} `store_unusable` */
  constructor(options: TelemetryOptions) {
    const { data, spoolBytes, connection, forwards, view, revisionOf, clock, random, log, reportStoreProblem } = options
    const directory = join(data.path, 'telemetry')
    const sharers = 1 + forwards.length
    this.outbox = new Outbox({
      to: 'the plane',
      directory,
      limitBytes: spoolBytes,
      sharers,
      post: createPostToPlane(connection),
      clock,
      random,
      log,
    })
    const cluster = view.localCluster
    this.#forwards = forwards.map(
      (target) => new Forward({ target, directory, limitBytes: spoolBytes, sharers, cluster, clock, random, log }),
    )
    this.#records = new RecordLog({
      cluster,
      outbox: {
        received: (signal, records) => this.outbox.received(signal, records),
        shed: (signal, records, reason) => this.outbox.shed(signal, records, reason),
        add: (batch) => this.#add(batch),
        isAway: () => this.outbox.isAway || this.#forwards.some((forward) => forward.takes('logs') && forward.isAway),
      },
      onRecord: (record) => {
        for (const forward of this.#forwards) forward.tell(record)
      },
      clock,
      toParty: ({ proxy }) => toParty(view, proxy),
      takeMessages: (proxy, text) => this.meter.takeMessages(proxy, text),
      revisionOf,
    })
    this.meter = new ClusterMeter({
      clock,
      journal: new CountsJournal({ directory, key: data.key, report: reportStoreProblem }),
      toParty: (proxy) => toParty(view, proxy),
      isAlone: options.isAlone,
      log,
      ship: ({ points, batch }, onSettled) => {
        this.outbox.received('metrics', points)
        this.#add({ signal: 'metrics', rank: 'notable', records: points, body: Buffer.from(batch), onSettled })
      },
    })
    this.methods = [toLogsMethod((grant, message) => this.#records.receive(grant, message)), this.meter.method]
  }

  start(): void {
    this.meter.start()
  }

  status(): OutboxStatus {
    return this.outbox.status()
  }

  forwards(): readonly ForwardStatus[] {
    return this.#forwards.map((forward) => forward.status())
  }

  /** When no proxy tells anything any more: what was not taken is on disk when this resolves. */
  async stop(): Promise<void> {
    await this.meter.stop()
    await this.#records.stop()
    await Promise.all([this.outbox.stop(), ...this.#forwards.map((forward) => forward.stop())])
  }

  /** To all who are to have it; it is settled when it is with each of them. */
  #add(batch: Batch): void {
    let unsettled = 1 + this.#forwards.length
    const onSettled = (): void => {
      unsettled -= 1
      if (unsettled === 0) batch.onSettled?.()
    }
    for (const each of [this.outbox, ...this.#forwards]) each.add({ ...batch, onSettled })
  }
}
