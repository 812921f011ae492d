import { z } from 'zod'
import type { Clock } from '#agent/clock.ts'
import type { Log } from '#agent/log.ts'
import { FetchQueue } from '#agent/outside/fetch-queue.ts'
import { toRefreshMilliseconds, toRetryMilliseconds } from '#agent/outside/refresh-delay.ts'
import { LateWriter } from '#agent/store/late-writer.ts'
import type { SealedSnapshot } from '#agent/store/sealed-snapshot.ts'
import { toErrorMessage } from '#mesh/error-message.ts'
import { maxKeySources, withoutQuery, type KeySource } from '#mesh/security/key-source.ts'
import type { ViewChange } from '#mesh/view.ts'
import type { FetchedKeySet } from './fetch-key-set.ts'

/** A set on disk. */
export const keptKeySet = z.object({
  url: z.string(),
  jwks: z.string(),
  /** Milliseconds since the epoch. */
  fetchedAt: z.number(),
  /** When an object last named it. */
  wantedAt: z.number(),
})
export type KeptKeySet = z.infer<typeof keptKeySet>

export interface KeySetsOptions {
  readonly clock: Clock
  /** In [0, 1). */
  readonly random: () => number
  readonly log: Log
  /** Rejects with a message for people. */
  readonly fetch: (source: KeySource) => Promise<FetchedKeySet>
  /** Where sets are found again after a restart. */
  readonly snapshot: SealedSnapshot<KeptKeySet>
  readonly onChanges: (changes: readonly ViewChange[]) => void
  /** Something else may be wrong. */
  readonly onProblems: () => void
}

export interface KeySetStatus {
  readonly url: string
  /** Milliseconds since the epoch; undefined = never yet. */
  readonly fetchedAt: number | undefined
  /** Attempts since the last one that succeeded. */
  readonly failures: number
  /** Why the last attempt failed. */
  readonly failure: string | undefined
  /** What is wrong with keys that were published. */
  readonly warnings: readonly string[]
}

const maxConcurrent = 8
/** After a restart proxies that come back are to find keys, and are not to wait for issuers that are away. */
const patienceMilliseconds = 3000
/** An object may be missing for a while: its keys would be missed more. */
const keepMilliseconds = 24 * 60 * 60_000
const writeDelayMilliseconds = 1000

interface Entry {
  source: KeySource
  jwks: string | undefined
  fetchedAt: number | undefined
  failures: number
  failure: string | undefined
  warnings: readonly string[]
  cancel: () => void
}

/**
 * The keys of the issuers that RequestAuthentications name, fetched again and again: what was last known of an issuer goes on while it can't be
 * reached or answers nonsense, and over restarts. Each replica fetches for itself.
 */
export class KeySets {
  readonly #options: KeySetsOptions
  readonly #entries = new Map<string, Entry>()
  /** What no object names now. */
  readonly #kept = new Map<string, KeptKeySet>()
  readonly #writer: LateWriter
  readonly #queue = new FetchQueue<Entry>(maxConcurrent, (entry) => this.#fetch(entry))
  readonly #first = new Set<Entry>()
  #onFirst: () => void = () => {}
  #stopped = false

  constructor(options: KeySetsOptions) {
    const { clock, snapshot } = options
    this.#options = options
    this.#writer = new LateWriter(clock, writeDelayMilliseconds, () =>
      snapshot.save({ savedAt: clock.now(), items: this.#toKept() }),
    )
  }

  /** Reads what was kept: before the first `want`. */
  load(): void {
    for (const kept of this.#options.snapshot.load()?.items ?? []) this.#kept.set(kept.url, kept)
  }

  /** From now on these are to be known and no others, in this order; of too many the last are not fetched. */
  want(sources: readonly KeySource[]): void {
    if (this.#stopped) return
    const wanted = new Map(sources.slice(0, maxKeySources).map((source) => [source.url, source]))
    const changes: ViewChange[] = []
    for (const [url, entry] of this.#entries) {
      if (wanted.has(url)) continue
      this.#forget(url, entry)
      if (entry.jwks !== undefined) changes.push({ kind: 'keys', url, value: null })
    }
    for (const [url, source] of wanted) {
      const entry = this.#entries.get(url)
      if (entry) entry.source = source
      else changes.push(...this.#add(source))
    }
    if (changes.length > 0) this.#options.onChanges(changes)
  }

  /** Resolves when each set that nothing is known of has been asked for, or that has taken too long. */
  async asked(): Promise<void> {
    if (this.#first.size === 0) return
    await new Promise<void>((resolve) => {
      const cancel = this.#options.clock.after(patienceMilliseconds, resolve)
      this.#onFirst = () => {
        cancel()
        resolve()
      }
    })
  }

  statuses(): readonly KeySetStatus[] {
    return [...this.#entries.values()].map(({ source, fetchedAt, failures, failure, warnings }) => ({
      url: source.url,
      fetchedAt,
      failures,
      failure,
      warnings,
    }))
  }

  async stop(): Promise<void> {
    this.#stopped = true
    for (const entry of this.#entries.values()) entry.cancel()
    this.#queue.stop()
    await this.#writer.stop()
  }

  #add(source: KeySource): ViewChange[] {
    const { url } = source
    const kept = this.#kept.get(url)
    this.#kept.delete(url)
    const entry: Entry = {
      source,
      jwks: kept?.jwks,
      fetchedAt: kept?.fetchedAt,
      failures: 0,
      failure: undefined,
      warnings: [],
      cancel: () => {},
    }
    this.#entries.set(url, entry)
    if (!kept) this.#first.add(entry)
    this.#queue.add(entry)
    return kept ? [{ kind: 'keys', url, value: kept.jwks }] : []
  }

  #forget(url: string, entry: Entry): void {
    const { jwks, fetchedAt } = entry
    entry.cancel()
    this.#entries.delete(url)
    this.#queue.delete(entry)
    this.#wasAsked(entry)
    if (jwks === undefined || fetchedAt === undefined) return
    this.#kept.set(url, { url, jwks, fetchedAt, wantedAt: this.#options.clock.now() })
    // The one that was named last is the one that is missed most.
    const [oldest] = this.#kept.keys()
    if (oldest !== undefined && this.#kept.size > maxKeySources) this.#kept.delete(oldest)
    this.#writer.changed()
  }

  async #fetch(entry: Entry): Promise<void> {
    const { fetch, clock, random } = this.#options
    const outcome = await fetch(entry.source).then(
      (fetched) => ({ fetched }),
      (error: unknown) => ({ failure: toErrorMessage(error) }),
    )
    // Meanwhile it may have been forgotten, and named anew.
    if (!this.#stopped && this.#entries.get(entry.source.url) === entry) {
      if ('fetched' in outcome) this.#take(entry, outcome.fetched)
      else this.#fail(entry, outcome.failure)
      const delay =
        'fetched' in outcome
          ? toRefreshMilliseconds(outcome.fetched.maxAgeSeconds, random())
          : toRetryMilliseconds(entry.failures, random())
      entry.cancel = clock.after(delay, () => this.#queue.add(entry))
      this.#wasAsked(entry)
    }
  }

  #take(entry: Entry, { jwks, warnings }: FetchedKeySet): void {
    const { clock, log, onChanges, onProblems } = this.#options
    const { url } = entry.source
    const hadProblems = entry.failure !== undefined || entry.warnings.length > 0
    if (entry.failure !== undefined) log.info({ url: withoutQuery(url) }, "an issuer's keys can be had again")
    entry.fetchedAt = clock.now()
    entry.failures = 0
    entry.failure = undefined
    entry.warnings = warnings
    this.#writer.changed()
    if (entry.jwks !== jwks) {
      log.info({ url: withoutQuery(url), isFirst: entry.jwks === undefined }, 'an issuer has other keys')
      entry.jwks = jwks
      onChanges([{ kind: 'keys', url, value: jwks }])
    }
    if (hadProblems || warnings.length > 0) onProblems()
  }

  #fail(entry: Entry, failure: string): void {
    const { log, onProblems } = this.#options
    const isNews = entry.failure !== failure
    entry.failures += 1
    entry.failure = failure
    if (!isNews) return
    log.warn(
      { url: withoutQuery(entry.source.url), failure, hasKeys: entry.jwks !== undefined },
      "can't fetch an issuer's keys",
    )
    onProblems()
  }

  #wasAsked(entry: Entry): void {
    if (this.#first.delete(entry) && this.#first.size === 0) this.#onFirst()
  }

  #toKept(): KeptKeySet[] {
    const now = this.#options.clock.now()
    const named = [...this.#entries.values()].flatMap(({ source: { url }, jwks, fetchedAt }) =>
      jwks !== undefined && fetchedAt !== undefined ? [{ url, jwks, fetchedAt, wantedAt: now }] : [],
    )
    return [...named, ...[...this.#kept.values()].filter(({ wantedAt }) => now - wantedAt < keepMilliseconds)]
  }
}
