import { existsSync, fsyncSync, renameSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { JournalFile } from '#agent/store/journal-file.ts'
import type { SealingKey } from '#agent/store/sealing-key.ts'
import { syncDirectory } from '#agent/store/write-atomically.ts'
import { toErrorMessage } from '#mesh/error-message.ts'
import { parseJson } from '#mesh/parse-json.ts'
import type { Count } from './counts.ts'

const count = z.union([
  z.number(),
  z.object({ bounds: z.array(z.number()), counts: z.array(z.number()), sum: z.number() }),
])

/** What one process of a proxy has counted, as it was taken into a window; of a process that is not known any more `values` is null. */
const countedValues = z.object({
  process: z.string(),
  values: z.array(z.tuple([z.string(), count])).nullable(),
})
export type CountedValues = Omit<z.infer<typeof countedValues>, 'values'> & {
  readonly values: readonly (readonly [series: string, value: Count])[] | null
}

const frame = z.object({
  /** Milliseconds since the epoch. */
  at: z.number(),
  /** What is to be told of a window that was closed: batches in base64. */
  windows: z.array(z.object({ id: z.string(), points: z.int(), batch: z.string() })).optional(),
  counted: z.array(countedValues).optional(),
  /** A window whose batch is in other hands. */
  done: z.string().optional(),
  more: z.boolean().optional(),
})
type Frame = z.infer<typeof frame>

/** What is known after a restart. */
export interface RecoveredCounts {
  /** When this was written last, milliseconds since the epoch; undefined = never. */
  readonly at: number | undefined
  /** What each process of a proxy has counted, by series. */
  readonly processes: ReadonlyMap<string, ReadonlyMap<string, Count>>
  /** Batches that nobody has taken, by window, the oldest first. */
  readonly windows: readonly ClosedWindow[]
}

/** A window, or a part of one, that is to be told. */
export interface ClosedWindow {
  readonly id: string
  /** Data points in it. */
  readonly points: number
  readonly batch: Uint8Array
}

const minCompactionBytes = 8 * 1024 * 1024
const name = 'metrics'

export interface CountsJournalOptions {
  readonly directory: string
  readonly key: SealingKey
  /** Hears of damage and of a disk that can't be written. */
  readonly report: (problem: string) => void
}

/**
 * What was taken from which proxy into which window, on disk, so that a restart neither loses nor doubles a count: a window's batch, and what
 * its proxies had counted by then, are written together, before the batch is sent. Without a disk that takes it all goes on, and a restart
 * loses what was counted meanwhile.
 */
export class CountsJournal {
  readonly #options: CountsJournalOptions
  readonly #path: string
  #file: JournalFile | undefined
  #baseBytes = 0
  readonly #processes = new Map<string, Map<string, Count>>()
  readonly #windows = new Map<string, NonNullable<Frame['windows']>[number]>()
  #at: number | undefined

  constructor(options: CountsJournalOptions) {
    this.#options = options
    this.#path = join(options.directory, `${name}.journal`)
    if (existsSync(this.#path)) this.#recover()
  }

  recovered(): RecoveredCounts {
    return {
      at: this.#at,
      processes: new Map([...this.#processes].map(([process, values]) => [process, new Map(values)])),
      windows: [...this.#windows.values()].map(({ batch, ...window }) => ({
        ...window,
        batch: Buffer.from(batch, 'base64'),
      })),
    }
  }

  close(at: number, counted: readonly CountedValues[], windows: readonly ClosedWindow[] = []): void {
    const written: Frame = {
      at,
      counted: counted.map(({ process, values }) => ({
        process,
        values: values && values.map(([series, value]) => [series, toPlain(value)]),
      })),
      ...(windows.length > 0 && {
        windows: windows.map((window) => ({ ...window, batch: Buffer.from(window.batch).toString('base64') })),
      }),
    }
    this.#apply(written)
    this.#append(written)
  }

  /** A window's batch has been taken by somebody who will not lose it. */
  done(at: number, id: string): void {
    const written: Frame = { at, done: id }
    this.#apply(written)
    this.#append(written)
  }

  #append(written: Frame): void {
    try {
      const grown = this.#file && this.#file.bytes - this.#baseBytes > Math.max(minCompactionBytes, this.#baseBytes)
      if (!this.#file || grown) this.#rewrite(written.at)
      else this.#file.append(JSON.stringify(written))
    } catch (error) {
      this.#options.report(`${this.#path} can't be written: ${toErrorMessage(error)}`)
      this.#file?.close()
      this.#file = undefined
    }
  }

  #rewrite(at: number): void {
    const draft = `${this.#path}.tmp`
    const file = JournalFile.create(draft, this.#options.key, name)
    for (const [process, values] of this.#processes) {
      const counted = [{ process, values: [...values].map(([series, value]) => [series, toPlain(value)]) }]
      file.append(JSON.stringify({ at, counted, more: true }))
    }
    for (const window of this.#windows.values()) file.append(JSON.stringify({ at, windows: [window], more: true }))
    file.append(JSON.stringify({ at }))
    fsyncSync(file.descriptor)
    renameSync(draft, this.#path)
    syncDirectory(dirname(this.#path))
    this.#file?.close()
    this.#file = file
    this.#baseBytes = file.bytes
  }

  #recover(): void {
    const frames: Frame[] = []
    try {
      const { file, damaged } = JournalFile.recover(this.#path, this.#options.key, name, (text) => {
        const read = frame.safeParse(parseJson(text)).data
        if (!read) return 'bad'
        frames.push(read)
        return read.more ? 'more' : 'last'
      })
      if (damaged) this.#options.report(`${this.#path} is damaged or of another key; it is used up to there`)
      this.#file = file
      this.#baseBytes = file.bytes
      for (const read of frames) this.#apply(read)
    } catch (error) {
      this.#options.report(`${this.#path} can't be read: ${toErrorMessage(error)}`)
    }
  }

  #apply({ at, counted = [], windows = [], done }: Frame): void {
    this.#at = at
    for (const { process, values } of counted) {
      if (values === null) this.#processes.delete(process)
      else {
        const known = this.#processes.get(process) ?? new Map<string, Count>()
        for (const [series, value] of values) known.set(series, value)
        this.#processes.set(process, known)
      }
    }
    for (const window of windows) this.#windows.set(window.id, window)
    if (done !== undefined) this.#windows.delete(done)
  }
}

const toPlain = (value: Count): z.infer<typeof count> =>
  typeof value === 'number' ? value : { bounds: [...value.bounds], counts: [...value.counts], sum: value.sum }
