import type { ConfigObject, Configured, Origin } from '../config-object.ts'
import { authorizationPolicy } from '../config/authorization-policy.ts'
import type { AuthorizationPolicySpec } from '../config/authorization-policy.ts'
import { clientAuthentication } from '../config/client-authentication.ts'
import type { ClientAuthenticationSpec } from '../config/client-authentication.ts'
import { destinationRule } from '../config/destination-rule.ts'
import type { DestinationRuleSpec } from '../config/destination-rule.ts'
import { envoyFilter } from '../config/envoy-filter.ts'
import type { EnvoyFilterSpec } from '../config/envoy-filter.ts'
import { gateway } from '../config/gateway.ts'
import type { GatewaySpec } from '../config/gateway.ts'
import type { KindDefinition } from '../config/kind-definition.ts'
import { findKind } from '../config/kind-table.ts'
import { configuredAs } from '../config/parse-object.ts'
import { peerAuthentication } from '../config/peer-authentication.ts'
import type { PeerAuthenticationSpec } from '../config/peer-authentication.ts'
import { proxyExtension } from '../config/proxy-extension.ts'
import type { ProxyExtensionSpec } from '../config/proxy-extension.ts'
import { rateLimit } from '../config/rate-limit.ts'
import type { RateLimitSpec } from '../config/rate-limit.ts'
import { requestAuthentication } from '../config/request-authentication.ts'
import type { RequestAuthenticationSpec } from '../config/request-authentication.ts'
import { serviceEntry } from '../config/service-entry.ts'
import type { ServiceEntrySpec } from '../config/service-entry.ts'
import { service } from '../config/service.ts'
import type { ServiceSpec } from '../config/service.ts'
import { sidecar } from '../config/sidecar.ts'
import type { SidecarSpec } from '../config/sidecar.ts'
import { telemetry } from '../config/telemetry.ts'
import type { TelemetrySpec } from '../config/telemetry.ts'
import { toPathText } from '../config/to-problems.ts'
import { virtualService } from '../config/virtual-service.ts'
import type { VirtualServiceSpec } from '../config/virtual-service.ts'
import { wasmPlugin, type WasmPluginSpec } from '../config/wasm-plugin.ts'
import { workloadEntry } from '../config/workload-entry.ts'
import type { WorkloadEntrySpec } from '../config/workload-entry.ts'
import type { Problem, ProblemCode } from '../problem.ts'

/** Files do not say whether they are the mesh's. */
export type MaybeSourced<Spec> = Configured<Spec> & { readonly origin?: Origin }

/** The objects under analysis, by kind. Those that their schema refuses are left out: parsing reports them. */
export interface AnalyzedObjects {
  readonly virtualServices: readonly Configured<VirtualServiceSpec>[]
  readonly destinationRules: readonly Configured<DestinationRuleSpec>[]
  readonly gateways: readonly Configured<GatewaySpec>[]
  readonly serviceEntries: readonly Configured<ServiceEntrySpec>[]
  readonly workloadEntries: readonly Configured<WorkloadEntrySpec>[]
  readonly services: readonly Configured<ServiceSpec>[]
  readonly sidecars: readonly Configured<SidecarSpec>[]
  readonly envoyFilters: readonly Configured<EnvoyFilterSpec>[]
  readonly telemetries: readonly Configured<TelemetrySpec>[]
  readonly peerAuthentications: readonly MaybeSourced<PeerAuthenticationSpec>[]
  readonly requestAuthentications: readonly MaybeSourced<RequestAuthenticationSpec>[]
  readonly authorizationPolicies: readonly MaybeSourced<AuthorizationPolicySpec>[]
  readonly clientAuthentications: readonly MaybeSourced<ClientAuthenticationSpec>[]
  readonly rateLimits: readonly MaybeSourced<RateLimitSpec>[]
  readonly proxyExtensions: readonly MaybeSourced<ProxyExtensionSpec>[]
  readonly wasmPlugins: readonly MaybeSourced<WasmPluginSpec>[]
}

export const toAnalyzedObjects = (objects: readonly ConfigObject[]): AnalyzedObjects => {
  const ofKind = <Spec>(definition: KindDefinition<Spec>): readonly Configured<Spec>[] =>
    objects.flatMap((object) => {
      if (findKind(object.apiVersion, object.kind) !== definition) return []
      const parsed = configuredAs(definition, object)
      return parsed.ok ? [parsed.value] : []
    })
  return {
    virtualServices: ofKind(virtualService),
    destinationRules: ofKind(destinationRule),
    gateways: ofKind(gateway),
    serviceEntries: ofKind(serviceEntry),
    workloadEntries: ofKind(workloadEntry),
    services: ofKind(service),
    sidecars: ofKind(sidecar),
    envoyFilters: ofKind(envoyFilter),
    telemetries: ofKind(telemetry),
    peerAuthentications: ofKind(peerAuthentication),
    requestAuthentications: ofKind(requestAuthentication),
    authorizationPolicies: ofKind(authorizationPolicy),
    clientAuthentications: ofKind(clientAuthentication),
    rateLimits: ofKind(rateLimit),
    proxyExtensions: ofKind(proxyExtension),
    wasmPlugins: ofKind(wasmPlugin),
  }
}

type AnyObject = Omit<ConfigObject, 'spec'>

/** "VirtualService default/reviews" */
export const nameOf = ({ kind, metadata }: AnyObject): string => `${kind} ${metadata.namespace}/${metadata.name}`

export const problemOf = (
  { kind, metadata }: AnyObject,
  code: ProblemCode,
  severity: Problem['severity'],
  path: readonly PropertyKey[],
  message: string,
): Problem => ({
  code,
  severity,
  object: { kind, namespace: metadata.namespace, name: metadata.name },
  path: toPathText(path),
  message,
})
