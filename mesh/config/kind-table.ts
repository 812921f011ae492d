import { authorizationPolicy } from './authorization-policy.ts'
import { clientAuthentication } from './client-authentication.ts'
import { destinationRule } from './destination-rule.ts'
import { envoyFilter } from './envoy-filter.ts'
import { toApiVersion } from './kind-definition.ts'
import type { KindDefinition } from './kind-definition.ts'
import { gateway } from './gateway.ts'
import { closestName } from './schema/closest-name.ts'
import { peerAuthentication } from './peer-authentication.ts'
import { proxyConfig } from './proxy-config.ts'
import { proxyExtension } from './proxy-extension.ts'
import { rateLimit } from './rate-limit.ts'
import { requestAuthentication } from './request-authentication.ts'
import { serviceEntry } from './service-entry.ts'
import { service } from './service.ts'
import { sidecar } from './sidecar.ts'
import { telemetry } from './telemetry.ts'
import { virtualService } from './virtual-service.ts'
import { wasmPlugin } from './wasm-plugin.ts'
import { workloadEntry } from './workload-entry.ts'
import { workloadGroup } from './workload-group.ts'

/** Every kind of configuration that Atoll takes, in the order of docs/support.md. */
export const kinds: readonly KindDefinition[] = [
  virtualService,
  destinationRule,
  gateway,
  serviceEntry,
  workloadEntry,
  workloadGroup,
  sidecar,
  proxyConfig,
  envoyFilter,
  peerAuthentication,
  requestAuthentication,
  authorizationPolicy,
  clientAuthentication,
  rateLimit,
  proxyExtension,
  wasmPlugin,
  telemetry,
  service,
]

export const findKind = (apiVersion: string, kind: string): KindDefinition | undefined =>
  kinds.find(
    (definition) =>
      definition.kind === kind &&
      definition.versions.some((version) => toApiVersion(definition, version) === apiVersion),
  )

/** The same, whatever the version. */
export const findKindOfGroup = (apiVersion: string, kind: string): KindDefinition | undefined =>
  kinds.find((definition) => definition.kind === kind && definition.group === apiVersion.split('/', 1)[0])

/** By what people type: "VirtualService", "virtualservices", "virtualservice". */
export const findKindByName = (name: string): KindDefinition | undefined => {
  const lower = name.toLowerCase()
  return kinds.find((definition) => definition.kind.toLowerCase() === lower || definition.plural === lower)
}

/** Kinds of Istio's that Atoll has not. */
export const unsupportedKinds: readonly string[] = ['TrafficExtension']

/** What is there in their place. */
const insteadOf: Readonly<Record<string, string>> = {
  TrafficExtension: 'write a WasmPlugin, or for scripts a ProxyExtension',
}

/** Of the Gateway API, whatever the group that somebody wrote. */
const gatewayApiKinds: readonly string[] = [
  'BackendTLSPolicy',
  'GatewayClass',
  'GRPCRoute',
  'HTTPRoute',
  'ListenerSet',
  'ReferenceGrant',
  'TCPRoute',
  'TLSRoute',
  'UDPRoute',
]

/** Why `findKind` finds nothing. */
export const toUnknownKind = (
  kind: string,
  apiVersion = '',
): { readonly code: 'unknown_kind' | 'unsupported'; readonly message: string } =>
  apiVersion.startsWith('gateway.networking.k8s.io/') || [...unsupportedKinds, ...gatewayApiKinds].includes(kind)
    ? {
        code: 'unsupported',
        message: `${kind} is not supported yet: ${insteadOf[kind] ?? 'nothing would follow from it'}`,
      }
    : { code: 'unknown_kind', message: unknownKindMessage(kind, apiVersion) }

const unknownKindMessage = (kind: string, apiVersion: string): string => {
  const sameName = kinds.find((definition) => definition.kind === kind)
  if (sameName)
    return `${kind} is taken as ${sameName.versions.map((version) => toApiVersion(sameName, version)).join(', ')}`
  if (isOfKubernetes(kind, apiVersion)) return 'goes to the cluster, with kubectl: the mesh has no such kind'
  const names = kinds.map((definition) => definition.kind)
  const meant = closestName(kind, names)
  return meant === undefined
    ? `there is no such kind: there are ${names.join(', ')}`
    : `there is no such kind: did you mean ${meant}?`
}

/** Of Istio, of the Gateway API, and of multicluster services. */
const configurationGroups: ReadonlySet<string> = new Set([
  ...kinds.map(({ group }) => group).filter((group) => group !== ''),
  'gateway.networking.k8s.io',
  'multicluster.x-k8s.io',
])

/** Of Kubernetes' core group, beside Service. */
const kubernetesKinds: ReadonlySet<string> = new Set([
  'Binding',
  'ConfigMap',
  'Endpoints',
  'Event',
  'LimitRange',
  'Namespace',
  'Node',
  'PersistentVolume',
  'PersistentVolumeClaim',
  'Pod',
  'PodTemplate',
  'ReplicationController',
  'ResourceQuota',
  'Secret',
  'ServiceAccount',
])

/** Those whose names have no domain. */
const kubernetesGroups: ReadonlySet<string> = new Set(['apps', 'autoscaling', 'batch', 'policy'])

const toGroup = (apiVersion: string): string => apiVersion.slice(0, Math.max(apiVersion.indexOf('/'), 0))

/** Of Kubernetes itself, beside Service and the Gateway API. */
const isOfKubernetes = (kind: string, apiVersion: string): boolean => {
  const group = toGroup(apiVersion)
  if (apiVersion === 'v1') return kubernetesKinds.has(kind)
  return kubernetesGroups.has(group) || (group.endsWith('.k8s.io') && !configurationGroups.has(group))
}

/**
 * Whether something that was submitted is, or is meant to be, configuration of a mesh. What Kubernetes and others have beside it in
 * people's files is not. A known kind of a misspelt group is.
 */
export const isConfiguration = (value: unknown): boolean => {
  if (typeof value !== 'object' || value === null || !('apiVersion' in value) || !('kind' in value)) return true
  const { apiVersion, kind } = value
  if (typeof apiVersion !== 'string' || typeof kind !== 'string' || apiVersion === '') return true
  if (!apiVersion.includes('/')) return !kubernetesKinds.has(kind)
  // "Service" is a kind of many.
  const isOurs = kind !== 'Service' && kinds.some((definition) => definition.kind === kind)
  return configurationGroups.has(toGroup(apiVersion)) || isOurs
}
