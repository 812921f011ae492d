import { destinationRule } from './destination-rule.ts'
import { toApiVersion } from './kind-definition.ts'
import type { KindDefinition } from './kind-definition.ts'
import { closestName } from './schema/closest-name.ts'
import { serviceEntry } from './service-entry.ts'
import { service } from './service.ts'
import { sidecar } from './sidecar.ts'
import { virtualService } from './virtual-service.ts'
import { workloadEntry } from './workload-entry.ts'

/** Every kind of configuration that Atoll takes, in the order of docs/support.md. */
export const kinds: readonly KindDefinition[] = [
  virtualService,
  destinationRule,
  serviceEntry,
  workloadEntry,
  sidecar,
  service,
]

export const findKind = (apiVersion: string, kind: string): KindDefinition | undefined =>
  kinds.find(
    (definition) =>
      definition.kind === kind &&
      definition.versions.some((version) => toApiVersion(definition, version) === apiVersion),
  )

/** By what people type: "VirtualService", "virtualservices", "virtualservice". */
export const findKindByName = (name: string): KindDefinition | undefined => {
  const lower = name.toLowerCase()
  return kinds.find((definition) => definition.kind.toLowerCase() === lower || definition.plural === lower)
}

/** Of Istio and of the Gateway API: people have them beside what Atoll takes. */
const unsupportedKinds: ReadonlySet<string> = new Set([
  'AuthorizationPolicy',
  'EnvoyFilter',
  'Gateway',
  'PeerAuthentication',
  'ProxyConfig',
  'RequestAuthentication',
  'Telemetry',
  'TrafficExtension',
  'WasmPlugin',
  'WorkloadGroup',
  'BackendTLSPolicy',
  'GatewayClass',
  'GRPCRoute',
  'HTTPRoute',
  'ListenerSet',
  'ReferenceGrant',
  'TCPRoute',
  'TLSRoute',
  'UDPRoute',
])

/** Why `findKind` finds nothing, for a person. */
export const unknownKindMessage = (kind: string): string => {
  const sameName = kinds.find((definition) => definition.kind === kind)
  if (sameName)
    return `${kind} is taken as ${sameName.versions.map((version) => toApiVersion(sameName, version)).join(', ')}`
  if (unsupportedKinds.has(kind)) return `${kind} is not supported yet: nothing would follow from it`
  const names = kinds.map((definition) => definition.kind)
  const meant = closestName(kind, names)
  return meant === undefined
    ? `there is no such kind: there are ${names.join(', ')}`
    : `there is no such kind: did you mean ${meant}?`
}
