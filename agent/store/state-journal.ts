import { fdatasync, fsync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Clock } from '#agent/clock.ts'
import { JournalFile } from './journal-file.ts'
import type { SealingKey } from './sealing-key.ts'
import { StateReader, toStepFrames, type StateStep, type StoredState } from './stored-state.ts'
import { syncDirectory } from './write-atomically.ts'

const syncIntervalMilliseconds = 1000
const retryMilliseconds = 30_000
/** A journal is rewritten once its steps outweigh its base, and not for less than this. */
const minCompactionBytes = 1024 * 1024
const fileName = /^state\.(\d+)\.journal$/

export interface StateJournalOptions {
  readonly directory: string
  readonly key: SealingKey
  readonly clock: Clock
  /** Hears of damage and of a disk that can't be written. */
  readonly report: (problem: string) => void
  /** The state after all steps that were appended: what a rewritten journal starts with. */
  readonly current: () => StoredState
}

/**
 * The last known good state on disk: a base and the steps since, each sealed. A step costs its own size. A file that has grown is
 * rewritten beside the old one, which stays as the previous generation. Killing the process at any moment loses nothing that
 * `append` returned from, once there is a first generation; a torn tail is cut off, and an unreadable base makes the previous generation count.
 */
export class StateJournal {
  readonly #options: StateJournalOptions
  /** The generation that is written to, or was read last. */
  #generation: number
  #nextGeneration: number
  #file: JournalFile | undefined
  #baseBytes: number
  /** Steps that came while the journal is being rewritten; undefined = it is not. */
  #sinceRewrite: StateStep[] | undefined
  #rewrite: Promise<void> = Promise.resolve()
  #cancelSync: (() => void) | undefined
  /** The disk did not take something: nothing is written before then. */
  #cancelRetry: (() => void) | undefined
  #closed = false

  private constructor(
    options: StateJournalOptions,
    generation: number,
    nextGeneration: number,
    file: JournalFile | undefined,
  ) {
    this.#options = options
    this.#generation = generation
    this.#nextGeneration = nextGeneration
    this.#file = file
    this.#baseBytes = file?.bytes ?? 0
  }

  /** The newest readable state and the journal that goes on from it. Never throws for what is in a file. */
  static open(options: StateJournalOptions): { journal: StateJournal; state: StoredState | undefined } {
    const generations = readdirSync(options.directory)
      .flatMap((name) => fileName.exec(name)?.[1] ?? [])
      .map(Number)
      .toSorted((left, right) => right - left)
    const [newest = 0] = generations
    for (const generation of generations) {
      const path = toPath(options.directory, generation)
      const reader = new StateReader()
      const { file, damaged } = JournalFile.recover(path, options.key, generation, (text) => reader.read(text))
      const { state } = reader
      if (damaged) options.report(`${path} is damaged or of another key${state ? '; it is used up to there' : ''}`)
      if (reader.skipped > 0) options.report(`${path}: ${reader.skipped} items are not understood and were left out`)
      const goesOn = state !== undefined && generation === newest
      if (!goesOn) file.close()
      if (state) return { journal: new StateJournal(options, generation, newest + 1, goesOn ? file : undefined), state }
    }
    return { journal: new StateJournal(options, newest, newest + 1, undefined), state: undefined }
  }

  /** Writes one step. When the disk does not take it, that is reported, and the whole state is written once it does again. */
  append(step: StateStep): void {
    if (this.#closed) return
    this.#sinceRewrite?.push(step)
    if (this.#file) {
      try {
        for (const frame of toStepFrames(step)) this.#file.append(frame)
        this.#scheduleSync()
      } catch (error) {
        this.#fail(error)
      }
    }
    this.#rewriteIfDue()
  }

  /** Resolves once everything is on the disk. */
  async close(): Promise<void> {
    this.#closed = true
    this.#cancelSync?.()
    this.#cancelRetry?.()
    await this.#rewrite
    if (!this.#file) return
    await promisify(fdatasync)(this.#file.descriptor).catch(() => {})
    this.#file.close()
    this.#file = undefined
  }

  #rewriteIfDue(): void {
    const grown = this.#file && this.#file.bytes - this.#baseBytes > Math.max(minCompactionBytes, this.#baseBytes)
    if (this.#closed || this.#sinceRewrite || this.#cancelRetry || (this.#file && !grown)) return
    this.#sinceRewrite = []
    this.#rewrite = this.#writeGeneration(this.#nextGeneration, this.#sinceRewrite)
      .catch((error: unknown) => this.#fail(error))
      .finally(() => {
        this.#sinceRewrite = undefined
      })
  }

  async #writeGeneration(generation: number, steps: readonly StateStep[]): Promise<void> {
    const { directory, key, current } = this.#options
    const { position, revision, receivedAt, items } = current()
    const base: StateStep = {
      mode: 'snapshot',
      position,
      revision,
      receivedAt,
      items: Array.from(items, ([itemKey, item]) => ({ key: itemKey, item })),
    }
    const path = toPath(directory, generation)
    const file = JournalFile.create(`${path}.tmp`, key, generation)
    let written = 0
    const writeSteps = (): void => {
      for (const step of steps.slice(written)) for (const frame of toStepFrames(step)) file.append(frame)
      written = steps.length
    }
    try {
      for (const frame of toStepFrames(base)) {
        file.append(frame)
        await new Promise(setImmediate) // the agent goes on serving while a large state is written
      }
      const baseBytes = file.bytes
      writeSteps()
      await promisify(fsync)(file.descriptor)
      writeSteps()
      renameSync(`${path}.tmp`, path)
      syncDirectory(directory)
      this.#install(generation, file, baseBytes)
    } catch (error) {
      file.close()
      rmSync(`${path}.tmp`, { force: true })
      throw error
    }
  }

  /** The generation before stays on the disk, older and unreadable ones go. */
  #install(generation: number, file: JournalFile, baseBytes: number): void {
    const keep = [generation, this.#generation].map((kept) => toPath('', kept))
    this.#file?.close()
    this.#file = file
    this.#baseBytes = baseBytes
    this.#generation = generation
    this.#nextGeneration = generation + 1
    for (const name of readdirSync(this.#options.directory))
      if (fileName.test(name) && !keep.includes(name)) rmSync(join(this.#options.directory, name), { force: true })
  }

  #fail(error: unknown): void {
    const { clock, report, directory } = this.#options
    report(`${directory} can't be written: ${error instanceof Error ? error.message : String(error)}`)
    this.#cancelRetry ??= clock.after(retryMilliseconds, () => {
      this.#cancelRetry = undefined
      this.#rewriteIfDue()
    })
    this.#file?.close()
    this.#file = undefined
  }

  #scheduleSync(): void {
    this.#cancelSync ??= this.#options.clock.after(syncIntervalMilliseconds, () => {
      this.#cancelSync = undefined
      if (this.#file) fdatasync(this.#file.descriptor, () => {})
    })
  }
}

const toPath = (directory: string, generation: number): string => join(directory, `state.${generation}.journal`)
