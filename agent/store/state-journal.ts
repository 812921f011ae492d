import { fdatasync, fsync, fsyncSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Clock } from '#agent/clock.ts'
import { toErrorMessage } from '#mesh/error-message.ts'
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
 * `append` returned from; a torn tail is cut off, and an unreadable base makes the previous generation count.
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
    if (!this.#file && !this.#sinceRewrite && !this.#cancelRetry) this.#writeFirstGeneration()
    else if (this.#file) {
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
    this.#rewrite = this.#writeGeneration(this.#sinceRewrite)
      .catch((error: unknown) => this.#fail(error))
      .finally(() => {
        this.#sinceRewrite = undefined
      })
  }

  /** Nothing on the disk has this state or one before it: nobody may be told that it is kept before it is. */
  #writeFirstGeneration(): void {
    let draft: JournalFile | undefined
    try {
      draft = this.#createDraft()
      for (const frame of this.#toBaseFrames()) draft.append(frame)
      fsyncSync(draft.descriptor)
      this.#install(draft, draft.bytes)
    } catch (error) {
      this.#discard(draft)
      this.#fail(error)
    }
  }

  async #writeGeneration(steps: readonly StateStep[]): Promise<void> {
    const draft = this.#createDraft()
    let written = 0
    const writeSteps = (): void => {
      for (const step of steps.slice(written)) for (const frame of toStepFrames(step)) draft.append(frame)
      written = steps.length
    }
    try {
      for (const frame of this.#toBaseFrames()) {
        draft.append(frame)
        await new Promise(setImmediate) // the agent goes on serving while a large state is written
      }
      const baseBytes = draft.bytes
      writeSteps()
      await promisify(fsync)(draft.descriptor)
      writeSteps()
      this.#install(draft, baseBytes)
    } catch (error) {
      this.#discard(draft)
      throw error
    }
  }

  #toBaseFrames(): Generator<string> {
    const { position, revision, receivedAt, items } = this.#options.current()
    return toStepFrames({
      mode: 'snapshot',
      position,
      revision,
      receivedAt,
      items: Array.from(items, ([key, item]) => ({ key, item })),
    })
  }

  #createDraft(): JournalFile {
    return JournalFile.create(this.#draftPath, this.#options.key, this.#nextGeneration)
  }

  #discard(draft: JournalFile | undefined): void {
    draft?.close()
    rmSync(this.#draftPath, { force: true })
  }

  get #draftPath(): string {
    return `${toPath(this.#options.directory, this.#nextGeneration)}.tmp`
  }

  /** A synced draft becomes what is written to. The generation before stays on the disk, older and unreadable ones go. */
  #install(file: JournalFile, baseBytes: number): void {
    const { directory } = this.#options
    const generation = this.#nextGeneration
    renameSync(this.#draftPath, toPath(directory, generation))
    syncDirectory(directory)
    const keep = [generation, this.#generation].map((kept) => toPath('', kept))
    this.#file?.close()
    this.#file = file
    this.#baseBytes = baseBytes
    this.#generation = generation
    this.#nextGeneration = generation + 1
    this.#removeAllBut(keep)
  }

  /** What can't be removed costs space, and no state. */
  #removeAllBut(keep: readonly string[]): void {
    const { directory, report } = this.#options
    try {
      for (const name of readdirSync(directory))
        if (fileName.test(name) && !keep.includes(name)) rmSync(join(directory, name), { force: true })
    } catch (error) {
      report(`old journals in ${directory} can't be removed: ${toErrorMessage(error)}`)
    }
  }

  #fail(error: unknown): void {
    const { clock, report, directory } = this.#options
    report(`${directory} can't be written: ${toErrorMessage(error)}`)
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
