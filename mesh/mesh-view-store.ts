import { parseObjectKey, type ConfigObject, type Configured, type Origin, type Sourced } from './config-object.ts'
import type { ClientSelector } from './client-selectors.ts'
import type { AuthorizationPolicySpec } from './config/authorization-policy.ts'
import { readMeshConfig, type MeshConfig } from './config/mesh-config.ts'
import { destinationRule, type DestinationRuleSpec } from './config/destination-rule.ts'
import { envoyFilter, type EnvoyFilterSpec } from './config/envoy-filter.ts'
import { gateway, type GatewaySpec } from './config/gateway.ts'
import { peerAuthentication, type PeerAuthenticationSpec } from './config/peer-authentication.ts'
import { proxyConfig, type ProxyConfigSpec } from './config/proxy-config.ts'
import { serviceEntry, type ServiceEntrySpec } from './config/service-entry.ts'
import { sidecar, type SidecarSpec } from './config/sidecar.ts'
import { telemetry, type TelemetrySpec } from './config/telemetry.ts'
import { virtualService, type VirtualServiceSpec } from './config/virtual-service.ts'
import { workloadEntry, type WorkloadEntrySpec } from './config/workload-entry.ts'
import { AnswerWatch } from './merge/answer-watch.ts'
import { ClusterTable } from './merge/cluster-table.ts'
import { DestinationRuleTable } from './merge/destination-rule-table.ts'
import { isEqualData } from './merge/equal-data.ts'
import { FetchedTable } from './merge/fetched-table.ts'
import { GatewayTable } from './merge/gateway-table.ts'
import type { DelegationSettings } from './merge/merge-delegates.ts'
import { NamespacedKind } from './merge/namespaced-kind.ts'
import type { Holding } from './merge/precedence-table.ts'
import { SecurityPolicies, type HeldSecurityPolicies } from './merge/security-policies.ts'
import { SelectorsInUse } from './merge/selectors-in-use.ts'
import { ServiceTable, type WorkloadService } from './merge/service-table.ts'
import { VirtualServiceTable } from './merge/virtual-service-table.ts'
import { MeshCatalog } from './mesh-catalog.ts'
import type { ClusterName, NetworkName, ServiceKey } from './names.ts'
import type { Problem } from './problem.ts'
import { markPlaintextPorts } from './security/plaintext-ports.ts'
import type { Service } from './service.ts'
import type { NamedKeySource } from './security/key-source.ts'
import { toSettingsProblems } from './settings-problems.ts'
import type { MeshSettings } from './settings.ts'
import type { ClusterState } from './state.ts'
import type { TrustState } from './trust.ts'
import {
  type DirectEndpoint,
  type GatewaySelector,
  type MeshView,
  type ReachableGateways,
  type RemoteGroups,
  type ViewChange,
  type ViewKey,
  viewKeys,
} from './view.ts'
import type { ModuleKey, NamedModule } from './wasm/module-source.ts'
import type { Workload } from './workload.ts'

interface Start {
  readonly localCluster: ClusterName
  readonly localNetwork: NetworkName
  readonly settings: MeshSettings
  readonly trust: TrustState
}

/** The configuration objects that are known in a cluster, in no order. */
export interface HeldConfiguration extends HeldSecurityPolicies {
  readonly virtualServices: readonly Holding<VirtualServiceSpec>[]
  readonly destinationRules: readonly Holding<DestinationRuleSpec>[]
  readonly gateways: readonly Holding<GatewaySpec>[]
  readonly serviceEntries: readonly Holding<ServiceEntrySpec>[]
  readonly sidecars: readonly Holding<SidecarSpec>[]
  readonly envoyFilters: readonly Holding<EnvoyFilterSpec>[]
  readonly telemetries: readonly Holding<TelemetrySpec>[]
  readonly proxyConfigs: readonly Holding<ProxyConfigSpec>[]
  /** A cluster's own are material for its records: of those only the mesh's are known here. */
  readonly workloadEntries: readonly Holding<WorkloadEntrySpec>[]
}

/**
 * The MeshView that is kept up to date by changes. Their order and how they are batched does not matter: the answers depend on the
 * latest value of each thing alone. Values that are put in must not be changed afterwards.
 */
export class MeshViewStore implements MeshView {
  readonly localCluster: ClusterName
  readonly localNetwork: NetworkName
  #settings: MeshSettings
  #meshConfig: MeshConfig
  #trust: TrustState
  readonly #services: ServiceTable
  readonly #virtualServices: VirtualServiceTable
  readonly #destinationRules: DestinationRuleTable
  readonly #clientSelectors = new SelectorsInUse()
  readonly #sidecars: NamespacedKind<SidecarSpec>
  readonly #envoyFilters: NamespacedKind<EnvoyFilterSpec>
  readonly #telemetries: NamespacedKind<TelemetrySpec>
  readonly #securityPolicies: SecurityPolicies
  readonly #proxyConfigs: NamespacedKind<ProxyConfigSpec>
  readonly #meshCatalog: MeshCatalog
  readonly #watch = new AnswerWatch()
  readonly #clusters = new ClusterTable(this.#watch)
  readonly #gatewayObjects: GatewayTable
  readonly #fetched = new FetchedTable(this.#watch)

  constructor({ localCluster, localNetwork, settings, trust }: Start) {
    this.localCluster = localCluster
    this.localNetwork = localNetwork
    this.#settings = settings
    this.#meshConfig = readMeshConfig(settings.meshConfig)
    this.#trust = trust
    const { domainSuffix } = settings
    this.#services = new ServiceTable({
      localCluster,
      localNetwork,
      clusterState: (cluster) => this.#clusters.state(cluster),
      clustersOn: (network) => this.#clusters.on(network),
      hasNetwork: (network) => network === localNetwork || this.#clusters.networks().includes(network),
      defaultExportTo: () => this.#meshConfig.defaultServiceExportTo,
      withPlaintextPorts: (namespace, endpoint) => markPlaintextPorts(this, namespace, endpoint),
      domainSuffix,
    })
    const watch = this.#watch
    const clientSelectors = this.#clientSelectors
    const common = { localCluster, watch }
    this.#virtualServices = new VirtualServiceTable({
      localCluster,
      settings: this.#delegationSettings(),
      watch,
      clientSelectors,
    })
    this.#destinationRules = new DestinationRuleTable({ localCluster, domainSuffix, watch, clientSelectors })
    this.#gatewayObjects = new GatewayTable(localCluster, watch)
    this.#sidecars = new NamespacedKind({ ...common, definition: sidecar, toViewKey: viewKeys.sidecars })
    this.#envoyFilters = new NamespacedKind({ ...common, definition: envoyFilter, toViewKey: viewKeys.envoyFilters })
    this.#telemetries = new NamespacedKind({ ...common, definition: telemetry, toViewKey: viewKeys.telemetries })
    this.#securityPolicies = new SecurityPolicies(localCluster, watch)
    this.#proxyConfigs = new NamespacedKind({ ...common, definition: proxyConfig, toViewKey: viewKeys.proxyConfigs })
    this.#meshCatalog = new MeshCatalog({ localCluster, localNetwork, domainSuffix })
  }

  settings(): MeshSettings {
    return this.#settings
  }

  meshConfig(): MeshConfig {
    return this.#meshConfig
  }

  trust(): TrustState {
    return this.#trust
  }

  serviceKeys(): readonly ServiceKey[] {
    return this.#services.keys()
  }

  service(key: ServiceKey): Service | undefined {
    return this.#services.service(key)
  }

  servicesByHostname(hostname: string): readonly ServiceKey[] {
    return this.#services.byHostname(hostname)
  }

  servicePorts(): readonly number[] {
    return this.#services.ports()
  }

  servicesOnPort(port: number): readonly ServiceKey[] {
    return this.#services.onPort(port)
  }

  servicesAt(address: string): readonly ServiceKey[] {
    return this.#services.at(address)
  }

  tellsNodes(): boolean {
    return this.#services.tellsNodes()
  }

  endpoints(key: ServiceKey): readonly DirectEndpoint[] {
    return this.#services.endpoints(key)
  }

  remoteGroups(key: ServiceKey): readonly RemoteGroups[] {
    return this.#services.remoteGroups(key)
  }

  gateways(cluster: ClusterName): ReachableGateways {
    return this.#clusters.gateways(cluster)
  }

  /** On which its clusters are, this one among them. */
  networks(): ReadonlySet<NetworkName> {
    return new Set([this.localNetwork, ...this.#clusters.networks()])
  }

  virtualServicesFor(hostname: string): readonly Configured<VirtualServiceSpec>[] {
    return this.#virtualServices.objects.find(hostname)
  }

  serviceHostsUnder(wildcard: string): readonly string[] {
    return this.#virtualServices.serviceHostsUnder(wildcard)
  }

  routedHosts(): readonly string[] {
    return this.#virtualServices.objects.hosts()
  }

  destinationRulesFor(hostname: string): readonly Configured<DestinationRuleSpec>[] {
    return this.#destinationRules.rules.find(hostname)
  }

  failoverLabels(): readonly string[] {
    return this.#destinationRules.failoverLabels()
  }

  virtualService(key: string): Configured<VirtualServiceSpec> | undefined {
    return this.#virtualServices.object(key)
  }

  clientSelectors(): readonly ClientSelector[] {
    return this.#clientSelectors.all()
  }

  gatewaySelectors(): readonly GatewaySelector[] {
    return this.#gatewayObjects.selectors()
  }

  gatewayObject(name: string): Configured<GatewaySpec> | undefined {
    return this.#gatewayObjects.object(name)
  }

  virtualServicesOf(name: string): readonly Configured<VirtualServiceSpec>[] {
    return this.#virtualServices.boundTo(name)
  }

  sidecars(namespace: string): readonly Configured<SidecarSpec>[] {
    return this.#sidecars.of(namespace)
  }

  envoyFilters(namespace: string): readonly Configured<EnvoyFilterSpec>[] {
    return this.#envoyFilters.of(namespace)
  }

  telemetries(namespace: string): readonly Configured<TelemetrySpec>[] {
    return this.#telemetries.of(namespace)
  }

  telemetry(key: string): Configured<TelemetrySpec> | undefined {
    return this.#telemetries.objects.effective(key)?.object
  }

  peerAuthentications(namespace: string): readonly Sourced<PeerAuthenticationSpec>[] {
    return this.#securityPolicies.peerAuthentications.of(namespace)
  }

  readonly requestAuthentications = (namespace: string) => this.#securityPolicies.requestAuthentications.of(namespace)

  authorizationPolicies(namespace: string): readonly Sourced<AuthorizationPolicySpec>[] {
    return this.#securityPolicies.authorizationPolicies.of(namespace)
  }

  readonly rateLimits = (namespace: string) => this.#securityPolicies.rateLimits.of(namespace)

  readonly proxyExtensions = (namespace: string) => this.#securityPolicies.proxyExtensions.of(namespace)

  readonly clientAuthentications = (namespace: string) => this.#securityPolicies.clientAuthentications.of(namespace)

  readonly wasmPlugins = (namespace: string) => this.#securityPolicies.wasmPlugins.of(namespace)

  readonly wasmModule = (key: ModuleKey) => this.#fetched.module(key)

  /** ProxyConfig objects of one namespace, oldest first: for who makes proxies. */
  readonly proxyConfigs = (namespace: string) => this.#proxyConfigs.of(namespace)

  readonly fetchedKeys = (url: string) => this.#fetched.keys(url)

  workload(workloadKey: string): Workload | undefined {
    return this.#meshCatalog.workload(workloadKey)
  }

  workloadServices(workloadKey: string): readonly WorkloadService[] {
    return this.#services.byWorkload(workloadKey)
  }

  /** What is wrong with what was put in: objects that are left out, definitions and objects that contradict each other. */
  problems(): readonly Problem[] {
    return [
      ...toSettingsProblems(this.#settings),
      ...this.#virtualServices.objects.problems(),
      ...this.#destinationRules.rules.problems(),
      ...this.#gatewayObjects.objects.problems(),
      ...this.#sidecars.objects.problems(),
      ...this.#envoyFilters.objects.problems(),
      ...this.#telemetries.objects.problems(),
      ...this.#securityPolicies.problems(),
      ...this.#proxyConfigs.objects.problems(),
      ...this.#meshCatalog.problems(),
      ...this.#services.problems(),
    ]
  }

  /** Whose objects are here, and which of them hold. Costs work in proportion to all of them. */
  configuration(): HeldConfiguration {
    return {
      virtualServices: this.#virtualServices.objects.holdings(),
      destinationRules: this.#destinationRules.rules.holdings(),
      gateways: this.#gatewayObjects.objects.holdings(),
      serviceEntries: this.#meshCatalog.serviceEntries(),
      sidecars: this.#sidecars.objects.holdings(),
      envoyFilters: this.#envoyFilters.objects.holdings(),
      telemetries: this.#telemetries.objects.holdings(),
      ...this.#securityPolicies.holdings(),
      proxyConfigs: this.#proxyConfigs.objects.holdings(),
      workloadEntries: this.#meshCatalog.workloadEntries(),
    }
  }

  /** The DestinationRules that hold and name a Secret, sorted. */
  destinationRulesWithCredentials(): readonly Configured<DestinationRuleSpec>[] {
    return this.#destinationRules.withCredentials()
  }

  /** Where the keys are by which tokens are verified here. */
  keySources(): readonly NamedKeySource[] {
    return this.#securityPolicies.keySources()
  }

  /** What the WasmPlugins here run. */
  readonly modules = (): readonly NamedModule[] => this.#securityPolicies.modules()

  /** Takes a batch of changes; the keys of the reads that answer differently after it. Never throws. */
  apply(changes: Iterable<ViewChange>): ReadonlySet<ViewKey> {
    for (const change of changes) this.#take(change)
    return this.#settle()
  }

  #take(change: ViewChange): void {
    switch (change.kind) {
      case 'settings':
        this.#setSettings(change.value)
        break
      case 'trust':
        this.#watch.note(viewKeys.trust, () => this.#trust)
        this.#trust = change.value
        break
      case 'cluster':
        this.#setCluster(change.cluster, change.value)
        break
      case 'gateway-health':
        this.#clusters.setHealth(change.cluster, change.address, change.alive)
        break
      case 'catalog':
        if (change.value)
          this.#services.put(change.service, {
            origin: 'catalog',
            cluster: change.cluster,
            groups: [],
            overrides: false,
            ...change.value,
          })
        else this.#services.remove(change.service, 'catalog', change.cluster)
        break
      case 'summary':
        if (change.value)
          this.#services.put(change.service, {
            origin: 'summary',
            cluster: change.cluster,
            endpoints: [],
            overrides: false,
            ...change.value,
          })
        else this.#services.remove(change.service, 'summary', change.cluster)
        break
      case 'config':
        this.#setConfig(change.origin, change.key, change.value)
        break
      case 'workload':
        this.#watch.note(viewKeys.workload(change.key), () => this.workload(change.key))
        this.#meshCatalog.setWorkload(change.key, change.value)
        break
      case 'keys':
        this.#fetched.setKeys(change.url, change.value)
        break
      case 'wasm-module':
        this.#fetched.setModule(change.module, change.value)
        break
    }
  }

  #setSettings(settings: MeshSettings): void {
    this.#watch.note(viewKeys.settings, () => this.#settings)
    const { domainSuffix } = this.#settings
    const { defaultServiceExportTo, rootNamespace } = this.#meshConfig
    this.#settings = settings
    this.#meshConfig = readMeshConfig(settings.meshConfig)
    this.#virtualServices.setSettings(this.#delegationSettings())
    if (!isEqualData(defaultServiceExportTo, this.#meshConfig.defaultServiceExportTo)) this.#services.unsettleAll()
    if (this.#meshConfig.rootNamespace !== rootNamespace) this.#services.unsettleOwn()
    if (settings.domainSuffix !== domainSuffix) this.#setDomainSuffix(settings.domainSuffix)
  }

  #delegationSettings(): DelegationSettings {
    const { defaultVirtualServiceExportTo } = this.#meshConfig
    return { domainSuffix: this.#settings.domainSuffix, defaultExportTo: defaultVirtualServiceExportTo }
  }

  /** Other hosts are namespaces' by name now. */
  #setDomainSuffix(domainSuffix: string): void {
    this.#destinationRules.rules.reindex(domainSuffix)
    this.#services.setDomainSuffix(domainSuffix)
    this.#meshCatalog.setDomainSuffix(domainSuffix)
  }

  #setCluster(cluster: ClusterName, state: ClusterState | null): void {
    const before = this.#clusters.state(cluster)
    this.#clusters.set(cluster, state)
    if (before?.network !== state?.network || before?.contribution !== state?.contribution)
      this.#services.unsettleCluster(cluster)
  }

  #setConfig(origin: Origin, key: string, object: ConfigObject | null): void {
    switch (key.slice(0, key.indexOf('/'))) {
      case virtualService.kind:
        this.#virtualServices.set(origin, key, object)
        break
      case gateway.kind:
        this.#gatewayObjects.set(origin, key, object)
        break
      case destinationRule.kind:
        this.#destinationRules.set(origin, key, object)
        break
      case sidecar.kind:
        this.#sidecars.set(origin, key, object)
        break
      case envoyFilter.kind:
        this.#envoyFilters.set(origin, key, object)
        break
      case telemetry.kind:
        this.#watch.note(viewKeys.telemetry(key), () => this.telemetry(key))
        this.#telemetries.set(origin, key, object)
        break
      case proxyConfig.kind:
        this.#proxyConfigs.set(origin, key, object)
        break
      case serviceEntry.kind:
        this.#meshCatalog.setServiceEntry(origin, key, object)
        break
      case workloadEntry.kind:
        this.#meshCatalog.setWorkloadEntry(origin, key, object)
        break
      default:
        this.#setSecurityPolicy(origin, key, object)
    }
  }

  #setSecurityPolicy(origin: Origin, key: string, object: ConfigObject | null): void {
    this.#securityPolicies.set(origin, key, object)
    const named = parseObjectKey(key)
    if (named?.kind !== peerAuthentication.kind) return
    this.#services.unsettleOwn(named.namespace === this.#meshConfig.rootNamespace ? undefined : named.namespace)
  }

  #settle(): ReadonlySet<ViewKey> {
    const touched = new Set<ViewKey>()
    for (const [key, contribution] of this.#meshCatalog.settle()) {
      if (contribution) this.#services.put(key, contribution)
      else this.#services.remove(key, 'mesh', this.localCluster)
    }
    for (const hostname of this.#services.settle(touched)) {
      const exists = this.servicesByHostname(hostname).length > 0
      this.#virtualServices.setServiceHost(hostname, exists)
      this.#destinationRules.rules.setServiceHost(hostname, exists)
    }
    this.#virtualServices.settle(touched)
    for (const hostname of this.#destinationRules.rules.settle()) touched.add(viewKeys.destinationRulesFor(hostname))
    this.#watch.settle(touched)
    return touched
  }
}
