import type { EncodedResource, Fallback, LeftOut, ResourceSet } from '#xds/resource-set.ts'
import { typeUrls, type TypeUrl } from '#xds/type-url.ts'
import { toWireResource, type WireResource } from './wire-resource.ts'

/** A resource version that proxies refused. */
export interface Rejection {
  readonly type: TypeUrl
  readonly name: string
  readonly version: string
  /** The proxy's own words. */
  readonly reason: string
  /** The newest compiled revision when it was refused. */
  readonly revision: number
  /** The objects without which some proxy has taken it: they are to blame. */
  readonly blamed: readonly LeftOut[]
}

interface Entry extends Omit<Rejection, 'blamed'> {
  readonly wire: WireResource
  /** Identities of the proxies that refused it. */
  readonly by: Set<string>
  /** What may be served in its place, the best first; what proxies refuse of it is taken out. */
  readonly stead: Fallback[]
}

/** As many proxies as have to refuse a version before the others are spared it: one alone may be broken, or bad. */
const witnesses = 2

/**
 * The resource versions that proxies refused, per set. A proxy is not sent again what it refused; what several refused and nobody
 * accepted is not sent to the others either: they keep, or get, the version before it. A new version of the resource ends it.
 */
export class Quarantine {
  readonly #entries = new WeakMap<ResourceSet, Map<string, Entry>>()
  readonly #onBlame: () => void

  /** `onBlame`: what is blamed on objects may have changed. */
  constructor(onBlame: () => void = () => {}) {
    this.#onBlame = onBlame
  }

  reject(
    set: ResourceSet,
    wire: WireResource,
    rejection: { readonly by: string; readonly reason: string; readonly revision: number },
  ): void {
    let entries = this.#entries.get(set)
    if (!entries) this.#entries.set(set, (entries = new Map<string, Entry>()))
    for (const [key, { type, name }] of entries) if (!set.get(type, name)) entries.delete(key)
    const key = toKey(wire.type, wire.name)
    const known = entries.get(key)
    const instead = () => wire.resource.fallbacks?.(rejection.reason) ?? []
    if (known?.stead[0]?.resource === wire.resource) known.stead.splice(0, 1, ...instead())
    if (set.get(wire.type, wire.name) !== wire.resource) return // replaced in the meantime: the new version is due anyway
    if (known?.wire === wire) known.by.add(rejection.by)
    else
      entries.set(key, {
        type: wire.type,
        name: wire.name,
        version: wire.resource.version,
        reason: rejection.reason,
        revision: rejection.revision,
        wire,
        by: new Set([rejection.by]),
        stead: [...instead(), ...(known ? known.stead.slice(0, 1) : toPrevious(set, wire))],
      })
  }

  /** Whether anything of the set was refused: when nothing was, there is nothing to look up. */
  concerns(set: ResourceSet): boolean {
    return (this.#entries.get(set)?.size ?? 0) > 0
  }

  /** Notes that a proxy has ACKed a version. True = proxies that were spared it may have it now. */
  accept(set: ResourceSet, wire: WireResource, proxy: string): boolean {
    const wasAccepted = wire.accepted
    wire.accepted = true
    const entries = this.#entries.get(set)
    const key = toKey(wire.type, wire.name)
    const entry = entries?.get(key)
    if (!wasAccepted && entry?.stead[0]?.resource === wire.resource) this.#onBlame()
    if (!entries || !entry || set.get(wire.type, wire.name) !== wire.resource) return false
    if (entry.wire !== wire) {
      entries.delete(key)
      return false
    }
    entry.by.delete(proxy)
    if (entry.by.size === 0) entries.delete(key)
    return !wasAccepted && entry.by.size >= witnesses
  }

  /** What a proxy is served of the resource as it is now: the resource, or the last good version of a refused one. */
  servedTo(proxy: string, set: ResourceSet, resource: WireResource): EncodedResource | undefined {
    const entry = this.#entries.get(set)?.get(toKey(resource.type, resource.name))
    return entry && isKeptFrom(proxy, entry, resource) ? entry.stead[0]?.resource : resource.resource
  }

  /** The refused versions that the proxy does not have for that reason, although they are current. */
  rejectionsFor(proxy: string, set: ResourceSet): Rejection[] {
    const entries = this.#entries.get(set)
    if (!entries) return []
    return [...entries.values()]
      .filter(
        (entry) => set.get(entry.type, entry.name) === entry.wire.resource && isKeptFrom(proxy, entry, entry.wire),
      )
      .map((entry) => ({ ...entry, blamed: toBlamed(entry) }))
  }

  /** Forgets what a proxy said: when it comes back, it may be another program. */
  forget(proxy: string, set: ResourceSet): void {
    const entries = this.#entries.get(set)
    for (const [key, entry] of entries ?? []) if (entry.by.delete(proxy) && entry.by.size === 0) entries?.delete(key)
  }
}

/** Who may call is never what it was before. */
const toPrevious = (set: ResourceSet, { type, name }: WireResource): readonly Fallback[] => {
  if (type === typeUrls.extensionConfig) return []
  const previous = set.previous(type, name)
  return previous ? [{ resource: previous, without: [] }] : []
}

const toBlamed = ({ type, stead: [served] }: Entry): readonly LeftOut[] =>
  served && toWireResource(type, served.resource).accepted ? served.without : []

const isKeptFrom = (proxy: string, entry: Entry, resource: WireResource): boolean =>
  entry.wire === resource && (entry.by.has(proxy) || (entry.by.size >= witnesses && !resource.accepted))

const toKey = (type: TypeUrl, name: string): string => `${type} ${name}`
