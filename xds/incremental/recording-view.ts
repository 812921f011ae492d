import type { ClusterName, ServiceKey } from '#mesh/names.ts'
import type { ModuleKey } from '#mesh/wasm/module-source.ts'
import { viewKeys, type MeshView, type ViewKey } from '#mesh/view.ts'

/** The same view, which remembers what was read of it. */
export class RecordingView implements MeshView {
  readonly #view: MeshView
  #reads = new Set<ViewKey>()

  constructor(view: MeshView) {
    this.#view = view
  }

  /** From now on reads go to the returned set. */
  record(): ReadonlySet<ViewKey> {
    return (this.#reads = new Set())
  }

  get localCluster() {
    return this.#view.localCluster
  }
  get localNetwork() {
    return this.#view.localNetwork
  }
  settings() {
    this.#reads.add(viewKeys.settings)
    return this.#view.settings()
  }
  meshConfig() {
    this.#reads.add(viewKeys.settings)
    return this.#view.meshConfig()
  }
  trust() {
    this.#reads.add(viewKeys.trust)
    return this.#view.trust()
  }
  serviceKeys() {
    this.#reads.add(viewKeys.serviceKeys)
    return this.#view.serviceKeys()
  }
  service(key: ServiceKey) {
    this.#reads.add(viewKeys.service(key))
    return this.#view.service(key)
  }
  servicesByHostname(hostname: string) {
    this.#reads.add(viewKeys.servicesByHostname(hostname))
    return this.#view.servicesByHostname(hostname)
  }
  serviceHostsUnder(wildcard: string) {
    this.#reads.add(viewKeys.serviceHostsUnder(wildcard))
    return this.#view.serviceHostsUnder(wildcard)
  }
  servicePorts() {
    this.#reads.add(viewKeys.servicePorts)
    return this.#view.servicePorts()
  }
  servicesOnPort(port: number) {
    this.#reads.add(viewKeys.servicesOnPort(port))
    return this.#view.servicesOnPort(port)
  }
  servicesAt(address: string) {
    this.#reads.add(viewKeys.servicesAt(address))
    return this.#view.servicesAt(address)
  }
  tellsNodes() {
    this.#reads.add(viewKeys.tellsNodes)
    return this.#view.tellsNodes()
  }
  endpoints(key: ServiceKey) {
    this.#reads.add(viewKeys.endpoints(key))
    return this.#view.endpoints(key)
  }
  remoteGroups(key: ServiceKey) {
    this.#reads.add(viewKeys.remoteGroups(key))
    return this.#view.remoteGroups(key)
  }
  gateways(cluster: ClusterName) {
    this.#reads.add(viewKeys.gateways(cluster))
    return this.#view.gateways(cluster)
  }
  virtualServicesFor(hostname: string) {
    this.#reads.add(viewKeys.virtualServicesFor(hostname))
    return this.#view.virtualServicesFor(hostname)
  }
  routedHosts() {
    this.#reads.add(viewKeys.routedHosts)
    return this.#view.routedHosts()
  }
  destinationRulesFor(hostname: string) {
    this.#reads.add(viewKeys.destinationRulesFor(hostname))
    return this.#view.destinationRulesFor(hostname)
  }
  failoverLabels() {
    this.#reads.add(viewKeys.failoverLabels)
    return this.#view.failoverLabels()
  }

  virtualService(key: string) {
    this.#reads.add(viewKeys.virtualService(key))
    return this.#view.virtualService(key)
  }
  clientSelectors() {
    this.#reads.add(viewKeys.clientSelectors)
    return this.#view.clientSelectors()
  }
  gatewaySelectors() {
    this.#reads.add(viewKeys.gatewaySelectors)
    return this.#view.gatewaySelectors()
  }
  gatewayObject(name: string) {
    this.#reads.add(viewKeys.gatewayObject(name))
    return this.#view.gatewayObject(name)
  }
  virtualServicesOf(gateway: string) {
    this.#reads.add(viewKeys.virtualServicesOf(gateway))
    return this.#view.virtualServicesOf(gateway)
  }
  sidecars(namespace: string) {
    this.#reads.add(viewKeys.sidecars(namespace))
    return this.#view.sidecars(namespace)
  }
  envoyFilters(namespace: string) {
    this.#reads.add(viewKeys.envoyFilters(namespace))
    return this.#view.envoyFilters(namespace)
  }
  telemetries(namespace: string) {
    this.#reads.add(viewKeys.telemetries(namespace))
    return this.#view.telemetries(namespace)
  }
  telemetry(key: string) {
    this.#reads.add(viewKeys.telemetry(key))
    return this.#view.telemetry(key)
  }
  peerAuthentications(namespace: string) {
    this.#reads.add(viewKeys.peerAuthentications(namespace))
    return this.#view.peerAuthentications(namespace)
  }
  requestAuthentications(namespace: string) {
    this.#reads.add(viewKeys.requestAuthentications(namespace))
    return this.#view.requestAuthentications(namespace)
  }
  authorizationPolicies(namespace: string) {
    this.#reads.add(viewKeys.authorizationPolicies(namespace))
    return this.#view.authorizationPolicies(namespace)
  }
  fetchedKeys(url: string) {
    this.#reads.add(viewKeys.fetchedKeys(url))
    return this.#view.fetchedKeys(url)
  }
  rateLimits(namespace: string) {
    this.#reads.add(viewKeys.rateLimits(namespace))
    return this.#view.rateLimits(namespace)
  }
  proxyExtensions(namespace: string) {
    this.#reads.add(viewKeys.proxyExtensions(namespace))
    return this.#view.proxyExtensions(namespace)
  }
  wasmPlugins(namespace: string) {
    this.#reads.add(viewKeys.wasmPlugins(namespace))
    return this.#view.wasmPlugins(namespace)
  }

  wasmModule(key: ModuleKey) {
    this.#reads.add(viewKeys.wasmModule(key))
    return this.#view.wasmModule(key)
  }

  clientAuthentications(namespace: string) {
    this.#reads.add(viewKeys.clientAuthentications(namespace))
    return this.#view.clientAuthentications(namespace)
  }
  workload(workloadKey: string) {
    this.#reads.add(viewKeys.workload(workloadKey))
    return this.#view.workload(workloadKey)
  }
  workloadServices(workloadKey: string) {
    this.#reads.add(viewKeys.workloadServices(workloadKey))
    return this.#view.workloadServices(workloadKey)
  }
}
