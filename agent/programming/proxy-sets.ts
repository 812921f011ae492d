import { toProxyIdentity, type ProxySource } from '#agent/ads/attachments.ts'
import type { Attachment } from '#agent/ads/proxy-resources.ts'
import type { ProxyCredentials } from '#agent/credentials/proxy-credentials.ts'
import type { ClusterIdentity, HeldSecrets } from '#agent/identity/cluster-identity.ts'
import { findProxyPolicies, type PolicyView, type ProxyPolicies } from '#mesh/security/proxy-policies.ts'
import { toPeerFacts, type PeerFacts } from '#mesh/telemetry/peer-facts.ts'
import { toWorkloadKey } from '#mesh/workload.ts'
import type { Compiler } from '#xds/compiler.ts'
import type { Proxy } from '#xds/proxy.ts'

/** What a proxy is given: the compiler's resources, the secrets of its account, and those that are named for it. */
export class ProxySets implements ProxySource {
  readonly #compiler: Compiler
  readonly #identity: ClusterIdentity
  readonly #credentials: Pick<ProxyCredentials, 'setsOf' | 'attach' | 'detach'>
  readonly #view: PolicyView
  readonly #held = new Map<string, HeldSecrets>()

  constructor(
    compiler: Compiler,
    identity: ClusterIdentity,
    credentials: Pick<ProxyCredentials, 'setsOf' | 'attach' | 'detach'>,
    view: PolicyView,
  ) {
    this.#compiler = compiler
    this.#identity = identity
    this.#credentials = credentials
    this.#view = view
  }

  async attach(proxy: Proxy): Promise<Attachment> {
    const held = this.#identity.attach(proxy, this.#factsOf(proxy))
    this.#held.set(toProxyIdentity(proxy), held)
    await held.ready
    const own = held.sets
    const credentials = this.#credentials
    credentials.attach(proxy)
    const compiled = this.#compiler.attach(proxy)
    // These lists are new ones only when others are in them: whoever looks often gets the same list.
    let [last, named] = [compiled.sets, credentials.setsOf(proxy)]
    let all = [...last, ...own, ...named]
    return {
      get sets() {
        const now = credentials.setsOf(proxy)
        if (compiled.sets !== last || now !== named) all = [...(last = compiled.sets), ...own, ...(named = now)]
        return all
      },
      get blockedBy() {
        return compiled.blockedBy
      },
    }
  }

  policiesOf({ namespace, workload }: Proxy): ProxyPolicies | undefined {
    return findProxyPolicies(this.#view, namespace, workload)
  }

  detach(proxy: Proxy): void {
    this.#compiler.detach(proxy)
    this.#held.get(toProxyIdentity(proxy))?.release()
    this.#held.delete(toProxyIdentity(proxy))
    this.#credentials.detach(proxy)
  }

  /** As its workload is when it connects: labels that matter here are of its pod's template. */
  #factsOf({ namespace, workload }: Proxy): PeerFacts {
    return toPeerFacts(this.#view.workload(toWorkloadKey(namespace, workload)) ?? { name: workload, labels: {} })
  }
}
