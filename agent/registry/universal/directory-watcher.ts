import { lstatSync, readFileSync, statSync, watch, type FSWatcher, type Stats } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { extname, join, relative } from 'node:path'
import type { Clock } from '#agent/clock.ts'
import { toErrorMessage } from '#mesh/error-message.ts'

/** What a file says now. `unreadable`: it is there, but what it says can't be known. */
export type FileContent =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'gone' }
  | { readonly kind: 'unreadable'; readonly reason: string }

export interface DirectoryWatcherOptions {
  readonly directory: string
  readonly clock: Clock
  /**
   * The files that are different now, by their path below the directory. The first call has all of them, and comes even when there is
   * none. A folder that can't be read is among them as `unreadable`, and as `gone` when that is over; what it last held goes on.
   */
  readonly onFiles: (files: ReadonlyMap<string, FileContent>) => void
  /** The directory as a whole can't be read (any more), or can be again (undefined). */
  readonly onUnreadable: (reason: string | undefined) => void
}

const extensions = new Set(['.yaml', '.yml', '.json'])
const maxFileBytes = 10 * 1024 * 1024
const maxFiles = 20_000
const maxDepth = 32
/** An editor or a shell writes a file in several steps: it is read when it has been quiet for so long. */
const settleMilliseconds = 20
/** … and when it is written to without end, after so long. */
const maxSettleMilliseconds = 500
/** A file that goes may come back at once (some tools remove before they write), and many that go are one change. */
const graceMilliseconds = 100
const maxGraceMilliseconds = 1000
/** inotify drops events when its queue is full, and some file systems have none. */
const rescanMilliseconds = 30_000
const retryMilliseconds = 1000

interface Settling {
  readonly since: number
  cancel: () => void
}

/**
 * Watches the YAML and JSON files below a directory. A file that is renamed into place is read at once: it is whole. One that is
 * written in place is read when it has settled.
 */
export class DirectoryWatcher {
  readonly #options: DirectoryWatcherOptions
  readonly #watchers = new Map<string, { readonly watcher: FSWatcher; readonly inode: number }>()
  /** Of every known file, what tells whether it has changed. */
  readonly #stamps = new Map<string, string>()
  /** What was seen of files since the last turn of the event loop. */
  readonly #seen = new Map<string, 'moved' | 'written'>()
  readonly #settling = new Map<string, Settling>()
  readonly #vanished = new Set<string>()
  /** Folders that can't be read, and why; and what of it was told. */
  readonly #unreadable = new Map<string, string>()
  #toldUnreadable: ReadonlyMap<string, string> = new Map()
  #vanishedSince = 0
  #cancelGrace: () => void = () => {}
  #cancelRescan: () => void = () => {}
  #flush: NodeJS.Immediate | undefined
  #scanning: Promise<void> = Promise.resolve()
  #complete = false
  #stopped = false

  constructor(options: DirectoryWatcherOptions) {
    this.#options = options
  }

  start(): void {
    this.#rescan()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#cancelRescan()
    this.#cancelGrace()
    clearImmediate(this.#flush)
    for (const { cancel } of this.#settling.values()) cancel()
    for (const directory of this.#watchers.keys()) this.#unwatch(directory)
    await this.#scanning
  }

  #rescan(): void {
    const { clock, directory, onUnreadable } = this.#options
    this.#scanning = this.#scan(directory, 0)
      .then(
        (found) => {
          onUnreadable(undefined)
          this.#findVanished(new Set(found))
          if (!this.#complete) this.#readEverything(found)
          else this.#tellUnreadable()
          return rescanMilliseconds
        },
        (error: unknown) => {
          onUnreadable(toErrorMessage(error))
          return retryMilliseconds
        },
      )
      .then((delay) => {
        if (!this.#stopped) this.#cancelRescan = clock.after(delay, () => this.#rescan())
      })
  }

  /** Watches a directory and those below it; returns the files, and notes the changed ones. Throws when it can't be read. */
  async #scan(directory: string, depth: number): Promise<string[]> {
    if (this.#stopped) return []
    for (const folder of this.#unreadable.keys())
      if (folder === directory || isWithin(folder, directory)) this.#unreadable.delete(folder)
    this.#watch(directory)
    const files: string[] = []
    for (const entry of await readdir(directory, { withFileTypes: true })) {
      const path = join(directory, entry.name)
      if (entry.name.startsWith('.')) continue
      if (entry.isDirectory()) {
        if (depth < maxDepth) files.push(...(await this.#scanFolder(path, depth + 1)))
      } else if (extensions.has(extname(entry.name))) {
        files.push(path)
        const stats = await stat(path).catch(() => undefined)
        if (this.#complete && stats && toStamp(stats) !== this.#stamps.get(path)) this.#note(path, 'written')
      }
    }
    return files
  }

  /** As `#scan`; a folder that can't be read holds what it last held. */
  async #scanFolder(folder: string, depth: number): Promise<readonly string[]> {
    try {
      return await this.#scan(folder, depth)
    } catch (error) {
      if (isNotFound(error)) return []
      this.#unreadable.set(folder, `the folder can't be read; what it last held goes on: ${toErrorMessage(error)}`)
      return [...this.#stamps.keys()].filter((file) => isWithin(file, folder))
    }
  }

  #watch(directory: string): void {
    const inode = statSync(directory).ino
    if (this.#watchers.get(directory)?.inode === inode) return
    this.#unwatch(directory)
    const watcher = watch(directory, (event, name) => {
      if (name !== null) this.#onEvent(directory, event, name)
    })
    watcher.on('error', () => this.#unwatch(directory))
    this.#watchers.set(directory, { watcher, inode })
  }

  #unwatch(directory: string): void {
    this.#watchers.get(directory)?.watcher.close()
    this.#watchers.delete(directory)
  }

  #onEvent(directory: string, event: string, name: string): void {
    const path = join(directory, name)
    if (extensions.has(extname(name)) && !name.startsWith('.')) {
      this.#note(path, event === 'rename' ? 'moved' : 'written')
    } else if (event === 'rename' || this.#isKnownFolder(path)) this.#onFolderEvent(directory, path)
  }

  #isKnownFolder(path: string): boolean {
    return this.#watchers.has(path) || this.#unreadable.has(path)
  }

  /** A directory came, went, was replaced (a ConfigMap's `..data` link, a checkout) or has other permissions. */
  #onFolderEvent(directory: string, path: string): void {
    const known = this.#isKnownFolder(path)
    this.#unwatch(path)
    const now = lstatOf(path)
    if (!known && !now?.isDirectory() && !now?.isSymbolicLink()) return
    const base = now?.isDirectory() ? path : directory
    const before = [...this.#stamps.keys()].filter((file) => isWithin(file, base))
    this.#scanning = this.#scanning
      .then(() => this.#scanFolder(base, this.#depthOf(base)))
      .then((found) => {
        if (this.#complete) this.#tellUnreadable()
        const present = new Set(found)
        for (const file of before) if (!present.has(file)) this.#note(file, 'moved')
        for (const file of found) if (!this.#stamps.has(file)) this.#note(file, 'moved')
      })
  }

  #depthOf(directory: string): number {
    return relative(this.#options.directory, directory).split('/').filter(Boolean).length
  }

  /** A file that was written to in this turn is not whole, however it came. */
  #note(path: string, how: 'moved' | 'written'): void {
    if (how === 'written' || !this.#seen.has(path)) this.#seen.set(path, how)
    if (this.#complete) this.#flush ??= setImmediate(() => this.#takeSeen())
  }

  #takeSeen(): void {
    this.#flush = undefined
    const moved: string[] = []
    for (const [path, how] of this.#seen) {
      if (how === 'moved' && !isEmpty(path)) moved.push(path)
      else this.#settle(path)
    }
    this.#seen.clear()
    this.#read(moved)
  }

  #settle(path: string): void {
    const { clock } = this.#options
    const before = this.#settling.get(path)
    before?.cancel()
    const since = before?.since ?? clock.now()
    const delay = Math.max(0, Math.min(settleMilliseconds, since + maxSettleMilliseconds - clock.now()))
    const cancel = clock.after(delay, () => {
      this.#settling.delete(path)
      this.#read([path])
    })
    this.#settling.set(path, { since, cancel })
  }

  #readEverything(paths: readonly string[]): void {
    this.#complete = true
    this.#emit(new Map([...paths.map((path) => [path, this.#readFile(path)] as const), ...this.#newlyUnreadable()]))
    this.#takeSeen()
  }

  #tellUnreadable(): void {
    const changes = new Map(this.#newlyUnreadable())
    if (changes.size > 0) this.#emit(changes)
  }

  #newlyUnreadable(): (readonly [string, FileContent])[] {
    const told = this.#toldUnreadable
    this.#toldUnreadable = new Map(this.#unreadable)
    const over = [...told.keys()].filter((folder) => !this.#unreadable.has(folder))
    const fresh = [...this.#unreadable].filter(([folder, reason]) => told.get(folder) !== reason)
    return [
      ...over.map((folder) => [folder, { kind: 'gone' }] as const),
      ...fresh.map(([folder, reason]) => [folder, { kind: 'unreadable', reason }] as const),
    ]
  }

  #read(paths: readonly string[]): void {
    const files = new Map<string, FileContent>()
    for (const path of paths) {
      const content = this.#readFile(path)
      if (content.kind === 'gone') this.#vanish(path)
      else {
        this.#vanished.delete(path)
        files.set(path, content)
      }
    }
    if (files.size > 0) this.#emit(files)
  }

  #readFile(path: string): FileContent {
    if (!this.#stamps.has(path) && this.#stamps.size >= maxFiles)
      return { kind: 'unreadable', reason: `the directory holds more than ${maxFiles} files: this one is left out` }
    try {
      const stats = statSync(path)
      this.#stamps.set(path, toStamp(stats))
      if (!stats.isFile()) return { kind: 'unreadable', reason: 'it is no file' }
      if (stats.size > maxFileBytes) return { kind: 'unreadable', reason: `it is larger than ${maxFileBytes} bytes` }
      return { kind: 'text', text: readFileSync(path, 'utf8') }
    } catch (error) {
      if (isNotFound(error)) return { kind: 'gone' }
      return { kind: 'unreadable', reason: toErrorMessage(error) }
    }
  }

  #findVanished(found: ReadonlySet<string>): void {
    for (const path of this.#stamps.keys()) if (!found.has(path)) this.#vanish(path)
  }

  #vanish(path: string): void {
    const { clock } = this.#options
    if (!this.#stamps.has(path) || this.#vanished.has(path)) return
    if (this.#vanished.size === 0) this.#vanishedSince = clock.now()
    this.#vanished.add(path)
    this.#cancelGrace()
    const delay = Math.max(0, Math.min(graceMilliseconds, this.#vanishedSince + maxGraceMilliseconds - clock.now()))
    this.#cancelGrace = clock.after(delay, () => this.#takeVanished())
  }

  #takeVanished(): void {
    const { directory, onUnreadable } = this.#options
    // A directory that was unmounted or moved away says nothing of what it held.
    if (lstatOf(directory) === undefined) {
      onUnreadable(`${directory} is gone`)
      this.#vanished.clear()
      this.#cancelRescan()
      this.#rescan()
      return
    }
    const files = new Map<string, FileContent>()
    for (const path of this.#vanished) {
      const content = this.#readFile(path)
      if (content.kind === 'gone') this.#stamps.delete(path)
      files.set(path, content)
    }
    this.#vanished.clear()
    if (files.size > 0) this.#emit(files)
  }

  #emit(files: ReadonlyMap<string, FileContent>): void {
    const { directory, onFiles } = this.#options
    if (!this.#stopped) onFiles(new Map(Array.from(files, ([path, content]) => [relative(directory, path), content])))
  }
}

const toStamp = (stats: Stats): string => `${stats.ino} ${stats.size} ${stats.mtimeMs}`

const isWithin = (path: string, directory: string): boolean => path.startsWith(`${directory}/`)

const lstatOf = (path: string): Stats | undefined => lstatSync(path, { throwIfNoEntry: false })

/** Just made, and not written yet. */
const isEmpty = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.size === 0

const isNotFound = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')
