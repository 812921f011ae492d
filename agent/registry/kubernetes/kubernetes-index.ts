import type { ConfigObject } from '#mesh/config-object.ts'
import { exportToFaults } from '#mesh/config/schema/export-to.ts'
import { exportToOf } from '#mesh/config/service.ts'
import { networkLabel } from '#mesh/kubernetes/conventions.ts'
import { toLocality } from '#mesh/topology.ts'
import { isEqualData } from '#mesh/merge/equal-data.ts'
import { MultiMap } from '#mesh/merge/multi-map.ts'
import { setOrDelete } from '#mesh/merge/set-or-delete.ts'
import { networkName, type NetworkName, type ServiceKey } from '#mesh/names.ts'
import type { Problem } from '#mesh/problem.ts'
import {
  emptyReading,
  RegistryIndex,
  type ObjectChange,
  type Place,
  type Reading,
  type ReadingChange,
  type RegistryDifference,
} from '#mesh/registry-records/registry-index.ts'
import { toEndpoint } from '#mesh/registry-records/to-endpoint.ts'
import { toServiceOffer } from '#mesh/registry-records/to-offers.ts'
import { tellsNodes, type CatalogEntry, type Endpoint } from '#mesh/service.ts'
import type { Workload } from '#mesh/workload.ts'
import type { KubeEndpoint, KubeEndpointSlice } from './objects/kube-endpoint-slice.ts'
import type { KubeNode } from './objects/kube-node.ts'
import type { KubePod } from './objects/kube-pod.ts'
import type { KubeService } from './objects/kube-service.ts'

/** What is known of a cluster now, by "<namespace>/<name>", nodes by name. */
export interface KubernetesObjects {
  readonly services: ReadonlyMap<string, KubeService>
  readonly slices: ReadonlyMap<string, KubeEndpointSlice>
  readonly pods: ReadonlyMap<string, KubePod>
  readonly nodes: ReadonlyMap<string, KubeNode>
}

/**
 * The records of what an API server has: Services joined with their EndpointSlices, those with their pods, those with their nodes.
 * Changes are noted; `settle` then works out what they concern, and nothing else.
 */
export class KubernetesIndex {
  readonly #place: Place
  readonly #objects: KubernetesObjects
  readonly #index: RegistryIndex
  readonly #workloads = new Map<string, Workload>()
  /** The endpoints of each slice, and the nodes that they are on. */
  readonly #endpoints = new Map<string, readonly NodeEndpoint[]>()
  readonly #slicesOfService = new MultiMap<string, string>()
  readonly #slicesOfPod = new MultiMap<string, string>()
  /** Slices with endpoints on a node that are no pods. */
  readonly #slicesOfNode = new MultiMap<string, string>()
  readonly #podsOfNode = new MultiMap<string, string>()
  readonly #unsettledServices = new Set<string>()
  readonly #unsettledSlices = new Set<string>()
  readonly #unsettledPods = new Set<string>()
  readonly #unsettledConfig = new Map<string, ConfigObject | null>()

  constructor(place: Place, objects: KubernetesObjects) {
    this.#place = place
    this.#objects = objects
    this.#index = new RegistryIndex(place)
    for (const key of objects.services.keys()) this.noteService(key)
    for (const [key, pod] of objects.pods) this.notePod(key, pod, undefined)
    for (const [key, slice] of objects.slices) this.noteSlice(key, slice, undefined)
  }

  catalog(): ReadonlyMap<ServiceKey, CatalogEntry> {
    return this.#index.catalog()
  }

  /** In no order. */
  problems(): readonly Problem[] {
    return this.#index.problems()
  }

  /** The slices of a Service, by its "<namespace>/<name>". */
  slicesOf(service: string): readonly KubeEndpointSlice[] {
    return [...this.#slicesOfService.get(service)].toSorted().flatMap((key) => this.#objects.slices.get(key) ?? [])
  }

  noteService(key: string): void {
    this.#unsettledServices.add(key)
  }

  noteSlice(key: string, slice: KubeEndpointSlice | null, before: KubeEndpointSlice | undefined): void {
    if (before) {
      this.#slicesOfService.delete(toServiceName(before), key)
      for (const endpoint of before.endpoints) this.#targetsOf(endpoint).delete(toTarget(before, endpoint), key)
      this.#unsettledServices.add(toServiceName(before))
    }
    if (slice) {
      this.#slicesOfService.add(toServiceName(slice), key)
      for (const endpoint of slice.endpoints) this.#targetsOf(endpoint).add(toTarget(slice, endpoint), key)
    }
    this.#unsettledSlices.add(key)
  }

  notePod(key: string, pod: KubePod | null, before: KubePod | undefined): void {
    if (before) this.#podsOfNode.delete(before.node, key)
    if (pod) this.#podsOfNode.add(pod.node, key)
    this.#unsettledPods.add(key)
    // Another pod of the same name may have the same workload.
    if (pod?.uid !== before?.uid) this.#noteSlicesOf(key)
  }

  noteNode(name: string): void {
    for (const key of this.#podsOfNode.get(name)) this.#unsettledPods.add(key)
    for (const key of this.#slicesOfNode.get(name)) this.#unsettledSlices.add(key)
  }

  /** An object of the cluster's own, by its ObjectKey; null = it is gone. */
  noteConfig(key: string, value: ConfigObject | null): void {
    this.#unsettledConfig.set(key, value)
  }

  settle(): RegistryDifference {
    const changes: (ObjectChange | ReadingChange)[] = Array.from(this.#unsettledConfig, ([key, value]) => ({
      key,
      value,
    }))
    this.#unsettledConfig.clear()
    for (const key of this.#unsettledPods) {
      const workload = this.#toWorkload(key)
      if (isEqualData(this.#workloads.get(key), workload)) continue
      setOrDelete(this.#workloads, key, workload)
      this.#noteSlicesOf(key)
      changes.push({ key: `Pod/${key}`, reading: workload ? { ...emptyReading, workload } : null })
    }
    this.#unsettledPods.clear()
    for (const key of this.#unsettledSlices) {
      const slice = this.#objects.slices.get(key)
      setOrDelete(this.#endpoints, key, slice && this.#toEndpoints(slice))
      if (slice) this.#unsettledServices.add(toServiceName(slice))
    }
    this.#unsettledSlices.clear()
    for (const key of this.#unsettledServices)
      changes.push({ key: `Service/${key}`, reading: this.#toServiceReading(key) })
    this.#unsettledServices.clear()
    return this.#index.apply(changes)
  }

  #noteSlicesOf(pod: string): void {
    for (const key of this.#slicesOfPod.get(pod)) this.#unsettledSlices.add(key)
  }

  #targetsOf({ pod }: KubeEndpoint): MultiMap<string, string> {
    return pod ? this.#slicesOfPod : this.#slicesOfNode
  }

  #toWorkload(key: string): Workload | undefined {
    const pod = this.#objects.pods.get(key)
    return (
      pod && {
        namespace: pod.namespace,
        name: pod.name,
        ...(pod.controller !== undefined && { controller: pod.controller }),
        address: pod.ip,
        labels: pod.labels,
        serviceAccount: pod.serviceAccount,
        network: toNetwork(pod.labels[networkLabel]) ?? this.#place.network,
        locality: toLocality(pod.labels, this.#localityOf(pod.node)),
        ports: pod.ports,
        health: pod.health,
        ...(pod.node !== '' && { node: pod.node }),
        origin: 'pod',
        ...(pod.injected && {
          capture: 'transparent',
          ...(pod.probeRoutes && { probeRoutes: pod.probeRoutes }),
          ...(pod.scrapeTarget && { scrapeTarget: pod.scrapeTarget }),
        }),
      }
    )
  }

  #localityOf(node: string): string {
    return this.#objects.nodes.get(node)?.locality ?? ''
  }

  /** An endpoint whose pod is not known (yet, or any more) is left out: nobody could tell whether it speaks TLS. */
  #toEndpoints(slice: KubeEndpointSlice): readonly NodeEndpoint[] {
    const { cluster, network } = this.#place
    const { namespace, service, ports } = slice
    return slice.endpoints.flatMap((endpoint): NodeEndpoint[] => {
      const { address, health, node, pod } = endpoint
      if (!pod) {
        const workload = { namespace, name: `${service}/${address}`, address, labels: {}, serviceAccount: '', network }
        return [
          { node, endpoint: toEndpoint({ ...workload, locality: this.#localityOf(node), health }, cluster, ports) },
        ]
      }
      const key = toTarget(slice, endpoint)
      const workload = this.#workloads.get(key)
      if (!workload || this.#objects.pods.get(key)?.uid !== pod.uid) return []
      return [{ node: workload.node ?? node, endpoint: toEndpoint({ ...workload, address, health }, cluster, ports) }]
    })
  }

  #toServiceReading(key: string): Reading | null {
    const service = this.#objects.services.get(key)
    if (!service) return null
    const { metadata } = service
    const problems = findProblems(service)
    const spec = {
      ports: service.ports.map(({ nodePort: _nodePort, ...port }) => port),
      selector: { ...service.selector },
      clusterIPs: [...service.clusterIPs],
      ...(service.externalName !== '' && { type: 'ExternalName' as const, externalName: service.externalName }),
      trafficDistribution: service.trafficDistribution,
      internalTrafficPolicy: service.internalTrafficPolicy,
    }
    const offer = toServiceOffer({ metadata, spec }, this.#place.domainSuffix)
    const served = this.#endpointsOf(key, service)
    const told = tellsNodes(offer.service)
      ? served.map(({ endpoint, node }) => ({ ...endpoint, node }))
      : served.map(({ endpoint }) => endpoint)
    return { ...emptyReading, offers: [{ ...offer, told }], problems }
  }

  /** Of the family of the Service's first address: a pod with two addresses is one endpoint. */
  #endpointsOf(key: string, { family }: KubeService): readonly NodeEndpoint[] {
    const slices = [...this.#slicesOfService.get(key)].toSorted()
    const preferred = slices.filter((slice) => this.#objects.slices.get(slice)?.family === family)
    return (preferred.length > 0 ? preferred : slices).flatMap((slice) => this.#endpoints.get(slice) ?? [])
  }
}

interface NodeEndpoint {
  readonly endpoint: Endpoint
  /** "" when it is not said. */
  readonly node: string
}

const toServiceName = ({ namespace, service }: KubeEndpointSlice): string => `${namespace}/${service}`

/** The key of an endpoint's pod, or the node of what is no pod. */
const toTarget = ({ namespace }: KubeEndpointSlice, { pod, node }: KubeEndpoint): string =>
  pod ? `${namespace}/${pod.name}` : node

const toNetwork = (label: string | undefined): NetworkName | undefined => networkName.safeParse(label).data

const findProblems = ({ metadata, unheeded }: KubeService): readonly Problem[] => {
  const { namespace, name } = metadata
  const warn = (code: Problem['code'], path: string, message: string): Problem => ({
    code,
    severity: 'warning',
    object: { kind: 'Service', namespace, name },
    path,
    message,
  })
  return [
    ...unheeded.map((field) => warn('unsupported', `spec.${field}`, 'sidecars do not heed it')),
    ...exportToFaults(exportToOf(metadata.annotations) ?? [], namespace, { none: true }).map(({ message }) =>
      warn('invalid', 'metadata.annotations', `networking.istio.io/exportTo ${message}`),
    ),
  ]
}
