import { z } from 'zod'
import { KubernetesError, type KubernetesClient, type KubernetesRequest } from './kubernetes-client.ts'

/** What is kept of an object's metadata goes back with an update: other people's labels and annotations stay. */
export const objectMetadata = z.looseObject({
  name: z.string(),
  namespace: z.string(),
  resourceVersion: z.string().optional(),
  labels: z.record(z.string(), z.string()).optional(),
})

interface NamespacedObject {
  readonly metadata: {
    readonly name: string
    readonly namespace: string
    readonly resourceVersion?: string | undefined
  }
}

export interface ObjectKind<T extends NamespacedObject> {
  readonly apiVersion: string
  readonly kind: string
  /** Plural, as in paths. */
  readonly resource: string
  readonly schema: z.ZodType<T>
}

const listPage = z.object({ metadata: z.object({ continue: z.string().optional() }), items: z.array(z.unknown()) })
const pageSize = 200

/** The objects of one kind. What another has changed in the meantime is an answer, and everything else that fails a KubernetesError. */
export class ObjectClient<T extends NamespacedObject> {
  readonly #client: Pick<KubernetesClient, 'request'>
  readonly #kind: ObjectKind<T>

  constructor(client: Pick<KubernetesClient, 'request'>, kind: ObjectKind<T>) {
    this.#client = client
    this.#kind = kind
  }

  /** undefined = there is none. */
  find(namespace: string, name: string): Promise<T | undefined> {
    return this.#unless([404], () => this.#request('GET', this.#toPath(namespace, name)))
  }

  /** All objects of this name in the cluster. */
  async listNamed(name: string): Promise<T[]> {
    const found: T[] = []
    let next = ''
    do {
      const query = new URLSearchParams({ fieldSelector: `metadata.name=${name}`, limit: String(pageSize) })
      if (next !== '') query.set('continue', next)
      const path = `${this.#toGroupPath()}/${this.#kind.resource}?${query.toString()}`
      const page = this.#parse(await this.#client.request({ method: 'GET', path }), listPage)
      for (const item of page.items) found.push(this.#parse(item, this.#kind.schema))
      next = page.metadata.continue ?? ''
    } while (next !== '')
    return found
  }

  /** undefined = there is one of this name already. */
  create(object: T): Promise<T | undefined> {
    return this.#unless([409], () => this.#request('POST', this.#toPath(object.metadata.namespace), object))
  }

  /** undefined = it is not what it was when this was read (`resourceVersion`): changed or gone. */
  replace(object: T): Promise<T | undefined> {
    const { namespace, name, resourceVersion } = object.metadata
    if (resourceVersion === undefined) throw new Error('only what was read can be replaced')
    return this.#unless([404, 409], () => this.#request('PUT', this.#toPath(namespace, name), object))
  }

  /** Whether it is gone: false = it is not what it was when this was read. */
  async remove({ metadata: { namespace, name, resourceVersion } }: T): Promise<boolean> {
    try {
      const body = { apiVersion: 'v1', kind: 'DeleteOptions', preconditions: { resourceVersion } }
      await this.#client.request({ method: 'DELETE', path: this.#toPath(namespace, name), body })
      return true
    } catch (error) {
      if (!(error instanceof KubernetesError) || (error.status !== 404 && error.status !== 409)) throw error
      return error.status === 404
    }
  }

  async #unless(statuses: readonly number[], task: () => Promise<T>): Promise<T | undefined> {
    try {
      return await task()
    } catch (error) {
      if (error instanceof KubernetesError && error.status !== undefined && statuses.includes(error.status))
        return undefined
      throw error
    }
  }

  async #request(method: KubernetesRequest['method'], path: string, object?: T): Promise<T> {
    const { apiVersion, kind, schema } = this.#kind
    const body = object && { body: { apiVersion, kind, ...object } }
    return this.#parse(await this.#client.request({ method, path, ...body }), schema)
  }

  #parse<Content>(answer: unknown, schema: z.ZodType<Content>): Content {
    const parsed = schema.safeParse(answer)
    if (parsed.success) return parsed.data
    const [issue] = parsed.error.issues
    throw new KubernetesError(
      `a ${this.#kind.kind} is not what one looks like: ${issue?.path.join('.')} ${issue?.message}`,
      undefined,
    )
  }

  #toGroupPath(): string {
    const { apiVersion } = this.#kind
    return apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`
  }

  #toPath(namespace: string, name?: string): string {
    const collection = `${this.#toGroupPath()}/namespaces/${encodeURIComponent(namespace)}/${this.#kind.resource}`
    return name === undefined ? collection : `${collection}/${encodeURIComponent(name)}`
  }
}
