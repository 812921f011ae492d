import { KubernetesError } from '#agent/kubernetes/kubernetes-client.ts'

interface AnyObject {
  readonly metadata: {
    readonly name: string
    readonly namespace: string
    readonly resourceVersion?: string | undefined
  }
}

/** Objects of one kind as an API server keeps them: each change has a version, and is refused to who has not seen the one before. */
export class ObjectServer<T extends AnyObject> {
  readonly objects = new Map<string, T>()
  isAway = false
  writes = 0
  #version = 0

  async find(namespace: string, name: string): Promise<T | undefined> {
    await this.#arrive()
    return this.objects.get(`${namespace}/${name}`)
  }

  async listNamed(name: string): Promise<T[]> {
    await this.#arrive()
    return [...this.objects.values()].filter(({ metadata }) => metadata.name === name)
  }

  async create(object: T): Promise<T | undefined> {
    await this.#arrive()
    const { namespace, name } = object.metadata
    return this.objects.has(`${namespace}/${name}`) ? undefined : this.put(object)
  }

  async replace(object: T): Promise<T | undefined> {
    await this.#arrive()
    const { namespace, name, resourceVersion } = object.metadata
    const present = this.objects.get(`${namespace}/${name}`)
    return present?.metadata.resourceVersion === resourceVersion && present ? this.put(object) : undefined
  }

  /** As somebody else would. */
  put(object: T): T {
    this.#version += 1
    this.writes += 1
    const kept = { ...object, metadata: { ...object.metadata, resourceVersion: String(this.#version) } }
    this.objects.set(`${object.metadata.namespace}/${object.metadata.name}`, kept)
    return kept
  }

  async #arrive(): Promise<void> {
    await Promise.resolve()
    if (this.isAway) throw new KubernetesError('the API server is away', undefined)
  }
}
