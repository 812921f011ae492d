import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import type { Clock } from '#agent/clock.ts'
import type { Batch, BatchRank } from '#agent/telemetry/outbox/batch.ts'

export interface RecordPackerOptions {
  readonly clock: Clock
  /** Takes a batch of records. */
  readonly add: (batch: Batch) => void
  /** Records that could not be packed. */
  readonly shed: (records: number) => void
  /** Whether a batch goes where ranks matter. */
  readonly isAway: () => boolean
}

/** What there is room for: what matters less is to be shed when half of it is taken. */
export type Room = 'all' | 'notable' | 'none'

const compress = promisify(gzip)

/** When records go on: after so long, or as soon as they are this much. */
const flushMilliseconds = 1000
const flushBytes = 512 * 1024
/** What came meanwhile goes on together: of many small batches each has to wait for its turn again and again. The plane takes 16 MiB of one. */
const maxBatchBytes = 4 * 1024 * 1024
/** Of records that are not packed yet. */
const maxBytes = 32 * 1024 * 1024

interface Part {
  readonly bytes: Buffer
  readonly records: number
}

/** Compresses records, and makes batches of them. */
export class RecordPacker {
  readonly #options: RecordPackerOptions
  /** The oldest first. */
  readonly #parts: Record<BatchRank, Part[]> = { notable: [], routine: [] }
  /** Of these, and of what is being compressed. */
  #bytes = 0
  #cancelFlush: (() => void) | undefined
  #packing: Promise<void> | undefined
  #isStopped = false

  constructor(options: RecordPackerOptions) {
    this.#options = options
  }

  get room(): Room {
    if (this.#bytes >= maxBytes) return 'none'
    return this.#bytes >= maxBytes / 2 ? 'notable' : 'all'
  }

  add(rank: BatchRank, part: Part): void {
    this.#parts[rank].push(part)
    this.#bytes += part.bytes.length
    if (this.#bytes >= flushBytes) this.#flush()
    else this.#cancelFlush ??= this.#options.clock.after(flushMilliseconds, () => this.#flush())
  }

  /** What has been added so far has been handed on when this resolves. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#flush()
    await this.#packing
  }

  #flush(): void {
    this.#cancelFlush?.()
    this.#cancelFlush = undefined
    this.#packing ??= this.#packAll().finally(() => (this.#packing = undefined))
  }

  async #packAll(): Promise<void> {
    do {
      // On disk what matters less has files of its own, so that it can be shed alone.
      if (this.#options.isAway())
        for (const rank of ['routine', 'notable'] as const) await this.#pack(rank, [this.#parts[rank]])
      else await this.#pack('notable', [this.#parts.notable, this.#parts.routine])
    } while (this.#bytes >= (this.#isStopped ? 1 : flushBytes))
    if (this.#bytes > 0) this.#cancelFlush ??= this.#options.clock.after(flushMilliseconds, () => this.#flush())
  }

  /** As much as a batch may be, of the first of these first. */
  async #pack(rank: BatchRank, queues: readonly Part[][]): Promise<void> {
    const taken: Part[] = []
    let size = 0
    for (const queue of queues) {
      let count = 0
      for (const { bytes } of queue) {
        // A part that is larger by itself goes alone: when the plane refuses it, nothing of other proxies is lost with it.
        if (size > 0 && size + bytes.length > maxBatchBytes) break
        size += bytes.length
        count += 1
      }
      taken.push(...queue.splice(0, count))
    }
    if (taken.length === 0) return
    const records = taken.reduce((sum, part) => sum + part.records, 0)
    const { add, shed } = this.#options
    const body = await toBody(taken.map(({ bytes }) => bytes)).catch(() => undefined)
    this.#bytes -= size
    if (body) add({ signal: 'logs', rank, records, body })
    else shed(records)
  }
}

/** With room for what it becomes: for each chunk more the compressing would have to wait until the event loop comes by. */
const toBody = async (parts: readonly Buffer[]): Promise<Buffer> => {
  const all = Buffer.concat(parts)
  const body = await compress(all, { level: 1, chunkSize: Math.max(64 * 1024, Math.ceil(all.length / 3)) })
  // Not a part of a bigger buffer, which would wait with it.
  return Buffer.from(body)
}
