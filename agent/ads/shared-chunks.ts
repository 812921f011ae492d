import type { ResourceSet } from '#xds/resource-set.ts'
import type { TypeUrl } from '#xds/type-url.ts'
import { chunkBytes } from './limits.ts'
import { toWireResource, type WireResource } from './wire-resource.ts'

/** Resources that go into one response. */
export class SharedChunk {
  readonly resources: readonly WireResource[]
  /** There while responses with it wait to be written: kept for longer, each class of proxies would have a copy of all that it is sent. */
  #delta: WeakRef<Uint8Array> | undefined

  constructor(resources: readonly WireResource[]) {
    this.resources = resources
  }

  /** Their bytes in a delta response, in one piece. */
  get delta(): Uint8Array {
    let delta = this.#delta?.deref()
    if (!delta) this.#delta = new WeakRef((delta = Buffer.concat(this.resources.map((resource) => resource.delta))))
    return delta
  }
}

/** All resources of a type in a set, as they are at one moment: cut once, for every proxy that takes all of them. */
export interface SharedChunks {
  readonly chunks: readonly SharedChunk[]
  /** `ResourceSet.lastChange` of the type at that moment. */
  readonly lastChange: number
}

const known = new WeakMap<ResourceSet, Map<TypeUrl, SharedChunks>>()

/** The chunks of a set as it is now, of about `chunkBytes` each. */
export const toSharedChunks = (set: ResourceSet, type: TypeUrl): SharedChunks => {
  let byType = known.get(set)
  if (!byType) known.set(set, (byType = new Map<TypeUrl, SharedChunks>()))
  const lastChange = set.lastChange(type)
  let shared = byType.get(type)
  if (shared?.lastChange !== lastChange) byType.set(type, (shared = { chunks: cut(set, type), lastChange }))
  return shared
}

const cut = (set: ResourceSet, type: TypeUrl): readonly SharedChunk[] => {
  const chunks: SharedChunk[] = []
  let resources: WireResource[] = []
  let bytes = 0
  const close = (): void => {
    chunks.push(new SharedChunk(resources))
    resources = []
    bytes = 0
  }
  for (const resource of set.all(type).values()) {
    resources.push(toWireResource(type, resource))
    bytes += resource.body.byteLength
    if (bytes >= chunkBytes) close()
  }
  if (resources.length > 0) close()
  return chunks
}
