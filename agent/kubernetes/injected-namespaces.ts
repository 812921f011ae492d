import { z } from 'zod'
import { ResourceStore } from '#agent/registry/kubernetes/resource-store.ts'
import { ResourceWatch, type ResourceWatchOptions } from '#agent/registry/kubernetes/resource-watch.ts'
import type { RegistryBatch } from '#agent/registry/registry.ts'
import { chooseNamespace } from '#mesh/injection/decide-injection.ts'

export interface InjectedNamespacesOptions extends Pick<ResourceWatchOptions, 'client' | 'clock' | 'random' | 'log'> {
  /** Of the injector. */
  readonly revision: string
  readonly onChange: () => void
}

const namespaceObject = z.object({ metadata: z.object({ labels: z.record(z.string(), z.string()).optional() }) })

/** The namespaces with proxies: those whose labels ask for them, and those in which a pod has got one all the same. */
export class InjectedNamespaces {
  readonly #onChange: () => void
  readonly #labelled: ResourceStore<{ readonly injected: true }>
  /** Never forgotten: what their pods read is kept anyway. */
  readonly #withProxies = new Set<string>()
  readonly #watch: ResourceWatch

  constructor({ onChange, revision, ...options }: InjectedNamespacesOptions) {
    this.#onChange = onChange
    this.#labelled = new ResourceStore((object) => readInjection(object, revision), onChange)
    this.#watch = new ResourceWatch({
      ...options,
      name: 'labels of namespaces',
      path: '/api/v1/namespaces',
      store: this.#labelled,
      onSynced: onChange,
    })
  }

  start(): void {
    this.#watch.start()
  }

  stop(): Promise<void> {
    return this.#watch.stop()
  }

  takeRegistry({ changes }: RegistryBatch): void {
    const before = this.#withProxies.size
    for (const change of changes)
      if (change.kind === 'workload' && change.value?.capture === 'transparent')
        this.#withProxies.add(change.value.namespace)
    if (this.#withProxies.size > before) this.#onChange()
  }

  *names(): Iterable<string> {
    yield* this.#labelled.objects.keys()
    yield* this.#withProxies
  }
}

const readInjection = (object: unknown, revision: string) => {
  const { labels = {} } = namespaceObject.parse(object).metadata
  const isInjected = chooseNamespace(labels, revision) === 'all'
  return { value: isInjected ? ({ injected: true } as const) : null, problems: [] }
}
