import { z } from 'zod'
import type { Clock } from '#agent/clock.ts'
import type { Log } from '#agent/log.ts'
import { FetchQueue } from '#agent/outside/fetch-queue.ts'
import { toRetryMilliseconds } from '#agent/outside/refresh-delay.ts'
import { LateWriter } from '#agent/store/late-writer.ts'
import type { SealedSnapshot } from '#agent/store/sealed-snapshot.ts'
import { toErrorMessage } from '#mesh/error-message.ts'
import type { ViewChange } from '#mesh/view.ts'
import { maxModules, type ModuleKey, type ModuleSource, type WasmModule } from '#mesh/wasm/module-source.ts'
import type { FetchedModule } from './fetch-module.ts'
import type { ModuleFiles } from './module-files.ts'
import { maxTotalBytes } from './module-limits.ts'

/** What is known of a module on disk. */
export const keptModule = z.object({
  key: z.string().transform((key) => key as ModuleKey),
  digest: z.string().regex(/^[a-f0-9]{64}$/),
  refreshedBy: z.string(),
  /** Milliseconds since the epoch. */
  fetchedAt: z.number(),
  /** When an object last named it. */
  wantedAt: z.number(),
})
export type KeptModule = z.output<typeof keptModule>

export interface ModulesOptions {
  readonly clock: Clock
  /** In [0, 1). */
  readonly random: () => number
  readonly log: Log
  /** Rejects with a message for people. */
  readonly fetch: (source: ModuleSource) => Promise<FetchedModule>
  /** Where modules are found again after a restart, and which. */
  readonly files: ModuleFiles
  readonly snapshot: SealedSnapshot<KeptModule>
  readonly onChanges: (changes: readonly ViewChange[]) => void
  /** Something else may be wrong. */
  readonly onProblems: () => void
}

interface ModuleStatus {
  readonly key: ModuleKey
  /** Milliseconds since the epoch; undefined = never yet. */
  readonly fetchedAt: number | undefined
  /** Why the last attempt failed. */
  readonly failure: string | undefined
}

const tooManyText = `is not fetched: an agent keeps ${maxModules} modules at most, of each namespace one in turn`

const maxConcurrent = 4
/** Within Envoy's 15 s for what a new listener waits for: a plugin that may fail is passed then, any other lets nobody past. */
const patienceMilliseconds = 12_000
/** An object may be missing for a while. */
const keepMilliseconds = 24 * 60 * 60_000
const writeDelayMilliseconds = 1000

interface Entry {
  source: ModuleSource
  module: FetchedModule | undefined
  fetchedAt: number | undefined
  /** What the module was fetched for. */
  refreshedBy: string
  failures: number
  failure: string | undefined
  /** What was told. */
  told: WasmModule | undefined
  cancel: () => void
  cancelPatience: () => void
}

/**
 * The modules that WasmPlugins name, each fetched once: what is there goes on when it is to be fetched anew and can't be, and over restarts. Each
 * replica fetches for itself.
 */
export class Modules {
  readonly #options: ModulesOptions
  readonly #entries = new Map<ModuleKey, Entry>()
  /** What no object names now. */
  readonly #kept = new Map<ModuleKey, KeptModule>()
  readonly #writer: LateWriter
  readonly #queue = new FetchQueue<Entry>(maxConcurrent, (entry) => this.#fetch(entry))
  #tooMany: ReadonlySet<ModuleKey> = new Set()
  #stopped = false

  constructor(options: ModulesOptions) {
    this.#options = options
    const { clock, snapshot } = options
    this.#writer = new LateWriter(clock, writeDelayMilliseconds, async () => {
      const items = this.#toKept()
      options.files.keep(new Set(items.map(({ digest }) => digest)))
      await snapshot.save({ savedAt: clock.now(), items })
    })
  }

  /** Has what was kept. */
  load(): void {
    for (const kept of this.#options.snapshot.load()?.items ?? []) this.#kept.set(kept.key, kept)
  }

  /** From now on these are to be known and no others, in this order; of `others`, for which there is no room, it is told so. */
  want(sources: readonly ModuleSource[], others: readonly ModuleSource[] = []): void {
    if (this.#stopped) return
    const wanted = new Map(sources.map((source) => [source.key, source]))
    const tooMany = new Set(others.map(({ key }) => key))
    const changes: ViewChange[] = []
    for (const module of this.#tooMany)
      if (!tooMany.has(module)) changes.push({ kind: 'wasm-module', module, value: null })
    for (const module of tooMany) changes.push({ kind: 'wasm-module', module, value: { fault: tooManyText } })
    this.#tooMany = tooMany
    for (const [key, entry] of this.#entries) {
      if (wanted.has(key)) continue
      this.#forget(key, entry)
      if (entry.told && !tooMany.has(key)) changes.push({ kind: 'wasm-module', module: key, value: null })
    }
    for (const [key, source] of wanted) {
      const entry = this.#entries.get(key)
      if (!entry) changes.push(...this.#add(source))
      else if (entry.source.refreshedBy !== source.refreshedBy) this.#refresh(entry, source)
      else entry.source = source
    }
    if (changes.length > 0) this.#options.onChanges(changes)
  }

  /** What could not be had by these Secrets is asked for again at once: they say something else. */
  retry(secrets: ReadonlySet<string>): void {
    for (const entry of this.#entries.values()) {
      const { pullSecret } = entry.source
      if (entry.failure === undefined || pullSecret === undefined || !secrets.has(pullSecret)) continue
      entry.cancel()
      this.#queue.add(entry)
    }
  }

  statuses(): readonly ModuleStatus[] {
    return [...this.#entries.values()].map(({ source: { key }, fetchedAt, failure }) => ({ key, fetchedAt, failure }))
  }

  async stop(): Promise<void> {
    this.#stopped = true
    for (const entry of this.#entries.values()) {
      entry.cancel()
      entry.cancelPatience()
    }
    this.#queue.stop()
    await this.#writer.stop()
  }

  #add(source: ModuleSource): ViewChange[] {
    const { clock, files } = this.#options
    const kept = this.#kept.get(source.key)
    this.#kept.delete(source.key)
    const code = kept && files.load(kept.digest)
    const entry: Entry = {
      source,
      module: code && kept && { code, digest: kept.digest },
      fetchedAt: code && kept?.fetchedAt,
      refreshedBy: kept?.refreshedBy ?? '',
      failures: 0,
      failure: undefined,
      told: undefined,
      cancel: () => {},
      cancelPatience: () => {},
    }
    this.#entries.set(source.key, entry)
    if (!entry.module || entry.refreshedBy !== source.refreshedBy) this.#queue.add(entry)
    if (entry.module) return this.#tell(entry, entry.module)
    entry.cancelPatience = clock.after(patienceMilliseconds, () => {
      if (!entry.module && entry.failure === undefined) this.#tellNow(entry, { fault: 'is still being fetched' })
    })
    return []
  }

  /** What it was goes on until it is known what it is now. */
  #refresh(entry: Entry, source: ModuleSource): void {
    entry.source = source
    entry.cancel()
    if (source.refreshedBy !== '') this.#queue.add(entry)
  }

  #forget(key: ModuleKey, entry: Entry): void {
    const { module, fetchedAt, refreshedBy } = entry
    entry.cancel()
    entry.cancelPatience()
    this.#entries.delete(key)
    this.#queue.delete(entry)
    if (!module || fetchedAt === undefined) return
    this.#kept.set(key, {
      key,
      digest: module.digest,
      refreshedBy,
      fetchedAt,
      wantedAt: this.#options.clock.now(),
    })
    // The one that was named last is the one that is missed most.
    const [oldest] = this.#kept.keys()
    if (oldest !== undefined && this.#kept.size > maxModules) this.#kept.delete(oldest)
    this.#writer.changed()
  }

  async #fetch(entry: Entry): Promise<void> {
    const { fetch, clock, random } = this.#options
    const { source } = entry
    const outcome = await fetch(source).then(
      (module) => this.#judge(entry, module),
      (error: unknown) => ({ failure: toErrorMessage(error) }),
    )
    // Meanwhile it may have been forgotten, and named anew.
    if (!this.#stopped && this.#entries.get(source.key) === entry) {
      if ('module' in outcome) this.#take(entry, outcome.module, source.refreshedBy)
      else {
        this.#fail(entry, outcome.failure)
        entry.cancel = clock.after(toRetryMilliseconds(entry.failures, random()), () => this.#queue.add(entry))
      }
    }
  }

  #judge(entry: Entry, module: FetchedModule): { module: FetchedModule } | { failure: string } {
    const others = [...this.#entries.values()].filter((each) => each !== entry)
    const bytes = new Map(
      others.flatMap((each) => (each.module ? [[each.module.digest, each.module.code.length]] : [])),
    )
    bytes.set(module.digest, module.code.length)
    const total = [...bytes.values()].reduce((sum, length) => sum + length, 0)
    return total > maxTotalBytes
      ? { failure: `is too large beside the others: an agent keeps ${maxTotalBytes / 1024 / 1024} MiB of modules` }
      : { module }
  }

  #take(entry: Entry, fetched: FetchedModule, refreshedBy: string): void {
    const { clock, log, files, onProblems } = this.#options
    const { key } = entry.source
    const hadFailure = entry.failure !== undefined
    entry.cancelPatience()
    entry.fetchedAt = clock.now()
    entry.refreshedBy = refreshedBy
    entry.failures = 0
    entry.failure = undefined
    if (entry.module?.digest !== fetched.digest) {
      log.info({ module: toShown(key), digest: fetched.digest, bytes: fetched.code.length }, 'a module was fetched')
      entry.module = this.#findSame(fetched)
      files.save(fetched.digest, fetched.code)
      this.#tellNow(entry, entry.module)
    }
    this.#writer.changed()
    if (hadFailure) onProblems()
  }

  /** What is there under another name is there once. */
  #findSame(fetched: FetchedModule): FetchedModule {
    for (const { module } of this.#entries.values()) if (module?.digest === fetched.digest) return module
    return fetched
  }

  #fail(entry: Entry, failure: string): void {
    const { log, onProblems } = this.#options
    const isNews = entry.failure !== failure
    entry.failures += 1
    entry.failure = failure
    if (!isNews) return
    log.warn(
      { module: toShown(entry.source.key), failure, hasModule: entry.module !== undefined },
      "can't fetch a module",
    )
    if (!entry.module) this.#tellNow(entry, { fault: failure })
    onProblems()
  }

  #tellNow(entry: Entry, module: WasmModule): void {
    this.#options.onChanges(this.#tell(entry, module))
  }

  #tell(entry: Entry, module: WasmModule): ViewChange[] {
    entry.told = module
    return [{ kind: 'wasm-module', module: entry.source.key, value: module }]
  }

  #toKept(): KeptModule[] {
    const now = this.#options.clock.now()
    const named = [...this.#entries.values()].flatMap(({ source: { key }, module, fetchedAt, refreshedBy }) =>
      module && fetchedAt !== undefined ? [{ key, digest: module.digest, refreshedBy, fetchedAt, wantedAt: now }] : [],
    )
    return [...named, ...[...this.#kept.values()].filter(({ wantedAt }) => now - wantedAt < keepMilliseconds)]
  }
}

/** A query may hold what is nobody's business. */
const toShown = (key: ModuleKey): string => key.replace(/[?#]\S*/, '')
