import { KubernetesError, type KubernetesRequest } from '#agent/kubernetes/kubernetes-client.ts'

export interface FakeObject {
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly [field: string]: unknown }
  readonly [field: string]: unknown
}

interface Watcher {
  readonly path: string
  readonly lines: string[]
  wake: () => void
  /** Why it ends. */
  ended: 'not' | 'well' | 'broken'
}

const networking = 'networking.istio.io'
/** Of a group, or of a version of it. */
const groupPath = /^\/apis\/[^/]+(\/[^/]+)?$/

/** Lists and watches as an API server answers them, in this process; with the faults that a real one has at times only. */
export class FakeApiServer {
  /** Requests since the start: "LIST /api/v1/pods", "WATCH /api/v1/pods 7". */
  readonly requests: string[] = []
  /** Lists of these paths are not answered until they are taken out. */
  readonly held = new Set<string>()
  /** Lists and watches of these paths, and posts to them, are refused. */
  readonly forbidden = new Set<string>()
  /** Users that may list Secrets, where it is asked about them. */
  readonly secretReaders = new Set<string>()
  /** Versions of networking.istio.io, with the plurals that each has. */
  served: Readonly<Record<string, readonly string[]>> = {}
  away = false
  #version = 1
  /** Watches from before this version are refused. */
  #oldest = 0
  readonly #objects = new Map<string, Map<string, FakeObject>>()
  readonly #events: { readonly path: string; readonly version: number; readonly line: string }[] = []
  #watchers: Watcher[] = []

  put(path: string, ...objects: readonly FakeObject[]): void {
    for (const object of objects) {
      const collection = this.#collection(path)
      const type = collection.has(toKey(object)) ? 'MODIFIED' : 'ADDED'
      const dated = this.#date(object)
      collection.set(toKey(object), dated)
      this.#publish(path, type, dated)
    }
  }

  delete(path: string, object: FakeObject): void {
    this.#collection(path).delete(toKey(object))
    this.#publish(path, 'DELETED', this.#date(object))
  }

  find(path: string, namespace: string, name: string): FakeObject | undefined {
    return this.#collection(path).get(`${namespace}/${name}`)
  }

  /** Tells all watches that time has passed, as real servers do once a minute. */
  bookmark(): void {
    this.#version += 1
    const object = { metadata: { resourceVersion: String(this.#version) } }
    for (const watcher of this.#watchers) send(watcher, JSON.stringify({ type: 'BOOKMARK', object }))
  }

  /** Ends all watches. */
  endWatches(how: 'well' | 'broken'): void {
    for (const watcher of this.#watchers) {
      watcher.ended = how
      watcher.wake()
    }
    this.#watchers = []
  }

  /** Forgets what has happened so far: who did not watch has to list. */
  compact(): void {
    this.#version += 1
    this.#oldest = this.#version
  }

  get watches(): number {
    return this.#watchers.length
  }

  async request(request: KubernetesRequest): Promise<unknown> {
    const url = new URL(request.path, 'http://fake')
    if (this.away) throw new KubernetesError('connection refused', undefined)
    if (url.pathname.endsWith('/localsubjectaccessreviews')) return this.#review(url.pathname, request.body)
    const one = /^\/apis\/[^/]+\/[^/]+\/namespaces\/([^/]+)\/([^/]+)(?:\/([^/]+))?$/.exec(url.pathname)
    if (one) return this.#write(request, one)
    if (groupPath.test(url.pathname) && url.search === '') return this.#discover(url.pathname)
    this.requests.push(`LIST ${url.pathname}`)
    if (this.forbidden.has(url.pathname)) throw new KubernetesError('forbidden', 403)
    while (this.held.has(url.pathname)) await new Promise((resolve) => setTimeout(resolve, 1))
    const [limit, start] = [Number(url.searchParams.get('limit')), Number(url.searchParams.get('continue') ?? 0)]
    const all = [...this.#collection(url.pathname).values()]
    const rest = start + limit < all.length ? { continue: String(start + limit) } : {}
    return {
      metadata: { resourceVersion: String(this.#version), ...rest },
      items: structuredClone(all.slice(start, start + limit)),
    }
  }

  async stream(path: string, signal: AbortSignal): Promise<AsyncIterable<string>> {
    const url = new URL(path, 'http://fake')
    if (this.away) throw new KubernetesError('connection refused', undefined)
    const since = Number(url.searchParams.get('resourceVersion'))
    this.requests.push(`WATCH ${url.pathname} ${since}`)
    if (this.forbidden.has(url.pathname)) throw new KubernetesError('forbidden', 403)
    if (since < this.#oldest) throw new KubernetesError('too old resource version', 410)
    const missed = this.#events.filter((event) => event.path === url.pathname && event.version > since)
    const watcher: Watcher = { path: url.pathname, lines: missed.map(({ line }) => line), wake: () => {}, ended: 'not' }
    this.#watchers.push(watcher)
    signal.addEventListener('abort', () => {
      watcher.ended = 'broken'
      watcher.wake()
    })
    return read(watcher)
  }

  #review(path: string, body: object | undefined): unknown {
    this.requests.push(`POST ${path}`)
    if (this.forbidden.has(path)) throw new KubernetesError('forbidden', 403)
    const { spec } = body as { readonly spec: { readonly user: string } }
    return { status: { allowed: this.secretReaders.has(spec.user) } }
  }

  /** One object, in whichever version of its group. */
  #write({ method, body }: KubernetesRequest, [, namespace, plural, name]: readonly string[]): unknown {
    const collection = `/apis/${networking}/v1/${plural}`
    const present = this.#collection(collection).get(`${namespace}/${name}`)
    if (method === 'GET' || method === 'DELETE') {
      if (!present) throw new KubernetesError('not found', 404)
      const { preconditions } = (body ?? {}) as { preconditions?: { resourceVersion?: string } }
      if (method === 'GET') return structuredClone(present)
      if (preconditions?.resourceVersion !== present.metadata['resourceVersion'])
        throw new KubernetesError('conflict', 409)
      this.delete(collection, present)
      return { kind: 'Status' }
    }
    const written = body as FakeObject
    const before = this.#collection(collection).get(`${namespace}/${written.metadata.name}`)
    const isNew = method === 'POST'
    if (isNew ? before : before?.metadata['resourceVersion'] !== written.metadata['resourceVersion'])
      throw new KubernetesError('conflict', 409)
    this.put(collection, written)
    return structuredClone(this.#collection(collection).get(`${namespace}/${written.metadata.name}`))
  }

  #discover(path: string): unknown {
    const versions = Object.keys(this.served)
    if (path === `/apis/${networking}` && versions.length > 0)
      return { versions: versions.map((version) => ({ version })) }
    const plurals = this.served[path.slice(`/apis/${networking}/`.length)]
    if (!plurals) throw new KubernetesError('not found', 404)
    return { resources: plurals.map((name) => ({ name })) }
  }

  #collection(path: string): Map<string, FakeObject> {
    const known = this.#objects.get(path) ?? new Map<string, FakeObject>()
    this.#objects.set(path, known)
    return known
  }

  #date(object: FakeObject): FakeObject {
    this.#version += 1
    return { ...object, metadata: { ...object.metadata, resourceVersion: String(this.#version) } }
  }

  #publish(path: string, type: string, object: FakeObject): void {
    const line = JSON.stringify({ type, object })
    this.#events.push({ path, version: this.#version, line })
    for (const watcher of this.#watchers) if (watcher.path === path) send(watcher, line)
  }
}

const toKey = ({ metadata }: FakeObject): string => `${metadata.namespace ?? ''}/${metadata.name}`

const send = (watcher: Watcher, line: string): void => {
  watcher.lines.push(line)
  watcher.wake()
}

/** In pieces that end anywhere, as they come from a network. */
async function* read(watcher: Watcher): AsyncGenerator<string> {
  for (;;) {
    const text = watcher.lines
      .splice(0)
      .map((line) => `${line}\n`)
      .join('')
    for (let at = 0; at < text.length; at += 1000) yield text.slice(at, at + 1000)
    if (watcher.lines.length > 0) continue
    if (watcher.ended === 'well') return
    if (watcher.ended === 'broken') throw new Error('socket hang up')
    await new Promise<void>((resolve) => (watcher.wake = resolve))
  }
}
