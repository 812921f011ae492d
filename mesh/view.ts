import type { ClientSelector } from './client-selectors.ts'
import type { ConfigObject, Configured, Sourced } from './config-object.ts'
import type { AuthorizationPolicySpec } from './config/authorization-policy.ts'
import type { MeshConfig } from './config/mesh-config.ts'
import type { DestinationRuleSpec } from './config/destination-rule.ts'
import type { EnvoyFilterSpec } from './config/envoy-filter.ts'
import type { GatewaySpec } from './config/gateway.ts'
import type { PeerAuthenticationSpec } from './config/peer-authentication.ts'
import type { ClientAuthenticationSpec } from './config/client-authentication.ts'
import type { ProxyExtensionSpec } from './config/proxy-extension.ts'
import type { RateLimitSpec } from './config/rate-limit.ts'
import type { RequestAuthenticationSpec } from './config/request-authentication.ts'
import type { SidecarSpec } from './config/sidecar.ts'
import type { TelemetrySpec } from './config/telemetry.ts'
import type { VirtualServiceSpec } from './config/virtual-service.ts'
import type { WasmPluginSpec } from './config/wasm-plugin.ts'
import type { ClusterName, NetworkName, ServiceKey } from './names.ts'
import type { CatalogSummary, Endpoint, EndpointGroup, GatewayAddress, Service } from './service.ts'
import type { MeshSettings } from './settings.ts'
import type { TrustState } from './trust.ts'
import type { ModuleKey, WasmModule } from './wasm/module-source.ts'
import type { Workload } from './workload.ts'

/** What is reached without a gateway between. */
export type DirectEndpoint = Endpoint & {
  /** Of one that the mesh tells: whose machine it may be. Absent = its cluster's. */
  readonly clusters?: readonly ClusterName[]
}

/** What is to be had of a service on another network. */
export interface RemoteGroups {
  /** Which have it, each behind gateways of its own: the one that offers it, or all on a network that an endpoint without an address names. */
  readonly clusters: readonly ClusterName[]
  readonly network: NetworkName
  readonly groups: readonly EndpointGroup[]
}

/** Gateways of a cluster, as this agent's probes find them. */
export interface ReachableGateways {
  /** Those that are alive; all of them when none is. */
  readonly addresses: readonly GatewayAddress[]
  /** Whether any is alive: else they are the last resort. */
  readonly areAlive: boolean
}

/** Whose proxies a Gateway object is for: those with all of these labels, in any namespace. */
export interface GatewaySelector {
  /** "<namespace>/<name>" */
  readonly gateway: string
  readonly selector: Readonly<Record<string, string>>
}

/**
 * The mesh as one cluster sees it: its own registry, the other clusters' catalogs and the configuration, merged by namespace
 * sameness. The compiler reads nothing else. Every read has a key (`viewKeys`): a change names the keys that it touched,
 * and what was compiled from other keys stays as it is.
 */
export interface MeshView {
  readonly localCluster: ClusterName
  readonly localNetwork: NetworkName
  settings(): MeshSettings
  /** The settings' `meshConfig` with its defaults; the key is that of `settings`. */
  meshConfig(): MeshConfig
  trust(): TrustState
  /** All services, sorted by key: changes when one comes or goes, not when one changes. */
  serviceKeys(): readonly ServiceKey[]
  /** The merged definition: the local cluster's ports and fields first, then the others' in order of cluster name. */
  service(key: ServiceKey): Service | undefined
  /** The services of this exact host name over all namespaces, sorted. */
  servicesByHostname(hostname: string): readonly ServiceKey[]
  /** The port numbers that some service has, sorted: changes when a number comes into use or out of it. */
  servicePorts(): readonly number[]
  /**
   * The host names of services that a wildcard means, sorted: changes when one comes or goes. Empty for one that no VirtualService for
   * sidecars names.
   */
  serviceHostsUnder(wildcard: string): readonly string[]
  /** The services that have a port of this number, sorted: changes when one comes or goes, not when one changes. */
  servicesOnPort(port: number): readonly ServiceKey[]
  /** The services with this virtual address, sorted. */
  servicesAt(address: string): readonly ServiceKey[]
  /** Whether it matters to some service on which node its clients are. */
  tellsNodes(): boolean
  /** Directly reachable endpoints: this cluster's and those of other clusters on this network. Sorted by cluster, then id. */
  endpoints(key: ServiceKey): readonly DirectEndpoint[]
  /** What is behind other networks' gateways: what clusters offer, sorted by cluster, and what endpoints say. Withdrawn clusters are left out. */
  remoteGroups(key: ServiceKey): readonly RemoteGroups[]
  /** The gateways of a cluster on another network. */
  gateways(cluster: ClusterName): ReachableGateways
  /**
   * The VirtualServices for sidecars that name this host (exactly or by wildcard), oldest first, with the routes of those that they delegate to. Empty for a host that neither a service has
   * nor a VirtualService names literally: such names are endless, and no change could say which of them it touches.
   */
  virtualServicesFor(hostname: string): readonly Configured<VirtualServiceSpec>[]
  /** The hosts that VirtualServices for sidecars name, wildcards too, sorted: changes when one comes or goes. */
  routedHosts(): readonly string[]
  /**
   * The DestinationRules that name this host, under the same condition: those with the exact host, then those with the longest
   * wildcard …, the oldest first among equals. Of all namespaces: which one counts depends on the client.
   */
  destinationRulesFor(hostname: string): readonly Configured<DestinationRuleSpec>[]
  /** The labels of clients that failover priorities of DestinationRules look at, beside those of topology; sorted. */
  failoverLabels(): readonly string[]
  /** The selectors by which rules tell clients apart (sourceLabels of VirtualServices, workloadSelector of DestinationRules), each once. */
  clientSelectors(): readonly ClientSelector[]
  /** The VirtualService of this key, with the routes of those that it delegates to. */
  virtualService(key: string): Configured<VirtualServiceSpec> | undefined
  /** All Gateway objects, the oldest first: changes when one comes or goes or selects others, not when its servers change. */
  gatewaySelectors(): readonly GatewaySelector[]
  /** A Gateway object, "<namespace>/<name>". */
  gatewayObject(name: string): Configured<GatewaySpec> | undefined
  /** The VirtualServices that are bound to a Gateway object, which need not be there, oldest first. */
  virtualServicesOf(gateway: string): readonly Configured<VirtualServiceSpec>[]
  /** Sidecar objects of one namespace, oldest first. */
  sidecars(namespace: string): readonly Configured<SidecarSpec>[]
  /** EnvoyFilters of one namespace, oldest first. */
  envoyFilters(namespace: string): readonly Configured<EnvoyFilterSpec>[]
  /** Telemetry objects of one namespace, oldest first. */
  telemetries(namespace: string): readonly Configured<TelemetrySpec>[]
  /** The Telemetry of this key. */
  telemetry(key: string): Configured<TelemetrySpec> | undefined
  /** PeerAuthentications of one namespace, the mesh's and the cluster's, oldest first. One that was refused is there as its closed form. */
  peerAuthentications(namespace: string): readonly Sourced<PeerAuthenticationSpec>[]
  /** The same of RequestAuthentications. */
  requestAuthentications(namespace: string): readonly Sourced<RequestAuthenticationSpec>[]
  /** The same of AuthorizationPolicies. */
  authorizationPolicies(namespace: string): readonly Sourced<AuthorizationPolicySpec>[]
  /** The JWK Set that the agent fetched from a URL, or by the discovery document there; undefined = it never could. */
  fetchedKeys(url: string): string | undefined
  /** RateLimits of one namespace, the mesh's and the cluster's, oldest first. */
  rateLimits(namespace: string): readonly Sourced<RateLimitSpec>[]
  /** The same of ProxyExtensions. One that was refused is there as its closed form. */
  proxyExtensions(namespace: string): readonly Sourced<ProxyExtensionSpec>[]
  /** The same of ClientAuthentications. */
  clientAuthentications(namespace: string): readonly Sourced<ClientAuthenticationSpec>[]
  /** The same of WasmPlugins. */
  wasmPlugins(namespace: string): readonly Sourced<WasmPluginSpec>[]
  /** What the agent has of a module; undefined = it is on its way. Of the plane and the command line all are. */
  wasmModule(key: ModuleKey): WasmModule | undefined
  workload(workloadKey: string): Workload | undefined
  /** The services of which this workload is an endpoint, with the port numbers it serves them on, sorted by service. */
  workloadServices(
    workloadKey: string,
  ): readonly { readonly service: ServiceKey; readonly ports: Readonly<Record<string, number>> }[]
}

export type ViewKey = string & { readonly __brand: 'ViewKey' }
const key = (text: string): ViewKey => text as ViewKey

/** The key of each read of a MeshView. */
export const viewKeys = {
  settings: key('settings'),
  trust: key('trust'),
  serviceKeys: key('services'),
  service: (service: ServiceKey) => key(`service:${service}`),
  servicesByHostname: (hostname: string) => key(`hostname:${hostname}`),
  servicePorts: key('service-ports'),
  serviceHostsUnder: (wildcard: string) => key(`hosts-under:${wildcard}`),
  servicesOnPort: (port: number) => key(`port:${port}`),
  servicesAt: (address: string) => key(`address:${address}`),
  tellsNodes: key('nodes'),
  endpoints: (service: ServiceKey) => key(`endpoints:${service}`),
  remoteGroups: (service: ServiceKey) => key(`remote:${service}`),
  gateways: (cluster: ClusterName) => key(`gateways:${cluster}`),
  virtualServicesFor: (hostname: string) => key(`virtual-services:${hostname}`),
  routedHosts: key('routed-hosts'),
  destinationRulesFor: (hostname: string) => key(`destination-rules:${hostname}`),
  failoverLabels: key('failover-labels'),
  virtualService: (objectKey: string) => key(`virtual-service:${objectKey}`),
  clientSelectors: key('client-selectors'),
  gatewaySelectors: key('gateway-selectors'),
  gatewayObject: (name: string) => key(`gateway-object:${name}`),
  virtualServicesOf: (gateway: string) => key(`virtual-services-of:${gateway}`),
  sidecars: (namespace: string) => key(`sidecars:${namespace}`),
  envoyFilters: (namespace: string) => key(`envoy-filters:${namespace}`),
  telemetries: (namespace: string) => key(`telemetries:${namespace}`),
  telemetry: (objectKey: string) => key(`telemetry:${objectKey}`),
  peerAuthentications: (namespace: string) => key(`peer-authentications:${namespace}`),
  requestAuthentications: (namespace: string) => key(`request-authentications:${namespace}`),
  authorizationPolicies: (namespace: string) => key(`authorization-policies:${namespace}`),
  rateLimits: (namespace: string) => key(`rate-limits:${namespace}`),
  proxyExtensions: (namespace: string) => key(`proxy-extensions:${namespace}`),
  clientAuthentications: (namespace: string) => key(`client-authentications:${namespace}`),
  wasmPlugins: (namespace: string) => key(`wasm-plugins:${namespace}`),
  wasmModule: (module: ModuleKey) => key(`wasm-module:${module}`),
  /** Of the store alone: what is compiled has nothing of them. */
  proxyConfigs: (namespace: string) => key(`proxy-configs:${namespace}`),
  fetchedKeys: (url: string) => key(`fetched-keys:${url}`),
  workload: (workloadKey: string) => key(`workload:${workloadKey}`),
  workloadServices: (workloadKey: string) => key(`workload-services:${workloadKey}`),
} as const

/** What changes a view: the plane's state items, the agent's own registry, its probes. */
export type ViewChange =
  | { readonly kind: 'settings'; readonly value: MeshSettings }
  | { readonly kind: 'trust'; readonly value: TrustState }
  | {
      readonly kind: 'cluster'
      readonly cluster: ClusterName
      readonly value: import('./state.ts').ClusterState | null
    }
  | {
      readonly kind: 'catalog'
      readonly cluster: ClusterName
      readonly service: ServiceKey
      readonly value: import('./service.ts').CatalogEntry | null
    }
  | {
      readonly kind: 'summary'
      readonly cluster: ClusterName
      readonly service: ServiceKey
      readonly value: CatalogSummary | null
    }
  /** `origin: 'cluster'` objects are the local registry's own. */
  | {
      readonly kind: 'config'
      readonly origin: 'mesh' | 'cluster'
      readonly key: string
      readonly value: ConfigObject | null
    }
  | { readonly kind: 'workload'; readonly key: string; readonly value: Workload | null }
  /** A JWK Set. */
  | { readonly kind: 'keys'; readonly url: string; readonly value: string | null }
  | { readonly kind: 'wasm-module'; readonly module: ModuleKey; readonly value: WasmModule | null }
  /** An address that is no longer probed is said to be alive: dead ones are remembered until then. */
  | {
      readonly kind: 'gateway-health'
      readonly cluster: ClusterName
      readonly address: GatewayAddress
      readonly alive: boolean
    }
