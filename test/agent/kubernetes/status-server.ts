import { KubernetesError, type KubernetesRequest } from '#agent/kubernetes/kubernetes-client.ts'
import { ObservedObjects } from '#agent/registry/kubernetes/observed-objects.ts'

interface Stored {
  readonly metadata: {
    readonly name: string
    readonly namespace: string
    readonly generation: number
    readonly resourceVersion: string
  }
  readonly status?: { readonly conditions?: readonly unknown[] }
}

interface Patch {
  readonly metadata: { readonly resourceVersion: string }
  readonly status: { readonly conditions: readonly unknown[] }
}

const collection = '/apis/networking.istio.io/v1/virtualservices'

/** VirtualServices in namespace shop as an API server keeps them, and what an informer has seen of them: nothing before `show`. */
export class StatusServer {
  readonly observed = new ObservedObjects()
  readonly objects = new Map<string, Stored>()
  /** Names of the objects whose statuses were asked to be written, in order. */
  readonly asked: string[] = []
  /** Every request is refused with it. */
  refusal: number | undefined
  /** Names that are refused with 422. */
  readonly invalid = new Set<string>()
  /** Names that are refused with 403, as an admission policy does. */
  readonly denied = new Set<string>()
  #version = 0
  readonly #unseen = new Set<string>()
  readonly #feed = this.observed.before(
    { set: keyOf, delete: () => {}, retain: () => {} },
    'VirtualService',
    collection,
  )

  /** As people write: another generation. */
  put(name: string, conditions: readonly unknown[] = this.objects.get(name)?.status?.conditions ?? []): void {
    this.#store(name, (this.objects.get(name)?.metadata.generation ?? 0) + 1, conditions)
  }

  /** As another writer of statuses does. */
  putConditions(name: string, conditions: readonly unknown[]): void {
    this.#store(name, this.objects.get(name)?.metadata.generation ?? 1, conditions)
  }

  delete(name: string): void {
    const object = this.objects.get(name)
    this.objects.delete(name)
    this.#feed.delete(object)
  }

  /** The informer has caught up. */
  show(): void {
    for (const name of this.#unseen) {
      const object = this.objects.get(name)
      if (object) this.#feed.set(object)
    }
    this.#unseen.clear()
  }

  conditions(name: string): readonly unknown[] {
    return this.objects.get(name)?.status?.conditions ?? []
  }

  async request({ method, path, body }: KubernetesRequest): Promise<unknown> {
    await Promise.resolve()
    const name = /^\/apis\/networking\.istio\.io\/v1\/namespaces\/shop\/virtualservices\/([^/]+)\/status\?/.exec(
      path,
    )?.[1]
    if (method !== 'PATCH' || name === undefined) throw new KubernetesError(`not expected: ${method} ${path}`, 405)
    this.asked.push(name)
    if (this.refusal !== undefined) throw new KubernetesError('refused', this.refusal)
    if (this.invalid.has(name)) throw new KubernetesError('invalid', 422)
    if (this.denied.has(name)) throw new KubernetesError('denied by policy', 403)
    const object = this.objects.get(name)
    if (!object) throw new KubernetesError('not found', 404)
    const { metadata, status } = body as Patch
    if (metadata.resourceVersion !== object.metadata.resourceVersion) throw new KubernetesError('conflict', 409)
    this.#store(name, object.metadata.generation, status.conditions)
    return this.objects.get(name)
  }

  #store(name: string, generation: number, conditions: readonly unknown[]): void {
    this.#version += 1
    this.#unseen.add(name)
    this.objects.set(name, {
      metadata: { name, namespace: 'shop', generation, resourceVersion: String(this.#version) },
      status: { conditions },
    })
  }
}

const keyOf = (object: unknown): string => `shop/${(object as Stored).metadata.name}`
