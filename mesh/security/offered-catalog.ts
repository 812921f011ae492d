import { parseObjectKey } from '../config-object.ts'
import { peerAuthentication, type PeerAuthenticationSpec } from '../config/peer-authentication.ts'
import { readMeshConfig, type MeshConfig } from '../config/mesh-config.ts'
import { AddedKind } from '../merge/added-kind.ts'
import { AnswerWatch } from '../merge/answer-watch.ts'
import { isEqualData } from '../merge/equal-data.ts'
import { setOrDelete } from '../merge/set-or-delete.ts'
import type { ClusterName, ServiceKey } from '../names.ts'
import type { CatalogEntry } from '../service.ts'
import type { MeshSettings } from '../settings.ts'
import { viewKeys, type ViewChange } from '../view.ts'
import type { PeerModeSource } from './peer-modes.ts'
import { markPlaintextPorts } from './plaintext-ports.ts'

/** What a cluster is to tell the mesh of its services anew. */
export interface OfferedChanges {
  readonly upserts: readonly CatalogEntry[]
  readonly removes: readonly ServiceKey[]
}

/**
 * A cluster's own catalog as the others are told of it: with the ports marked that take plaintext alone, which only the cluster itself
 * knows, having PeerAuthentications of its own. Told anew is what changes by them, and not the whole.
 */
export class OfferedCatalog {
  readonly #cluster: ClusterName
  readonly #watch = new AnswerWatch()
  readonly #policies: AddedKind<PeerAuthenticationSpec>
  readonly #source: PeerModeSource
  /** As the registry says them. */
  readonly #entries = new Map<ServiceKey, CatalogEntry>()
  /** Those that are told with marks. */
  readonly #marked = new Map<ServiceKey, CatalogEntry>()
  #settings: MeshSettings
  #meshConfig: MeshConfig

  constructor(cluster: ClusterName, settings: MeshSettings) {
    this.#cluster = cluster
    this.#settings = settings
    this.#meshConfig = readMeshConfig(settings.meshConfig)
    this.#policies = new AddedKind({
      definition: peerAuthentication,
      localCluster: cluster,
      watch: this.#watch,
      toViewKey: viewKeys.peerAuthentications,
    })
    this.#source = {
      peerAuthentications: (namespace) => this.#policies.of(namespace),
      settings: () => this.#settings,
      meshConfig: () => this.#meshConfig,
    }
  }

  /** Takes a batch of changes of the view. */
  take(changes: readonly ViewChange[]): OfferedChanges {
    const said = new Map<ServiceKey, CatalogEntry | null>()
    /** Namespaces whose PeerAuthentications changed. */
    const named = new Set<string>()
    let isForAll = false
    for (const change of changes) {
      if (change.kind === 'catalog' && change.cluster === this.#cluster) said.set(change.service, change.value)
      else if (change.kind === 'settings') isForAll = this.#setSettings(change.value) || isForAll
      else if (change.kind === 'config') {
        const object = parseObjectKey(change.key)
        if (object?.kind !== peerAuthentication.kind) continue
        this.#policies.set(change.origin, change.key, change.value)
        named.add(object.namespace)
      }
    }
    const touched = new Set<ReturnType<typeof viewKeys.peerAuthentications>>()
    this.#watch.settle(touched)
    const namespaces = [...named].filter((namespace) => touched.has(viewKeys.peerAuthentications(namespace)))
    for (const [key, entry] of said) setOrDelete(this.#entries, key, entry)
    const isAsked =
      isForAll || namespaces.includes(this.#meshConfig.rootNamespace)
        ? () => true
        : ({ service }: CatalogEntry) => namespaces.includes(service.namespace)
    const remarked = isForAll || namespaces.length > 0 ? [...this.#entries.values()].filter(isAsked) : []
    const upserts = remarked
      .filter(({ service }) => !said.has(service.key))
      .flatMap((entry) => this.#remark(entry))
      .concat([...said.values()].flatMap((entry) => (entry ? this.#mark(entry) : [])))
    const removes = [...said].flatMap(([key, entry]) => (entry ? [] : [key]))
    for (const key of removes) this.#marked.delete(key)
    return { upserts, removes }
  }

  #setSettings(settings: MeshSettings): boolean {
    const { rootNamespace } = this.#meshConfig
    this.#settings = settings
    this.#meshConfig = readMeshConfig(settings.meshConfig)
    return this.#meshConfig.rootNamespace !== rootNamespace
  }

  /** Only when it is told otherwise than before. */
  #remark(entry: CatalogEntry): readonly CatalogEntry[] {
    const before = this.#marked.get(entry.service.key) ?? entry
    const after = this.#mark(entry)
    return isEqualData(before, after) ? [] : [after]
  }

  #mark(entry: CatalogEntry): CatalogEntry {
    const { service, endpoints } = entry
    const marked = endpoints.map((endpoint) => markPlaintextPorts(this.#source, service.namespace, endpoint))
    const isMarked = marked.some((endpoint, index) => endpoint !== endpoints[index])
    const told = isMarked ? { ...entry, endpoints: marked } : entry
    setOrDelete(this.#marked, service.key, isMarked ? told : null)
    return told
  }
}
