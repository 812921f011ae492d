import { randomBytes } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import type { Clock } from '#agent/clock.ts'
import type { Batch } from '#agent/telemetry/outbox/batch.ts'
import { isFailure, toMeshSpan, type MeshSpan } from '#mesh/telemetry/mesh-span.ts'
import type { KnownFields } from '#mesh/telemetry/to-access-log-record.ts'
import { encodeSpans, type TimedSpan } from './encode-spans.ts'

/** An access log record of a proxy. */
export interface ToldRecord {
  /** time_unix_nano, eight bytes. */
  readonly time: Uint8Array
  readonly fields: KnownFields
  /** The two sides of the call, the cluster and the proxy that tell it. */
  readonly parties: () => KnownFields
}

export interface SpanLogOptions {
  readonly cluster: string
  readonly slowMilliseconds: number
  readonly clock: Clock
  readonly add: (batch: Batch) => void
  /** Hears of spans that could not be told. */
  readonly shed: (spans: number) => void
}

const flushMilliseconds = 1000
const maxSpans = 2000
/** So many are encoded at once: proxies wait for their configuration meanwhile. */
const spansAtOnce = 100

/**
 * Makes spans of access log records (docs/decisions/0022) for a backend: of requests that have failed, were slow, or whose trace was sampled when it began. That
 * is decided when they have ended, by each proxy's record for itself.
 */
export class SpanLog {
  readonly #options: SpanLogOptions
  #spans: TimedSpan[] = []
  /** What came before these, encoded. */
  #parts: Uint8Array[] = []
  #encoded = 0
  #cancelFlush: (() => void) | undefined

  constructor(options: SpanLogOptions) {
    this.#options = options
  }

  tell({ time, fields, parties }: ToldRecord): void {
    if (fields.trace_id === undefined || !this.#isWorthIt(fields)) return
    const record = { ...parties(), ...fields }
    const { buffer, byteOffset } = time
    const began = new DataView(buffer, byteOffset, 8).getBigUint64(0, true)
    this.#spans.push({ time: began, span: toMeshSpan(record, toRandomId) })
    if (this.#spans.length >= spansAtOnce) this.#encode()
    if (this.#encoded >= maxSpans) this.#flush()
    else this.#cancelFlush ??= this.#options.clock.after(flushMilliseconds, () => this.#flush())
  }

  /** What has been told so far has been handed on when this returns. */
  stop(): void {
    this.#flush()
  }

  #isWorthIt(fields: KnownFields): boolean {
    return (
      fields.sampled === 1 ||
      isFailure(fields) ||
      Number(fields.duration_us ?? 0) >= this.#options.slowMilliseconds * 1000
    )
  }

  #flush(): void {
    this.#cancelFlush?.()
    this.#cancelFlush = undefined
    this.#encode()
    const records = this.#encoded
    if (records === 0) return
    const body = gzipSync(Buffer.concat(this.#parts), { level: 1 })
    this.#parts = []
    this.#encoded = 0
    this.#options.add({ signal: 'traces', rank: 'notable', records, body })
  }

  /** Messages of OTLP one after the other are one. Whatever a proxy has told, it is not to end the agent, as what is thrown in a timer does. */
  #encode(): void {
    const spans = this.#spans.splice(0)
    if (spans.length === 0) return
    const { cluster, shed } = this.#options
    try {
      this.#parts.push(encodeSpans(cluster, spans))
      this.#encoded += spans.length
    } catch {
      shed(spans.length)
    }
  }
}

const toRandomId = (): MeshSpan['span_id'] => randomBytes(8).toString('hex')
