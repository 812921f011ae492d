import type { Clock } from '#agent/clock.ts'
import type { KubernetesClient } from '#agent/kubernetes/kubernetes-client.ts'
import { hasLeft } from '#agent/kubernetes/machine-entries.ts'
import type { Log } from '#agent/log.ts'
import type { Registry, RegistryBatch, RegistryChange, RegistryProblem } from '#agent/registry/registry.ts'
import { objectKeyOf, type ConfigObject } from '#mesh/config-object.ts'
import type { KindDefinition } from '#mesh/config/kind-definition.ts'
import { networkLabel, systemNamespace } from '#mesh/kubernetes/conventions.ts'
import { isEqualData } from '#mesh/merge/equal-data.ts'
import type { ClusterName, NetworkName } from '#mesh/names.ts'
import type { Problem } from '#mesh/problem.ts'
import { isRecordKind, type RegistryDifference } from '#mesh/registry-records/registry-index.ts'
import type { GatewayAddress } from '#mesh/service.ts'
import { workloadEntry } from '#mesh/config/workload-entry.ts'
import { toWorkloadKey } from '#mesh/workload.ts'
import { ConfigDiscovery, type ServedKind } from './config-discovery.ts'
import { isGatewayService, sortGateways, toGatewayAddresses } from './gateway-addresses.ts'
import { toInjectedNamespaces } from './injected-namespaces.ts'
import { KubernetesIndex } from './kubernetes-index.ts'
import { ObservedObjects } from './observed-objects.ts'
import { readEndpointSlice } from './objects/kube-endpoint-slice.ts'
import { readNamespace } from './objects/kube-namespace.ts'
import { readNode } from './objects/kube-node.ts'
import { readPod } from './objects/kube-pod.ts'
import { readService } from './objects/kube-service.ts'
import { readConfigObject } from './objects/read-config-object.ts'
import type { KeptPods } from './kept-pods.ts'
import type { KnownPod, PodDirectory } from './pod-directory.ts'
import { ResourceStore, type ObjectListener, type ObjectReading } from './resource-store.ts'
import { ResourceWatch, type ResourceWatchOptions, type WatchStatus } from './resource-watch.ts'

export interface KubernetesRegistryOptions {
  readonly client: Pick<KubernetesClient, 'request' | 'stream'>
  readonly cluster: ClusterName
  readonly network: NetworkName
  readonly domainSuffix: string
  readonly clock: Clock
  /** In [0, 1). */
  readonly random: () => number
  readonly log: Log
  /** Where the pods are found again after a restart. */
  readonly keptPods?: Pick<KeptPods, 'load' | 'changed' | 'stop'>
  /** Other proxies have started than before. Called often. */
  readonly onProxiesChange?: () => void
  /** What `injectedNamespaces` says may have changed. */
  readonly onInjectionChange?: () => void
  /** An object of the cluster's own has changed, by its ObjectKey; null = it is gone. */
  readonly onObject?: (key: string, object: ConfigObject | null) => void
}

/** The cluster's own objects of one kind. */
interface ConfigKind {
  readonly store: ResourceStore<ConfigObject>
  /** What the watch tells. */
  readonly feed: ResourceWatchOptions['store']
  watch: ResourceWatch
  /** How often in a row the server has said that it has no such kind. */
  misses: number
}

/** An API server that is just starting may not know all of its CRDs yet. */
const maxMisses = 3

/** The registry of a Kubernetes cluster: what its API server has. */
export class KubernetesRegistry implements Registry {
  readonly synced: Promise<void>
  /** The pods of this cluster. */
  readonly pods: PodDirectory
  /** The configuration objects as the server last showed them, with their statuses. */
  readonly observed = new ObservedObjects()
  readonly #options: KubernetesRegistryOptions
  readonly #services = this.#createStore(readService, (key, service) => {
    if (service && isGatewayService(service)) this.#gatewayServices.add(key)
    else this.#gatewayServices.delete(key)
    this.#index.noteService(key)
    this.#problemsChanged = true
  })
  readonly #slices = this.#createStore(readEndpointSlice, (...change) => this.#index.noteSlice(...change))
  readonly #pods = this.#createStore(readPod, (key, pod, before) => {
    this.#index.notePod(key, pod, before)
    if (pod?.proxyStarted !== before?.proxyStarted) this.#options.onProxiesChange?.()
    if ((pod?.injected && !before?.injected) || (pod?.isGateway && !before?.isGateway))
      this.#options.onInjectionChange?.()
    if (this.pods.complete) this.#keepPods()
  })
  readonly #nodes = this.#createStore(readNode, (name) => this.#index.noteNode(name))
  readonly #namespaces = this.#createStore(readNamespace, (_name, namespace, before) => {
    this.#namespacesChanged ||= !namespace || !before
    if (!isEqualData(namespace?.injectionLabels, before?.injectionLabels)) this.#options.onInjectionChange?.()
    this.#problemsChanged = true
  })
  readonly #watches: readonly ResourceWatch[]
  readonly #discovery: ConfigDiscovery
  /** By kind. */
  readonly #config = new Map<string, ConfigKind>()
  /** Those that were known before a restart, until all have been read. */
  #restoredPods: ReadonlyMap<string, KnownPod> | undefined
  #index: KubernetesIndex
  #domainSuffix: string
  /** What was not told yet. */
  readonly #configChanges = new Map<string, ConfigObject | null>()
  /** Machines that have left, as their agents say: they are not lost. */
  readonly #left = new Set<string>()
  readonly #gatewayServices = new Set<string>()
  #gateways: readonly GatewayAddress[] | undefined
  #namespacesChanged = true
  #problemsChanged = false
  #discovered = false
  #told = false
  #stopped = false
  #flush: NodeJS.Immediate | undefined
  #listener: (batch: RegistryBatch) => void = () => {}
  #resolveSynced: () => void = () => {}

  constructor(options: KubernetesRegistryOptions) {
    const { client, clock, random, log, domainSuffix } = options
    this.#options = options
    this.#domainSuffix = domainSuffix
    this.#index = this.#createIndex(domainSuffix)
    this.synced = new Promise((resolve) => {
      this.#resolveSynced = resolve
    })
    const podWatch = this.#createWatch('pods', '/api/v1/pods', this.#pods)
    this.#watches = [
      this.#createWatch('services', '/api/v1/services', this.#services),
      this.#createWatch('endpointslices', '/apis/discovery.k8s.io/v1/endpointslices', this.#slices),
      podWatch,
      this.#createWatch('nodes', '/api/v1/nodes', this.#nodes),
      this.#createWatch('namespaces', '/api/v1/namespaces', this.#namespaces),
    ]
    this.#restoredPods = options.keptPods?.load()
    const knownPods = () => (podWatch.status.synced ? this.#pods.objects : this.#restoredPods)
    this.pods = {
      get complete() {
        return podWatch.status.synced
      },
      find: (namespace, name) => knownPods()?.get(toWorkloadKey(namespace, name)),
      all: () => knownPods()?.values(),
    }
    this.#discovery = new ConfigDiscovery({
      client,
      clock,
      random,
      log,
      onServed: (served) => this.#takeServed(served),
      onFailure: () => this.#noteProblems(),
    })
  }

  start(listener: (batch: RegistryBatch) => void): void {
    this.#listener = listener
    for (const watch of this.#watches) watch.start()
    this.#discovery.start()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#discovery.stop()
    clearImmediate(this.#flush)
    await Promise.all([...this.#allWatches().map((watch) => watch.stop()), this.#options.keptPods?.stop()])
  }

  setDomainSuffix(domainSuffix: string): void {
    if (this.#told) this.#tell()
    const before = this.#index
    const renamed = { from: this.#domainSuffix, to: domainSuffix }
    this.#domainSuffix = domainSuffix
    this.#index = this.#createIndex(domainSuffix)
    if (!this.#told) return
    const { catalog } = this.#index.settle()
    const gone = [...before.catalog().keys()].filter((service) => !this.#index.catalog().has(service))
    const changes = [...gone.map((service) => ({ service, value: null })), ...catalog]
    this.#listener({ changes: changes.map((change) => this.#toCatalogChange(change)), renamed })
  }

  problems(): readonly RegistryProblem[] {
    const discovery = { name: 'the kinds of configuration', failure: this.#discovery.failure }
    const failures = [...this.sources(), discovery].flatMap(({ name, failure }) =>
      failure === undefined ? [] : [toReadProblem(name, failure)],
    )
    const stores = [this.#services, this.#slices, this.#pods, this.#nodes, this.#namespaces]
    const kinds = Array.from(this.#config.values(), ({ store }) => store)
    const problems = [
      ...[...stores, ...kinds].flatMap((store) => store.problems()),
      ...this.#index.problems(),
      ...this.#findNetworkProblems(),
    ]
    return [...failures, ...problems.map((problem) => ({ source: problem.object?.kind ?? 'cluster', problem }))]
  }

  /** The namespaces that have, or will have, proxies of this revision of the injector. */
  injectedNamespaces(revision: string): ReadonlySet<string> {
    return toInjectedNamespaces(this.#namespaces.objects, this.#pods.objects.values(), revision)
  }

  sources(): readonly WatchStatus[] {
    return this.#allWatches().map((watch) => watch.status)
  }

  #allWatches(): readonly ResourceWatch[] {
    return [...this.#watches, ...Array.from(this.#config.values(), ({ watch }) => watch)]
  }

  #createStore<T extends object>(
    read: (object: unknown) => ObjectReading<T>,
    take: ObjectListener<T>,
  ): ResourceStore<T> {
    const onChange: ObjectListener<T> = (...change) => {
      take(...change)
      this.#schedule()
    }
    return new ResourceStore(read, onChange, () => this.#noteProblems())
  }

  #noteProblems(): void {
    this.#problemsChanged = true
    this.#schedule()
  }

  #createWatch(name: string, path: string, store: ResourceWatchOptions['store']): ResourceWatch {
    const { client, clock, random, log } = this.#options
    return new ResourceWatch({
      name,
      path,
      store,
      client,
      clock,
      random,
      log,
      onSynced: () => this.#schedule(),
      onFailure: () => this.#noteProblems(),
    })
  }

  #keepPods(): void {
    this.#options.keptPods?.changed(() => this.#pods.objects.values())
  }

  #createIndex(domainSuffix: string): KubernetesIndex {
    const { cluster, network } = this.#options
    const place = { cluster, network, domainSuffix }
    const index = new KubernetesIndex(place, {
      services: this.#services.objects,
      slices: this.#slices.objects,
      pods: this.#pods.objects,
      nodes: this.#nodes.objects,
    })
    for (const { store } of this.#config.values())
      for (const object of store.objects.values()) index.noteConfig(objectKeyOf(object), object)
    return index
  }

  #takeServed(served: readonly ServedKind[]): void {
    for (const { definition, apiVersion } of served)
      this.#watchKind(definition, `/apis/${apiVersion}/${definition.plural}`)
    const present = new Set(served.map(({ definition }) => definition.kind))
    for (const [kind, known] of this.#config) {
      known.misses = present.has(kind) ? 0 : known.misses + 1
      if (known.misses >= maxMisses) this.#forgetKind(kind, known)
    }
    this.#discovered = true
    this.#schedule()
  }

  #watchKind(definition: KindDefinition, path: string): void {
    const { kind, plural } = definition
    const known = this.#config.get(kind)
    if (known?.watch.path === path) return
    void known?.watch.stop()
    const store = known?.store ?? this.#createConfigStore(definition)
    const feed = this.observed.before(store, kind, path)
    const watch = this.#createWatch(plural, path, feed)
    this.#config.set(kind, { store, feed, watch, misses: 0 })
    watch.start()
  }

  #createConfigStore(definition: KindDefinition): ResourceStore<ConfigObject> {
    return this.#createStore(readConfigObject(definition), (_key, object, before) => {
      const present = object ?? before
      if (!present) return
      const key = objectKeyOf(present)
      if (!isRecordKind(definition.kind)) this.#configChanges.set(key, object)
      this.#index.noteConfig(key, object)
      this.#options.onObject?.(key, object)
      if (definition === workloadEntry) this.#noteLeaving(present, object !== null)
    })
  }

  /** One that is there again in the same turn has not left. */
  #noteLeaving(entry: ConfigObject, isPresent: boolean): void {
    const key = toWorkloadKey(entry.metadata.namespace, entry.metadata.name)
    if (isPresent) this.#left.delete(key)
    else if (hasLeft(entry)) this.#left.add(key)
  }

  #forgetKind(kind: string, { watch, feed }: ConfigKind): void {
    void watch.stop()
    feed.retain(new Set())
    this.#config.delete(kind)
  }

  /** What happens in one turn of the event loop is told together. */
  #schedule(): void {
    if (!this.#stopped && (this.#told || this.#isSynced())) this.#flush ??= setImmediate(() => this.#tell())
  }

  #isSynced(): boolean {
    return this.#discovered && this.#allWatches().every(({ status }) => status.synced)
  }

  #tell(): void {
    clearImmediate(this.#flush)
    this.#flush = undefined
    const first = !this.#told
    if (first) {
      this.#restoredPods = undefined
      this.#keepPods()
    }
    this.#told = true
    const changes = this.#toChanges(this.#index.settle())
    const gateways = this.#findGateways()
    const gatewaysChanged = !isEqualData(gateways, this.#gateways)
    const namespacesChanged = this.#namespacesChanged
    this.#gateways = gateways
    this.#namespacesChanged = false
    const problemsChanged = this.#problemsChanged
    this.#problemsChanged = false
    const left = new Set(this.#left)
    this.#left.clear()
    if (changes.length > 0 || gatewaysChanged || namespacesChanged || problemsChanged)
      this.#listener({
        changes,
        ...(left.size > 0 && { left }),
        ...(gatewaysChanged ? { gateways } : {}),
        ...(namespacesChanged ? { namespaces: [...this.#namespaces.objects.keys()].toSorted() } : {}),
      })
    if (first) this.#resolveSynced()
  }

  #toChanges(difference: RegistryDifference): RegistryChange[] {
    const config = Array.from(this.#configChanges, ([key, value]) => ({
      kind: 'config' as const,
      origin: 'cluster' as const,
      key,
      value,
    }))
    this.#configChanges.clear()
    return [
      ...config,
      ...difference.workloads.map((change) => ({ kind: 'workload' as const, ...change })),
      ...difference.catalog.map((change) => this.#toCatalogChange(change)),
    ]
  }

  #toCatalogChange({ service, value }: RegistryDifference['catalog'][number]): RegistryChange {
    return { kind: 'catalog', cluster: this.#options.cluster, service, value }
  }

  #findGateways(): readonly GatewayAddress[] {
    return sortGateways(
      [...this.#gatewayServices].flatMap((key) => {
        const service = this.#services.objects.get(key)
        return service ? toGatewayAddresses(service, this.#index.slicesOf(key), this.#nodes.objects) : []
      }),
    )
  }

  /** Istio takes a cluster's network from there; here it is what the cluster was joined with. */
  #findNetworkProblems(): readonly Problem[] {
    const { network } = this.#options
    const labelled = this.#namespaces.objects.get(systemNamespace)?.network
    if (labelled === undefined || labelled === network) return []
    const object = { kind: 'Namespace', namespace: '', name: systemNamespace }
    const message = `says ${labelled}, but the cluster was joined on the network ${network}: that holds`
    return [{ code: 'conflict', severity: 'warning', object, path: `metadata.labels["${networkLabel}"]`, message }]
  }
}

const toReadProblem = (source: string, reason: string): RegistryProblem => {
  const message = `can't be read; what was read before goes on: ${reason}`
  return { source, problem: { code: 'syntax', severity: 'error', path: '', message } }
}
