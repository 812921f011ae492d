import { z } from 'zod'
import type { Clock } from '#agent/clock.ts'
import { isForbidden, KubernetesError, type KubernetesClient } from '#agent/kubernetes/kubernetes-client.ts'
import type { Log } from '#agent/log.ts'
import type { RegistrySource } from '#agent/registry/registry.ts'
import { toBackoffMilliseconds } from '#agent/uplink/backoff.ts'
import { toErrorMessage } from '#mesh/error-message.ts'
import type { ResourceStore } from './resource-store.ts'
import { splitLines } from './split-lines.ts'

export interface ResourceWatchOptions {
  /** As people call it: "pods". */
  readonly name: string
  /** Of the collection: "/api/v1/pods". */
  readonly path: string
  /** Of the objects that are meant; absent = all. */
  readonly fieldSelector?: string
  readonly store: Pick<ResourceStore<object>, 'set' | 'delete' | 'retain'>
  readonly client: Pick<KubernetesClient, 'request' | 'stream'>
  readonly clock: Clock
  /** In [0, 1). */
  readonly random: () => number
  readonly log: Log
  /** Called once, when all objects are in the store. */
  readonly onSynced: () => void
  /** The server can't be read (any more), or can be again. */
  readonly onFailure?: () => void
}

export interface WatchStatus extends RegistrySource {
  readonly synced: boolean
  /** Why it can't be read now; what was read before goes on. */
  readonly failure: string | undefined
  /** Whether that is because the server does not let us. */
  readonly forbidden: boolean
}

const pageSize = 250
/** The server ends a watch after a time between this and twice as much, so that not all of them come back together. */
const watchSeconds = 300
/** Bookmarks come every minute or so: a watch without them is dead, or knows a state that is not the one we know. */
const silenceMilliseconds = 150_000
/** What ends sooner has failed, even when it ended well. */
const heldMilliseconds = 5000
/** 4 s: a cluster has few agents, and they need to know soon. */
const maxBackoffAttempt = 3
/** etcd takes no object that is larger than 1.5 MiB. */
const maxLineCharacters = 8 * 1024 * 1024

const listPage = z.object({
  metadata: z.object({ resourceVersion: z.string().min(1), continue: z.string().optional() }),
  items: z.array(z.unknown()),
})

const watchEvent = z.object({
  type: z.enum(['ADDED', 'MODIFIED', 'DELETED', 'BOOKMARK', 'ERROR']),
  object: z.unknown(),
})

/** What a watch itself looks at in its objects, and in the Status of an error. */
const eventObject = z.object({
  metadata: z.object({ resourceVersion: z.string().optional() }).optional(),
  code: z.int().optional(),
  message: z.string().optional(),
})

/**
 * Keeps a store what the API server has of one resource: lists it, and watches what changes from there on. After a break it goes on
 * where it was; where that is too long ago all is listed again, and the store tells only what is different.
 *
 * Kubernetes' documentation: API concepts, "Efficient detection of changes". client-node's own informer ends for good at the first error
 * of a watch and takes no bookmarks.
 */
export class ResourceWatch {
  readonly #options: ResourceWatchOptions
  readonly #stopping = new AbortController()
  /** Where the watch goes on; undefined = everything has to be listed. */
  #version: string | undefined
  #synced = false
  #heardAt = 0
  #failure: string | undefined
  #forbidden = false
  #attempts = 0
  #running: Promise<void> = Promise.resolve()

  constructor(options: ResourceWatchOptions) {
    this.#options = options
  }

  get status(): WatchStatus {
    return {
      name: this.#options.name,
      synced: this.#synced,
      heardAt: this.#heardAt,
      failure: this.#failure,
      forbidden: this.#forbidden,
    }
  }

  get path(): string {
    return this.#options.path
  }

  start(): void {
    this.#running = this.#run()
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const { clock } = this.#options
    while (!this.#stopping.signal.aborted) {
      const since = clock.now()
      try {
        await this.#follow()
      } catch (error) {
        this.#takeFailure(error)
      }
      this.#attempts = clock.now() - since >= heldMilliseconds ? 0 : this.#attempts + 1
      await this.#pause()
    }
  }

  async #follow(): Promise<void> {
    const { client, path, fieldSelector, clock, random } = this.#options
    if (clock.now() - this.#heardAt >= silenceMilliseconds) this.#version = undefined
    this.#version ??= await this.#list()
    const query = new URLSearchParams({
      ...(fieldSelector !== undefined && { fieldSelector }),
      watch: 'true',
      allowWatchBookmarks: 'true',
      resourceVersion: this.#version,
      timeoutSeconds: String(Math.round(watchSeconds * (1 + random()))),
    })
    const { signal } = this.#stopping
    const answer = await client.stream(`${path}?${query.toString()}`, signal, silenceMilliseconds)
    this.#heard()
    for await (const line of splitLines(answer, maxLineCharacters)) this.#takeEvent(line)
  }

  /** The version of what was listed. Reads what is true now, not what a server remembers: time never runs backwards. */
  async #list(): Promise<string> {
    const { store, onSynced } = this.#options
    const keys = new Set<string>()
    let next = ''
    let version: string
    do {
      const page = await this.#requestPage(next)
      this.#stopping.signal.throwIfAborted()
      for (const item of page.items) keys.add(store.set(item))
      version = page.metadata.resourceVersion
      next = page.metadata.continue ?? ''
    } while (next !== '')
    store.retain(keys)
    this.#heard()
    if (!this.#synced) {
      this.#synced = true
      onSynced()
    }
    return version
  }

  async #requestPage(next: string): Promise<z.infer<typeof listPage>> {
    const { client, path, fieldSelector } = this.#options
    const query = new URLSearchParams({
      ...(fieldSelector !== undefined && { fieldSelector }),
      limit: String(pageSize),
      ...(next === '' ? {} : { continue: next }),
    })
    return listPage.parse(await client.request({ method: 'GET', path: `${path}?${query.toString()}` }))
  }

  #takeEvent(line: string): void {
    const { store } = this.#options
    const { type, object } = watchEvent.parse(JSON.parse(line))
    const { metadata, code, message } = eventObject.parse(object)
    if (type === 'ERROR') throw new KubernetesError(`the watch ended: ${message ?? ''}`, code)
    if (type === 'DELETED') store.delete(object)
    else if (type !== 'BOOKMARK') store.set(object)
    this.#version = metadata?.resourceVersion ?? this.#version
    this.#heard()
  }

  #heard(): void {
    const { log, name, clock } = this.#options
    this.#heardAt = clock.now()
    if (this.#failure === undefined) return
    log.info({ resource: name }, 'the API server can be read again')
    this.#forbidden = false
    this.#setFailure(undefined)
  }

  #takeFailure(error: unknown): void {
    const { log, name } = this.#options
    if (this.#stopping.signal.aborted) return
    // What was known is too old for the server to tell what has changed since.
    if (error instanceof KubernetesError && error.status === 410) {
      this.#version = undefined
      return
    }
    const reason = toErrorMessage(error)
    this.#forbidden = isForbidden(error)
    if (this.#failure === undefined)
      log.warn({ resource: name, reason }, "the API server can't be read; what was read before goes on")
    this.#setFailure(reason)
  }

  #setFailure(failure: string | undefined): void {
    const before = this.#failure
    this.#failure = failure
    if (before !== failure) this.#options.onFailure?.()
  }

  async #pause(): Promise<void> {
    const { clock, random } = this.#options
    const { signal } = this.#stopping
    if (this.#attempts === 0 || signal.aborted) return
    const delay = toBackoffMilliseconds(Math.min(this.#attempts - 1, maxBackoffAttempt), random())
    await new Promise<void>((resolve) => {
      const cancel = clock.after(delay, resolve)
      signal.addEventListener(
        'abort',
        () => {
          cancel()
          resolve()
        },
        { once: true },
      )
    })
  }
}
