import { mkdirSync, readdirSync, statfsSync, statSync, unlinkSync } from 'node:fs'
import { open, readFile, rename, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { AgentError } from '#agent/agent-error.ts'
import { toErrorMessage } from '#mesh/error-message.ts'
import { signals, type Batch, type BatchRank, type Signal } from './batch.ts'
import { SpooledBatches, toDiskBytes, type SpooledBatch } from './spooled-batches.ts'

/** Who is told of batches that are gone without having been sent. */
export type OnShed = (batch: Batch | SpooledBatch, reason: 'spool' | 'disk') => void

export interface SpoolOptions {
  readonly directory: string
  readonly limitBytes: number
  /** How many spools, this one included, are on the disk: each has its part of the room. */
  readonly sharers: number
  readonly onShed: OnShed
}

/** Of batches that the plane refused so many are kept, for people. */
const maxAside = 8
const asideDirectory = 'refused'

/**
 * Batches that wait on disk, each a file that is written once. What is known of them is in their names, so that there is nothing else to be lost: the
 * next start goes on with them, in their order, which no clock can change.
 */
export class Spool {
  readonly #directory: string
  readonly #limitBytes: number
  readonly #onShed: OnShed
  readonly #batches = new SpooledBatches()
  #sequence = 0
  /** It is being sent, and is not to be told of as shed. */
  #held: SpooledBatch | undefined

  /** @throws {AgentError} `store_unusable` */
  constructor({ directory, limitBytes, sharers, onShed }: SpoolOptions) {
    this.#directory = directory
    this.#onShed = onShed
    try {
      mkdirSync(join(directory, asideDirectory), { recursive: true, mode: 0o700 })
      for (const name of readdirSync(directory).sort()) this.#find(name)
      // The newest of these are kept, so that a new one has to come after all of them.
      for (const name of readdirSync(join(directory, asideDirectory))) this.#countFrom(name)
    } catch (error) {
      throw new AgentError('store_unusable', `${directory} can't be used: ${toErrorMessage(error)}`, { cause: error })
    }
    this.#limitBytes = Math.min(limitBytes, this.bytes + Math.floor(toRoom(directory) / sharers))
  }

  get limitBytes(): number {
    return this.#limitBytes
  }

  /** That it takes on the disk. */
  get bytes(): number {
    return this.#batches.bytes
  }

  get length(): number {
    return this.#batches.length
  }

  /** By signal. */
  records(): Readonly<Record<Signal, number>> {
    return this.#batches.records
  }

  /** The one that waits longest of those that are meant. */
  oldest(isMeant: (batch: SpooledBatch) => boolean): SpooledBatch | undefined {
    return this.#batches.oldest(isMeant)
  }

  /** Makes room by what matters least; tells of what found none. Writes are not to overlap. */
  async write(batch: Batch): Promise<void> {
    const { signal, rank, records, body } = batch
    if (!this.#makeRoom(batch)) return this.#onShed(batch, 'spool')
    this.#sequence += 1
    const name = `${String(this.#sequence).padStart(12, '0')}.${signal}.${rank}.${records}.gz`
    for (let attempt = 0; ; attempt += 1)
      try {
        await writeWhole(join(this.#directory, name), body)
        this.#batches.add({ name, signal, rank, records, bytes: toDiskBytes(body.length) })
        return
      } catch (error) {
        // The disk may have less room than it had: what matters less than this makes some, once.
        if (attempt > 0 || !isFull(error) || !this.#shedOne(rank, 'disk')) return this.#onShed(batch, 'disk')
      }
  }

  /** It is not shed until it is released or removed. Undefined: it can't be read, and has been told of as shed. */
  async hold(batch: SpooledBatch): Promise<Batch | undefined> {
    this.#held = batch
    try {
      return { ...batch, body: await readFile(join(this.#directory, batch.name)) }
    } catch {
      this.#forget(batch)
      this.#onShed(batch, 'disk')
      return undefined
    }
  }

  /** It is still to be sent. */
  release(): void {
    this.#held = undefined
  }

  async remove(batch: SpooledBatch): Promise<void> {
    this.#forget(batch)
    await unlink(join(this.#directory, batch.name)).catch(() => {})
  }

  /** Keeps what the plane refused for a person to look at: the newest few. */
  async setAside({ signal, records, body }: Batch): Promise<void> {
    const directory = join(this.#directory, asideDirectory)
    try {
      const kept = readdirSync(directory).sort()
      for (const name of kept.slice(0, Math.max(0, kept.length + 1 - maxAside))) unlinkSync(join(directory, name))
      this.#sequence += 1
      await writeWhole(join(directory, `${String(this.#sequence).padStart(12, '0')}.${signal}.${records}.gz`), body)
    } catch {
      // It is counted all the same.
    }
  }

  #find(name: string): void {
    const [, signal = '', rank = '', records = ''] = /^\d{12}\.([a-z]+)\.(routine|notable)\.(\d+)\.gz$/.exec(name) ?? []
    const known = signals.find((each) => each === signal)
    if (!known) {
      if (name.endsWith('.tmp')) unlinkSync(join(this.#directory, name))
      return
    }
    const bytes = toDiskBytes(statSync(join(this.#directory, name)).size)
    this.#batches.add({ name, signal: known, rank: rank as BatchRank, records: Number(records), bytes })
    this.#countFrom(name)
  }

  /** What is written from now on has a later name than this. */
  #countFrom(name: string): void {
    const [, sequence = '0'] = /^(\d{12})\./.exec(name) ?? []
    this.#sequence = Math.max(this.#sequence, Number(sequence))
  }

  #makeRoom({ rank, body }: Batch): boolean {
    const size = toDiskBytes(body.length)
    if (size > this.#limitBytes) return false
    while (this.bytes + size > this.#limitBytes) if (!this.#shedOne(rank, 'spool')) return false
    return true
  }

  /** The oldest of what matters least, and no more than `rank`. */
  #shedOne(rank: BatchRank, reason: 'spool' | 'disk'): boolean {
    const isFree = (batch: SpooledBatch): boolean => batch !== this.#held
    const least =
      this.#batches.oldestOf('routine', isFree) ??
      (rank === 'notable' ? this.#batches.oldestOf('notable', isFree) : undefined)
    if (!least) return false
    this.#forget(least)
    try {
      unlinkSync(join(this.#directory, least.name))
    } catch {
      // It is not there, which is what is wanted.
    }
    this.#onShed(least, reason)
    return true
  }

  #forget(batch: SpooledBatch): void {
    this.#held = this.#held === batch ? undefined : this.#held
    this.#batches.delete(batch)
  }
}

/** Half of what the disk has left: the agent's own state is there as well. */
const toRoom = (directory: string): number => {
  const { bavail, bsize } = statfsSync(directory)
  return (bavail * bsize) / 2
}

const isFull = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT')

/** A crash at any moment leaves the whole file or none of its name. */
const writeWhole = async (path: string, content: Uint8Array): Promise<void> => {
  const temporary = `${path}.tmp`
  try {
    const file = await open(temporary, 'w', 0o600)
    try {
      await file.writeFile(content)
      await file.datasync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
  } catch (error) {
    await unlink(temporary).catch(() => {})
    throw error
  }
}
