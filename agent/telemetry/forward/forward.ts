import { createHash } from 'node:crypto'
import { join } from 'node:path'
import type { Clock } from '#agent/clock.ts'
import type { Log } from '#agent/log.ts'
import type { Batch, Signal } from '#agent/telemetry/outbox/batch.ts'
import { Outbox, type OutboxStatus } from '#agent/telemetry/outbox/outbox.ts'
import type { ForwardTarget } from './forward-target.ts'
import { SpanLog, type ToldRecord } from './span-log.ts'

export interface ForwardOptions {
  readonly target: ForwardTarget
  /** Of all telemetry: each backend has a folder of its own below it. */
  readonly directory: string
  readonly limitBytes: number
  /** How many keep batches on the disk, the plane's outbox and this one included. */
  readonly sharers: number
  readonly cluster: string
  readonly clock: Clock
  readonly random: () => number
  readonly log: Log
}

/** A backend's name, and how it goes with it. */
export interface ForwardStatus {
  readonly to: string
  readonly status: OutboxStatus
}

/** Sends a backend the batches that the plane is sent, and the spans that are worth it. It has a spool of its own: whether the plane or others take theirs means nothing here. */
export class Forward {
  readonly #target: ForwardTarget
  readonly #outbox: Outbox
  readonly #spans: SpanLog | undefined

  /** @throws {AgentError} `store_unusable` */
  constructor({ target, directory, cluster, ...options }: ForwardOptions) {
    this.#target = target
    this.#outbox = new Outbox({
      ...options,
      to: target.endpoint,
      directory: join(directory, 'forward', toFolder(target.endpoint)),
      post: target.post,
    })
    // It has no token to wait for: what it is sent with is in its headers.
    this.#outbox.setToken('')
    if (target.signals.includes('traces'))
      this.#spans = new SpanLog({
        cluster,
        slowMilliseconds: target.slowMilliseconds,
        clock: options.clock,
        add: (batch) => this.#add(batch),
        shed: (spans) => {
          this.#outbox.received('traces', spans)
          this.#outbox.shed('traces', spans, 'malformed')
        },
      })
  }

  get isAway(): boolean {
    return this.#outbox.isAway
  }

  takes(signal: Signal): boolean {
    return this.#target.signals.includes(signal)
  }

  /** A batch of the plane's. One of a signal that the backend is not to have is settled at once. */
  add(batch: Batch): void {
    if (this.takes(batch.signal)) this.#add(batch)
    else batch.onSettled?.()
  }

  /** A record that may be worth a span. */
  tell(record: ToldRecord): void {
    this.#spans?.tell(record)
  }

  status(): ForwardStatus {
    return { to: this.#target.endpoint, status: this.#outbox.status() }
  }

  async stop(): Promise<void> {
    this.#spans?.stop()
    await this.#outbox.stop()
  }

  #add(batch: Batch): void {
    this.#outbox.received(batch.signal, batch.records)
    this.#outbox.add(batch)
  }
}

const toFolder = (endpoint: string): string => createHash('sha256').update(endpoint).digest('hex').slice(0, 16)
