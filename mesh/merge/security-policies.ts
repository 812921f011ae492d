import type { ConfigObject, Origin } from '../config-object.ts'
import { authorizationPolicy, type AuthorizationPolicySpec } from '../config/authorization-policy.ts'
import { clientAuthentication, type ClientAuthenticationSpec } from '../config/client-authentication.ts'
import { peerAuthentication, type PeerAuthenticationSpec } from '../config/peer-authentication.ts'
import { proxyExtension, type ProxyExtensionSpec } from '../config/proxy-extension.ts'
import { rateLimit, type RateLimitSpec } from '../config/rate-limit.ts'
import { requestAuthentication, type RequestAuthenticationSpec } from '../config/request-authentication.ts'
import { wasmPlugin, type WasmPluginSpec } from '../config/wasm-plugin.ts'
import type { ClusterName } from '../names.ts'
import type { Problem } from '../problem.ts'
import { findKeySources, type NamedKeySource } from '../security/key-source.ts'
import { viewKeys } from '../view.ts'
import { findModules, type NamedModule } from '../wasm/module-source.ts'
import { AddedKind } from './added-kind.ts'
import type { AnswerWatch } from './answer-watch.ts'
import type { Holding } from './precedence-table.ts'

export interface HeldSecurityPolicies {
  readonly peerAuthentications: readonly Holding<PeerAuthenticationSpec>[]
  readonly requestAuthentications: readonly Holding<RequestAuthenticationSpec>[]
  readonly authorizationPolicies: readonly Holding<AuthorizationPolicySpec>[]
  readonly clientAuthentications: readonly Holding<ClientAuthenticationSpec>[]
  readonly rateLimits: readonly Holding<RateLimitSpec>[]
  readonly proxyExtensions: readonly Holding<ProxyExtensionSpec>[]
  readonly wasmPlugins: readonly Holding<WasmPluginSpec>[]
}

/** The objects of security.istio.io, ClientAuthentications, RateLimits, ProxyExtensions and WasmPlugins: of who may call, how often, and what else looks at a call. */
export class SecurityPolicies {
  readonly peerAuthentications: AddedKind<PeerAuthenticationSpec>
  readonly requestAuthentications: AddedKind<RequestAuthenticationSpec>
  readonly authorizationPolicies: AddedKind<AuthorizationPolicySpec>
  readonly clientAuthentications: AddedKind<ClientAuthenticationSpec>
  readonly rateLimits: AddedKind<RateLimitSpec>
  readonly proxyExtensions: AddedKind<ProxyExtensionSpec>
  readonly wasmPlugins: AddedKind<WasmPluginSpec>

  constructor(localCluster: ClusterName, watch: AnswerWatch) {
    const common = { localCluster, watch }
    this.peerAuthentications = new AddedKind({
      definition: peerAuthentication,
      toViewKey: viewKeys.peerAuthentications,
      ...common,
    })
    this.requestAuthentications = new AddedKind({
      definition: requestAuthentication,
      toViewKey: viewKeys.requestAuthentications,
      ...common,
    })
    this.authorizationPolicies = new AddedKind({
      definition: authorizationPolicy,
      toViewKey: viewKeys.authorizationPolicies,
      ...common,
    })
    this.clientAuthentications = new AddedKind({
      definition: clientAuthentication,
      toViewKey: viewKeys.clientAuthentications,
      ...common,
    })
    this.rateLimits = new AddedKind({ definition: rateLimit, toViewKey: viewKeys.rateLimits, ...common })
    this.proxyExtensions = new AddedKind({
      definition: proxyExtension,
      toViewKey: viewKeys.proxyExtensions,
      ...common,
    })
    this.wasmPlugins = new AddedKind({ definition: wasmPlugin, toViewKey: viewKeys.wasmPlugins, ...common })
  }

  /** Passes over objects of other kinds. */
  set(origin: Origin, key: string, object: ConfigObject | null): void {
    switch (key.slice(0, key.indexOf('/'))) {
      case peerAuthentication.kind:
        this.peerAuthentications.set(origin, key, object)
        break
      case requestAuthentication.kind:
        this.requestAuthentications.set(origin, key, object)
        break
      case authorizationPolicy.kind:
        this.authorizationPolicies.set(origin, key, object)
        break
      case clientAuthentication.kind:
        this.clientAuthentications.set(origin, key, object)
        break
      case rateLimit.kind:
        this.rateLimits.set(origin, key, object)
        break
      case proxyExtension.kind:
        this.proxyExtensions.set(origin, key, object)
        break
      case wasmPlugin.kind:
        this.wasmPlugins.set(origin, key, object)
        break
    }
  }

  keySources(): readonly NamedKeySource[] {
    return findKeySources(this.requestAuthentications.all())
  }

  modules(): readonly NamedModule[] {
    return findModules(this.wasmPlugins.all())
  }

  problems(): readonly Problem[] {
    return [
      ...this.peerAuthentications.objects.problems(),
      ...this.requestAuthentications.objects.problems(),
      ...this.authorizationPolicies.objects.problems(),
      ...this.clientAuthentications.objects.problems(),
      ...this.rateLimits.objects.problems(),
      ...this.proxyExtensions.objects.problems(),
      ...this.wasmPlugins.objects.problems(),
    ]
  }

  holdings(): HeldSecurityPolicies {
    return {
      peerAuthentications: this.peerAuthentications.objects.holdings(),
      requestAuthentications: this.requestAuthentications.objects.holdings(),
      authorizationPolicies: this.authorizationPolicies.objects.holdings(),
      clientAuthentications: this.clientAuthentications.objects.holdings(),
      rateLimits: this.rateLimits.objects.holdings(),
      proxyExtensions: this.proxyExtensions.objects.holdings(),
      wasmPlugins: this.wasmPlugins.objects.holdings(),
    }
  }
}
