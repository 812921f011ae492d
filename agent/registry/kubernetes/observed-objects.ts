import { z } from 'zod'
import { toObjectKey } from '#mesh/config-object.ts'
import type { ResourceStore } from './resource-store.ts'

/** A custom resource as the API server last showed it: what a writer of its status goes by. */
export interface ObservedObject {
  /** "/apis/networking.istio.io/v1/namespaces/shop/virtualservices/reviews" */
  readonly path: string
  /** Grows with its spec, and not with its status. */
  readonly generation: number
  readonly resourceVersion: string
  /** Everybody's, as they are. */
  readonly conditions: readonly unknown[]
}

type Feed = Pick<ResourceStore<object>, 'set' | 'delete' | 'retain'>

const shown = z.object({
  metadata: z.object({
    name: z.string(),
    namespace: z.string(),
    generation: z.int(),
    resourceVersion: z.string(),
  }),
  status: z
    .object({ conditions: z.array(z.unknown()).optional() })
    .optional()
    .catch(undefined),
})

/** The custom resources of a cluster, with their statuses, by ObjectKey. */
export class ObservedObjects {
  readonly #objects = new Map<string, ObservedObject>()
  #listener: (key: string) => void = () => {}

  get objects(): ReadonlyMap<string, ObservedObject> {
    return this.#objects
  }

  /** `listener` is called for every object that came, changed in any way or went. */
  listen(listener: (key: string) => void): void {
    this.#listener = listener
  }

  /** Passes on to a store of one kind what a watch says, and notes it. `path`: of the collection, without namespaces. */
  before(store: Feed, kind: string, path: string): Feed {
    const [group, plural] = [path.slice(0, path.lastIndexOf('/')), path.slice(path.lastIndexOf('/') + 1)]
    return {
      set: (object) => {
        const key = store.set(object)
        const { data } = shown.safeParse(object)
        if (!data) return key
        const { name, namespace, generation, resourceVersion } = data.metadata
        this.#put(toObjectKey(kind, namespace, name), {
          path: `${group}/namespaces/${encodeURIComponent(namespace)}/${plural}/${encodeURIComponent(name)}`,
          generation,
          resourceVersion,
          conditions: data.status?.conditions ?? [],
        })
        return key
      },
      delete: (object) => {
        store.delete(object)
        const { data } = shown.safeParse(object)
        if (data) this.#forget(toObjectKey(kind, data.metadata.namespace, data.metadata.name))
      },
      retain: (keys) => {
        store.retain(keys)
        for (const key of this.#objects.keys())
          if (key.startsWith(`${kind}/`) && !keys.has(key.slice(kind.length + 1))) this.#forget(key)
      },
    }
  }

  #put(key: string, object: ObservedObject): void {
    if (this.#objects.get(key)?.resourceVersion === object.resourceVersion) return
    this.#objects.set(key, object)
    this.#listener(key)
  }

  #forget(key: string): void {
    if (this.#objects.delete(key)) this.#listener(key)
  }
}
